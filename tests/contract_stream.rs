//! The event stream, byte by byte and event by event, as the reference's front end and its operators know it.

mod house;
mod tab;

use std::time::Duration;

use foretop::sim::{Command, Fault};
use house::wire::{Stream, Wire, events, get};
use house::{EAST, House, config, eventually, pod, pod_row, watch};
use tab::http::Version;
use tab::sse::{Event, Item};
use tab::state::{Badge, End};
use tab::{Open, Tab};

fn event(name: &str, id: Option<u64>, data: &str) -> Event {
    Event { name: name.into(), id: id.map(|id| id.to_string()), data: data.into() }
}

fn object(row: &str) -> String {
    format!(r#"{{"object":{row}}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_is_the_contracts() {
    let house = House::small().await;
    let stream = Stream::open(house.address(), &watch("pods"), "X-Request-Id: abc-1.2_3\r\n").await;
    assert_eq!(stream.head.status, 200);
    let mut headers: Vec<(&str, &str)> =
        stream.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.retain(|(name, _)| *name != "date");
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            ("cache-control", "no-cache, no-transform"),
            ("connection", "keep-alive"),
            ("content-type", "text/event-stream"),
            ("transfer-encoding", "chunked"),
            ("x-accel-buffering", "no"),
            ("x-request-id", "abc-1.2_3"),
        ]
    );
    let date = stream.head.header("date").unwrap();
    assert!(date.ends_with(" GMT") && date.len() == "Sat, 21 Nov 2026 06:54:00 GMT".len(), "{date}");
    let other = Stream::open(house.address(), &watch("pods"), "").await;
    assert!(!other.head.header("x-request-id").unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_stream_says_retry_and_then_a_snapshot_in_the_same_block() {
    let house = House::with(&config(), 0).await;
    let rv = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    let retry = match &stream.items[0] {
        Item::Retry(milliseconds) => *milliseconds,
        other => panic!("{other:?}"),
    };
    assert!((2000..=5000).contains(&retry));
    let row = pod_row("team-x", "a", "Running");
    assert_eq!(
        stream.text,
        format!(
            "retry: {retry}\nevent: snapshot\nid: {rv}\ndata: {{\"resourceVersion\":\"{rv}\",\"items\":[{row}]}}\n\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_list_is_an_empty_array() {
    let house = House::with(&config(), 0).await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    let rv = house.east().rv();
    let snapshot = stream.events(1).await.remove(0);
    let data = format!(r#"{{"resourceVersion":"{rv}","items":[]}}"#);
    assert_eq!(snapshot, event("snapshot", Some(rv), &data));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deltas_carry_the_row_and_the_objects_version() {
    let house = House::small().await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    let before = stream.text.len();
    let east = house.east();
    let added = east.put("pods", pod("team-x", "a", "Pending")).unwrap();
    let modified = east.put("pods", pod("team-x", "a", "Running")).unwrap();
    let deleted = east.delete("pods", "team-x", "a").unwrap();
    let seen = stream.events(5).await;
    let row = |phase| object(&pod_row("team-x", "a", phase));
    let terminating = deleted - 1;
    assert_eq!(
        seen[1..],
        [
            event("added", Some(added), &row("Pending")),
            event("modified", Some(modified), &row("Running")),
            event("modified", Some(terminating), &row("Terminating")),
            event("deleted", Some(deleted), &row("Terminating")),
        ]
    );
    let first = format!("event: added\nid: {added}\ndata: {}\n\n", row("Pending"));
    assert!(stream.text[before..].starts_with(&first), "{}", &stream.text[before..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_changes_no_row_is_not_sent() {
    let house = House::small().await;
    let east = house.east();
    east.put("pods", pod("team-x", "a", "Running")).unwrap();
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    for _ in 0..5 {
        east.touch("pods", "team-x", "a").unwrap();
    }
    let modified = east.put("pods", pod("team-x", "a", "Failed")).unwrap();
    let data = object(&pod_row("team-x", "a", "Failed"));
    assert_eq!(stream.events(2).await[1], event("modified", Some(modified), &data));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_gets_the_same_without_chunks() {
    let mut config = config();
    config.streams.heartbeat = Duration::from_millis(50);
    let house = House::with(&config, 20).await;
    let mut plain = Stream::open_http10(house.address(), &watch("pods"), "").await;
    assert_eq!((plain.head.status, plain.head.header("transfer-encoding")), (200, None));
    assert_eq!(plain.head.header("connection"), Some("close"));
    let mut chunked = Stream::open(house.address(), &watch("pods"), "").await;
    let (one, other) = (plain.events(1).await, chunked.events(1).await);
    assert_eq!(one, other);
    let modified = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    let data = object(&pod_row("team-x", "a", "Running"));
    assert_eq!(plain.events(2).await[1], event("added", Some(modified), &data));
    assert_eq!(chunked.events(2).await[1], plain.seen()[1]);
    plain.until("a heartbeat", |items| items.contains(&Item::Comment("ping".into()))).await;
    assert!(plain.text.ends_with("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_stream_gets_pings_and_nothing_else() {
    let mut config = config();
    config.streams.heartbeat = Duration::from_millis(50);
    let house = House::small_with(&config).await;
    house.warm("pods").await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    let before = stream.text.len();
    let pings = |items: &[Item]| items.iter().filter(|item| **item == Item::Comment("ping".into())).count();
    stream.until("three heartbeats", |items| pings(items) == 3).await;
    assert_eq!(&stream.text[before..], ": ping\n\n: ping\n\n: ping\n\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_names_the_newest_id_once_it_has_moved() {
    let mut config = config();
    config.streams.heartbeat = Duration::from_millis(50);
    let house = House::small_with(&config).await;
    house.warm("pods").await;
    let path = format!("{}?namespace=team-quiet", watch("pods"));
    let mut stream = Stream::open(house.address(), &path, "").await;
    stream.events(1).await;
    let moved = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    let bookmark = stream.events(2).await.remove(1);
    assert_eq!(bookmark, event("bookmark", Some(moved), "{}"));
    assert!(stream.text.contains(&format!(": ping\n\nevent: bookmark\nid: {moved}\ndata: {{}}\n\n")));
    let seen = stream.items.len();
    stream.until("a further heartbeat", |items| items.len() > seen).await;
    assert_eq!(stream.seen().len(), 2, "once is enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_come_while_the_snapshot_is_awaited() {
    let mut config = config();
    config.streams.heartbeat = Duration::from_millis(50);
    let house = House::small_with(&config).await;
    house.east().faults().add(Fault::Stall.on("pods"));
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    let pings = |items: &[Item]| items.iter().filter(|item| matches!(item, Item::Comment(_))).count();
    stream.until("two heartbeats", |items| pings(items) >= 2).await;
    assert!(stream.seen().is_empty());
    house.east().heal();
    assert_eq!(stream.events(1).await[0].name, "snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_sees_its_own_objects_only() {
    let house = House::small().await;
    let east = house.east();
    east.put("pods", pod("team-x", "mine", "Running")).unwrap();
    let path = format!("{}?x=1&namespace=team%2Dx", watch("pods"));
    let mut stream = Stream::open(house.address(), &path, "").await;
    let snapshot = stream.events(1).await.remove(0);
    assert!(snapshot.data.ends_with(&format!("\"items\":[{}]}}", pod_row("team-x", "mine", "Running"))));
    east.put("pods", pod("team-y", "theirs", "Running")).unwrap();
    let rv = east.put("pods", pod("team-x", "mine", "Failed")).unwrap();
    let data = object(&pod_row("team-x", "mine", "Failed"));
    assert_eq!(stream.events(2).await[1], event("modified", Some(rv), &data));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_scoped_kinds_ignore_the_namespace() {
    let house = House::small().await;
    let open = Open::watch(house.address(), EAST, "nodes", Some("team-x"));
    let mut tab = Tab::open(open).await;
    let state = tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    assert_eq!(state.rows.len(), house.east().count("nodes").unwrap());
    assert!(!state.rows.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_cannot_exist_is_an_error_inside_the_stream() {
    let house = House::small().await;
    for namespace in ["Team", "..", "a%00b", "a/b", "%ff", &"x".repeat(64)] {
        let path = format!("{}?namespace={namespace}", watch("pods"));
        let mut stream = Stream::open(house.address(), &path, "").await;
        assert_eq!(
            (stream.head.status, stream.head.header("content-type")),
            (200, Some("text/event-stream"))
        );
        let seen = stream.until_end().await;
        assert_eq!((seen.len(), seen[0].name.as_str(), seen[0].id.as_deref()), (1, "error", None));
        assert!(seen[0].data.starts_with(r#"{"message":""#), "{}", seen[0].data);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_namespace_means_all() {
    let house = House::small().await;
    let mut stream = Stream::open(house.address(), &format!("{}?namespace=", watch("pods")), "").await;
    let snapshot: serde_json::Value = serde_json::from_str(&stream.events(1).await[0].data).unwrap();
    assert_eq!(snapshot["items"].as_array().unwrap().len(), house.east().count("pods").unwrap());
}

/// A stream that ends with an `error` that says why, and carries no id.
async fn ends_with_error(house: &House, code: &str) {
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    assert_eq!(stream.head.status, 200, "whatever the cluster says");
    let seen = stream.until_end().await;
    let last = seen.last().expect("an event");
    assert_eq!((last.name.as_str(), last.id.as_deref()), ("error", None));
    let data: serde_json::Value = serde_json::from_str(&last.data).unwrap();
    assert_eq!(data["code"], code);
    assert!(data["message"].as_str().unwrap().starts_with("pods: "), "{data}");
    assert_eq!(seen.len(), 1, "nothing but the error: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_cluster_refuses_is_an_error_inside_the_stream() {
    let cases = [(Fault::Forbidden, "forbidden"), (Fault::Absent, "absent")];
    for (fault, code) in cases {
        let house = House::small().await;
        house.east().faults().add(fault.on("pods"));
        ends_with_error(&house, code).await;
        ends_with_error(&house, code).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_does_not_answer_is_an_error_inside_the_stream() {
    let mut config = config();
    config.feeds.wait = Duration::from_millis(200);
    let house = House::small_with(&config).await;
    house.east().faults().add(Fault::Stall.on("pods"));
    ends_with_error(&house, "unavailable").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_an_error_inside_the_stream() {
    let mut config = config();
    config.feeds.wait = Duration::from_millis(500);
    let house = House::small_with(&config).await;
    house.east().set_token(Some("another".into()));
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    let seen = stream.until_end().await;
    assert_eq!(seen.len(), 1);
    assert!(seen[0].name == "error" && !seen[0].data.contains("another"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_lost_midway_end_the_stream_with_an_error() {
    let house = House::small().await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    house.east().faults().add(Fault::Forbidden.on("pods"));
    house.east().command(Command::EndWatches { resource: Some("pods".into()) });
    let seen = stream.until_end().await;
    assert_eq!(seen.len(), 2);
    assert!(seen[1].name == "error" && seen[1].data.contains(r#""code":"forbidden""#), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_the_apiserver_recycles_goes_on_unseen() {
    let house = House::small().await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    let before = house.east().counters();
    house.east().command(Command::EndWatches { resource: Some("pods".into()) });
    eventually("another watch", async || {
        house.east().counters().of("watch", "pods") > before.of("watch", "pods")
    })
    .await;
    let rv = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    let data = object(&pod_row("team-x", "a", "Running"));
    assert_eq!(stream.events(2).await[1], event("added", Some(rv), &data));
    assert_eq!(house.east().counters().of("list", "pods"), before.of("list", "pods"), "no LIST");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_relist_is_repaired_by_deltas_of_which_the_last_names_the_list() {
    let house = House::small().await;
    let east = house.east();
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    east.stop().await;
    east.put("pods", pod("team-x", "a", "Running")).unwrap();
    let last = east.put("pods", pod("team-x", "b", "Running")).unwrap();
    east.restart().await.unwrap();
    let seen = stream.events(3).await;
    let of = |name| object(&pod_row("team-x", name, "Running"));
    assert_eq!(seen[1..], [event("added", None, &of("a")), event("added", Some(last), &of("b"))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relist_that_changes_more_than_it_leaves_is_told_as_relist_and_snapshot() {
    let house = House::small().await;
    let east = house.east();
    let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None)).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    east.stop().await;
    for (namespace, name) in east.names("pods").unwrap() {
        east.delete("pods", &namespace, &name).unwrap();
    }
    let rv = east.put("pods", pod("team-x", "only", "Running")).unwrap();
    east.restart().await.unwrap();
    let state = tab.until("another snapshot", |state| state.count("snapshot") == 2).await;
    assert_eq!(state.relists, [r#"{"reason":"gone_410"}"#]);
    assert_eq!((state.rows.len(), state.last_id.clone(), state.deltas()), (1, rv.to_string(), 0));
    assert_eq!(state.badge, Badge::Live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_falls_is_told_as_relist_and_snapshot() {
    let house = House::small().await;
    let east = house.east();
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    for phase in ["Pending", "Running", "Failed"] {
        east.put("pods", pod("team-x", "a", phase)).unwrap();
    }
    stream.events(4).await;
    east.command(Command::Rewind { by: 2 });
    let rv = east.rv();
    let seen = stream.events(6).await;
    assert_eq!(seen[4], event("relist", None, r#"{"reason":"gone_410"}"#));
    assert_eq!((seen[5].name.as_str(), seen[5].id.clone()), ("snapshot", Some(rv.to_string())));
    assert!(seen[5].data.contains(&pod_row("team-x", "a", "Pending")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_stays_away_is_told_once_and_so_is_its_return() {
    let mut config = config();
    config.feeds.away_after = Duration::from_millis(100);
    let house = House::small_with(&config).await;
    let east = house.east();
    let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None)).await;
    tab.until("a snapshot", |state| state.badge == Badge::Live).await;
    let shown = tab.state.rows.clone();
    east.stop().await;
    tab.until("word of the absence", |state| state.badge == Badge::Reconnecting).await;
    assert_eq!(tab.state.relists, [r#"{"reason":"upstream_away"}"#]);
    let mut newcomer = Tab::open(Open::watch(house.address(), EAST, "pods", None)).await;
    newcomer.until("the same behind the snapshot", |state| state.relists.len() == 1).await;
    assert_eq!(newcomer.state.count("snapshot"), 1);
    assert_eq!(newcomer.state.badge, Badge::Reconnecting);
    east.restart().await.unwrap();
    for tab in [&mut tab, &mut newcomer] {
        let state = tab.until("word of the return", |state| state.badge == Badge::Live).await;
        assert_eq!((state.relists.len(), state.rows.hash()), (1, shown.hash()));
        assert!(state.dropped.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_without_a_stream_has_no_route() {
    let mut config = config();
    config.watch.kinds.retain(|kind| kind.name != "nodes");
    let house = House::small_with(&config).await;
    for path in [watch("nodes"), watch("gadgets")] {
        let answer = tab::get(house.address(), &path, &[]).await;
        assert_eq!((answer.head.status, answer.text()), (404, "404 page not found\n".to_owned()), "{path}");
    }
    assert_eq!(Stream::open(house.address(), &watch("pods"), "").await.head.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_cluster_is_404_in_the_contracts_text() {
    let house = House::small().await;
    let answer = tab::get(house.address(), "/api/clusters/nowhere/pods/watch", &[]).await;
    assert_eq!(answer.head.status, 404);
    assert_eq!(answer.text(), "cluster not found\n");
    assert_eq!(answer.head.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.head.header("x-content-type-options"), Some("nosniff"));
    let answer =
        tab::get(house.address(), "/api/clusters/nowhere/pods/watch", &[("Accept", "application/json")])
            .await;
    assert_eq!(answer.json()["error"]["code"], "unknown_cluster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_its_client_leaves_is_forgotten() {
    let house = House::small().await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    house.has_streams(1).await;
    drop(stream);
    house.has_streams(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_may_follow_other_answers_on_its_connection() {
    let house = House::small().await;
    let mut wire = Wire::with(house.address(), get(&house::list("pods"), "")).await;
    assert_eq!(wire.answer().await.head.status, 200);
    wire.send(get(&watch("pods"), "")).await;
    let mut stream = Stream::on(wire, Version::Http11).await;
    assert_eq!(stream.events(1).await[0].name, "snapshot");
    assert_eq!(events(&stream.items).len(), 1);
}

/// A tab that takes so little of its snapshot that the server's socket is full, in a house where all is about to end.
async fn stuck_and_ending(last_event: Duration) -> (House, Tab) {
    let mut config = config();
    config.streams.last_event = last_event;
    config.streams.sndbuf = 16 * 1024;
    let house = House::with(&config, 5000).await;
    let tab = Tab::open(Open::watch(house.address(), EAST, "pods", None).receive_buffer(4096)).await;
    eventually("a full socket", async || {
        house.streams().await.iter().any(|line| line["state"] == "catching_up" && line["lag"] != 0)
    })
    .await;
    house.east().faults().add(Fault::Forbidden.on("pods"));
    house.east().command(Command::EndWatches { resource: Some("pods".into()) });
    (house, tab)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_has_its_time_to_take_the_last_event() {
    let (house, mut tab) = stuck_and_ending(Duration::from_secs(30)).await;
    eventually("its end", async || house.streams().await.iter().any(|line| line["state"] == "ending")).await;
    // Longer than the time that it has where nothing is set.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(tab.until_end().await, End::Closed);
    assert_eq!((tab.state.count("snapshot"), tab.state.count("error")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_is_not_waited_for() {
    let (house, mut tab) = stuck_and_ending(Duration::from_millis(100)).await;
    house.has_streams(0).await;
    assert_ne!(tab.until_end().await, End::Closed);
    assert_eq!(tab.state.count("error"), 0);
}
