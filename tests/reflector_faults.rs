//! The fault matrix: what a reflector does about everything that an apiserver may do to it.
//!
//! Each test runs a real reflector against a simulated apiserver over loopback. What it asked is read from the
//! apiserver's own counters, what came of it from the feed.

#![allow(clippy::missing_panics_doc, reason = "a test panics where it fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use foretop::cluster::{Cluster, ClusterSpec, reflector};
use foretop::config::Upstream;
use foretop::feed::{Eyes, Feed, FeedKey, KubeUser, Shared, State, Trunk};
use foretop::kind::{self, Rv};
use foretop::sim::{self, Command, Fault, FaultRule, Options, Tuning};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const PODS: usize = 30;

/// A simulated cluster, and a reflector of its pods.
struct Rig {
    sim: sim::Cluster,
    cluster: Arc<Cluster>,
    feed: Arc<Feed>,
    stop: watch::Sender<bool>,
}

fn settings() -> Upstream {
    Upstream {
        watch_list_idle: Duration::from_millis(500),
        answer_timeout: Duration::from_secs(2),
        max_backoff: Duration::from_millis(300),
        page_size: 10,
        ping: Duration::from_millis(200),
        ping_timeout: Duration::from_millis(300),
        ..Upstream::default()
    }
}

async fn simulate(token: Option<&str>) -> sim::Cluster {
    let tuning = Tuning { future_wait: Duration::from_millis(50), ..Tuning::default() };
    let token = token.map(str::to_owned);
    let options = Options { pods: PODS, tuning, token, ..Options::default() };
    sim::Cluster::start(options).await.unwrap()
}

fn reflect(spec: ClusterSpec, settings: Upstream) -> (Arc<Cluster>, Arc<Feed>, watch::Sender<bool>) {
    let settings = Arc::new(settings);
    let cluster = Cluster::connect(Arc::new(spec), Arc::clone(&settings)).unwrap();
    let (feed, stop) = reflect_once_more(&cluster, settings);
    (cluster, feed, stop)
}

fn reflect_once_more(cluster: &Arc<Cluster>, settings: Arc<Upstream>) -> (Arc<Feed>, watch::Sender<bool>) {
    let key = FeedKey::own(Arc::clone(&cluster.name), kind::by_name("pods").unwrap());
    follow(key, cluster, settings)
}

/// A feed on a source of its own, which is followed until the sender is gone.
fn follow(key: FeedKey, cluster: &Arc<Cluster>, settings: Arc<Upstream>) -> (Arc<Feed>, watch::Sender<bool>) {
    let trunk = Trunk::new(&key);
    let feed = Feed::of_source(key, &Shared::without_cores(), Arc::clone(&trunk.heard));
    trunk.join(Arc::clone(&feed));
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(reflector::run(Arc::clone(cluster), trunk, settings, stopped));
    (feed, stop)
}

impl Rig {
    /// A cluster with these faults, and a reflector that meets them on its first sync.
    async fn with(faults: impl IntoIterator<Item = FaultRule>) -> Self {
        let sim = simulate(None).await;
        for fault in faults {
            sim.faults().add(fault);
        }
        let (cluster, feed, stop) = reflect(ClusterSpec::from_url("sim", &sim.url()), settings());
        Rig { sim, cluster, feed, stop }
    }

    /// A reflector that is synced and follows.
    async fn following() -> Self {
        let rig = Rig::with([]).await;
        rig.follows().await;
        rig
    }

    /// Waits until it is live, and a write that is then made was taken.
    async fn follows(&self) {
        until("it is live", || self.feed.state() == State::Live).await;
        let rv = self.write();
        until("the write is taken", || self.feed.cursor() >= Some(Rv(rv.into()))).await;
        until("it is live", || self.feed.state() == State::Live).await;
    }

    fn write(&self) -> u64 {
        let (namespace, name) = self.sim.names("pods").unwrap().swap_remove(0);
        self.sim.patch("pods", &namespace, &name, &json!({"metadata": {"labels": {"a": "b"}}})).unwrap()
    }

    fn asked(&self, verb: &str) -> u64 {
        self.sim.counters().of(verb, "pods")
    }

    fn syncs(&self) -> u64 {
        self.cluster.counters.syncs.load(Relaxed)
    }

    async fn is_away(&self) {
        until("it is away", || matches!(self.feed.state(), State::Away { .. })).await;
    }
}

/// Waits for something that must come; how soon is not the question.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn initial_events_sync_and_the_same_watch_goes_on() {
    let rig = Rig::following().await;
    assert_eq!((rig.asked("watch"), rig.asked("list"), rig.syncs()), (1, 0, 1));
}

#[tokio::test]
async fn without_the_feature_gate_it_lists_and_remembers() {
    let rig = Rig::with([Fault::GateOff.times(100)]).await;
    rig.follows().await;
    assert_eq!((rig.asked("watch"), rig.asked("list")), (2, 3), "a refusal and a watch; 3 pages of 10");
    rig.sim.compact();
    rig.write();
    rig.sim.compact();
    rig.sim.faults().add(Fault::WatchGone);
    rig.sim.command(Command::EndWatches { resource: None });
    until("it is synced again", || rig.syncs() == 2).await;
    rig.follows().await;
    assert_eq!(rig.asked("list"), 6);
    assert_eq!(rig.asked("watch"), 4, "the one that was gone and the next, but no initial events");
}

#[tokio::test]
async fn an_old_etcd_leads_to_a_list() {
    let rig = Rig::with([Fault::Etcd34.times(100)]).await;
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (3, 1));
}

#[tokio::test]
async fn a_missing_end_bookmark_leads_to_a_list() {
    let rig = Rig::with([Fault::NoEndBookmark.times(100)]).await;
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (3, 1));
}

#[tokio::test]
async fn a_watch_line_with_410_leads_to_a_relist() {
    let rig = Rig::following().await;
    rig.sim.faults().add(Fault::WatchGone);
    rig.sim.command(Command::EndWatches { resource: None });
    until("it is synced again", || rig.syncs() == 2).await;
    rig.follows().await;
    assert_eq!(rig.asked("list"), 0, "initial events serve for a relist too");
}

#[tokio::test]
async fn an_expired_continue_leads_to_a_fresh_list() {
    let rig = Rig::with([Fault::GateOff.times(100), Fault::ContinueGone.into()]).await;
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (5, 1), "two pages in vain, then three");
}

#[tokio::test]
async fn a_normal_end_goes_on_without_a_list() {
    let rig = Rig::following().await;
    rig.sim.command(Command::EndWatches { resource: None });
    until("it watches again", || rig.asked("watch") == 2).await;
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (0, 1));
}

#[tokio::test]
async fn a_cut_connection_costs_no_list() {
    let rig = Rig::following().await;
    rig.sim.command(Command::DropConnections);
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (0, 1));
}

#[tokio::test]
async fn a_cluster_that_is_gone_is_waited_for() {
    let rig = Rig::following().await;
    rig.sim.stop().await;
    rig.is_away().await;
    rig.sim.restart().await.unwrap();
    rig.follows().await;
}

#[tokio::test]
async fn a_restored_etcd_is_noticed_by_a_list() {
    let rig = Rig::following().await;
    for _ in 0..20 {
        rig.follows().await;
    }
    let before = rig.feed.cursor().unwrap();
    rig.sim.command(Command::Rewind { by: 15 });
    until("the position went back", || rig.feed.cursor().unwrap() < before).await;
    assert_eq!(rig.syncs(), 2);
    rig.follows().await;
}

#[tokio::test]
async fn too_many_requests_is_waited_for() {
    let rig = Rig::following().await;
    rig.sim.faults().add(Fault::TooManyRequests { retry_after: 1 }.times(2));
    rig.sim.command(Command::EndWatches { resource: None });
    rig.is_away().await;
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (0, 1));
    assert_eq!(rig.asked("watch"), 4, "two refusals, each waited for");
}

#[tokio::test]
async fn forbidden_and_absent_are_said_and_tried_again() {
    for (fault, state) in [(Fault::Forbidden, State::Forbidden), (Fault::Absent, State::Absent)] {
        let rig = Rig::with([fault.on("pods")]).await;
        until("it is said", || rig.feed.state() == state).await;
        rig.sim.heal();
        rig.follows().await;

        rig.sim.faults().add(fault.on("pods"));
        rig.sim.command(Command::EndWatches { resource: None });
        until("it is said", || rig.feed.state() == state).await;
        rig.sim.heal();
        rig.follows().await;
        assert_eq!(rig.syncs(), 1, "the position is kept");
    }
}

#[tokio::test]
async fn damaged_lines_are_read_again_from_the_position() {
    for damage in [Fault::Garbage, Fault::HalfLine] {
        let rig = Rig::following().await;
        rig.sim.faults().add(damage);
        rig.is_away().await;
        rig.follows().await;
        let counters = &rig.cluster.counters;
        assert_eq!((rig.asked("list"), rig.syncs()), (0, 1), "{damage:?}");
        // Half a line ends in a broken body, if the connection says so.
        assert!(counters.bad_lines.load(Relaxed) == 1 || damage == Fault::HalfLine);
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_costs_its_watch_alone() {
    let sim = simulate(None).await;
    let settings = Upstream { line_bytes: 256 * 1024, ..settings() };
    let (cluster, feed, stop) = reflect(ClusterSpec::from_url("sim", &sim.url()), settings);
    let rig = Rig { sim, cluster, feed, stop };
    rig.follows().await;
    rig.sim.faults().add(Fault::LongLine { bytes: 1024 * 1024 });
    until("it is counted", || rig.cluster.counters.bad_lines.load(Relaxed) == 1).await;
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (0, 1));
}

#[tokio::test]
async fn garbage_at_one_position_leads_to_a_relist_in_the_end() {
    let rig = Rig::following().await;
    rig.sim.faults().add(Fault::Garbage.times(3));
    until("it is synced again", || rig.syncs() == 2).await;
    rig.follows().await;
}

#[tokio::test]
async fn a_stalled_apiserver_is_given_up_and_tried_again() {
    let rig = Rig::following().await;
    rig.sim.faults().add(Fault::Stall.on("pods"));
    rig.sim.command(Command::EndWatches { resource: None });
    rig.is_away().await;
    rig.sim.heal();
    rig.follows().await;
    assert_eq!(rig.syncs(), 1);
}

#[tokio::test]
async fn goaway_fails_no_call() {
    let rig = Rig::following().await;
    rig.sim.faults().add(Fault::Goaway.times(20));
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let cluster = Arc::clone(&rig.cluster);
            tokio::spawn(async move { cluster.get_raw("/api/v1/namespaces/kube-system").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status, 200);
    }
    rig.follows().await;
    assert_eq!(rig.asked("watch"), 1, "the watch never noticed");
}

/// A kubeconfig file whose token is `token`.
fn write_kubeconfig(path: &std::path::Path, url: &str, token: &str) {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": format!("{token}\n")}}],
    });
    std::fs::write(path, kubeconfig.to_string()).unwrap();
}

#[tokio::test]
async fn credentials_that_turned_over_are_read_anew() {
    let sim = simulate(Some("one")).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    write_kubeconfig(&path, &sim.url(), "one");
    let mut spec = ClusterSpec::new("sim", foretop::cluster::Backend::Kubeconfig);
    spec.kubeconfig_path = Some(path.clone());
    let (cluster, feed, stop) = reflect(spec, settings());
    let rig = Rig { sim, cluster, feed, stop };
    rig.follows().await;

    rig.sim.set_token(Some("two".into()));
    write_kubeconfig(&path, &rig.sim.url(), "two");
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let cluster = Arc::clone(&rig.cluster);
            tokio::spawn(async move { cluster.get_raw("/api/v1/namespaces/kube-system").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(rig.cluster.counters.renewals.load(Relaxed), 1, "read once for 50 calls");
    rig.sim.command(Command::EndWatches { resource: None });
    rig.follows().await;
    assert_ne!(rig.feed.state(), State::Unauthenticated);

    rig.sim.set_token(Some("three".into()));
    rig.sim.command(Command::EndWatches { resource: None });
    until("the refusal is said", || rig.feed.state() == State::Unauthenticated).await;
    write_kubeconfig(&path, &rig.sim.url(), "three");
    rig.follows().await;
    assert_eq!(rig.syncs(), 1, "the position is kept throughout");
}

#[tokio::test]
async fn watches_share_connections_but_not_beyond_the_bound() {
    let sim = simulate(None).await;
    let settings = Upstream { watches_per_connection: 40, ..settings() };
    let shared = Arc::new(settings.clone());
    let (cluster, feed, stop) = reflect(ClusterSpec::from_url("sim", &sim.url()), settings);
    let rig = Rig { sim, cluster, feed, stop };
    let more: Vec<_> = (0..99).map(|_| reflect_once_more(&rig.cluster, Arc::clone(&shared))).collect();
    until("all are live", || more.iter().all(|(feed, _)| feed.state() == State::Live)).await;
    let rv = rig.write();
    until("all have the write", || more.iter().all(|(feed, _)| feed.cursor() >= Some(Rv(rv.into())))).await;
    let counters = &rig.cluster.counters;
    assert_eq!(counters.watches.load(Relaxed), 100);
    assert!(counters.connections.load(Relaxed) <= 4, "three for watches, one for calls");
    drop(more);
    until("their watches are closed", || rig.sim.counters().open("pods") == 1).await;
    rig.follows().await;
    rig.stop.send(true).unwrap();
    until("its watch is closed", || rig.sim.counters().open("pods") == 0).await;
}

/// Passes bytes on to `to`, until it is frozen: then it holds every connection and passes nothing.
async fn freezer(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let (freeze, frozen) = watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(pass(near, to, frozen.clone()));
        }
    });
    (address, freeze)
}

async fn pass(mut near: TcpStream, to: SocketAddr, mut frozen: watch::Receiver<bool>) {
    if !*frozen.borrow() {
        let Ok(mut far) = TcpStream::connect(to).await else { return };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            _ = frozen.wait_for(|frozen| *frozen) => {}
        }
    }
    let _ = frozen.wait_for(|frozen| !*frozen).await;
}

#[tokio::test]
async fn a_peer_that_froze_is_noticed_by_pings() {
    let sim = simulate(None).await;
    let (address, freeze) = freezer(sim.addr()).await;
    let (cluster, feed, stop) =
        reflect(ClusterSpec::from_url("sim", &format!("http://{address}")), settings());
    let rig = Rig { sim, cluster, feed, stop };
    rig.follows().await;
    freeze.send(true).unwrap();
    rig.is_away().await;
    freeze.send(false).unwrap();
    rig.follows().await;
    assert_eq!((rig.asked("list"), rig.syncs()), (0, 1));
}

/// A server that knows HTTP/1.1 alone and answers everything alike.
async fn http1_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = hyper::service::service_fn(|_| async {
                let body =
                    http_body_util::Full::new(bytes::Bytes::from_static(b"{\"gitVersion\":\"v1.99.0\"}"));
                Ok::<_, std::convert::Infallible>(http::Response::new(body))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, answer));
        }
    });
    address
}

#[tokio::test]
async fn a_peer_without_http2_is_spoken_to_in_http1() {
    let url = format!("http://{}", http1_server().await);
    let spec = Arc::new(ClusterSpec::from_url("old", &url));
    let cluster = Cluster::connect(spec, Arc::new(settings())).unwrap();
    assert_eq!(cluster.server_version().await, Ok(Some("v1.99.0".into())));
}

#[tokio::test]
async fn a_cluster_that_never_was_there_is_away_and_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (_cluster, feed, _stop) = reflect(ClusterSpec::from_url("gone", &url), settings());
    until("it says why", || matches!(feed.state(), State::Away { why } if why.contains("refused"))).await;
}

/// A feed with a user's eyes sees what that user may see, where they look, and nothing else; and hears when that is taken away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_with_a_users_eyes_lists_and_watches_as_that_user() {
    let sim = simulate(None).await;
    let (hers, _) = sim.names("pods").unwrap().swap_remove(0);
    let table = sim::AccessTable {
        default: false,
        rules: vec![sim::AccessRule {
            user: Some("ann".to_owned()),
            namespace: Some(hers.clone()),
            allow: true,
            ..sim::AccessRule::default()
        }],
    };
    sim.set_access(table.clone());
    let settings = Arc::new(settings());
    let spec = ClusterSpec::from_url("sim", &sim.url());
    let cluster = Cluster::connect(Arc::new(spec), Arc::clone(&settings)).unwrap();
    let user = Arc::new(KubeUser { name: "ann".into(), groups: Box::default() });
    let look = |namespace: &str| {
        let eyes = Eyes::Of { user: Arc::clone(&user), namespace: Some(namespace.into()) };
        let key = FeedKey::new(Arc::clone(&cluster.name), kind::by_name("pods").unwrap(), eyes);
        follow(key, &cluster, Arc::clone(&settings))
    };
    let (mine, _mine) = look(&hers);
    let (others, _others) = look("another");
    until("her namespace is live", || mine.state() == State::Live).await;
    until("another one is refused", || others.state() == State::Forbidden).await;
    let rows = sim.names("pods").unwrap().into_iter().filter(|(namespace, _)| *namespace == hers).count();
    assert!(rows > 0, "the simulation has pods there");
    assert_eq!(mine.figures().rows, rows);
    assert_eq!(others.figures().rows, 0);
}
