//! A multiplexed stream when something is the matter: the cluster away, a reader that is slow, a view that is busy, a list that is long.

mod fresh;
mod house;
mod lines;
mod tab;

use std::time::Duration;

use foretop::config::Config;
use house::wire::{Stream, Wire};
use house::{EAST, House, WEST, cluster, config, eventually, pod};
use lines::{Line, opening, post, view, view_of};
use serde_json::Value;
use tab::http::Version;

/// Clusters that are away for a second are said to be.
fn settings() -> Config {
    let mut config = config();
    config.feeds.away_after = Duration::from_secs(1);
    config.upstream.max_backoff = Duration::from_secs(1);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_away_makes_its_views_stale_and_back_live() {
    let house = House::start(&settings(), vec![cluster(EAST, 10), cluster(WEST, 10)]).await;
    let views = [view("east", EAST, "pods"), view("west", WEST, "pods")];
    let mut line = Line::open(house.address(), "", &views).await;
    line.synced(&["east", "west"]).await;
    line.is("east", "live").await;
    house.east().stop().await;
    line.is("east", "stale").await;
    let age = |line: &Line| line.of("east").status.as_ref().and_then(|status| status["ageMs"].as_u64());
    assert!(age(&line).is_some_and(|age| age >= 500), "{:?}", line.of("east").status);
    let number = line.numbers["east"];
    line.change(&[view_of("late", EAST, "pods", &["new"])], &[]).await;
    line.synced(&["late"]).await;
    line.is("late", "stale").await;
    house.east().put("pods", pod("new", "meanwhile", "Running")).expect("a pod");
    house.east().restart().await.expect("it comes back");
    for name in ["east", "late"] {
        line.is(name, "live").await;
        line.until("what it missed", |line| line.of(name).rows.contains_key("new/meanwhile")).await;
    }
    assert_eq!(line.numbers["east"], number);
    assert_eq!(line.of("east").parts, 1, "the difference was smaller than the list");
    assert!(!line.of("west").states.contains(&"stale".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_too_old_begins_anew_and_one_of_another_selector_too() {
    let mut config = config();
    config.journal.max_bytes = 16 * 1024;
    let house = House::with(&config, 20).await;
    let all = view("p", EAST, "pods");
    let mut line = Line::open(house.address(), "", std::slice::from_ref(&all)).await;
    line.synced(&["p"]).await;
    let again = line.resuming(&all);
    drop(line);
    for number in 0..400 {
        house
            .east()
            .put(
                "pods",
                pod("x", &format!("p-{}", number % 40), if number % 80 < 40 { "Running" } else { "Failed" }),
            )
            .expect("a pod");
    }
    house.east().put("pods", pod("x", "last", "Running")).expect("a pod");
    // Till the feed has seen them all, the position is none too old.
    let mut meanwhile = Line::open(house.address(), "", std::slice::from_ref(&all)).await;
    meanwhile.synced(&["p"]).await;
    meanwhile.until("the last", |line| line.of("p").rows.contains_key("x/last")).await;
    let mut other = again.clone();
    other["ref"] = "q".into();
    other["labelSelector"] = "app".into();
    let mut line = Line::open(house.address(), "", &[again, other]).await;
    line.synced(&["p", "q"]).await;
    assert!(!line.of("q").resumed, "a position is of its selector");
    line.until("all is there", |line| line.of("p").rows.len() == 61).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_gets_the_latest_of_each_row() {
    let mut config = config();
    config.streams.lag = 16 * 1024;
    let house = House::with(&config, 20).await;
    let views =
        [view("all", EAST, "pods"), view_of("quiet", EAST, "pods", &["quiet"]), view("nodes", EAST, "nodes")];
    let mut line = Line::open(house.address(), "", &views).await;
    line.synced(&["all", "quiet", "nodes"]).await;
    // Nobody reads meanwhile; a socket of this machine takes a few megabytes.
    let phases = ["Running", "Failed", "Pending"];
    for number in 0..30_000 {
        let name = format!("p-{}-{}", number % 20, "x".repeat(200));
        house.east().put("pods", pod("busy", &name, phases[number / 20 % 3])).expect("a pod");
    }
    house.east().put("pods", pod("quiet", "last", "Running")).expect("a pod");
    line.until("the last", |line| {
        ["all", "quiet"].iter().all(|view| line.of(view).rows.contains_key("quiet/last"))
    })
    .await;
    let wanted = fresh::list(house.east(), "pods", None).await;
    line.until("all is as it is", |line| line.of("all").rows.len() == wanted.len()).await;
    let lagged: u64 = house.server.cores.iter().map(|core| core.counters.lagged.get()).sum();
    let told = line.of("all").told.iter().filter(|event| *event == "modified").count();
    assert!(lagged > 0 && told < 29_000, "{lagged} times behind, {told} events");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list_comes_in_parts_and_others_go_on_meanwhile() {
    let house = House::with(&config(), 5000).await;
    let views = [view("all", EAST, "pods"), view("nodes", EAST, "nodes")];
    let mut line = Line::open(house.address(), "", &views).await;
    line.synced(&["all", "nodes"]).await;
    let all = line.of("all");
    assert_eq!(all.rows.len(), 5000);
    assert!(
        all.parts > 10 && all.largest_part <= 64 * 1024,
        "{} parts of {} bytes",
        all.parts,
        all.largest_part
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_encoded_once_for_all_lines() {
    let mut config = config();
    config.streams.per_user = 0;
    let house = House::with(&config, 20).await;
    let mut lines = Vec::new();
    for _ in 0..20 {
        let mut line =
            Line::open(house.address(), "", &[view("p", EAST, "pods"), view_of("x", EAST, "pods", &["x"])])
                .await;
        line.synced(&["p", "x"]).await;
        lines.push(line);
    }
    let encoded = || house.server.hub.feeds().iter().map(|feed| feed.counters.encodings.get()).sum::<u64>();
    let before = encoded();
    for number in 0..50 {
        house.east().put("pods", pod("x", &format!("p-{number}"), "Running")).expect("a pod");
    }
    for line in &mut lines {
        line.until("all of them", |line| {
            line.of("x").rows.len() == 50 && line.of("p").rows.contains_key("x/p-49")
        })
        .await;
    }
    assert_eq!(encoded() - before, 50, "one encoding per event, of 40 views");
    assert_eq!(house.server.hub.feeds().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_open_for_long_says_bye_where_nothing_is_lost() {
    let mut config = config();
    config.streams.max_age = Duration::from_secs(1);
    let house = House::small_with(&config).await;
    let views = [view("p", EAST, "pods")];
    let mut line = Line::open(house.address(), "", &views).await;
    line.synced(&["p"]).await;
    line.until_end().await;
    let bye = line.bye.clone().expect("bye");
    assert_eq!(bye["reason"], "max_age");
    let again: Vec<Value> = views.iter().map(|view| line.resuming(view)).collect();
    let mut line = Line::open(house.address(), "", &again).await;
    line.synced(&["p"]).await;
    assert!(line.of("p").resumed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_stream_is_kept_awake() {
    let mut config = config();
    config.streams.heartbeat = Duration::from_secs(2);
    let house = House::small_with(&config).await;
    let mut empty = Line::open(house.address(), "", &[]).await;
    let mut line = Line::open(house.address(), "", &[view("p", EAST, "pods")]).await;
    assert_eq!(empty.hello["heartbeatMs"], 2000);
    empty.until("a comment", |line| line.comments > 0).await;
    line.until("three heartbeats", |line| {
        line.view("p").is_some_and(|shown| shown.told.iter().filter(|event| *event == "status").count() > 3)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_leaves_nothing() {
    let house = House::small().await;
    let request = post("/api/stream", "", &opening(&[view("a", EAST, "pods"), view("b", EAST, "nodes")]));
    for _ in 0..10 {
        let stream = Stream::on(Wire::with(house.address(), &request).await, Version::Http11).await;
        drop(stream);
    }
    // Half a body, and none of it.
    let head = request.split("\r\n\r\n").next().expect("a head").to_owned() + "\r\n\r\n";
    drop(Wire::with(house.address(), &head).await);
    drop(Wire::with(house.address(), head + "{\"views\":").await);
    eventually("nothing is left", async || house.streams().await.is_empty()).await;
}
