//! Streams that lose their right, wherever they stand: nothing of a row follows, and what follows is whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::world::World;
use super::{Act, act, perform};
use crate::access::{Grant, Ruling};
use crate::identity::{Revoked, SessionRef};

/// How a right is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Denied,
    Unavailable,
    Revoked,
    Expired,
}

impl Way {
    fn event(self) -> &'static str {
        match self {
            Way::Denied => "event: error\ndata: {\"message\":\"list and watch of",
            Way::Unavailable => "\"code\":\"authz_unavailable\"}",
            Way::Revoked | Way::Expired => "event: auth_expired\ndata: {}",
        }
    }

    /// Everybody loses their right in this way.
    fn befalls(self, world: &mut World) {
        match self {
            Way::Denied => rule(world, &Ruling::Denied { namespace: None }),
            Way::Unavailable => rule(world, &Ruling::Unavailable),
            Way::Revoked => world.core.revoke(&Arc::new(Revoked::Session(7))),
            Way::Expired => world.core.expire_passes(u64::MAX),
        }
    }
}

fn rule(world: &mut World, ruling: &Ruling) {
    for tab in 0..world.tabs.len() {
        world.core.ruled(Arc::new(Grant::new(world.question(tab), ruling.clone())));
    }
    world.core.carry_out_rulings();
}

/// Bytes on their way to each tab that has a stream.
fn on_their_way(world: &World) -> Vec<Option<usize>> {
    let pending = |tab: &super::tab::Tab| {
        let stream = tab.stream.as_ref()?;
        let unread = rustix::io::ioctl_fionread(stream).expect("a socket has a queue");
        Some(tab.received + usize::try_from(unread).expect("small"))
    };
    world.tabs.iter().map(pending).collect()
}

/// Everybody loses their right, more happens in the cluster, and every tab listens to its end.
fn lose_all(world: &mut World, way: Way) {
    world.turn();
    let had = on_their_way(world);
    way.befalls(world);
    for value in 0..3 {
        world.put(0, 0, value, 2);
        world.put(1, 0, value, 2);
        world.deliver(usize::MAX);
        world.answer();
        world.turn();
    }
    for (index, had) in had.into_iter().enumerate() {
        let Some(had) = had else { continue };
        let mut idle = 0;
        while world.tabs[index].stream.is_some() && idle < 10 {
            idle = if world.tabs[index].read(1000) { 0 } else { idle + 1 };
            world.turn();
            world.pass(Duration::from_millis(200));
        }
        let tab = &world.tabs[index];
        assert!(tab.stream.is_none(), "tab {index} is closed; heard {:#?}", tab.heard);
        let more = tab.received - had;
        if more == 0 {
            continue;
        }
        let last = tab.heard.last().expect("something");
        // It may have been ending already, with its feed or by rotation.
        let was_ending = last.contains("event: error\ndata: {\"message\":\"pods: ")
            || (last.starts_with("retry: ") && !last.contains("event: "));
        let is_end = last.contains(way.event()) || was_ending;
        assert!(is_end && tab.is_whole(), "tab {index} got {more} bytes more: {:#?}", tab.heard);
        assert!(more < 250, "nothing but the last event follows, not {more} bytes; heard {:#?}", tab.heard);
    }
    assert_eq!(world.core.slots.len(), 0);
    // What logs take is counted once a second.
    world.pass(Duration::from_secs(2));
}

fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![Just(Way::Denied), Just(Way::Unavailable), Just(Way::Revoked), Just(Way::Expired)]
}

proptest! {
    #[test]
    fn behind_a_lost_right_nothing_of_a_row_goes_out(
        way in ways(),
        lag in prop_oneof![Just(500usize), Just(1 << 20)],
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let mut world = World::new(false, lag, 1 << 20);
        let full = [Act::Put(0, 0, 0, 3), Act::Relist, Act::Open(0, false, None), Act::Open(1, true, None), Act::Answer];
        for act in full.iter().chain(&acts) {
            perform(&mut world, act);
        }
        lose_all(&mut world, way);
        world.close();
    }
}

/// A tab with a snapshot, and nothing else.
fn quiet() -> World {
    let mut world = World::new(false, 1 << 20, 1 << 20);
    for act in
        [Act::Put(0, 0, 0, 0), Act::Relist, Act::Open(0, false, None), Act::Answer, Act::Turn, Act::Turn]
    {
        perform(&mut world, &act);
    }
    while world.tabs[0].read(65_536) {}
    assert!(world.tabs[0].loaded);
    world
}

#[test]
fn a_stream_between_two_frames_is_told_why_it_ends() {
    for way in [Way::Denied, Way::Unavailable, Way::Revoked, Way::Expired] {
        let mut world = quiet();
        lose_all(&mut world, way);
        let last = world.tabs[0].heard.last().expect("something").clone();
        assert!(last.contains(way.event()), "{way:?}: {last}");
        world.close();
    }
}

#[test]
fn a_stream_amid_a_frame_is_closed_at_once() {
    let mut world = quiet();
    for value in 0..2 {
        world.put(0, 0, value + 1, 4);
        world.deliver(1);
    }
    world.turn();
    world.turn();
    assert!(world.core.counters.blocked.get() > 0, "its socket is full");
    let had = on_their_way(&world);
    Way::Denied.befalls(&mut world);
    assert_eq!(world.core.slots.len(), 0, "nothing is waited for");
    while world.tabs[0].read(65_536) {}
    assert_eq!(Some(world.tabs[0].received), had[0]);
    world.close();
}

#[test]
fn a_stream_whose_right_is_lost_while_its_feed_is_asked_for_gets_no_row() {
    for way in [Way::Denied, Way::Revoked] {
        let mut world = World::new(false, 1 << 20, 1 << 20);
        world.put(0, 0, 0, 0);
        world.relist();
        world.remove_feed();
        world.open(0, false, None);
        assert_eq!(world.core.slots.len(), 0, "it waits");
        way.befalls(&mut world);
        world.answer();
        world.turn();
        while world.tabs[0].read(65_536) {}
        let tab = &world.tabs[0];
        assert!(tab.stream.is_none() && !tab.loaded, "{:#?}", tab.heard);
        assert!(tab.heard.last().is_some_and(|last| last.contains(way.event())), "{:#?}", tab.heard);
        world.close();
    }
}

#[test]
fn an_older_decision_does_not_undo_a_newer_one() {
    let mut world = quiet();
    let old = Instant::now().checked_sub(Duration::from_mins(1)).expect("the clock is older than that");
    let grant = Grant::new(world.question(0), Ruling::Unavailable);
    grant.decide(Ruling::Denied { namespace: None }, old);
    world.core.ruled(Arc::new(grant));
    world.core.carry_out_rulings();
    world.turn();
    assert!(!world.tabs[0].read(1000) && world.tabs[0].stream.is_some());
}

#[test]
fn only_the_session_that_was_named_ends() {
    let mut world = quiet();
    for other in
        [Revoked::Session(8), Revoked::Subject("somebody".into(), u64::MAX), Revoked::Subject("u".into(), 99)]
    {
        world.core.revoke(&Arc::new(other));
    }
    world.turn();
    assert!(!world.tabs[0].read(1000) && world.tabs[0].stream.is_some());
    let session = SessionRef { id: 7, began: 100, until: 0, provider: None };
    let revoked = Revoked::Subject("u".into(), 100);
    assert!(revoked.ends("u", &session));
    world.core.revoke(&Arc::new(revoked));
    world.turn();
    while world.tabs[0].read(65_536) {}
    assert!(world.tabs[0].stream.is_none());
}
