//! Who sees what in a multiplexed stream: each view is decided by itself, a right that is lost takes its view away, and a stream is its opener's alone.

mod house;
mod issuer;
mod lines;
mod provider;
mod tab;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::core::Command;
use foretop::identity::Revoked;
use foretop::sim::{AccessRule as Rule, AccessTable as Table, Fault};
use house::{EAST, House, cluster, config, eventually, pod};
use issuer::now;
use lines::{Line, posted, view, view_of};
use provider::{Browser, Disk, Provider, session, signing_in};
use serde_json::json;

const ANN: &str = "X-Forwarded-User: ann\r\n";
const BOB: &str = "X-Forwarded-User: bob\r\n";

/// Users by header, as themselves; a right that is lost shows soon.
fn settings() -> Config {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    config.authorization.mode = AuthorizationMode::Raw;
    config.access.review_every = Duration::from_secs(1);
    config
}

/// Three namespaces with a pod each.
async fn three_namespaces(config: &Config) -> House {
    let house = House::start(config, vec![cluster(EAST, 0)]).await;
    for name in ["a", "b", "c"] {
        house.east().put("namespaces", json!({"metadata": {"name": name}})).expect("a namespace");
        house.east().put("pods", pod(name, "web", "Running")).expect("a pod");
    }
    house
}

/// Ann may see these namespaces, and nobody anything else.
fn ann_sees(house: &House, namespaces: &[&str]) {
    let rule = |namespace: &&str| Rule {
        user: Some("ann".into()),
        namespace: Some((*namespace).into()),
        allow: true,
        ..Rule::default()
    };
    house.east().set_access(Table { default: false, rules: namespaces.iter().map(rule).collect() });
}

fn keys(namespaces: &[&str]) -> BTreeSet<String> {
    namespaces.iter().map(|name| format!("{name}/web")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_view_is_decided_by_itself() {
    let house = three_namespaces(&settings()).await;
    ann_sees(&house, &["a", "b"]);
    let views = [
        view("union", EAST, "pods"),
        view_of("mine", EAST, "pods", &["a"]),
        view_of("other", EAST, "pods", &["c"]),
        view_of("both", EAST, "pods", &["a", "c"]),
        view("nodes", EAST, "nodes"),
    ];
    let mut line = Line::open(house.address(), ANN, &views).await;
    line.synced(&["union", "mine"]).await;
    line.until("three are denied", |line| line.denied.len() == 3).await;
    assert!(line.denied.values().all(|code| code == "forbidden"), "{:?}", line.denied);
    assert_eq!((line.rows("union"), line.rows("mine")), (keys(&["a", "b"]), keys(&["a"])));
    assert!(!line.stream.text.contains("\"c\""), "{}", line.stream.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_takes_long_holds_up_its_view_alone() {
    let house = three_namespaces(&settings()).await;
    ann_sees(&house, &["a", "b"]);
    let mut line = Line::open(house.address(), ANN, &[view_of("a", EAST, "pods", &["a"])]).await;
    line.synced(&["a"]).await;
    house.east().faults().add(Fault::Stall.on("subjectaccessreviews"));
    line.change(&[view_of("b", EAST, "pods", &["b"]), view_of("known", EAST, "pods", &["a"])], &["a"]).await;
    line.synced(&["known"]).await;
    assert!(!line.numbers.contains_key("b"));
    // Whoever does not wait any more is not told.
    line.change(&[], &["b"]).await;
    line.change(&[view_of("b", EAST, "pods", &["b"])], &[]).await;
    house.east().heal();
    line.synced(&["b"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_lost_or_gained_makes_another_view() {
    let house = three_namespaces(&settings()).await;
    ann_sees(&house, &["a", "b"]);
    let views = [view("union", EAST, "pods"), view_of("b", EAST, "pods", &["b"])];
    let mut line = Line::open(house.address(), ANN, &views).await;
    line.synced(&["union", "b"]).await;
    let first = line.numbers["union"];
    ann_sees(&house, &["a"]);
    line.until("b is denied", |line| line.denied.contains_key("b")).await;
    line.until("the union is smaller", |line| line.numbers["union"] != first && line.of("union").synced)
        .await;
    assert_eq!(line.rows("union"), keys(&["a"]));
    let second = line.numbers["union"];
    ann_sees(&house, &["a", "c"]);
    line.until("the union is larger", |line| line.numbers["union"] != second && line.of("union").synced)
        .await;
    assert_eq!(line.rows("union"), keys(&["a", "c"]));
    line.change(&[view_of("b", EAST, "pods", &["b"])], &[]).await;
    line.until("b is denied again", |line| line.denied.contains_key("b")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_its_openers_alone() {
    let house = three_namespaces(&settings()).await;
    ann_sees(&house, &["a"]);
    let line = Line::open(house.address(), ANN, &[]).await;
    let path = format!("/api/stream/{}/views", line.name());
    let none = format!("/api/stream/{}{}/views", &line.name()[..8], "0".repeat(32));
    let bobs = posted(house.address(), &path, BOB, "{}").await;
    let nobodys = posted(house.address(), &none, BOB, "{}").await;
    assert_eq!(bobs.head.status, 404);
    assert_eq!(bobs.text(), nobodys.text(), "nothing tells them apart");
    assert_eq!(posted(house.address(), &path, ANN, "{}").await.head.status, 200);
    assert_eq!(posted(house.address(), &path, "", "{}").await.head.status, 401);
}

fn tell_all(house: &House, command: impl Fn() -> Command) {
    for core in house.server.cores.iter() {
        assert!(core.tell(command()).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_revoked_ends_its_streams_and_another_sessions_are_not_its() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let config = signing_in(&provider, &disk);
    let house = House::small_with(&config).await;
    let browser = |id| Browser::with(house.address(), &config, &session(id, "any", now() + 300, now() + 600));
    let cookie = |browser: &Browser| format!("Cookie: {}\r\nOrigin: http://localhost\r\n", browser.cookie());
    let (one, two) = (browser(7), browser(8));
    let mut line = Line::open(house.address(), &cookie(&one), &[view("p", EAST, "pods")]).await;
    line.synced(&["p"]).await;
    let path = format!("/api/stream/{}/views", line.name());
    assert_eq!(posted(house.address(), &path, &cookie(&two), "{}").await.head.status, 404);
    tell_all(&house, || Command::Revoked(Arc::new(Revoked::Session(7))));
    line.until_end().await;
    assert_eq!(line.bye.expect("bye")["reason"], "session_revoked");
    eventually("nothing is left", async || {
        house.server.cores.iter().all(|core| core.counters.lanes.get() + core.counters.lines.get() == 0)
    })
    .await;
}
