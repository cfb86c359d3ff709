//! Snapshots as multiplexed streams get them: in parts, while they are being encoded, and while one that is whole is dressed.

use std::sync::Arc;

use super::lines::Lines;
use crate::feed::Scope;
use crate::feed::snapshot::{Part, Snapshot};
use crate::wire::line::PART;

/// What a snapshot's parts are while it is being encoded.
fn parts(snapshot: &Snapshot) -> Vec<Part> {
    let part = |(index, rows): (u32, &[u8])| Part {
        place: snapshot.place,
        rv: snapshot.rv,
        count: snapshot.count,
        index,
        rows: rows.into(),
    };
    (0..).zip(snapshot.parts()).map(part).collect()
}

/// A line with a view of everything that waits for its snapshot, which has several parts.
fn waits_for_parts() -> (Lines, Arc<Snapshot>) {
    let mut lines = Lines::new(1 << 20, 1 << 24);
    for object in 0..8 {
        lines.world.put(object / 3, object % 3, 0, 3);
    }
    lines.world.relist();
    lines.open(&[0], false);
    lines.decide(0);
    let snapshot = lines.world.feed.list(&Scope::All).expect("rows").expect("it is synced");
    (lines, snapshot)
}

#[test]
fn the_first_rows_go_out_before_the_last_are_here() {
    for gives_another in [false, true] {
        let (mut lines, snapshot) = waits_for_parts();
        let feed = lines.world.feed.clone();
        let parts = parts(&snapshot);
        assert!(parts.len() > 3, "{}", parts.len());
        for (index, part) in parts.iter().enumerate() {
            lines.world.core.got_part(&feed, &Scope::All, part);
            lines.world.turn();
            lines.world.turn();
            while lines.tabs[0].read(65_536) {}
            let view = &lines.tabs[0].views["view-1"];
            let rows = view.incoming.as_ref().map(|(_, rows)| rows.len());
            assert!(rows > Some(index) && !view.is_synced, "{:#?}", lines.tabs[0].heard);
        }
        lines.world.put(2, 2, 0, 0);
        lines.world.deliver(usize::MAX);
        let mut whole = snapshot;
        if gives_another {
            whole = feed.list(&Scope::All).expect("rows").expect("it is synced");
        }
        lines.world.core.got_snapshot(&feed, &Scope::All, &Ok(whole));
        lines.world.turn();
        lines.world.turn();
        while lines.tabs[0].read(65_536) {}
        let told = |event: &str| lines.tabs[0].heard.iter().filter(|heard| heard.contains(event)).count();
        assert_eq!(told("event: begin"), if gives_another { 2 } else { 1 }, "{:#?}", lines.tabs[0].heard);
        lines.settle();
        lines.check();
        lines.close();
    }
}

#[test]
fn who_leaves_while_parts_come_leaves_nothing() {
    let (mut lines, snapshot) = waits_for_parts();
    let feed = lines.world.feed.clone();
    let parts = parts(&snapshot);
    drop(snapshot);
    for (index, part) in parts.iter().enumerate() {
        lines.world.core.got_part(&feed, &Scope::All, part);
        if index == 1 {
            lines.remove(0, 0);
        }
        lines.world.turn();
    }
    lines.settle();
    lines.check();
    lines.close();
}

/// The same, and the snapshot is here, whole: it is being dressed.
fn is_being_dressed() -> Lines {
    let (mut lines, snapshot) = waits_for_parts();
    let feed = lines.world.feed.clone();
    lines.world.core.got_snapshot(&feed, &Scope::All, &Ok(snapshot));
    assert_eq!(lines.world.core.dressing.len(), 1, "it is too long for one turn");
    lines
}

#[test]
fn a_snapshot_that_is_whole_is_dressed_a_few_parts_in_a_turn() {
    let mut lines = is_being_dressed();
    let mut dressed = lines.world.logs();
    let (mut turns, mut is_early) = (0, false);
    while !lines.world.core.dressing.is_empty() {
        lines.world.turn();
        while lines.tabs[0].read(65_536) {}
        turns += 1;
        let now = lines.world.logs();
        assert!(now < dressed + 3 * PART, "{dressed} bytes became {now} in a turn");
        dressed = now;
        let rows = lines.tabs[0].views["view-1"].incoming.as_ref().map_or(0, |(_, rows)| rows.len());
        is_early |= rows > 0 && !lines.world.core.dressing.is_empty();
        if turns == 1 {
            // Another comes for the same, and a row changes.
            lines.open(&[0], false);
            lines.decide(1);
            lines.world.put(1, 0, 7, 0);
            lines.world.deliver(usize::MAX);
        }
    }
    assert!(is_early, "the first rows are there before the last are dressed: {:#?}", lines.tabs[0].heard);
    assert_eq!(lines.world.feed.counters.snapshots.get(), 1);
    lines.settle();
    lines.check();
    lines.close();
}

#[test]
fn who_leaves_while_a_snapshot_is_dressed_leaves_nothing() {
    let mut lines = is_being_dressed();
    lines.world.turn();
    lines.remove(0, 0);
    lines.settle();
    assert!(lines.world.core.dressing.is_empty());
    lines.check();
    lines.close();
}

#[test]
fn a_history_that_ends_while_its_snapshot_is_dressed_ends_that_too() {
    let mut lines = is_being_dressed();
    lines.world.turn();
    lines.world.restore(3, false);
    lines.settle();
    lines.check();
    lines.close();
}
