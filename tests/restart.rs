//! A restart in place: what was saved at the end is there at the start, and nobody is asked for a list or sent a snapshot again.

mod fresh;
mod house;
mod lines;
mod tab;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use foretop::cluster::ClusterSpec;
use foretop::config::Config;
use foretop::feed::saved::Cold;
use foretop::sim::{Cluster, Command, Fault};
use house::process::Process;
use house::wire::Stream;
use house::{EAST, House, config, eventually, pod, watch};
use lines::{Line, view, view_of};
use rustix::process::Signal;
use tab::sse::Event;
use tab::{Open, Tab};

/// Settings of a server whose feeds survive in this folder.
fn keeping(folder: &Path) -> Config {
    let mut config = config();
    config.drain.lame = std::time::Duration::ZERO;
    config.drain.window = std::time::Duration::ZERO;
    let key = folder.join("key");
    if !key.exists() {
        std::fs::write(&key, "some forty random bytes, which are none here").unwrap();
    }
    config.state.dir = Some(folder.join("state"));
    config.auth.session.keys = vec![key];
    config
}

fn spec(cluster: &Cluster) -> ClusterSpec {
    ClusterSpec::from_url(cluster.name(), &cluster.url())
}

/// A server with these settings before the cluster.
fn start(config: &Config, east: &Cluster) -> House {
    House::of(config, vec![spec(east)], Vec::new())
}

async fn east() -> Cluster {
    Cluster::start(house::cluster(EAST, 20)).await.expect("a simulated cluster")
}

/// Runs a server until one tab has seen a pod and another kind is served, and ends it in order. Returns the tab's last id.
async fn first_life(config: &Config, east: &Cluster) -> String {
    let house = start(config, east);
    house.warm("nodes").await;
    let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None)).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    fresh::mark(east, "pods", "seen");
    let state = tab.until("the mark", |state| state.rows.named("seen").is_some()).await;
    let id = state.last_id.clone();
    house::patient("the end of the drain", house.server.drain()).await;
    id
}

/// The lists that a server has taken, in whichever way.
async fn lists(house: &House) -> u64 {
    fresh::metric(house.managed(), "foretop_feed_lists_total").await
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).filter(|name| *name != "bookmark").collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("state/feeds")).expect("saved feeds");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_gets_what_it_missed_and_nobody_lists() {
    let folder = tempfile::tempdir().unwrap();
    let config = keeping(folder.path());
    let east = east().await;
    let id = first_life(&config, &east).await;
    let missed = [
        east.put("pods", pod("team-x", "one", "Pending")).unwrap(),
        east.put("pods", pod("team-x", "one", "Running")).unwrap(),
    ];
    let listed = east.counters().all("list");

    let house = start(&config, &east);
    assert_eq!(house.server.hub.restores.restored.get(), 2, "pods and nodes");
    let mut stream = Stream::open(house.address(), &watch("pods"), &format!("Last-Event-ID: {id}\r\n")).await;
    let number = |event: &Event| event.id.as_ref().and_then(|id| id.parse::<u64>().ok());
    stream
        .until("what was missed", |items| {
            house::wire::events(items).iter().any(|event| number(event) == Some(missed[1]))
        })
        .await;
    // Before the watch has gone on nothing is missed yet, and a row that says nothing new says so.
    let is_new = |event: &Event| number(event).is_some_and(|id| missed.contains(&id));
    let events: Vec<_> = stream.seen().into_iter().filter(is_new).collect();
    assert_eq!(names(&events), ["added", "modified"]);
    assert_eq!(events.iter().filter_map(number).collect::<Vec<_>>(), missed);
    assert!(!names(&stream.seen()).contains(&"snapshot"), "{}", stream.text);
    eventually("readiness", async || tab::get(house.address(), "/readyz", &[]).await.head.status == 200)
        .await;

    // Whoever is new, and lists, see what is there now.
    let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None)).await.follow();
    fresh::becomes_equal(&mut tab, &east, "pods", None).await;
    let last = east.put("pods", pod("team-x", "two", "Running")).unwrap();
    let is_last = |event: &Event| number(event) == Some(last);
    stream.until("it is live", |items| house::wire::events(items).iter().any(is_last)).await;
    assert_eq!(lists(&house).await, 0);
    assert_eq!(east.counters().all("list"), listed + 1, "that one is this test's own");
}

/// A first life with a multiplexed tab of these views, and a tab of one, if wanted; returns the multiplexed tab as it was when the server ended in order.
async fn multiplexed_life(
    config: &Config,
    east: &Cluster,
    views: &[serde_json::Value],
    with_plain: bool,
) -> Line {
    let house = start(config, east);
    if with_plain {
        house.warm("pods").await;
    }
    let mut line = Line::open(house.address(), "", views).await;
    let names: Vec<&str> = views.iter().filter_map(|view| view["ref"].as_str()).collect();
    line.synced(&names).await;
    east.put("pods", pod("team-x", "seen", "Pending")).unwrap();
    line.until("the pod", |line| line.rows("pods").contains("team-x/seen")).await;
    house::patient("the end of the drain", house.server.drain()).await;
    line.until_end().await;
    assert_eq!(line.bye.as_ref().map(|bye| &bye["reason"]), Some(&"server_shutdown".into()));
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_multiplexed_tab_goes_on_in_each_of_its_views_and_nobody_lists() {
    let views = [
        view("pods", EAST, "pods"),
        view_of("team", EAST, "pods", &["team-x"]),
        view("nodes", EAST, "nodes"),
    ];
    // Beside a feed of the same source with other rows, and alone on it.
    for with_plain in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let config = keeping(folder.path());
        let east = east().await;
        let mut before = multiplexed_life(&config, &east, &views, with_plain).await;
        east.put("pods", pod("team-x", "seen", "Running")).unwrap();
        east.put("pods", pod("team-y", "new", "Running")).unwrap();
        east.delete("pods", "team-x", "seen").unwrap();
        let listed = east.counters().all("list");

        let house = start(&config, &east);
        assert_eq!(house.server.hub.restores.restored.get(), 2 + u64::from(with_plain));
        let mut line = Line::go_on_at(house.address(), &mut before, &views).await.expect("a stream");
        line.synced(&["pods", "team", "nodes"]).await;
        line.until("what was missed", |line| line.rows("pods").contains("team-y/new")).await;
        line.until("of the team too", |line| line.rows("team").is_empty()).await;
        let told = |name: &str| {
            // Before the watch has gone on nothing is missed yet, and a row that says nothing new says so.
            let is_delta = |told: &&String| matches!(told.as_str(), "added" | "deleted");
            line.of(name).told.iter().filter(is_delta).map(String::as_str).collect::<Vec<_>>()
        };
        assert_eq!(told("pods"), ["added", "deleted"], "each event, in order");
        assert_eq!(told("team"), ["deleted"]);
        for name in ["pods", "team", "nodes"] {
            let shown = line.of(name);
            assert!(shown.resumed && shown.parts == 0, "{name}: {:?}", shown.told);
        }
        for name in ["pods", "team", "nodes"] {
            line.is(name, "live").await;
        }
        assert_eq!(lists(&house).await, 0);
        assert_eq!(east.counters().all("list"), listed);
        for (name, kind) in [("pods", "pods"), ("nodes", "nodes")] {
            assert_eq!(line.of(name).rows, fresh::full(&east, kind, None).await, "{name}");
        }
        // Who wants the other rows of a restored source gets them, and goes on.
        let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None)).await.follow();
        fresh::becomes_equal(&mut tab, &east, "pods", None).await;
        assert_eq!(lists(&house).await, 0, "plain rows are part of full ones");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_rows_that_were_not_saved_are_listed_for_beside_plain_ones_that_were() {
    let folder = tempfile::tempdir().unwrap();
    let config = keeping(folder.path());
    let east = east().await;
    let id = first_life(&config, &east).await;
    east.put("pods", pod("team-x", "one", "Running")).unwrap();
    let house = start(&config, &east);
    let mut line = Line::open(house.address(), "", &[view("pods", EAST, "pods")]).await;
    line.synced(&["pods"]).await;
    line.is("pods", "live").await;
    assert_eq!(line.of("pods").rows, fresh::full(&east, "pods", None).await);
    let mut tab = Tab::resume(Open::watch(house.address(), EAST, "pods", None), &id).await;
    tab.until("what it missed", |state| state.count("added") == 1).await;
    let new = east.put("pods", pod("team-x", "two", "Running")).unwrap().to_string();
    line.until("what is new", |line| line.rows("pods").contains("team-x/two")).await;
    let state = tab.until("what is new", |state| state.last_id == new).await;
    assert_eq!((state.count("added"), state.count("snapshot")), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_of_another_replica_that_was_ahead_gets_no_snapshot_either() {
    let folder = tempfile::tempdir().unwrap();
    let config = keeping(folder.path());
    let east = east().await;
    first_life(&config, &east).await;
    // What this server has yet to hear of, the tab was shown elsewhere.
    let ahead = east.put("pods", pod("team-x", "one", "Running")).unwrap();
    east.faults().add(Fault::Stall.on("pods"));
    let house = start(&config, &east);
    let lines = format!("Last-Event-ID: {ahead}\r\n");
    let mut stream = Stream::open(house.address(), &watch("pods"), &lines).await;
    house.has_streams(1).await;
    east.faults().clear();
    let next = east.put("pods", pod("team-x", "one", "Failed")).unwrap();
    let is_next = |event: &Event| event.id.as_deref() == Some(next.to_string().as_str());
    stream.until("the next event", |items| house::wire::events(items).iter().any(is_next)).await;
    assert!(!names(&stream.seen()).contains(&"snapshot"), "{}", stream.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_the_apiserver_has_forgotten_is_repaired_by_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let config = keeping(folder.path());
    let east = east().await;
    let id = first_life(&config, &east).await;
    east.put("pods", pod("team-x", "one", "Running")).unwrap();
    east.compact();
    let house = start(&config, &east);
    let mut stream = Stream::open(house.address(), &watch("pods"), &format!("Last-Event-ID: {id}\r\n")).await;
    let has_it = |event: &Event| event.data.contains("\"one\"");
    stream.until("the difference", |items| house::wire::events(items).iter().any(has_it)).await;
    assert!(!names(&stream.seen()).contains(&"snapshot"), "{}", stream.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_behind_the_name_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let config = keeping(folder.path());
    let east = east().await;
    let id = first_life(&config, &east).await;
    east.command(Command::ReplaceKubeSystem);
    let house = start(&config, &east);
    let mut stream = Stream::open(house.address(), &watch("pods"), &format!("Last-Event-ID: {id}\r\n")).await;
    let listed = |event: &Event| event.name == "snapshot";
    stream.until("a snapshot", |items| house::wire::events(items).iter().any(listed)).await;
    assert!(names(&stream.seen()).ends_with(&["relist", "snapshot"]), "{}", stream.text);
    assert!(lists(&house).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_shown_while_the_apiserver_is_away_and_said_to_be_old() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = keeping(folder.path());
    config.feeds.away_after = std::time::Duration::from_secs(1);
    config.feeds.ready_after = std::time::Duration::from_secs(2);
    let east = east().await;
    let id = first_life(&config, &east).await;
    east.stop().await;
    let house = start(&config, &east);
    assert_eq!(tab::get(house.address(), "/readyz", &[]).await.head.status, 503);
    let mut stream = Stream::open(house.address(), &watch("pods"), &format!("Last-Event-ID: {id}\r\n")).await;
    let away = |event: &Event| event.name == "relist" && event.data.contains("upstream_away");
    stream.until("the word", |items| house::wire::events(items).iter().any(away)).await;
    eventually("readiness all the same", async || {
        tab::get(house.address(), "/readyz", &[]).await.head.status == 200
    })
    .await;
    east.restart().await.expect("the same address");
    fresh::mark(&east, "pods", "back");
    let back = |event: &Event| event.data.contains("\"back\"");
    stream.until("the return", |items| house::wire::events(items).iter().any(back)).await;
    assert!(!names(&stream.seen()).contains(&"snapshot"), "{}", stream.text);
}

/// What may have become of a saved file: in words, what is said of it, and how it comes about.
type Mishap = (&'static str, Cold, fn(&Path));

fn mishaps() -> Vec<Mishap> {
    vec![
        ("half of it", Cold::Broken, |file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("a flipped bit", Cold::Broken, |file| {
            let mut bytes = std::fs::read(file).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(file, bytes).unwrap();
        }),
        ("another's file", Cold::Foreign, |file| std::fs::write(file, "{}").unwrap()),
        ("nothing", Cold::Foreign, |file| std::fs::write(file, "").unwrap()),
        ("a folder", Cold::Unreadable, |file| {
            std::fs::remove_file(file).unwrap();
            std::fs::create_dir(file).unwrap();
        }),
        ("another version", Cold::Version, |file| {
            let mut bytes = std::fs::read(file).unwrap();
            bytes[b"foretop saved feed\n".len() + 7] += 1;
            std::fs::write(file, bytes).unwrap();
        }),
        ("another key", Cold::Keys, |file| {
            let key = file.parent().unwrap().parent().unwrap().parent().unwrap().join("key");
            std::fs::write(key, "some other random bytes, which are none here").unwrap();
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_has_become_of_a_file_its_feed_starts_cold_and_all_else_goes_on() {
    for (what, why, mishap) in mishaps() {
        let folder = tempfile::tempdir().unwrap();
        let config = keeping(folder.path());
        let east = east().await;
        first_life(&config, &east).await;
        let saved = files(folder.path());
        assert_eq!(saved.len(), 2);
        mishap(&saved[0]);
        let house = start(&config, &east);
        let restores = &house.server.hub.restores;
        // Keys are of all files.
        let lost = if why == Cold::Keys { 2 } else { 1 };
        assert_eq!((restores.cold(why).get(), restores.restored.get()), (lost, 2 - lost), "{what}");
        for kind in ["pods", "nodes"] {
            let mut tab = Tab::open(Open::watch(house.address(), EAST, kind, None)).await.follow();
            fresh::becomes_equal(&mut tab, &east, kind, None).await;
        }
        house::patient("the end of the drain", house.server.drain()).await;
        let again = start(&config, &east);
        // What stands in the way of a feed's file stays there.
        let expected = if why == Cold::Unreadable { 1 } else { 2 };
        assert_eq!(again.server.hub.restores.restored.get(), expected, "{what}: saved anew");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_saved_is_for_its_owner_and_within_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = keeping(folder.path());
    let east = east().await;
    first_life(&config, &east).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("state/feeds")), 0o700);
    for file in files(folder.path()) {
        assert_eq!(mode(&file), 0o600);
        let bytes = std::fs::read(&file).unwrap();
        assert!(memchr::memmem::find(&bytes, b"\"name\"").is_none(), "rows are sealed");
    }
    let largest = files(folder.path()).iter().map(|file| file.metadata().unwrap().len()).max().unwrap();
    config.state.feed_bytes = usize::try_from(largest).unwrap() - 1;
    first_life(&config, &east).await;
    assert_eq!(files(folder.path()).len(), 1, "the smaller one");
    config.state.feed_bytes = 0;
    let house = start(&config, &east);
    assert_eq!(house.server.hub.restores.restored.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_written_keeps_nobody_from_starting_or_ending() {
    let folder = tempfile::tempdir().unwrap();
    let config = keeping(folder.path());
    let east = east().await;
    std::fs::write(folder.path().join("state"), "a file").unwrap();
    first_life(&config, &east).await;
    let house = start(&config, &east);
    assert_eq!(house.server.hub.restores.restored.get(), 0);
    house.warm("pods").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = keeping(folder.path());
    let east = east().await;
    first_life(&config, &east).await;
    config.journal.age = std::time::Duration::ZERO;
    let house = start(&config, &east);
    let restores = &house.server.hub.restores;
    assert_eq!((restores.cold(Cold::Old).get(), restores.restored.get()), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_ended_and_started_again_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "some forty random bytes, which are none here").unwrap();
    let at = folder.path().display();
    let settings = format!(
        "auth: {{mode: dev, session: {{keys: [\"{at}/key\"]}}}}\nserver: {{listen: \"127.0.0.1:0\", cores: 2}}\n\
         drain: {{lame: 0s, window: 0s}}\nstate: {{dir: \"{at}/state\"}}\nclustersFile: clusters.yaml\n"
    );
    let east = east().await;
    let kubeconfig = Cluster::kubeconfig(&[&east]);
    let clusters = "clusters: [{name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}]\n";
    let files = [("foretop.yaml", &*settings), ("clusters.yaml", clusters), ("kubeconfig", &*kubeconfig)];
    let mut process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    let mut tab = Tab::open(Open::watch(process.address, EAST, "pods", None)).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    process.signal(Signal::TERM);
    tab.until_end().await;
    process.says("state.saved");
    assert!(process.end().await.success());
    let missed = east.put("pods", pod("team-x", "missed", "Running")).unwrap();

    let process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    let mut tab = Tab::resume(Open::watch(process.address, EAST, "pods", None), &tab.state.last_id).await;
    let state = tab.until("what it missed", |state| state.last_id == missed.to_string()).await;
    assert_eq!((state.count("added"), state.count("snapshot")), (1, 0));
    assert_eq!(fresh::metric(process.managed, "foretop_feed_lists_total").await, 0);
}
