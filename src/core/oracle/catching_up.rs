//! What the client of a multiplexed stream is told while its rows are not yet those of the cluster.

use std::time::Duration;

use super::lines::Lines;
use crate::feed::State;

/// A line with a view of everything, which has all its rows.
fn live() -> Lines {
    let mut lines = Lines::new(500, 1 << 24);
    lines.world.put(0, 0, 0, 0);
    lines.world.relist();
    lines.open(&[0], false);
    lines.decide(0);
    lines.drain();
    lines
}

/// Names and states of what was heard, behind the last connect.
fn heard(lines: &Lines) -> Vec<String> {
    let heard = &lines.tabs[0].heard;
    let from = heard.iter().rposition(|heard| heard.starts_with("---")).map_or(0, |at| at + 1);
    let short = |heard: &String| {
        let event = heard.lines().next().unwrap_or_default().trim_start_matches("event: ").to_owned();
        match heard.split_once("\"state\":\"").and_then(|(_, rest)| rest.split_once('"')) {
            Some((state, _)) => state.to_owned(),
            None => event,
        }
    };
    heard[from..].iter().map(short).collect()
}

#[test]
fn who_comes_back_is_catching_up_until_all_that_was_missed_is_there() {
    let mut lines = live();
    lines.tabs[0].leave();
    lines.drain();
    lines.world.put(0, 1, 1, 0);
    lines.world.deliver(usize::MAX);
    lines.connect(0);
    lines.decide(0);
    lines.drain();
    assert_eq!(heard(&lines)[..5], ["view", "catching_up", "added", "synced", "live"]);
    lines.settle();
    lines.check();
    lines.close();
}

#[test]
fn who_comes_back_and_missed_nothing_is_live_at_once() {
    let mut lines = live();
    lines.tabs[0].leave();
    lines.connect(0);
    lines.decide(0);
    lines.drain();
    assert_eq!(heard(&lines)[..3], ["view", "synced", "live"]);
    lines.close();
}

#[test]
fn who_reads_too_slowly_is_told_before_the_latest_rows() {
    let mut lines = live();
    for value in 0..20 {
        lines.world.put(0, 1, value, 3);
        lines.world.deliver(usize::MAX);
        lines.world.turn();
    }
    lines.drain();
    let heard = heard(&lines);
    let at = |what: &str| heard.iter().rposition(|heard| heard == what);
    let row = heard.iter().rposition(|heard| heard == "added" || heard == "modified");
    assert!(at("catching_up").is_some() && at("catching_up") < row && row < at("live"), "{heard:#?}");
    lines.settle();
    lines.check();
    lines.close();
}

#[test]
fn rows_that_are_live_again_are_said_to_be_within_a_second() {
    let mut lines = live();
    // So short an absence is told to nobody but by a heartbeat that falls into it.
    lines.world.away(0);
    lines.world.heartbeat();
    lines.drain();
    assert_eq!(heard(&lines).last().map(String::as_str), Some("stale"));
    lines.world.feed.set_state(State::Live);
    lines.world.pass(Duration::from_secs(1));
    lines.drain();
    assert_eq!(heard(&lines).last().map(String::as_str), Some("live"));
    let said = heard(&lines).len();
    lines.world.pass(Duration::from_secs(1));
    lines.drain();
    assert_eq!(heard(&lines).len(), said, "it is said once");
    lines.close();
}
