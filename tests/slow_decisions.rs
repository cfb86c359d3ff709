//! A right that takes long to decide: a stream's head does not wait for it, and everything that ends a stream ends one that is still waiting.

mod house;
mod issuer;
mod provider;
mod tab;

use std::sync::Arc;
use std::time::Duration;

use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::core::Command;
use foretop::identity::Revoked;
use foretop::sim::{AccessRule as Rule, AccessTable as Table, Fault};
use house::wire::Stream;
use house::{EAST, House, cluster, config, eventually, pod, watch};
use issuer::now;
use provider::{Browser, Disk, Provider, session, signing_in};
use serde_json::{Value, json};
use tab::sse::{Event, Item};
use tab::{Answer, Open, Tab};

/// Users by header, as themselves; what they may see is asked for on a clock alone.
fn settings() -> Config {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    config.authorization.mode = AuthorizationMode::Raw;
    config
}

/// Some forty namespaces with a pod each, of which ann may see two.
async fn many_namespaces(config: &Config) -> House {
    let house = House::start(config, vec![cluster(EAST, 0)]).await;
    for number in 0..40 {
        let name = format!("team-{number}");
        house.east().put("namespaces", json!({"metadata": {"name": name}})).expect("a namespace");
        house.east().put("pods", pod(&name, "web", "Running")).expect("a pod");
    }
    let ann = |namespace: &str| Rule {
        user: Some("ann".into()),
        namespace: Some(namespace.into()),
        allow: true,
        ..Rule::default()
    };
    house.east().set_access(Table { default: false, rules: vec![ann("team-3"), ann("team-17")] });
    house
}

/// The apiserver answers no review until it is healed.
async fn without_answers(config: &Config) -> House {
    let house = many_namespaces(config).await;
    house.east().faults().add(Fault::Stall.on("subjectaccessreviews"));
    house
}

async fn open(house: &House, who: &str) -> Stream {
    Stream::open(house.address(), &watch("pods"), &format!("X-Forwarded-User: {who}\r\n")).await
}

fn scopes(events: &[Event]) -> Vec<Value> {
    let scopes = events.iter().filter(|event| event.name == "scope");
    scopes.map(|event| serde_json::from_str(&event.data).expect("JSON")).collect()
}

/// Fails unless these tell how ever more of the questions are answered.
fn assert_progress(told: &[Value]) {
    let asked: Vec<u64> = told.iter().map(|told| told["asked"].as_u64().expect("a number")).collect();
    assert!(asked.is_sorted() && asked.last() > asked.first(), "{told:?}");
    let last = &told[told.len() - 1];
    assert!(last["asked"].as_u64() <= last["of"].as_u64() && last["of"].as_u64() >= Some(41), "{told:?}");
}

/// So that the questions about each namespace take some seconds.
fn at_a_slow_rate() -> Config {
    let mut config = settings();
    config.access.reviews_per_second = 10;
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_many_namespaces_is_told_how_far_it_is() {
    let house = many_namespaces(&at_a_slow_rate()).await;
    let mut stream = open(&house, "ann").await;
    assert_eq!(stream.head.status, 200);
    assert_eq!(stream.head.header("foretop-scope"), None, "it is not known yet");
    let is_snapshot = |item: &Item| matches!(item, Item::Event(event) if event.name == "snapshot");
    stream.until("its snapshot", |items| items.iter().any(is_snapshot)).await;
    let events = stream.seen();
    let mut told = scopes(&events);
    assert_eq!(told.pop(), Some(json!({"namespaces": 2})), "{}", stream.text);
    assert_progress(&told);
    assert!(matches!(stream.items[0], Item::Retry(_)), "{}", stream.text);
    let ids = events.iter().filter(|event| event.name == "scope" && event.id.is_some()).count();
    assert_eq!(ids, 0, "a client keeps the id that it has");
    let snapshot = events.iter().find(|event| event.name == "snapshot").expect("there is one");
    let rows = &serde_json::from_str::<Value>(&snapshot.data).expect("JSON")["items"];
    let mut namespaces: Vec<_> =
        rows.as_array().expect("rows").iter().map(|row| row["namespace"].as_str().expect("a name")).collect();
    namespaces.sort_unstable();
    assert_eq!(namespaces, ["team-17", "team-3"]);
    // From then on it is a stream like any other.
    house.east().put("pods", pod("team-3", "new", "Running")).expect("a pod");
    house.east().put("pods", pod("team-4", "hidden", "Running")).expect("a pod");
    house.east().put("pods", pod("team-17", "newer", "Running")).expect("a pod");
    let added =
        |items: &[Item]| house::wire::events(items).iter().filter(|event| event.name == "added").count() == 2;
    stream.until("what is new", added).await;
    assert!(!stream.text.contains("hidden"), "{}", stream.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_see_nothing_hears_so_on_the_stream_that_has_begun() {
    let house = many_namespaces(&at_a_slow_rate()).await;
    let path = watch("pods");
    let lines = "Host: localhost\r\nX-Forwarded-User: eve\r\n";
    let (chunked, plain) =
        tokio::join!(open(&house, "eve"), Stream::open_http10(house.address(), &path, lines));
    for mut stream in [chunked, plain] {
        assert_eq!(stream.head.status, 200);
        let events = stream.until_end().await;
        assert_progress(&scopes(&events));
        let last = events.last().expect("an event");
        assert!(last.name == "error" && last.data.contains(r#""code":"denied""#), "{}", stream.text);
        assert_eq!(events.iter().filter(|event| event.name == "snapshot").count(), 0);
    }
    assert_eq!(opened(&house), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_front_end_shows_such_a_stream_like_any_other() {
    let house = many_namespaces(&at_a_slow_rate()).await;
    let open = Open::watch(house.address(), EAST, "pods", None).header("X-Forwarded-User", "ann");
    let mut tab = Tab::open(open).await.follow();
    let state = tab.until("its rows", |state| state.rows.len() == 2).await;
    assert!(state.count("scope") >= 2, "{:?}", state.counts);
    assert_eq!(state.dropped, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_waits_for_its_decision_counts_and_no_longer_when_its_peer_leaves() {
    let mut config = settings();
    (config.streams.per_user, config.tenants.streams) = (2, 3);
    let house = without_answers(&config).await;
    let refused = async |who: &str| {
        let headers = [("X-Forwarded-User", who), ("Accept", "application/json")];
        let answer = tab::get(house.address(), &watch("pods"), &headers).await;
        (answer.head.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let (first, second, third) = tokio::join!(open(&house, "ann"), open(&house, "ann"), open(&house, "bob"));
    assert_eq!([&first, &second, &third].map(|stream| stream.head.status), [200; 3]);
    let (ann, eve) = tokio::join!(refused("ann"), refused("eve"));
    assert_eq!(ann, (429, "too_many_streams".into()));
    assert_eq!(eve, (429, "tenant_streams".into()));
    drop(first);
    eventually("a place is free", async || open(&house, "eve").await.head.status == 200).await;
}

/// Streams that were opened.
fn opened(house: &House) -> u64 {
    house.server.cores.iter().map(|core| core.counters.opened.get()).sum()
}

/// What a stream hears last that was waiting for its decision when this happened.
async fn last_heard(house: &House, mut stream: Stream, happens: impl FnOnce()) -> String {
    stream.events(1).await;
    assert_eq!(scopes(&stream.seen())[0]["asked"], 0, "{}", stream.text);
    happens();
    let last = stream.until_end().await.pop().expect("an event");
    assert_eq!(opened(house), 0);
    format!("{} {}", last.name, last.data)
}

fn tell_all(house: &House, command: impl Fn() -> Command) {
    for core in house.server.cores.iter() {
        assert!(core.tell(command()).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_says_so_to_a_stream_that_waits_for_its_decision() {
    let house = without_answers(&settings()).await;
    let stream = open(&house, "ann").await;
    assert_eq!(last_heard(&house, stream, || tell_all(&house, || Command::Lame)).await, "server_shutdown {}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_revoked_ends_a_stream_that_waits_for_its_decision() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let mut config = signing_in(&provider, &disk);
    config.authorization.mode = AuthorizationMode::Raw;
    let house = without_answers(&config).await;
    let session = session(7, "any", now() + 300, now() + 600);
    let browser = Browser::with(house.address(), &config, &session);
    let cookie = format!("Cookie: {}\r\n", browser.cookie());
    let stream = Stream::open(house.address(), &watch("pods"), &cookie).await;
    let revoke = || tell_all(&house, || Command::Revoked(Arc::new(Revoked::Session(7))));
    assert_eq!(last_heard(&house, stream, revoke).await, "auth_expired {}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_says_nothing_ends_such_a_stream() {
    let house = without_answers(&settings()).await;
    let stream = open(&house, "ann").await;
    let break_off = || {
        house.east().faults().clear();
        house.east().faults().add(Fault::Internal.on("subjectaccessreviews"));
    };
    let last = last_heard(&house, stream, break_off).await;
    assert!(last.starts_with("error ") && last.contains(r#""code":"authz_unavailable""#), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_does_not_wait_for_long() {
    let mut config = settings();
    config.feeds.wait = Duration::from_secs(1);
    let house = without_answers(&config).await;
    let list = async || -> Answer {
        let headers = [("X-Forwarded-User", "ann"), ("Accept", "application/json")];
        tab::get(house.address(), &house::list("pods"), &headers).await
    };
    let answer = list().await;
    let error = answer.json()["error"].clone();
    assert_eq!((answer.head.status, &error["code"]), (503, &json!("authz_unavailable")));
    assert_eq!(answer.head.header("retry-after"), Some("5"));
    assert_eq!(
        error["message"],
        "what this user may see is not decided yet: 0 of 1 questions are answered; try again"
    );
    house.east().heal();
    eventually("a list", async || list().await.head.status == 200).await;
}
