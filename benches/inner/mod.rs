//! The inner loops of the way of an event and of a request, each as something to do again and again: `loops` times them, `instructions`
//! counts their instructions.
//!
//! They use what the crate shows anyway. What it hides they reach by its door: the replica by a feed, a projection by a line that holds
//! nothing but what the row needs.

#![allow(dead_code, reason = "each benchmark that has this module uses another part of it")]

mod core;
pub mod feed;
pub mod lines;

/// One of the loops.
pub struct Inner {
    /// What it does.
    pub name: &'static str,
    /// Makes all that it needs, and gives what is done once per turn.
    pub make: fn() -> Box<dyn FnMut()>,
    /// How many of the things that its name says one turn does.
    pub per_turn: u64,
}

const fn inner(name: &'static str, make: fn() -> Box<dyn FnMut()>) -> Inner {
    Inner { name, make, per_turn: 1 }
}

/// All of them.
pub const ALL: &[Inner] = &[
    inner("decode a pod line of 7 kB to its row", feed::decode_pod),
    inner("decode a recorded pod line of 4 kB to its row", feed::decode_recorded),
    inner("decode a pod line that has only what the row shows", feed::project_pod),
    inner("pod line of 7 kB to frame in the journal", feed::line_to_frame),
    inner("pod line of 7 kB whose row is the known one", feed::suppressed),
    inner("encode a frame of a 250-byte row", feed::encode),
    inner("append a block of one frame to a journal", feed::append),
    inner("row to journal, no cores", feed::no_cores),
    inner("row to journal, 64 cores that do not follow", feed::idle_cores),
    inner("find the place of an id among 10,000 frames", feed::resume),
    inner("dispatch a frame to its view, no other view", core::dispatch_alone),
    inner("dispatch a frame to its view, 100 other views", core::dispatch_among_100),
    inner("dispatch a frame to its view, 10,000 other views", core::dispatch_among_10_000),
    inner("dispatch a frame that no view shows", core::dispatch_unwatched),
    Inner { name: "a stream's share of a lap, 100 streams", make: core::lap_of_100, per_turn: 100 },
    Inner { name: "a stream's share of a lap, 10,000 streams", make: core::lap_of_10_000, per_turn: 10_000 },
    inner("parse the head of a watch request", core::head),
    inner("count a stream of one of 10,000 users in and out", core::limit),
];
