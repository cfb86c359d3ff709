//! Slots: what an open stream is. No task, no future, no timer, no queue: a socket, a view and a place.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::line::LineId;
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
    Behind(Packed),
    /// Nowhere: it waits for a snapshot.
    Waiting,
    /// Nowhere, for the moment that a snapshot keeps from the stream's last delta; then it waits for one.
    Pausing,
    /// It is the socket of this line, whose lanes stand where they stand.
    Line(LineId),
}

/// A place that need not stand at a multiple of eight bytes: with it a slot is one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
pub struct Packed(Place);

impl At {
    /// Out of the log, all before this place seen.
    #[must_use]
    pub fn behind(place: Place) -> Self {
        At::Behind(Packed(place))
    }
}

impl Packed {
    /// The place.
    #[must_use]
    pub fn place(self) -> Place {
        self.0
    }
}

/// When a stream was opened: hundredths of a second since the Unix epoch, less all multiples of 2^32. That tells ages of up to 248 days, in half
/// the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened(u32);

impl Opened {
    /// At this time, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn at(unix_ms: u64) -> Self {
        Opened(u32::try_from((unix_ms / 10) & 0xffff_ffff).expect("masked"))
    }

    /// How many milliseconds ago that is at this time; none where the clock was set back since.
    #[must_use]
    pub fn age(self, unix_ms: u64) -> u64 {
        let age = Opened::at(unix_ms).0.wrapping_sub(self.0);
        if age > u32::MAX / 2 { 0 } else { u64::from(age) * 10 }
    }
}

/// The socket is full; the stream goes on when epoll says that it is writable.
pub const BLOCKED: u16 = 1;
/// In the queue of streams that have something to send outside a lap.
pub const READY: u16 = 2;
/// In the batch that is being sent.
pub const SENDING: u16 = 4;
/// It has had rows, so a snapshot must keep its distance from its last delta.
pub const HAS_ROWS: u16 = 8;
/// Its last event is on its way; nothing else may follow.
pub const ENDING: u16 = 16;
/// It resumed by id and is catching up: where that is not too much, it gets every frame.
pub const RESUMED: u16 = 32;
/// While the source is away: it was told so, by itself. Else: it is to be told that rows are live when it comes to the log.
pub const TOLD_AWAY: u16 = 64;
/// It resumed from an id that is newer than the feed, which has not come to it yet.
pub const AHEAD: u16 = 128;
/// It stands in its tenant's line for bytes; its socket is asked to take nothing meanwhile.
pub const HELD: u16 = 256;
/// Of a lane: what its view's state is stands right before the place where it is about to enter the log.
pub const TOLD: u16 = 512;

/// What a stream's bytes go out by.
pub enum Socket {
    /// A socket of its own.
    Own {
        /// The socket.
        fd: OwnedFd,
        /// When it last took a byte, in seconds since the core's start.
        progress: u32,
    },
    /// The socket of a line: the stream is one of its lanes.
    Of(LineId),
}

impl Socket {
    /// The socket, if it is the stream's own.
    pub fn own(&self) -> Option<&OwnedFd> {
        match self {
            Socket::Own { fd, .. } => Some(fd),
            Socket::Of(_) => None,
        }
    }

    /// The line, if the stream is a lane.
    pub fn line(&self) -> Option<LineId> {
        match self {
            Socket::Own { .. } => None,
            Socket::Of(line) => Some(*line),
        }
    }
}

/// An open stream, in one cache line: whatever is done with it, its first byte is the only one that is waited for.
#[repr(align(64))]
pub struct Slot {
    /// Where it stands.
    pub at: At,
    /// Its number in `/debug/streams`.
    pub number: u64,
    /// Bytes that its socket has taken.
    pub sent: u64,
    /// When it was opened.
    pub opened: Opened,
    /// The socket.
    pub socket: Socket,
    /// Its view; of a line's own slot nothing.
    pub view: u32,
    /// Its index among the view's members.
    pub member: u32,
    /// By what right it is open.
    pub pass: Pass,
    /// How many streams had this index before.
    pub generation: u32,
    /// Why its last event is on its way.
    pub ending: Option<Reason>,
    /// See the constants of this module.
    pub flags: u16,
}

/// How a stream is doing, as it is shown and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// In its view's log, and its socket takes what there is.
    Live,
    /// It has still to get something from outside the log, or its socket is full.
    CatchingUp,
    /// Its socket takes nothing, and it has left the log.
    Behind,
    /// Its tenant has used up its bytes.
    Held,
    /// It waits for a snapshot.
    Waiting,
    /// Its last event is on its way.
    Ending,
}

impl StreamState {
    /// Every one, in the order of their declaration.
    pub const ALL: [StreamState; 6] = [
        StreamState::Live,
        StreamState::CatchingUp,
        StreamState::Behind,
        StreamState::Held,
        StreamState::Waiting,
        StreamState::Ending,
    ];

    /// The word in `/debug/streams` and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            StreamState::Live => "live",
            StreamState::CatchingUp => "catching_up",
            StreamState::Behind => "behind",
            StreamState::Held => "held",
            StreamState::Waiting => "waiting",
            StreamState::Ending => "ending",
        }
    }
}

impl Slot {
    /// How the stream is doing.
    #[must_use]
    pub fn state(&self) -> StreamState {
        match self.at {
            _ if self.is(ENDING) => StreamState::Ending,
            _ if self.is(HELD) => StreamState::Held,
            At::Log(_) if !self.is(BLOCKED) => StreamState::Live,
            At::Log(_) | At::Prefix(..) => StreamState::CatchingUp,
            At::Behind(_) => StreamState::Behind,
            At::Line(_) if self.is(BLOCKED) => StreamState::CatchingUp,
            At::Line(_) => StreamState::Live,
            At::Waiting | At::Pausing => StreamState::Waiting,
        }
    }

    /// Whether a flag is set; of several, one of them.
    pub fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Sets a flag.
    pub fn set(&mut self, flag: u16) {
        self.flags |= flag;
    }

    /// Its socket has just taken a byte, or was not asked to: `now` in seconds since the core's start.
    pub fn moved(&mut self, now: u32) {
        if let Socket::Own { progress, .. } = &mut self.socket {
            *progress = now;
        }
    }

    /// When its socket last took a byte, in seconds since the core's start. `None`: it has none of its own.
    pub fn progress(&self) -> Option<u32> {
        match self.socket {
            Socket::Own { progress, .. } => Some(progress),
            Socket::Of(_) => None,
        }
    }

    /// Takes a flag away.
    pub fn unset(&mut self, flag: u16) {
        self.flags &= !flag;
    }
}

/// Slots in a page.
const PAGE: usize = 256;

/// A core's slots, in pages that never move: a core that grows copies no stream, and has no room for streams that may never come.
#[derive(Default)]
pub struct Slots {
    pages: Vec<Vec<Option<Slot>>>,
    /// How many indexes were ever given out.
    used: usize,
    /// Indexes to use again, each with its next generation.
    free: Vec<SlotName>,
}

impl Slots {
    /// Puts a stream in; `make` is told its name.
    pub fn insert(&mut self, make: impl FnOnce(SlotName) -> Slot) -> SlotName {
        if let Some(name) = self.free.pop() {
            *self.entry(name.id) = Some(make(name));
            return name;
        }
        let id = u32::try_from(self.used).expect("fewer streams than 2^32");
        let name = SlotName { id, generation: 0 };
        if self.used.is_multiple_of(PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        self.pages[self.used / PAGE].push(Some(make(name)));
        self.used += 1;
        name
    }

    /// Takes a stream out.
    pub fn remove(&mut self, id: SlotId) -> Option<Slot> {
        let slot = self.entry(id).take()?;
        self.free.push(SlotName { id, generation: slot.generation.wrapping_add(1) });
        Some(slot)
    }

    /// The stream, if the name still names one.
    pub fn named(&self, name: SlotName) -> Option<&Slot> {
        let (page, index) = split(name.id);
        let slot = self.pages.get(page)?.get(index)?.as_ref();
        slot.filter(|slot| slot.generation == name.generation)
    }

    /// The stream.
    pub fn get(&self, id: SlotId) -> &Slot {
        let (page, index) = split(id);
        self.pages[page][index].as_ref().expect("a slot that somebody points at is taken")
    }

    /// The stream.
    pub fn get_mut(&mut self, id: SlotId) -> &mut Slot {
        self.entry(id).as_mut().expect("a slot that somebody points at is taken")
    }

    /// The name of a taken slot.
    pub fn name(&self, id: SlotId) -> SlotName {
        SlotName { id, generation: self.get(id).generation }
    }

    /// Open streams.
    pub(super) fn len(&self) -> usize {
        self.used - self.free.len()
    }

    /// Every open stream.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        (0..).zip(self.pages.iter().flatten()).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    fn entry(&mut self, id: SlotId) -> &mut Option<Slot> {
        let (page, index) = split(id);
        &mut self.pages[page][index]
    }
}

fn split(id: SlotId) -> (usize, usize) {
    (id as usize / PAGE, id as usize % PAGE)
}

/// Seconds since the core's start, as slots keep them.
pub fn seconds(since: Instant, now: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(since).as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_slot_of_one_cache_line() {
        assert_eq!(size_of::<Option<Slot>>(), 64);
    }

    #[test]
    fn each_state_stands_at_its_number() {
        for (index, state) in StreamState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index, "{state:?}");
        }
        assert_eq!(StreamState::Ending as usize + 1, StreamState::ALL.len());
    }

    #[test]
    fn an_age_is_told_over_a_wrap_and_is_none_where_the_clock_was_set_back() {
        let wrap = 10 << 32;
        for opened in [0, 1_700_000_000_000, wrap - 10, wrap] {
            let ages = [0, 10, 1000, 20 * 60 * 1000].map(|later| Opened::at(opened).age(opened + later));
            assert_eq!(ages, [0, 10, 1000, 20 * 60 * 1000]);
        }
        assert_eq!(Opened::at(1_700_000_000_000).age(1_699_999_000_000), 0);
    }

    #[test]
    fn a_name_names_its_stream_alone_on_any_page() {
        let mut slots = Slots::default();
        let slot = |name: SlotName| Slot {
            at: At::Waiting,
            number: u64::from(name.id),
            sent: 0,
            opened: Opened::at(0),
            socket: Socket::Own {
                fd: rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).expect("a descriptor"),
                progress: 0,
            },
            view: 0,
            member: 0,
            pass: Pass { holder: 0, grant: 0 },
            ending: None,
            generation: name.generation,
            flags: 0,
        };
        let count = PAGE + 10;
        let names: Vec<SlotName> = (0..count).map(|_| slots.insert(slot)).collect();
        assert!(names.iter().all(|name| slots.get(name.id).number == u64::from(name.id)));
        let gone = names[PAGE];
        slots.remove(gone.id);
        assert!(slots.named(gone).is_none());
        assert_eq!((slots.len(), slots.iter().count()), (count - 1, count - 1));
        let next = slots.insert(slot);
        assert_eq!((next.id, next.generation), (gone.id, 1));
        assert!(slots.named(gone).is_none() && slots.named(next).is_some());
    }
}
