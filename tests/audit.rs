//! Who saw what, and who was denied what, one record each.

mod house;
mod lines;
mod tab;

use std::path::{Path, PathBuf};
use std::time::Duration;

use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::sim::AccessTable;
use house::wire::Stream;
use house::{EAST, House, config, eventually, list, pod, watch};
use lines::{Line, view, view_of};
use serde_json::Value;

/// A server whose peers say who asks, with an audit in a file.
fn audited(folder: &Path) -> (Config, PathBuf) {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().expect("a block")];
    let file = folder.join("audit.jsonl");
    config.audit.file = Some(file.clone());
    (config, file)
}

/// The records of a file so far.
fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the audit");
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).expect("a JSON object per line"))
        .collect()
}

/// Waits for a record of this event, and returns it.
async fn record(file: &Path, event: &str) -> Value {
    let found = || records(file).into_iter().find(|record| record["event"] == event);
    eventually(event, async || found().is_some()).await;
    found().expect("it was there")
}

const ANN: &str = "X-Forwarded-User: ann\r\nX-Request-Id: tab-7\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_recorded_when_it_opens_and_when_it_closes() {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = audited(folder.path());
    let house = House::start(&config, vec![house::cluster(EAST, 0)]).await;
    for name in ["a", "b", "c"] {
        house.east().put("pods", pod("team-a", name, "Running")).unwrap();
    }
    let path = format!("{}?namespace=team-a&token=planted", watch("pods"));
    let mut stream = Stream::open(house.address(), &path, ANN).await;
    stream.events(1).await;
    let opened = record(&file, "stream.opened").await;
    for (field, expected) in [
        ("actor", "ann".into()),
        ("tenant", "default".into()),
        ("client", "127.0.0.1".into()),
        ("requestId", "tab-7".into()),
        ("cluster", EAST.into()),
        ("kind", "pods".into()),
        ("namespaces", serde_json::json!(["team-a"])),
    ] {
        assert_eq!(opened[field], expected, "{field} in {opened}");
    }
    assert!(opened["time"].as_str().unwrap().ends_with('Z'), "{opened}");
    drop(stream);
    let closed = record(&file, "stream.closed").await;
    for field in ["stream", "actor", "client", "requestId", "cluster", "kind", "namespaces"] {
        assert_eq!(closed[field], opened[field], "{field} in {closed}");
    }
    assert_eq!((closed["reason"].is_string(), &closed["rows"]), (true, &3.into()), "{closed}");
    assert!(closed["bytes"].as_u64().unwrap() > 300 && closed["durationMs"].is_u64(), "{closed}");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("planted"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_denial_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (mut config, file) = audited(folder.path());
    config.streams.per_user = 1;
    let house = House::small_with(&config).await;
    let mut first = Stream::open(house.address(), &watch("pods"), ANN).await;
    first.events(1).await;
    let second = Stream::open(house.address(), &watch("nodes"), ANN).await;
    assert_eq!(second.head.status, 429);
    let denied = record(&file, "denied").await;
    assert_eq!(
        (&denied["reason"], &denied["actor"]),
        (&"too_many_streams".into(), &"ann".into()),
        "{denied}"
    );
    assert_eq!(denied["tenant"], "default", "{denied}");
    assert_eq!((&denied["kind"], &denied["requestId"]), (&"nodes".into(), &"tab-7".into()), "{denied}");
    assert!(denied.get("namespaces").is_none(), "nodes are in no namespace: {denied}");

    let nowhere = "/api/clusters/no%22where/pods?namespace=a";
    assert_eq!(tab::get(house.address(), nowhere, &[("X-Forwarded-User", "bob")]).await.head.status, 404);
    let unknown = |record: &Value| record["reason"] == "unknown_cluster";
    eventually("the other denial", async || records(&file).iter().any(unknown)).await;
    let denied = records(&file).into_iter().find(unknown).unwrap();
    assert_eq!((&denied["actor"], &denied["cluster"]), (&"bob".into(), &"no\"where".into()), "{denied}");
    assert_eq!(denied["namespaces"], serde_json::json!(["a"]), "{denied}");

    // What is allowed, and who is unknown, are no denials.
    assert_eq!(
        tab::get(house.address(), &list("pods"), &[("X-Forwarded-User", "ann")]).await.head.status,
        200
    );
    assert_eq!(tab::get(house.address(), &list("pods"), &[]).await.head.status, 401);
    drop(first);
    record(&file, "stream.closed").await;
    assert_eq!(records(&file).iter().filter(|record| record["event"] == "denied").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_view_of_a_multiplexed_stream_that_is_denied_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (mut config, file) = audited(folder.path());
    config.authorization.mode = AuthorizationMode::Raw;
    config.streams.views_per_user = 2;
    let house = House::small_with(&config).await;
    let pods = view_of("pods", EAST, "pods", &["team-a"]);
    let mut line = Line::open(house.address(), ANN, std::slice::from_ref(&pods)).await;
    line.synced(&["pods"]).await;
    let opened = record(&file, "stream.opened").await;
    house.east().set_access(AccessTable { default: false, rules: Vec::new() });
    let views = [
        view("nowhere", "nowhere", "pods"),
        view("kindless", EAST, "wishes"),
        view_of("forbidden", EAST, "services", &["b", "a"]),
        view("many", EAST, "nodes"),
    ];
    line.change(&views, &[]).await;
    line.until("all are denied", |line| line.denied.len() == views.len()).await;
    let denials = || records(&file).into_iter().filter(|record| record["event"] == "denied");
    eventually("three denials", async || denials().count() >= 3).await;
    for (reason, cluster, kind) in [
        ("unknown_cluster", "nowhere", "pods"),
        ("denied", EAST, "services"),
        ("too_many_views", EAST, "nodes"),
    ] {
        let denied = denials().find(|record| record["reason"] == reason).expect(reason);
        assert_eq!((&denied["cluster"], &denied["kind"]), (&cluster.into(), &kind.into()), "{denied}");
        for field in ["actor", "tenant", "client", "requestId"] {
            assert_eq!(denied[field], opened[field], "{field} in {denied}");
        }
    }
    let forbidden = denials().find(|record| record["reason"] == "denied").unwrap();
    assert_eq!(forbidden["namespaces"], serde_json::json!(["a", "b"]), "{forbidden}");
    // A kind that there is not is no denial; a view that was shown ends as a stream does.
    line.change(&[], &["pods"]).await;
    record(&file, "stream.closed").await;
    assert_eq!(denials().count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_writes_its_last_records() {
    let folder = tempfile::tempdir().unwrap();
    let (mut config, file) = audited(folder.path());
    config.drain.lame = Duration::ZERO;
    config.drain.window = Duration::from_millis(100);
    let house = House::small_with(&config).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = Stream::open(house.address(), &watch("pods"), ANN).await;
        stream.events(1).await;
        streams.push(stream);
    }
    let reading = tokio::spawn(async move {
        for stream in &mut streams {
            stream.until_end().await;
        }
    });
    house::patient("the end of the drain", house.server.drain()).await;
    let closed = records(&file).iter().filter(|record| record["event"] == "stream.closed").count();
    assert_eq!(closed, 10, "without waiting any further");
    reading.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoami_says_whether_there_is_an_audit() {
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = audited(folder.path());
    let house = House::small_with(&config).await;
    let who = tab::get(house.address(), "/api/auth/whoami", &[("X-Forwarded-User", "ann")]).await.json();
    assert_eq!((&who["auditEnabled"], &who["auditScope"]), (&true.into(), &"self".into()));
    let who = tab::get(house.address(), "/api/whoami", &[("X-Forwarded-User", "ann")]).await.json();
    assert_eq!((&who["auditEnabled"], &who["auditScope"]), (&true.into(), &"self".into()));
    let none = House::small().await;
    let who = tab::get(none.address(), "/api/auth/whoami", &[]).await.json();
    assert_eq!((&who["auditEnabled"], who.get("auditScope")), (&false.into(), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_that_needs_no_escaping_is_repeated_and_any_other_replaced() {
    let house = House::small().await;
    for path in [list("pods"), "/api/features".into(), "/nowhere".into()] {
        for (given, kept) in [
            ("a.B-7_z", true),
            (&*"x".repeat(128), true),
            (&*"x".repeat(129), false),
            ("a b", false),
            ("a\"b", false),
            ("\u{e9}", false),
            ("", false),
        ] {
            let answer = tab::get(house.address(), &path, &[("X-Request-Id", given)]).await;
            let id = answer.head.header("x-request-id").expect("an id");
            assert_eq!(id == given, kept, "{path}: {given:?} became {id:?}");
            assert!(!id.is_empty() && id.len() <= 128, "{id:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_behind_a_trusted_proxy_is_recorded_by_its_own_address() {
    let folder = tempfile::tempdir().unwrap();
    let (mut config, file) = audited(folder.path());
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a block")];
    config.streams.per_user = 1;
    let house = House::small_with(&config).await;
    let forwarded = format!("{ANN}X-Forwarded-For: 198.51.100.7, 203.0.113.9, 127.0.0.2\r\n");
    let mut stream = Stream::open(house.address(), &watch("pods"), &forwarded).await;
    stream.events(1).await;
    assert_eq!(record(&file, "stream.opened").await["client"], "203.0.113.9");
    assert_eq!(Stream::open(house.address(), &watch("nodes"), &forwarded).await.head.status, 429);
    assert_eq!(record(&file, "denied").await["client"], "203.0.113.9");
    drop(stream);
    assert_eq!(record(&file, "stream.closed").await["client"], "203.0.113.9");
}
