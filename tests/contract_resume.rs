//! What `Last-Event-ID` brings, row by row of the design's table.

mod house;
mod tab;

use std::time::{Duration, Instant};

use foretop::config::Config;
use foretop::sim::Command;
use house::wire::Stream;
use house::{House, config, pod, pod_row, watch};
use tab::sse::Event;

const GONE: &str = r#"{"reason":"gone_410"}"#;

/// A house whose pods feed is synced and stays.
async fn warm(config: &Config, pods: usize) -> House {
    let house = House::with(config, pods).await;
    house.warm("pods").await;
    house
}

/// A stream of pods that comes back with this id.
async fn resume(house: &House, query: &str, id: impl std::fmt::Display) -> Stream {
    let path = format!("{}{query}", watch("pods"));
    Stream::open(house.address(), &path, &format!("Last-Event-ID: {id}\r\n")).await
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id.as_ref().expect("an id").parse().expect("a version")).collect()
}

/// Waits until the feed has applied all up to a version, as another stream sees it.
async fn applied(house: &House, version: u64) {
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    let reached = |event: &Event| event.id.as_ref().is_some_and(|id| id.parse::<u64>().unwrap() >= version);
    stream.until("the version", |items| house::wire::events(items).iter().any(reached)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_inside_the_journal_brings_the_missed_frames_in_order() {
    let house = warm(&config(), 20).await;
    let east = house.east();
    let seen = east.put("pods", pod("team-x", "a", "Pending")).unwrap();
    let missed = [
        east.put("pods", pod("team-x", "a", "Running")).unwrap(),
        east.put("pods", pod("team-y", "b", "Running")).unwrap(),
        east.put("pods", pod("team-x", "a", "Failed")).unwrap(),
    ];
    applied(&house, missed[2]).await;
    let mut stream = resume(&house, "", seen).await;
    let events = stream.events(3).await;
    assert_eq!(names(&events), ["modified", "added", "modified"]);
    assert_eq!(ids(&events), missed);
    let live = east.put("pods", pod("team-x", "a", "Running")).unwrap();
    let events = stream.events(4).await;
    assert_eq!((names(&events)[3], ids(&events)[3]), ("modified", live));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_gets_only_its_own_missed_frames() {
    let house = warm(&config(), 20).await;
    let east = house.east();
    let seen = east.put("pods", pod("team-x", "a", "Pending")).unwrap();
    east.put("pods", pod("team-y", "b", "Running")).unwrap();
    let mine = east.put("pods", pod("team-x", "a", "Running")).unwrap();
    let last = east.put("pods", pod("team-y", "c", "Running")).unwrap();
    applied(&house, last).await;
    let mut stream = resume(&house, "?namespace=team-x", seen).await;
    assert_eq!(ids(&stream.events(1).await), [mine]);
    let next = east.put("pods", pod("team-x", "a", "Failed")).unwrap();
    assert_eq!(ids(&stream.events(2).await), [mine, next]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_resume_gets_one_frame_that_changes_nothing() {
    let house = warm(&config(), 0).await;
    let east = house.east();
    let seen = east.put("pods", pod("team-x", "a", "Running")).unwrap();
    applied(&house, seen).await;
    let mut stream = resume(&house, "", seen).await;
    let first = stream.events(1).await.remove(0);
    assert_eq!((first.name.as_str(), first.id.clone()), ("modified", Some(seen.to_string())));
    assert_eq!(first.data, format!(r#"{{"object":{}}}"#, pod_row("team-x", "a", "Running")));
    let next = east.put("pods", pod("team-x", "a", "Failed")).unwrap();
    assert_eq!(ids(&stream.events(2).await), [seen, next], "one frame, and then what is new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_resume_of_an_empty_list_gets_an_empty_snapshot() {
    let house = warm(&config(), 0).await;
    let mut first = Stream::open(house.address(), &watch("pods"), "").await;
    let seen = ids(&first.events(1).await)[0];
    let mut stream = resume(&house, "", seen).await;
    let frame = stream.events(1).await.remove(0);
    assert_eq!(frame.name, "snapshot");
    assert_eq!(frame.data, format!(r#"{{"resourceVersion":"{seen}","items":[]}}"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_older_than_the_journal_brings_relist_and_in_a_moment_the_snapshot() {
    let house = warm(&config(), 20).await;
    for id in ["0", "1"] {
        let began = Instant::now();
        let mut stream = resume(&house, "", id).await;
        let events = stream.events(2).await;
        // Behind whatever deltas came before, which a page holds back for 50 ms. A lower bound does not depend on load.
        assert!(began.elapsed() >= Duration::from_millis(100));
        assert_eq!(names(&events), ["relist", "snapshot"]);
        assert_eq!((events[0].data.as_str(), events[0].id.as_deref()), (GONE, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_was_evicted_counts_as_older() {
    let mut config = config();
    config.journal.max_bytes = 4096;
    let house = warm(&config, 20).await;
    let east = house.east();
    let seen = east.put("pods", pod("team-x", "a", "Pending")).unwrap();
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    // One by one, so that each makes a block of its own.
    for round in 0..60 {
        east.put("pods", pod("team-x", "a", if round % 2 == 0 { "Running" } else { "Failed" })).unwrap();
        stream.events(2 + round).await;
    }
    let mut late = resume(&house, "", seen).await;
    assert_eq!(names(&late.events(2).await), ["relist", "snapshot"]);
    let mut other = resume(&house, "?namespace=team-y", seen).await;
    assert_eq!(
        names(&other.events(1).await),
        ["snapshot"],
        "of this namespace nothing was evicted: it missed nothing"
    );
    assert!(other.seen()[0].data.contains(r#""items":[]"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_inside_a_gap_counts_as_older() {
    let house = warm(&config(), 20).await;
    let east = house.east();
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    let before = ids(&stream.events(1).await)[0];
    east.stop().await;
    let inside = east.put("pods", pod("team-x", "a", "Running")).unwrap();
    let head = east.put("pods", pod("team-x", "b", "Running")).unwrap();
    east.restart().await.unwrap();
    stream.events(3).await;
    let mut late = resume(&house, "", inside).await;
    assert_eq!(names(&late.events(2).await), ["relist", "snapshot"]);
    let mut older = resume(&house, "", before).await;
    let missed = older.events(2).await;
    assert_eq!(names(&missed), ["added", "added"]);
    assert_eq!((missed[0].id.as_deref(), missed[1].id.clone()), (None, Some(head.to_string())));
    let mut newest = resume(&house, "", head).await;
    assert_eq!(names(&newest.events(1).await), ["modified"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_none_of_ours_brings_a_snapshot() {
    let house = warm(&config(), 20).await;
    for id in ["abc", "12.x", "-1", "1e3", "0x10", "\u{e9}", "99999999999999999999999999999999999999999999"] {
        let mut stream = resume(&house, "", id).await;
        assert_eq!(names(&stream.events(1).await), ["snapshot"], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_not_in_the_header_is_not_looked_at() {
    let house = warm(&config(), 20).await;
    let rv = house.east().rv();
    let mut stream = resume(&house, &format!("?lastEventId={rv}&Last-Event-ID={rv}"), "").await;
    assert_eq!(names(&stream.events(1).await), ["snapshot"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_a_process_that_was_ahead_joins_at_the_head() {
    let house = warm(&config(), 20).await;
    let east = house.east();
    let ahead = east.rv() + 2;
    let mut stream = resume(&house, "", ahead).await;
    house.has_streams(1).await;
    let written: Vec<u64> = ["Pending", "Running", "Failed"]
        .map(|phase| east.put("pods", pod("team-x", "a", phase)).unwrap())
        .into();
    let events = stream.events(3).await;
    assert_eq!(names(&events), ["added", "modified", "modified"]);
    assert_eq!(ids(&events), written, "those up to its id are repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_stays_ahead_brings_relist_and_snapshot() {
    let mut config = config();
    config.streams.ahead = Duration::from_secs(1);
    let house = warm(&config, 20).await;
    let mut stream = resume(&house, "", house.east().rv() + 1000).await;
    assert_eq!(names(&stream.events(2).await), ["relist", "snapshot"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_ahead_of_a_restored_cluster_brings_relist_and_snapshot_at_once() {
    let house = warm(&config(), 20).await;
    let east = house.east();
    let mut tab = Stream::open(house.address(), &watch("pods"), "").await;
    tab.events(1).await;
    let seen = east.put("pods", pod("team-x", "a", "Running")).unwrap();
    east.put("pods", pod("team-x", "a", "Failed")).unwrap();
    // A version that was not seen cannot be seen to fall.
    tab.events(3).await;
    let mut stream = resume(&house, "", seen + 100).await;
    east.command(Command::Rewind { by: 3 });
    stream
        .until("a relist", |items| names(&house::wire::events(items)).ends_with(&["relist", "snapshot"]))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_a_rebuilt_cluster_brings_a_snapshot() {
    let house = warm(&config(), 20).await;
    let east = house.east();
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    let seen = ids(&stream.events(1).await)[0];
    east.stop().await;
    east.command(Command::ReplaceKubeSystem);
    east.put("pods", pod("team-x", "a", "Running")).unwrap();
    east.restart().await.unwrap();
    let events = stream.events(3).await;
    assert_eq!(
        names(&events),
        ["snapshot", "relist", "snapshot"],
        "no version of the old one means anything"
    );
    let mut late = resume(&house, "", seen).await;
    assert!(names(&late.events(1).await)[0] != "modified");
    late.until("a snapshot", |items| names(&house::wire::events(items)).ends_with(&["snapshot"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_before_a_restore_is_not_taken_for_one_of_after_it() {
    let house = warm(&config(), 20).await;
    let east = house.east();
    let mut tab = Stream::open(house.address(), &watch("pods"), "").await;
    tab.events(1).await;
    for name in ["lost-1", "lost-2", "lost-3"] {
        east.put("pods", pod("team-x", name, "Running")).unwrap();
    }
    let lost = ids(&tab.events(4).await)[3];
    east.command(Command::Rewind { by: 3 });
    tab.events(6).await;
    let mut late = resume(&house, "", lost).await;
    assert_eq!(names(&late.events(2).await), ["relist", "snapshot"], "before there is such a version again");
    for name in ["new-1", "new-2", "new-3", "new-4"] {
        east.put("pods", pod("team-x", name, "Running")).unwrap();
    }
    tab.until("new versions", |items| ids(&house::wire::events(items)[6..]).last() > Some(&lost)).await;
    let mut later = resume(&house, "", lost).await;
    assert_eq!(names(&later.events(2).await), ["relist", "snapshot"], "and after");
    let head = *ids(&tab.seen()[6..]).last().unwrap();
    let mut known = resume(&house, "", head).await;
    assert_eq!(
        names(&known.events(1).await),
        ["modified"],
        "what is beyond the old past can be resumed from"
    );
}
