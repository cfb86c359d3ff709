//! Slots: what an open stream is. No task, no future, no timer, no queue: a socket, a view and a place.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::log::Cursor;
use super::pass::Pass;
use super::prefix::SegmentId;
use super::reason::Reason;
use crate::feed::block::Place;

/// A slot's number in its core.
pub type SlotId = u32;

/// A slot's number together with its generation, so that a name kept past the stream's end names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotName {
    /// Index in the slab.
    pub id: SlotId,
    /// How many streams had this index before.
    pub generation: u32,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// In its view's log.
    Log(Cursor),
    /// In a prefix segment, at this offset.
    Prefix(SegmentId, u32),
    /// Out of the log, since its socket takes nothing: it has seen all before this place.
    Behind(Place),
    /// Nowhere: it waits for a snapshot.
    Waiting,
    /// Nowhere, for the moment that a snapshot keeps from the stream's last delta; then it waits for one.
    Pausing,
}

/// The socket is full; the stream goes on when epoll says that it is writable.
pub const BLOCKED: u8 = 1;
/// In the queue of streams that have something to send outside a lap.
pub const READY: u8 = 2;
/// In the batch that is being sent.
pub const SENDING: u8 = 4;
/// It has had rows, so a snapshot must keep its distance from its last delta.
pub const HAS_ROWS: u8 = 8;
/// Its last event is on its way; nothing else may follow.
pub const ENDING: u8 = 16;
/// It resumed by id and is catching up: where that is not too much, it gets every frame.
pub const RESUMED: u8 = 32;
/// While the source is away: it was told so, by itself. Else: it is to be told that rows are live when it comes to the log.
pub const TOLD_AWAY: u8 = 64;
/// It resumed from an id that is newer than the feed, which has not come to it yet.
pub const AHEAD: u8 = 128;

/// An open stream.
pub struct Slot {
    /// Where it stands.
    pub at: At,
    /// Its number in `/debug/streams`.
    pub number: u64,
    /// Bytes that its socket has taken.
    pub sent: u64,
    /// When it was opened, in milliseconds since the Unix epoch.
    pub opened_ms: u64,
    /// The socket.
    pub socket: OwnedFd,
    /// Its view.
    pub view: u32,
    /// Its index among the view's members.
    pub member: u32,
    /// By what right it is open.
    pub pass: Pass,
    /// When its socket last took a byte, in seconds since the core's start.
    pub progress: u32,
    /// How many streams had this index before.
    pub generation: u32,
    /// Why its last event is on its way.
    pub ending: Option<Reason>,
    /// See the constants of this module.
    pub flags: u8,
}

impl Slot {
    /// Whether a flag is set.
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Sets a flag.
    pub fn set(&mut self, flag: u8) {
        self.flags |= flag;
    }

    /// Takes a flag away.
    pub fn unset(&mut self, flag: u8) {
        self.flags &= !flag;
    }
}

/// A core's slots.
#[derive(Default)]
pub struct Slots {
    slots: Vec<Option<Slot>>,
    /// Indexes to use again, each with its next generation.
    free: Vec<SlotName>,
}

impl Slots {
    /// Puts a stream in; `make` is told its name.
    pub fn insert(&mut self, make: impl FnOnce(SlotName) -> Slot) -> SlotName {
        if let Some(name) = self.free.pop() {
            self.slots[name.id as usize] = Some(make(name));
            return name;
        }
        let id = u32::try_from(self.slots.len()).expect("fewer streams than 2^32");
        let name = SlotName { id, generation: 0 };
        self.slots.push(Some(make(name)));
        name
    }

    /// Takes a stream out.
    pub fn remove(&mut self, id: SlotId) -> Option<Slot> {
        let slot = self.slots[id as usize].take()?;
        self.free.push(SlotName { id, generation: slot.generation.wrapping_add(1) });
        Some(slot)
    }

    /// The stream, if the name still names one.
    pub fn named(&self, name: SlotName) -> Option<&Slot> {
        self.slots.get(name.id as usize)?.as_ref().filter(|slot| slot.generation == name.generation)
    }

    /// The stream.
    pub fn get(&self, id: SlotId) -> &Slot {
        self.slots[id as usize].as_ref().expect("a slot that somebody points at is taken")
    }

    /// The stream.
    pub fn get_mut(&mut self, id: SlotId) -> &mut Slot {
        self.slots[id as usize].as_mut().expect("a slot that somebody points at is taken")
    }

    /// The name of a taken slot.
    pub fn name(&self, id: SlotId) -> SlotName {
        SlotName { id, generation: self.get(id).generation }
    }

    /// Open streams.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Every open stream.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        (0..).zip(&self.slots).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }
}

/// Seconds since the core's start, as slots keep them.
pub fn seconds(since: Instant, now: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(since).as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_slot_of_some_72_bytes() {
        assert!(size_of::<Option<Slot>>() <= 72, "a slot takes {}", size_of::<Option<Slot>>());
    }
}
