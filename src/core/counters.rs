//! What a core has counted. Each cell is written by its core alone, and read by whoever gathers figures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::reason::Reason;
use super::refusals::Refusals;
use super::slot::StreamState;
use crate::feed::{Counter, Histogram};

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// Sets it.
    pub fn set(&self, value: usize) {
        self.0.store(value as u64, Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts of one core.
#[derive(Debug, Default)]
pub struct CoreCounters {
    /// Open streams.
    pub streams: Level,
    /// Of these, multiplexed ones.
    pub lines: Level,
    /// Views that they show.
    pub lanes: Level,
    /// Streams in each state, in the order of [`StreamState::ALL`].
    pub states: [Level; StreamState::ALL.len()],
    /// Views with streams.
    pub views: Level,
    /// Users with streams.
    pub users: Level,
    /// Open connections that are no stream.
    pub connections: Level,
    /// 1 once the core has begun to end its streams, and the levels above say what there was then.
    pub going: Level,
    /// Streams opened.
    pub opened: Counter,
    /// Streams ended, by reason, in the order of [`Reason::ALL`].
    pub closed: [Counter; Reason::ALL.len()],
    /// Turns, from the first event to the last send.
    pub turns: Histogram,
    /// Sends given to the kernel.
    pub sends: Counter,
    /// Laps over a view's streams that have ended.
    pub laps: Counter,
    /// Microseconds that they took.
    pub lap_us: Counter,
    /// From a frame's publication by its feed to the send that carried it; of each send of a lap its oldest frame.
    pub event_to_socket: Histogram,
    /// Bytes that sockets took.
    pub bytes: Counter,
    /// Sends that met a full socket.
    pub blocked: Counter,
    /// Frames put into logs.
    pub appended: Counter,
    /// Streams that left their view's log since they lagged too far behind.
    pub lagged: Counter,
    /// Catch-ups encoded, and how many of them were coalesced.
    pub catchups: Counter,
    /// See `catchups`.
    pub coalesced: Counter,
    /// Resumes answered from the journal.
    pub resumed: Counter,
    /// Resumes whose id was too old.
    pub too_old: Counter,
    /// Resumes whose id was newer than anything known.
    pub ahead: Counter,
    /// Resumes whose id was none of this view's.
    pub unknown: Counter,
    /// Snapshots handed to streams.
    pub snapshots: Counter,
    /// Streams moved to another scope, and how many of them were told the rows that they gained.
    pub rescoped: Counter,
    /// See `rescoped`.
    pub gained: Counter,
    /// Times that a stream began to wait so.
    pub held: Counter,
    /// Bytes that there were for such streams then.
    pub held_bytes: Counter,
    /// Streams reset for taking nothing.
    pub stalled: Counter,
    /// Streams ended at the ceiling of memory.
    pub shed: Counter,
    /// Lists answered.
    pub lists: Counter,
    /// Of these, answered by 304.
    pub not_modified: Counter,
    /// Requests refused.
    pub refused: Refusals,
    /// Connections accepted.
    pub accepted: Counter,
    /// Of these, closed at once since there were too many.
    pub turned_away: Counter,
    /// Times that accepting paused for want of descriptors.
    pub accept_pauses: Counter,
    /// Connections handed to another core.
    pub handed_over: Counter,
}
