//! Two replicas behind a plain nginx, restarted one after another under load: every tab shows what the cluster holds, nobody is answered an
//! error, and nobody is sent a second snapshot. `FORETOP_ROLLING` tabs (300), `FORETOP_ROLLING_ROUNDS` times (1), `FORETOP_ROLLING_CHURN` writes
//! per second (20). One in ten, at most 200, is a multiplexed tab beside them, which shows all of the views.

mod fresh;
mod house;
mod lines;
mod nginx;
mod tab;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use foretop::sim::{Cluster, Options, Tuning};
use house::process::Process;
use house::{EAST, eventually, list};
use lines::{Line, view, view_of};
use nginx::{Nginx, free_port};
use rustix::process::Signal;
use serde_json::Value;
use tab::state::{End, State};
use tab::{Open, Tab, try_get};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A replica, which keeps its ports and its directory when it is started again.
struct Replica {
    process: Option<Process>,
    address: SocketAddr,
    managed: SocketAddr,
    files: Vec<(&'static str, String)>,
}

impl Replica {
    fn new(folder: &Path, ports: (u16, u16), sibling: u16, kubeconfig: &str, window: Duration) -> Replica {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, managed, at) = (address(ports.0), address(ports.1), folder.display());
        let settings = format!(
            "auth: {{mode: dev, dev: {{groups: [operators]}}, session: {{keys: [\"{at}/key\"]}}}}\n\
             server: {{listen: \"{address}\", cores: 2, trustedProxies: [127.0.0.0/8]}}\n\
             manage: {{listen: \"{managed}\"}}\n\
             access: {{adminGroups: [operators]}}\n\
             streams: {{perUser: 0, viewsPerUser: 0, retry: {{min: 1s, max: 2s}}}}\n\
             drain: {{lame: 1s, window: {}ms}}\n\
             state: {{dir: \"{at}/{}\"}}\n\
             watch: {{siblings: [\"http://127.0.0.1:{sibling}/-/views\"], siblingsEvery: 1s}}\n\
             clustersFile: clusters.yaml\n",
            window.as_millis(),
            ports.0
        );
        let clusters = "clusters: [{name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}]\n";
        let files = vec![
            ("foretop.yaml", settings),
            ("clusters.yaml", clusters.to_owned()),
            ("kubeconfig", kubeconfig.to_owned()),
        ];
        let mut replica = Replica { process: None, address, managed, files };
        replica.start();
        replica
    }

    fn start(&mut self) {
        let files: Vec<(&str, &str)> = self.files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        self.process = Some(Process::start(&["serve", "--config", "foretop.yaml"], &files));
    }

    async fn is_ready(&self) {
        eventually("readiness", async || {
            try_get(self.address, "/readyz", &[]).await.is_ok_and(|answer| answer.head.status == 200)
        })
        .await;
    }

    /// Ends it in order, and starts it again.
    async fn restart(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.signal(Signal::TERM);
        let ended = tokio::time::timeout(Duration::from_secs(300), process.end()).await.expect("it ends");
        assert!(ended.success());
        drop(process);
        self.start();
        self.is_ready().await;
    }
}

/// How often streams were opened, and how they ended, over all tabs.
#[derive(Default)]
struct Seen {
    opened: AtomicU64,
    told: AtomicU64,
}

/// A tab of one of the views that comes back as an `EventSource` does, until it is told to stop.
async fn live(view: usize, mut tab: Tab, mut stop: watch::Receiver<bool>, seen: Arc<Seen>) -> (usize, Tab) {
    loop {
        let goes_on = tokio::select! {
            goes_on = tab.read(64 * 1024) => goes_on,
            _ = stop.wait_for(|stop| *stop) => return (view, tab),
        };
        if goes_on {
            continue;
        }
        assert_eq!(tab.state.end, Some(End::Closed), "a stream ends where one may end: {:?}", tab.state.last);
        seen.told.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(
            tab.state.retry.expect("each stream says when to come back"),
        ))
        .await;
        tab.reconnect().await;
        assert_eq!(tab.status(), 200);
        seen.opened.fetch_add(1, Relaxed);
    }
}

/// A multiplexed tab of these views that comes back as a client does, until it is told to stop; with the names of the events that it was told before.
async fn live_multiplexed(
    views: Vec<Value>,
    mut line: Line,
    mut stop: watch::Receiver<bool>,
    seen: Arc<Seen>,
) -> (Line, BTreeMap<String, u64>) {
    let mut told = BTreeMap::new();
    loop {
        let goes_on = tokio::select! {
            goes_on = line.more() => goes_on,
            _ = stop.wait_for(|stop| *stop) => return (line, told),
        };
        if goes_on {
            continue;
        }
        line.until_end().await;
        let bye = line.bye.as_ref().expect("a stream says that it ends");
        assert_eq!(bye["reason"], "server_shutdown");
        let retry = bye["retryMs"].as_u64().expect("milliseconds");
        count(&mut told, &line);
        seen.told.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(retry)).await;
        line = Line::go_on(&mut line, &views).await.expect("a stream: one of both replicas is there");
        seen.opened.fetch_add(1, Relaxed);
    }
}

/// Adds what a stream told of its views.
fn count(told: &mut BTreeMap<String, u64>, line: &Line) {
    for name in line.shown.values().flat_map(|shown| &shown.told) {
        *told.entry(name.clone()).or_default() += 1;
    }
    *told.entry("denied".into()).or_default() += line.denied.len() as u64;
}

/// Asks for lists until it is told to stop; returns how many were answered.
async fn lists(address: SocketAddr, mut stop: watch::Receiver<bool>) -> u64 {
    let mut answered = 0;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return answered,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        let answer = tab::get(address, &list("pods"), &[]).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        answered += 1;
    }
}

/// A kind, and a namespace or all.
type View = (&'static str, Option<String>);

/// What the tabs show, in turns: busy views, a part of one, and one where nothing happens.
fn views(east: &Cluster) -> [View; 4] {
    let (namespace, _) = east.names("pods").expect("a resource").swap_remove(0);
    [("pods", None), ("pods", Some(namespace)), ("deployments", None), ("nodes", None)]
}

/// What a multiplexed tab calls them.
const REFS: [&str; 4] = ["busy", "part", "second", "quiet"];

/// The views as they stand in a body.
fn asked(views: &[View; 4]) -> Vec<Value> {
    let asked = |(name, (kind, namespace)): (&str, &View)| match namespace {
        None => view(name, EAST, kind),
        Some(namespace) => view_of(name, EAST, kind, &[namespace]),
    };
    REFS.into_iter().zip(views).map(asked).collect()
}

/// Waits until both replicas know their feeds beyond this version: then the journal of either reaches back to all that the other has told.
async fn stand_beyond(replicas: &[Replica], version: u64) {
    for replica in replicas {
        for kind in ["pods", "deployments", "nodes"] {
            eventually(kind, async || {
                let is_beyond = |line: &Value| {
                    line["rv"].as_str().and_then(|rv| rv.parse::<u64>().ok()).is_some_and(|rv| rv > version)
                };
                fresh::feeds(replica.address, EAST, kind).await.iter().all(is_beyond)
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_tab_loses_anything_while_replicas_are_restarted_one_after_another() {
    let tabs = fresh::from_env("FORETOP_ROLLING", 300);
    let churn = u32::try_from(fresh::from_env("FORETOP_ROLLING_CHURN", 20)).expect("a small number");
    // As long as it takes to end so many one after another.
    let window = Duration::from_secs(2).max(Duration::from_millis(4 * tabs as u64));
    // An apiserver says each minute how far its watches have come; here nobody waits so long.
    let tuning = Tuning { bookmark_interval: Duration::from_secs(1), ..Tuning::default() };
    let options = Options { churn: f64::from(churn), tuning, ..house::cluster(EAST, 100) };
    let east = Cluster::start(options).await.unwrap();
    let views = views(&east);
    let kubeconfig = Cluster::kubeconfig(&[&east]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "some forty random bytes, which are none here").unwrap();
    let ports = [(free_port(), free_port()), (free_port(), free_port())];
    let replica = |one: usize| Replica::new(folder.path(), ports[one], ports[1 - one].1, &kubeconfig, window);
    let mut replicas = [replica(0), replica(1)];
    let Some(nginx) = Nginx::before(&[replicas[0].address, replicas[1].address]) else {
        return println!("skipped: there is no nginx (Debian: apt-get install nginx-light)");
    };
    for replica in &replicas {
        replica.is_ready().await;
    }
    eventually("nginx", async || try_get(nginx.address, "/healthz", &[]).await.is_ok()).await;

    let (stop, stopped) = watch::channel(false);
    let seen = Arc::new(Seen::default());
    let mut living = JoinSet::new();
    for number in 0..tabs {
        let (kind, namespace) = &views[number % views.len()];
        let mut tab = Tab::open(Open::watch(nginx.address, EAST, kind, namespace.as_deref())).await;
        tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
        living.spawn(live(number % views.len(), tab, stopped.clone(), seen.clone()));
    }
    let of_all = asked(&views);
    let mut multiplexed = JoinSet::new();
    for _ in 0..(tabs / 10).min(200) {
        let mut line = Line::open(nginx.address, "", &of_all).await;
        line.synced(&REFS).await;
        multiplexed.spawn(live_multiplexed(of_all.clone(), line, stopped.clone(), seen.clone()));
    }
    let lines = multiplexed.len() as u64;
    // Both follow what either serves, with either rows.
    for replica in &replicas {
        let feeds = async || fresh::metric(replica.managed, "foretop_feeds{state=\"ok\"}").await;
        eventually("the siblings' feeds", async || feeds().await == 6).await;
    }
    let listing = tokio::spawn(lists(nginx.address, stopped.clone()));
    let began = Instant::now();
    for _ in 0..fresh::from_env("FORETOP_ROLLING_ROUNDS", 1) {
        for one in 0..replicas.len() {
            stand_beyond(&replicas, east.rv()).await;
            replicas[one].restart().await;
        }
    }
    let took = began.elapsed();
    east.pause_churn(true);
    for replica in &replicas {
        let listed = fresh::metric(replica.managed, "foretop_feed_lists_total").await;
        assert_eq!(listed, 0, "a replica that was started again asks for no list");
    }
    let listed = all_equal(&east, &views, stop, living).await;
    let multiplexed = all_equal_multiplexed(&east, &views, multiplexed).await;
    let answered = listing.await.expect("each list is answered");
    println!(
        "{tabs} tabs and {lines} multiplexed, {} streams told to come back, {answered} lists, in {took:.1?}; events by name: {listed:?}, {multiplexed:?}\n{}",
        seen.told.load(Relaxed),
        nginx.complaints()
    );
    assert!(seen.told.load(Relaxed) >= tabs as u64 + lines, "every stream was moved at least once");
    assert!(answered > 0);
    assert_eq!(
        listed.get("snapshot"),
        Some(&(tabs as u64)),
        "each tab has had its first, and no other: {listed:?}"
    );
    for name in ["relist", "error", "backpressure"] {
        assert_eq!(listed.get(name), None, "{listed:?}");
    }
    assert_eq!(
        multiplexed["begin"],
        lines * REFS.len() as u64,
        "each view has had its first rows, and no others: {multiplexed:?}"
    );
    assert_eq!((multiplexed.get("reset"), multiplexed["denied"]), (None, 0), "{multiplexed:?}");
}

/// The same of multiplexed tabs, which were told to stop.
async fn all_equal_multiplexed(
    east: &Cluster,
    views: &[View],
    living: JoinSet<(Line, BTreeMap<String, u64>)>,
) -> BTreeMap<String, u64> {
    let mut wanted = Vec::new();
    for (kind, namespace) in views {
        wanted.push(fresh::full(east, kind, namespace.as_deref()).await);
    }
    let mut told = BTreeMap::new();
    for (mut line, before) in house::patient("the tabs", living.join_all()).await {
        for (name, wanted) in REFS.into_iter().zip(&wanted) {
            let is_equal = |line: &Line| line.view(name).is_some_and(|shown| shown.rows == *wanted);
            line.until("what the cluster holds", is_equal).await;
        }
        for (name, times) in before {
            *told.entry(name).or_default() += times;
        }
        count(&mut told, &line);
    }
    told
}

/// Fails unless every tab comes to show what the cluster, which is quiet now, holds. Returns what they were told, by the names of events.
async fn all_equal(
    east: &Cluster,
    views: &[View],
    stop: watch::Sender<bool>,
    living: JoinSet<(usize, Tab)>,
) -> BTreeMap<String, u64> {
    let mut wanted = Vec::new();
    for (kind, namespace) in views {
        wanted.push(fresh::list(east, kind, namespace.as_deref()).await);
    }
    stop.send(true).expect("tabs that live");
    let tabs = house::patient("the tabs", living.join_all()).await;
    let mut told = BTreeMap::new();
    for (view, mut tab) in tabs {
        let is_equal = |state: &State| state.rows.hash() == wanted[view].hash();
        tab.until("what the cluster holds", is_equal).await;
        for (name, count) in &tab.state.counts {
            *told.entry(name.clone()).or_default() += count;
        }
    }
    told
}
