//! Tenants with a quota of bytes: whoever waits for bytes loses nothing, and makes nobody of another tenant wait.

use std::time::Duration;

use proptest::prelude::*;

use super::world::World;
use super::{Act, act, perform};
use crate::core::slot::{HELD, SlotId};

/// Bytes per second of a tenant: a lump of them is due 16 times a second.
const QUOTA: usize = 64 * 1024;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_tab_ends_with_the_rows_of_a_list(
        lag in prop_oneof![Just(500usize), Just(4000), Just(1 << 20)],
        journal in prop_oneof![Just(2000usize), Just(20_000), Just(1 << 24)],
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let mut world = World::with_quota(QUOTA, lag, journal);
        for act in &acts {
            perform(&mut world, act);
            assert_lines(&world);
        }
        world.settle();
        world.check();
        world.close();
    }

    #[test]
    fn every_stream_that_is_ended_gets_its_last_event_whole(
        lag in prop_oneof![Just(500usize), Just(1 << 20)],
        acts in proptest::collection::vec(act(), 1..40),
    ) {
        let mut world = World::with_quota(QUOTA, lag, 1 << 20);
        for act in acts.iter().filter(|act| !matches!(act, Act::Pass(1000..))) {
            perform(&mut world, act);
        }
        world.shut_down();
        world.close();
    }
}

/// Who is in line is the stream of a tenant that has no bytes, and something will move the line.
fn assert_lines(world: &World) {
    let held: Vec<SlotId> =
        world.core.slots.iter().filter(|(_, slot)| slot.is(HELD)).map(|(id, _)| id).collect();
    let quotas = world.core.quotas.as_ref().expect("there are quotas");
    for id in held {
        let number = world.core.passes.holder(world.core.slots.get(id).pass).tenant.number;
        assert!(quotas.is_moved(number), "the line of stream {id} stands");
        assert!(quotas.has_in_line(number, world.core.slots.name(id)), "stream {id} is in its line");
    }
}

/// Streams of a tenant that wait for bytes.
fn waiting(world: &World, number: usize) -> usize {
    let slots = world.core.slots.iter();
    slots
        .filter(|(_, slot)| slot.is(HELD) && world.core.passes.holder(slot.pass).tenant.number == number)
        .count()
}

fn read_all(world: &mut World) -> Vec<usize> {
    for tab in &mut world.tabs {
        while tab.read(65_536) {}
    }
    world.tabs.iter().map(|tab| tab.received).collect()
}

fn step(world: &mut World, time: Duration) {
    world.pass(time);
    for _ in 0..40 {
        world.turn();
        read_all(world);
    }
}

#[test]
fn a_snapshot_that_is_larger_than_the_quota_goes_out_in_pieces() {
    let mut world = World::with_quota(16 * 1024, 1 << 20, 1 << 24);
    for name in 0..3 {
        (0..3).for_each(|namespace| world.put(namespace, name, 1, 4));
    }
    world.relist();
    world.open(0, false, None);
    world.answer();
    let mut steps = 0;
    while !world.tabs[0].loaded {
        let before = world.tabs[0].received;
        step(&mut world, Duration::from_millis(250));
        assert!(world.tabs[0].received - before <= 3 * 4096, "a lump or two at a time");
        steps += 1;
    }
    // 180 kB of rows.
    assert!((40..=60).contains(&steps), "{steps}");
    world.settle();
    world.check();
    world.close();
}

#[test]
fn who_has_bytes_does_not_wait_for_those_who_have_none() {
    let mut world = World::with_quota(QUOTA, 1 << 20, 1 << 24);
    world.put(0, 0, 0, 0);
    world.relist();
    // One of the second tenant, and eleven of the first.
    for tab in 0..12 {
        world.open(0, false, None);
        if tab % 2 == 1 && tab != 1 {
            world.tabs[tab].disconnect();
        }
    }
    world.answer();
    step(&mut world, Duration::from_secs(2));
    let mut all_waited = 0;
    // The second tenant's second of bytes suffices for as long.
    for round in 0..12 {
        // 4 kB for each stream and step; the first tenant has bytes for one of its six.
        world.put(0, 0, round, 2);
        world.put(0, 1, round, 3);
        world.deliver(2);
        step(&mut world, Duration::from_millis(62));
        assert_eq!(waiting(&world, 1), 0, "nobody of the second waits");
        all_waited += waiting(&world, 0);
        let slot = world.tabs[1].stream.as_ref().expect("it is open");
        assert_eq!(rustix::io::ioctl_fionread(slot).expect("a queue"), 0);
        let seen = world.tabs[1].rows["a/y"].0.contains(&format!("\"value\":{round}}}"));
        assert!(seen, "it shows the newest row at once");
    }
    assert!(all_waited > 20, "the others wait: {all_waited}");
    world.settle();
    world.check();
    world.close();
}

#[test]
fn a_line_comes_round_within_seconds_however_much_everyone_has_to_get() {
    let mut world = World::with_quota(QUOTA, 1 << 20, 1 << 24);
    (0..9).for_each(|object| world.put(object / 3, object % 3, 1, 5));
    world.relist();
    // 40 times 4.5 MB: for either tenant more than twenty minutes' worth, since a machine that is slow adds its own time to that which is played.
    (0..40).for_each(|_| world.open(0, false, None));
    world.answer();
    step(&mut world, Duration::from_secs(1));
    let mut last = vec![0; 40];
    let mut silent = [0; 40];
    for second in 0..60 {
        for _ in 0..10 {
            step(&mut world, Duration::from_millis(100));
        }
        for (tab, received) in read_all(&mut world).into_iter().enumerate() {
            silent[tab] = if received == last[tab] { silent[tab] + 1 } else { 0 };
            last[tab] = received;
            assert!(silent[tab] <= 10, "tab {tab} hears nothing for {} s, at {second}", silent[tab]);
        }
    }
    assert!(world.tabs.iter().all(|tab| !tab.loaded), "nobody was served out of turn");
    let (fewest, most) = (last.iter().min().expect("some"), last.iter().max().expect("some"));
    assert!(most - fewest < 2 * QUOTA, "all get alike: {fewest} to {most} bytes");
    for tab in &mut world.tabs {
        tab.disconnect();
    }
    world.close();
}
