//! What is counted of how late frames leave by multiplexed streams.

use super::lines::Lines;

fn counted(lines: &Lines) -> u64 {
    lines.world.core.counters.event_to_socket.buckets().map(|(_, count)| count).sum()
}

#[test]
fn a_lap_counts_each_view_that_it_sends_and_nothing_that_was_held_up() {
    let mut lines = Lines::new(1 << 20, 1 << 24);
    lines.world.put(0, 0, 0, 0);
    lines.world.relist();
    // Everything, and the first namespace.
    lines.open(&[0, 1], false);
    lines.decide(0);
    lines.drain();
    assert_eq!(counted(&lines), 0, "a snapshot comes by no lap");
    lines.world.put(0, 0, 1, 0);
    lines.world.deliver(usize::MAX);
    lines.drain();
    assert_eq!(counted(&lines), 2);
    lines.world.heartbeat();
    lines.drain();
    assert_eq!(counted(&lines), 2, "a heartbeat is no frame");
    // More than the socket takes: the first send of it is counted, the rest waits for the reader.
    for value in 0..3 {
        lines.world.put(0, 0, value, 4);
        lines.world.deliver(usize::MAX);
        lines.world.turn();
        lines.world.turn();
    }
    lines.drain();
    assert_eq!(counted(&lines), 3);
    lines.close();
}
