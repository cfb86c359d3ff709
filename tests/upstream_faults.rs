//! Each fault of an apiserver has its own right answer: tabs stay open and come to show what a fresh LIST shows, and the
//! apiserver is never asked in a tight loop.

mod fresh;
mod house;
mod tab;

use std::time::Duration;

use foretop::cluster::ClusterSpec;
use foretop::config::Config;
use foretop::sim::{Cluster, Command, Fault};
use house::{EAST, House, cluster, eventually};
use tab::state::{Badge, End, Rows, State};
use tab::{Following, Open, Tab, get};

/// Short limits, so that what must time out does so soon.
fn settings() -> Config {
    let mut config = house::config();
    let upstream = &mut config.upstream;
    upstream.answer_timeout = Duration::from_secs(1);
    upstream.page_timeout = Duration::from_secs(1);
    upstream.watch_list_idle = Duration::from_secs(1);
    upstream.max_backoff = Duration::from_millis(500);
    upstream.line_bytes = 64 * 1024;
    upstream.page_size = 5;
    config
}

/// Two tabs on the pods of a cluster, one of them on a namespace.
struct Ward {
    house: House,
    all: Following,
    one: Following,
    namespace: String,
    marks: u32,
    /// Requests for pods before the fault.
    before: u64,
}

impl Ward {
    /// Tabs that show all, before any fault.
    async fn healthy() -> Ward {
        Ward::of(House::with(&settings(), 30).await).await
    }

    /// Tabs that show all in the end, whatever stands in the way of it.
    async fn begun_with(fault: Fault) -> Ward {
        let house = House::with(&settings(), 30).await;
        house.east().faults().add(fault.on("pods"));
        Ward::of(house).await
    }

    async fn of(house: House) -> Ward {
        let namespace = house.east().names("pods").unwrap().swap_remove(0).0;
        let open = |namespace| Open::watch(house.address(), EAST, "pods", namespace);
        let mut all = Tab::open(open(None)).await.follow();
        let mut one = Tab::open(open(Some(&namespace))).await.follow();
        for tab in [&mut all, &mut one] {
            tab.until("the first snapshot", |state| state.count("snapshot") == 1).await;
        }
        let before = asked(house.east());
        Ward { house, all, one, namespace, marks: 0, before }
    }

    fn east(&self) -> &Cluster {
        self.house.east()
    }

    /// Writes that the watch does not see, and which are compacted before it could: it learns that its place is gone.
    async fn miss(&self, writes: impl FnOnce(&Cluster)) {
        let lists = || async { fresh::feed(self.house.address(), EAST, "pods").await["lists"].as_u64() };
        let before = lists().await;
        self.east().faults().add(Fault::Silent.on("pods"));
        writes(self.east());
        self.east().compact();
        self.end_watches();
        eventually("a relist", || async { lists().await > before }).await;
    }

    fn end_watches(&self) {
        self.east().command(Command::EndWatches { resource: Some("pods".into()) });
    }

    /// The cluster is as it should be again: both tabs come to show it, having been asked no more than so often.
    async fn recovers(&mut self, requests: u64) -> [State; 2] {
        self.east().heal();
        self.marks += 1;
        let name = format!("marker-{}", self.marks);
        fresh::mark(self.east(), "pods", &name);
        for tab in [&mut self.all, &mut self.one] {
            tab.until("what was written last", |state| state.rows.named(&name).is_some()).await;
        }
        let asked = asked(self.house.east()) - self.before;
        assert!(asked <= requests, "{asked} requests: {:?}", self.east().counters());
        let all = fresh::becomes_equal(&mut self.all, self.house.east(), "pods", None).await;
        let one = fresh::becomes_equal(&mut self.one, self.house.east(), "pods", Some(&self.namespace)).await;
        fresh::encoded_once(self.house.address(), EAST, "pods").await;
        [all, one]
    }
}

fn asked(cluster: &Cluster) -> u64 {
    let counters = cluster.counters();
    counters.of("list", "pods") + counters.of("watch", "pods")
}

/// Their rows were never given anew, and nothing else was said.
fn undisturbed(states: [State; 2]) {
    for state in states {
        assert_eq!((state.count("snapshot"), state.relists.len()), (1, 0), "{:?}", state.counts);
        assert_eq!((&state.end, state.badge, state.dropped.len()), (&None, Badge::Live, 0));
    }
}

/// They were told that they would get their rows anew, and got them.
fn given_anew(states: [State; 2]) {
    for state in states {
        assert_eq!(state.relists, [r#"{"reason":"gone_410"}"#], "{:?}", state.counts);
        assert_eq!((state.count("snapshot"), &state.end, state.badge), (2, &None, Badge::Live));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_is_gone_is_repaired_by_the_difference() {
    let mut ward = Ward::healthy().await;
    ward.miss(|east| east.churn_step(60)).await;
    undisturbed(ward.recovers(4).await);
    assert!(fresh::feed(ward.house.address(), EAST, "pods").await["diffed"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_is_gone_again_and_again_is_asked_for_ever_more_slowly() {
    let mut ward = Ward::healthy().await;
    ward.east().faults().add(Fault::WatchGone.on("pods").times(6));
    ward.end_watches();
    undisturbed(ward.recovers(10).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_whose_continuation_expired_is_begun_anew() {
    let mut ward = Ward::begun_with(Fault::GateOff).await;
    let lists = ward.east().counters().of("list", "pods");
    assert!(lists > 1, "it was listed in pages");
    ward.miss(|east| {
        east.churn_step(60);
        east.faults().add(Fault::ContinueGone.on("pods").times(2));
    })
    .await;
    undisturbed(ward.recovers(4 * lists).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apiserver_that_asks_for_patience_gets_it() {
    let mut ward = Ward::healthy().await;
    ward.east().faults().add(Fault::TooManyRequests { retry_after: 1 }.on("pods").times(2));
    ward.end_watches();
    ward.east().churn_step(20);
    eventually("both refusals", || async { ward.east().faults().standing().is_empty() }).await;
    let refused = asked(ward.east()) - ward.before;
    assert_eq!(refused, 2, "it asked no more often than it was told to");
    undisturbed(ward.recovers(3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_lines_are_watched_anew_from_where_it_was() {
    for fault in [Fault::HalfLine, Fault::Garbage, Fault::LongLine { bytes: 200_000 }] {
        let mut ward = Ward::healthy().await;
        ward.east().faults().add(fault.on("pods"));
        ward.east().churn_step(20);
        eventually("the fault strikes", || async { ward.east().faults().standing().is_empty() }).await;
        undisturbed(ward.recovers(2).await);
        assert_eq!(ward.house.east().counters().of("list", "pods"), 2, "the yardstick's own");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_lines_without_end_lead_to_a_relist_and_no_tight_loop() {
    let mut ward = Ward::healthy().await;
    ward.east().faults().add(Fault::Garbage.on("pods").times(1000));
    ward.east().churn_step(20);
    tokio::time::sleep(5 * fresh::A_WHILE).await;
    undisturbed(ward.recovers(15).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_are_made_anew_and_nothing_is_listed() {
    let mut ward = Ward::healthy().await;
    for _ in 0..3 {
        ward.east().command(Command::DropConnections);
        ward.east().churn_step(20);
        let name = format!("cut-{}", asked(ward.east()));
        fresh::mark(ward.east(), "pods", &name);
        ward.all.until("an event after the cut", |state| state.rows.named(&name).is_some()).await;
    }
    assert_eq!(ward.east().counters().of("list", "pods"), 0);
    undisturbed(ward.recovers(10).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apiserver_that_answers_nothing_or_only_errors_is_outlived() {
    for fault in [Fault::Stall, Fault::Internal, Fault::Goaway] {
        let mut ward = Ward::healthy().await;
        ward.east().faults().add(fault.on("pods"));
        ward.end_watches();
        ward.east().churn_step(20);
        tokio::time::sleep(5 * fresh::A_WHILE).await;
        undisturbed(ward.recovers(15).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apiservers_without_initial_events_are_listed() {
    for fault in [Fault::GateOff, Fault::Etcd34, Fault::NoEndBookmark] {
        let mut ward = Ward::begun_with(fault).await;
        let counters = ward.east().counters();
        assert!(counters.of("list", "pods") > 1, "{fault:?}: it was listed in pages");
        ward.east().churn_step(40);
        undisturbed(ward.recovers(2).await);

        ward.house.east().faults().add(fault.on("pods"));
        ward.before = asked(ward.east());
        ward.miss(|east| east.churn_step(40)).await;
        undisturbed(ward.recovers(2 + counters.of("list", "pods") * 2).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_ends_as_it_should_goes_on_from_its_last_bookmark() {
    let mut options = cluster(EAST, 30);
    options.tuning.bookmark_interval = Duration::from_millis(200);
    let mut ward = Ward::of(House::start(&settings(), vec![options]).await).await;
    // Other kinds move the version; only bookmarks tell the watch of pods.
    fresh::mark(ward.east(), "nodes", "elsewhere");
    let rv = ward.east().rv();
    let newest = rv.to_string();
    let head = || fresh::feed(ward.house.address(), EAST, "pods");
    eventually("a bookmark", || async { head().await["rv"] == *newest }).await;
    ward.east().compact();
    ward.end_watches();
    eventually("the next watch", || async { ward.east().counters().watches_opened > 1 }).await;
    assert_eq!(ward.all.state().deltas(), 0, "nothing was sent");
    assert!(ward.east().rv() == rv, "nothing was written meanwhile");
    undisturbed(ward.recovers(2).await);
    assert_eq!(ward.east().counters().of("list", "pods"), 2, "the yardstick's own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_etcd_begins_anew() {
    let mut ward = Ward::healthy().await;
    ward.east().churn_step(50);
    let name = "soon-undone";
    fresh::mark(ward.east(), "pods", name);
    ward.all.until("the newest", |state| state.rows.named(name).is_some()).await;
    ward.east().command(Command::Rewind { by: 30 });
    given_anew(ward.recovers(12).await);
    assert!(ward.all.state().rows.named(name).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_that_comes_back_after_a_restore_is_not_taken_for_one_that_is_ahead() {
    let mut ward = Ward::healthy().await;
    let mut gone = Vec::new();
    ward.east().churn_step(50);
    fresh::mark(ward.east(), "pods", "soon-undone");
    for _ in 0..2 {
        let mut tab = Tab::open(Open::watch(ward.house.address(), EAST, "pods", None)).await;
        tab.until("the newest", |state| state.rows.named("soon-undone").is_some()).await;
        tab.disconnect();
        gone.push(tab);
    }
    ward.east().command(Command::Rewind { by: 30 });
    ward.all.until("the rows after the restore", |state| state.count("snapshot") == 2).await;
    for (name, tab) in ["still-before", "far-beyond"].into_iter().zip(&mut gone) {
        tab.reconnect().await;
        let wanted = fresh::list(ward.east(), "pods", None).await;
        tab.until("the rows after the restore", |state| state.rows.hash() == wanted.hash()).await;
        assert_eq!((tab.state.count("snapshot"), tab.state.relists.len()), (2, 1), "{:?}", tab.state.counts);
        // The second comes back when the new history has passed what it saw of the old one.
        ward.east().churn_step(60);
        fresh::mark(ward.east(), "pods", name);
        ward.all.until("the newest", |state| state.rows.named(name).is_some()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_cluster_begins_anew() {
    let mut ward = Ward::healthy().await;
    ward.miss(|east| {
        east.command(Command::ReplaceKubeSystem);
        east.churn_step(20);
    })
    .await;
    given_anew(ward.recovers(6).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_from_the_future_is_believed_for_a_while() {
    let mut config = settings();
    config.streams.ahead = Duration::from_secs(1);
    let mut ward = Ward::of(House::with(&config, 30).await).await;
    let ahead = (ward.east().rv() + 100_000).to_string();
    let mut tab = Tab::resume(Open::watch(ward.house.address(), EAST, "pods", None), &ahead).await;
    tab.until("rows anew", |state| state.count("snapshot") == 1).await;
    assert_eq!(tab.state.relists, [r#"{"reason":"gone_410"}"#]);
    undisturbed(ward.recovers(0).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forbidden_and_unknown_kinds_end_streams_with_the_reason() {
    for (fault, code, status) in [(Fault::Forbidden, "forbidden", 403), (Fault::Absent, "absent", 404)] {
        let ward = Ward::healthy().await;
        ward.east().faults().add(fault.on("pods"));
        ward.end_watches();
        for tab in [ward.all, ward.one] {
            let mut tab = tab.stop().await;
            assert_eq!(tab.until_end().await, End::Closed);
            let last = tab.state.last.expect("an event");
            assert_eq!(last.name, "error");
            assert!(last.data.contains(&format!(r#""code":"{code}""#)), "{}", last.data);
        }
        let list = get(ward.house.address(), "/api/clusters/east/pods", &[]).await;
        assert_eq!(list.head.status, status, "{}", list.text());
        let mut newcomer = Tab::open(Open::watch(ward.house.address(), EAST, "pods", None)).await;
        assert_eq!(newcomer.until_end().await, End::Closed);
        assert_eq!(newcomer.state.count("error"), 1, "{:?}", newcomer.state.counts);
        let asked = asked(ward.house.east()) - ward.before;
        assert!(asked <= 2, "{asked} requests");
        let other = get(ward.house.address(), "/api/clusters/east/deployments", &[]).await;
        assert_eq!(other.head.status, 200, "other kinds go on");
        ward.house.east().heal();
    }
}

/// A server before a cluster that asks for a token, which the server reads from a file.
async fn with_token_file(config: &Config, token: &str) -> (House, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{token}\n")).unwrap();
    let options = foretop::sim::Options { token: Some(token.to_owned()), ..cluster(EAST, 30) };
    let sim = Cluster::start(options).await.unwrap();
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": sim.url()}}],
        "users": [{"name": "u", "user": {"tokenFile": file.path()}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let spec = ClusterSpec::from_kubeconfig_text(EAST, &kubeconfig.to_string(), None);
    (House::of(config, vec![spec], vec![sim]), file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_turned_over_is_read_anew_and_nobody_notices() {
    let (house, file) = with_token_file(&settings(), "first").await;
    let mut ward = Ward::of(house).await;
    std::fs::write(file.path(), "second\n").unwrap();
    ward.east().set_token(Some("second".into()));
    ward.end_watches();
    ward.east().churn_step(20);
    eventually("a watch with the new one", || async { ward.east().counters().watches_opened > 1 }).await;
    let asked = asked(ward.east()) - ward.before;
    // A 401 closes the connection, which may take the repeat along.
    assert!((2..=3).contains(&asked), "once with the old one, and with the new one: {asked}");
    ward.east().set_token(None);
    undisturbed(ward.recovers(4).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_is_refused_for_a_while_leaves_the_rows() {
    let mut config = settings();
    config.feeds.away_after = Duration::from_secs(120);
    let (house, file) = with_token_file(&config, "first").await;
    let mut ward = Ward::of(house).await;
    ward.east().set_token(Some("second".into()));
    ward.end_watches();
    ward.east().churn_step(20);
    let state = || fresh::feed(ward.house.address(), EAST, "pods");
    eventually("the refusal", || async { state().await["state"] == "unauthenticated" }).await;
    let list = get(ward.house.address(), "/api/clusters/east/pods", &[]).await;
    assert_eq!(list.head.status, 200, "rows stay: {}", list.text());
    std::fs::write(file.path(), "second\n").unwrap();
    eventually("a watch with the new one", || async { ward.east().counters().watches_opened > 1 }).await;
    ward.east().set_token(None);
    undisturbed(ward.recovers(6).await);
}

/// A tab that has taken the beginning of its snapshot, and nothing more for now.
async fn in_the_midst_of_its_snapshot(house: &House) -> Tab {
    let mut slow = Tab::open(Open::watch(house.address(), EAST, "pods", None).receive_buffer(4096)).await;
    assert!(slow.read(512).await);
    slow
}

async fn reads_on(slow: &mut Tab, wanted: &Rows) {
    slow.until("what a fresh LIST shows", |state| state.rows.hash() == wanted.hash()).await;
    assert_eq!((slow.state.badge, &slow.state.end), (Badge::Live, &None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_in_the_midst_of_its_snapshot_learns_of_a_restore() {
    let mut ward = Ward::of(House::with(&settings(), 800).await).await;
    // So much that the snapshot of the first tabs is not handed out again.
    ward.east().churn_step(4000);
    fresh::mark(ward.east(), "pods", "soon-undone");
    ward.all.until("the newest", |state| state.rows.named("soon-undone").is_some()).await;
    let mut slow = in_the_midst_of_its_snapshot(&ward.house).await;
    ward.east().command(Command::Rewind { by: 30 });
    ward.all.until("the rows after the restore", |state| state.count("snapshot") == 2).await;
    let wanted = fresh::list(ward.east(), "pods", None).await;
    reads_on(&mut slow, &wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_in_the_midst_of_its_snapshot_learns_of_a_difference_larger_than_the_list() {
    let mut ward = Ward::of(House::with(&settings(), 800).await).await;
    let mut slow = in_the_midst_of_its_snapshot(&ward.house).await;
    ward.miss(|east| {
        for (namespace, name) in &east.names("pods").unwrap()[20..] {
            east.delete("pods", namespace, name).unwrap();
        }
    })
    .await;
    ward.all.until("the rows anew", |state| state.count("snapshot") == 2).await;
    let wanted = fresh::list(ward.east(), "pods", None).await;
    reads_on(&mut slow, &wanted).await;
}
