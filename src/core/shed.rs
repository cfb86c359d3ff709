//! What a core sheds while memory is short, in the order of [`Shedding`]. Journals are the hub's to shrink.
//!
//! First what costs clients next to nothing: a stream that takes nothing leaves its log much sooner than else, so that the log's bytes are freed; what it
//! missed it gets as the latest row of each object. And what was kept for newcomers goes. Last, new streams and lists are refused, and streams that keep
//! much memory from being freed are ended. A stream that takes what it is sent is never touched.

use std::time::Instant;

use super::Core;
use super::beat::Timer;
use super::reason::Reason;
use super::slot::{At, BLOCKED, ENDING, HELD, SlotId, Socket};
use super::view::ViewId;
use crate::memory::pressure::Shedding;
use crate::wire::line::Bye;

/// While memory is short, a stream may be behind by so many times less.
const SOONER: usize = 8;

/// Bytes that a blocked stream may hold at the ceiling of memory.
const MUCH: usize = 64 * 1024;

/// Streams that a core ends in a second for the sake of memory.
const AT_ONCE: usize = 64;

impl Core {
    /// How many bytes a stream may be behind before it leaves its log: `streams.lag`, or less. Never so few that a socket which is only full counts as slow.
    pub(super) fn most_lag(&self) -> usize {
        let streams = &self.everywhere.streams;
        if self.everywhere.ledger.shedding() == Shedding::Nothing {
            return streams.lag;
        }
        let full = 2 * streams.notsent_lowat as usize;
        (streams.lag / SOONER).max(full).min(streams.lag)
    }

    /// Once a second.
    pub(super) fn shed_for_memory(&mut self, now: Instant) {
        if self.everywhere.ledger.shedding() >= Shedding::Coalescing {
            self.shed_laggards();
            for view in 0..self.views.len() {
                self.drop_unused(ViewId::try_from(view).expect("fewer views than 2^32"), now);
            }
        }
        if self.everywhere.ledger.is_full() {
            self.shed_holders(now);
        }
    }

    /// Streams in a log that take nothing are else looked at when their view has something to send, which may be never again.
    fn shed_laggards(&mut self) {
        let in_log = |slot: &super::slot::Slot| matches!(slot.at, At::Log(_));
        let all: Vec<SlotId> = self.slots.iter().filter(|(_, slot)| in_log(slot)).map(|(id, _)| id).collect();
        for id in all {
            let slot = self.slots.get(id);
            match slot.socket {
                Socket::Of(line) => self.visit_lane(line, id, None),
                Socket::Own { .. } if slot.is(BLOCKED | HELD) => self.shed_lag(id),
                Socket::Own { .. } => {}
            }
        }
    }

    /// Streams that keep much from being freed, and take nothing (or may not yet), are ended.
    fn shed_holders(&mut self, now: Instant) {
        let holds_much = |at| match at {
            At::Prefix(segment, _) => self.prefixes.bytes(segment).len() > MUCH,
            At::Line(line) => self.holds_much(line, MUCH),
            At::Log(_) | At::Behind(_) | At::Waiting | At::Pausing => false,
        };
        let holders: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.is(BLOCKED | HELD) && !slot.is(ENDING) && holds_much(slot.at))
            .map(|(id, _)| id)
            .take(AT_ONCE)
            .collect();
        for id in holders {
            self.counters.shed.add(1);
            // Whoever does not take its last event in time is reset: the kernel would keep what it has for such a socket.
            let until = now + self.everywhere.streams.last_event;
            self.timers.at(until, Timer::CutOff(self.slots.name(id)));
            if self.is_of_line(id) {
                self.say_bye(id, Bye::Backpressure, Reason::Backpressure);
            } else {
                self.end_stream(id, "backpressure", "{}", Reason::Backpressure);
            }
        }
    }
}
