//! A multiplexed stream: one connection for all views, each of which says what a list would show.

mod house;
mod lines;
mod tab;

use std::collections::BTreeSet;

use house::wire::{Stream, Wire};
use house::{EAST, House, config, eventually, list, pod};
use lines::{Line, opening, post, posted, view, view_of};
use serde_json::{Value, json};
use tab::http::Version;

/// The names that a list shows.
async fn listed(house: &House, path: &str, wrapper: &str) -> BTreeSet<String> {
    let answer = tab::get(house.address(), path, &[]).await;
    let rows = answer.json()[wrapper].as_array().expect("rows").clone();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| format!("{}/{}", text(row, "namespace"), text(row, "name"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_view_shows_what_a_list_shows_and_goes_on() {
    let house = House::small().await;
    let views =
        [view("p", EAST, "pods"), view("n", EAST, "nodes"), view_of("none", EAST, "pods", &["nowhere"])];
    let mut line = Line::open(house.address(), "", &views).await;
    line.synced(&["p", "n", "none"]).await;
    assert_eq!(line.rows("p"), listed(&house, &list("pods"), "pods").await);
    assert_eq!(line.rows("n"), listed(&house, &list("nodes"), "nodes").await);
    assert!(line.rows("none").is_empty());
    for name in ["p", "n", "none"] {
        line.is(name, "live").await;
    }
    house.east().put("pods", pod("nowhere", "new", "Running")).expect("a pod");
    line.until("the pod is in both", |line| {
        ["p", "none"].iter().all(|view| line.of(view).rows.contains_key("nowhere/new"))
    })
    .await;
    house.east().delete("pods", "nowhere", "new").expect("it was there");
    line.until("and in none", |line| {
        ["p", "none"].iter().all(|view| !line.of(view).rows.contains_key("nowhere/new"))
    })
    .await;
    let told = &line.of("none").told;
    assert!(told.starts_with(&["begin".into(), "synced".into(), "status".into()]), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_come_and_go_while_it_runs() {
    let house = House::small().await;
    let mut line = Line::open(house.address(), "", &[]).await;
    let answer = line.change(&[view("a", EAST, "pods"), view("b", EAST, "nodes")], &[]).await;
    assert_eq!((answer.head.status, answer.json()), (200, json!({"added": 2, "removed": 0})));
    line.synced(&["a", "b"]).await;
    let first = line.numbers["a"];
    let answer = line.change(&[view_of("a", EAST, "pods", &["new"])], &["a", "unknown"]).await;
    assert_eq!(answer.json(), json!({"added": 1, "removed": 1}));
    line.until("a has another number", |line| line.numbers["a"] != first && line.of("a").synced).await;
    assert!(line.rows("a").is_empty());
    let answer = line.change(&[view("b", EAST, "pods")], &[]).await;
    assert_eq!(answer.head.status, 400);
    assert!(answer.text().contains("add[0].ref"), "{}", answer.text());
    line.change(&[], &["b"]).await;
    eventually("a stream and a view are left", async || house.streams().await.len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_goes_on_from_its_position() {
    let house = House::small().await;
    let views = [view("p", EAST, "pods"), view_of("q", EAST, "pods", &["a", "b"]), view("n", EAST, "nodes")];
    house.east().put("pods", pod("a", "one", "Running")).expect("a pod");
    let mut line = Line::open(house.address(), "", &views).await;
    line.synced(&["p", "q", "n"]).await;
    let again: Vec<Value> = views.iter().map(|view| line.resuming(view)).collect();
    drop(line);
    house.east().put("pods", pod("b", "two", "Running")).expect("a pod");
    house.east().delete("pods", "a", "one").expect("it was there");
    let mut line = Line::open(house.address(), "", &again).await;
    line.synced(&["p", "q", "n"]).await;
    for name in ["p", "q", "n"] {
        assert!(line.of(name).resumed && line.of(name).parts == 0, "{:?}", line.of(name));
    }
    line.until("what was missed", |line| {
        let has = |view: &str, event: &str| line.of(view).told.iter().any(|told| told == event);
        ["p", "q"].iter().all(|view| has(view, "added") && has(view, "deleted"))
    })
    .await;
    assert_eq!(line.rows("q"), BTreeSet::from(["b/two".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_views_are_one_and_both_are_told() {
    let house = House::small().await;
    let twice = [view("a", EAST, "pods"), view("b", EAST, "pods")];
    let mut line = Line::open(house.address(), "", &twice).await;
    line.synced(&["a", "b"]).await;
    assert_eq!(line.numbers["a"], line.numbers["b"]);
    line.change(&[view("c", EAST, "pods")], &[]).await;
    line.until("c", |line| line.numbers.contains_key("c")).await;
    line.synced(&["c"]).await;
    assert_eq!(line.rows("c"), listed(&house, &list("pods"), "pods").await);
    line.change(&[], &["a", "b"]).await;
    house.east().put("pods", pod("x", "y", "Running")).expect("a pod");
    line.until("c goes on", |line| line.of("c").rows.contains_key("x/y")).await;
    line.change(&[], &["c"]).await;
    eventually("only the stream is left", async || house.streams().await.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_one_view_does_not_hold_up_the_others() {
    let mut config = config();
    config.streams.views_per_user = 2;
    let house = House::small_with(&config).await;
    let views = [
        view("kind", EAST, "teapots"),
        view("cluster", "nowhere", "pods"),
        view("good", EAST, "pods"),
        view("good-too", EAST, "pods"),
        view("other", EAST, "nodes"),
        view("many", EAST, "services"),
    ];
    let mut line = Line::open(house.address(), "", &views).await;
    line.synced(&["good", "good-too", "other"]).await;
    line.until("three are denied", |line| line.denied.len() == 3).await;
    let codes: Vec<&str> = line.denied.values().map(String::as_str).collect();
    assert_eq!(codes, ["not_found", "not_found", "too_many_views"], "{:?}", line.denied);
    line.change(&[view("many", EAST, "services")], &["other"]).await;
    line.synced(&["many"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_gets_it_without_chunks() {
    let house = House::small().await;
    let body = opening(&[view("a", EAST, "pods")]);
    let request = post("/api/stream", "", &body).replace("HTTP/1.1", "HTTP/1.0");
    let stream = Stream::on(Wire::with(house.address(), request).await, Version::Http10).await;
    let mut line = Line::on(house.address(), "", stream).await;
    line.synced(&["a"]).await;
    house.east().put("pods", pod("x", "y", "Running")).expect("a pod");
    line.until("the pod", |line| line.of("a").rows.contains_key("x/y")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_may_come_in_chunks_and_wait_to_be_asked_for() {
    let house = House::small().await;
    let body = opening(&[view("a", EAST, "pods")]);
    let head = "POST /api/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    let mut wire = Wire::with(house.address(), head).await;
    assert_eq!(wire.bytes(25).await, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (one, two) = body.split_at(10);
    wire.send(format!("{:x}\r\n{one}\r\n", one.len())).await;
    wire.send(format!("{:x};x=y\r\n{two}\r\n0\r\n\r\n", two.len())).await;
    let mut line = Line::on(house.address(), "", Stream::on(wire, Version::Http11).await).await;
    line.synced(&["a"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_methods_that_are_wrong_are_told_so() {
    let house = House::small().await;
    let good = opening(&[]);
    for (path, lines, body, status, words) in [
        ("/api/stream", "", "{", 400, "body"),
        ("/api/stream", "", r#"{"views":[{"ref":"a","cluster":"c"}]}"#, 400, "views[0]"),
        ("/api/stream", "", &padded(&good, 256 * 1024 + 1), 413, "256 KiB"),
        ("/api/stream", "Origin: https://elsewhere.example\r\n", &good, 403, "cross_site"),
        ("/api/stream/zz/views", "", "{}", 404, "stream_unknown"),
        ("/api/stream/0000000000000000000000000000000000000000/views", "", "{}", 409, "stream_elsewhere"),
    ] {
        let answer = posted(house.address(), path, lines, body).await;
        assert_eq!(
            (answer.head.status, answer.text().contains(words)),
            (status, true),
            "{path}: {}",
            answer.text()
        );
    }
    let longest = padded(&good, 256 * 1024);
    let stream =
        Stream::on(Wire::with(house.address(), post("/api/stream", "", &longest)).await, Version::Http11)
            .await;
    assert_eq!(stream.head.status, 200);
    let get = tab::get(house.address(), "/api/stream", &[]).await;
    assert_eq!((get.head.status, get.head.header("allow")), (405, Some("POST")));
    let form = post("/api/stream", "", &good).replace("application/json", "text/plain");
    assert_eq!(Wire::with(house.address(), form).await.answer().await.head.status, 415);
}

/// The same with spaces behind it, so many bytes long.
fn padded(body: &str, bytes: usize) -> String {
    body.to_owned() + &" ".repeat(bytes - body.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_one_of_its_users_streams() {
    let mut config = config();
    config.streams.per_user = 1;
    let house = House::small_with(&config).await;
    let line = Line::open(house.address(), "", &[view("a", EAST, "pods"), view("b", EAST, "nodes")]).await;
    let answer = posted(house.address(), "/api/stream", "", &opening(&[])).await;
    assert_eq!((answer.head.status, answer.head.header("retry-after")), (429, Some("5")));
    drop(line);
    eventually("there is room again", async || posted_status(&house).await == 200).await;
}

async fn posted_status(house: &House) -> u16 {
    Stream::on(Wire::with(house.address(), post("/api/stream", "", &opening(&[]))).await, Version::Http11)
        .await
        .head
        .status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_says_bye() {
    let house = House::small().await;
    let mut line = Line::open(house.address(), "", &[view("a", EAST, "pods")]).await;
    line.synced(&["a"]).await;
    for core in house.server.cores.iter() {
        assert!(core.tell(foretop::core::Command::Drain(std::time::Instant::now())).is_ok());
    }
    line.until_end().await;
    assert_eq!(line.bye.expect("bye")["reason"], "server_shutdown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_views_are_open_at_once() {
    let house = House::small().await;
    let mut views = Vec::new();
    for number in 0..60 {
        let name = format!("ns-{number}");
        house.east().put("pods", pod(&name, "web", "Running")).expect("a pod");
        views.push(view_of(&name, EAST, "pods", &[&name]));
    }
    let mut line = Line::open(house.address(), "", &views).await;
    let names: Vec<String> = (0..60).map(|number| format!("ns-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    line.synced(&names).await;
    for name in &names {
        assert_eq!(line.rows(name), BTreeSet::from([format!("{name}/web")]));
    }
    assert_eq!(house.streams().await.len(), 61, "a stream and its views");
}
