//! Replicas that know of one another: each says what it serves, follows what the others do, and is ready once it does.

mod fresh;
mod house;
mod lines;
mod tab;

use std::time::Duration;

use foretop::cluster::ClusterSpec;
use foretop::config::{Config, Place};
use foretop::sim::Fault;
use house::wire::Stream;
use house::{EAST, House, config, eventually, pod, watch};
use lines::{Line, view, view_of};
use serde_json::{Value, json};

/// A further replica before the same cluster.
fn beside(house: &House, config: &Config) -> House {
    House::of(config, vec![ClusterSpec::from_url(EAST, &house.east().url())], Vec::new())
}

fn served(kind: &str, rows: &str) -> Value {
    json!({"cluster": EAST, "kind": kind, "rows": rows})
}

async fn is_ready(house: &House) -> bool {
    tab::get(house.address(), "/readyz", &[]).await.head.status == 200
}

fn told_by(house: &House) -> Config {
    let mut config = config();
    config.watch.siblings = vec![Place::Url(format!("http://{}/-/views", house.managed()))];
    config.watch.siblings_every = Duration::from_millis(50);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_says_what_it_serves() {
    let mut config = config();
    config.watch.prewarm = vec![("*".into(), foretop::kind::by_name("nodes").unwrap())];
    let house = House::small_with(&config).await;
    house.warm("pods").await;
    let said = tab::get(house.managed(), "/-/views", &[]).await;
    assert_eq!(said.json(), json!({"views": [served("nodes", "plain"), served("pods", "plain")]}));
    let mut line = Line::open(house.address(), "", &[view("a", EAST, "pods"), view("b", EAST, "pods")]).await;
    let chosen = json!({"ref": "c", "cluster": EAST, "kind": "jobs", "labelSelector": "app"});
    line.change(&[chosen], &[]).await;
    line.synced(&["a", "b", "c"]).await;
    let said = tab::get(house.managed(), "/-/views", &[]).await;
    assert_eq!(
        said.json(),
        json!({"views": [served("nodes", "plain"), served("pods", "plain"), served("pods", "full")]}),
        "and not what a client chose"
    );
    assert_eq!(tab::get(house.address(), "/-/views", &[]).await.head.status, 404, "not for tabs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_that_is_sent_to_a_sibling_gets_no_snapshot() {
    let mut going = config();
    going.drain.lame = Duration::ZERO;
    going.drain.window = Duration::ZERO;
    let one = House::small_with(&going).await;
    // Who resumes a list without rows, and has missed nothing, is shown that by an empty snapshot.
    one.east().put("pods", pod("team-x", "old", "Running")).unwrap();
    let mut quiet = Stream::open(one.address(), &format!("{}?namespace=team-x", watch("pods")), "").await;
    quiet.events(1).await;
    // What happens elsewhere: the other replica's journal begins behind what the quiet tab has heard of.
    let mut busy = Stream::open(one.address(), &watch("pods"), "").await;
    busy.events(1).await;
    let last = one.east().put("pods", pod("team-y", "busy", "Running")).unwrap();
    busy.events(2).await;
    let other = beside(&one, &told_by(&one));
    eventually("readiness", async || is_ready(&other).await).await;
    assert_eq!(one.east().counters().open("pods"), 2, "it follows what its sibling serves");

    house::patient("the end of the drain", one.server.drain()).await;
    quiet.until_end().await;
    let id = quiet.seen().iter().rev().find_map(|event| event.id.clone()).expect("an id");
    assert!(id.parse::<u64>().unwrap() >= last, "it is told where it stands before it goes");
    let lines = format!("Last-Event-ID: {id}\r\n");
    let mut moved =
        Stream::open(other.address(), &format!("{}?namespace=team-x", watch("pods")), &lines).await;
    one.east().put("pods", pod("team-x", "new", "Running")).unwrap();
    let has_it = |event: &tab::sse::Event| event.data.contains("\"new\"");
    moved.until("what is new", |items| house::wire::events(items).iter().any(has_it)).await;
    assert!(moved.seen().iter().all(|event| event.name != "snapshot"), "{}", moved.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_multiplexed_tab_that_is_sent_to_a_sibling_gets_no_snapshot() {
    let mut going = config();
    going.drain.lame = Duration::ZERO;
    going.drain.window = Duration::ZERO;
    let one = House::small_with(&going).await;
    one.east().put("pods", pod("team-x", "old", "Running")).unwrap();
    let views = [view("all", EAST, "pods"), view_of("quiet", EAST, "pods", &["team-x"])];
    let mut line = Line::open(one.address(), "", &views).await;
    line.synced(&["all", "quiet"]).await;
    // The other replica's journal begins behind what the quiet view has heard of.
    one.east().put("pods", pod("team-y", "busy", "Running")).unwrap();
    line.until("what happens elsewhere", |line| line.rows("all").contains("team-y/busy")).await;
    let other = beside(&one, &told_by(&one));
    eventually("readiness", async || is_ready(&other).await).await;
    assert_eq!(fresh::metric(other.managed(), "foretop_feeds{state=\"ok\"}").await, 1);

    house::patient("the end of the drain", one.server.drain()).await;
    line.until_end().await;
    one.east().put("pods", pod("team-x", "new", "Running")).unwrap();
    let mut moved = Line::go_on_at(other.address(), &mut line, &views).await.expect("a stream");
    moved.until("what is new", |line| line.rows("quiet").contains("team-x/new")).await;
    for (name, namespace) in [("all", None), ("quiet", Some("team-x"))] {
        let shown = moved.of(name);
        assert!(shown.resumed && shown.parts == 0, "{name}: {:?}", shown.told);
        assert_eq!(shown.rows, fresh::full(one.east(), "pods", namespace).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_goes_opens_multiplexed_streams_to_send_them_on() {
    let mut going = config();
    going.drain.lame = Duration::from_hours(1);
    let house = House::small_with(&going).await;
    let draining = tokio::time::timeout(Duration::from_millis(1), house.server.drain());
    assert!(draining.await.is_err(), "it is lame for an hour");
    eventually("a lame core", async || {
        let path = watch("pods");
        let late = tokio::time::timeout(Duration::from_secs(1), tab::get(house.address(), &path, &[]));
        late.await.is_ok_and(|late| late.text().contains("server_shutdown"))
    })
    .await;
    let mut late = Line::open(house.address(), "", &[view("a", EAST, "pods")]).await;
    late.until_end().await;
    assert_eq!(late.bye.as_ref().map(|bye| &bye["reason"]), Some(&json!("server_shutdown")));
    assert!(late.numbers.is_empty() && late.denied.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_follows_what_its_siblings_serve_for_as_long_as_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("views.json");
    let says = |kinds: &[&str]| {
        let mut views: Vec<_> = kinds.iter().map(|kind| json!({"cluster": EAST, "kind": kind})).collect();
        views.push(json!({"cluster": "nowhere", "kind": "pods"}));
        std::fs::write(&file, json!({ "views": views }).to_string()).unwrap();
    };
    let mut config = config();
    config.watch.siblings = vec![Place::File(file.clone())];
    config.watch.siblings_every = Duration::from_millis(50);
    says(&["pods", "nodes"]);
    let house = House::small_with(&config).await;
    eventually("readiness", async || is_ready(&house).await).await;
    let kinds = || house.server.hub.feeds().iter().map(|feed| feed.key.kind.name).collect::<Vec<_>>();
    assert_eq!(kinds(), ["nodes", "pods"]);
    let said = tab::get(house.managed(), "/-/views", &[]).await;
    assert_eq!(said.json(), json!({"views": []}), "only what is used here");
    says(&["nodes", "jobs"]);
    eventually("other feeds", async || kinds() == ["jobs", "nodes"]).await;
    std::fs::write(&file, "no JSON").unwrap();
    tokio::time::sleep(fresh::A_WHILE).await;
    assert_eq!(
        kinds(),
        ["jobs", "nodes"],
        "who says nothing that can be read has not said that it serves nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_cluster_or_sibling_keeps_nobody_out_for_good() {
    let one = House::small().await;
    one.warm("pods").await;
    one.east().faults().add(Fault::Stall.on("pods"));
    let mut config = told_by(&one);
    config.watch.siblings.push(Place::Url("http://127.0.0.1:9/-/views".into()));
    config.feeds.ready_after = Duration::from_secs(6);
    let other = beside(&one, &config);
    let detail = tab::get(other.managed(), "/readyz", &[]).await;
    assert_eq!(detail.head.status, 503);
    eventually("the feed that does not come", async || {
        let troubled = tab::get(other.managed(), "/readyz", &[]).await.json()["troubled"].clone();
        troubled[0]["kind"] == "pods"
    })
    .await;
    assert!(!is_ready(&other).await, "it waits for the pods");
    eventually("readiness all the same", async || is_ready(&other).await).await;
}
