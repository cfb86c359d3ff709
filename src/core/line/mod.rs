//! Lines: multiplexed streams, one socket for many views (`docs/protocol.md`).
//!
//! A **lane** is an ordinary stream of an ordinary view, save that its bytes go out by the socket of its line: so snapshot, resume, catch-up, and what becomes
//! of a right are what they are for every stream. A **line** is a slot of its own, which has the socket and whatever goes with one: it is blocked or ready,
//! held by a quota, stalled, ending. All of it lives on its user's home core.
//!
//! - [`turns`] sends: the line's own words, then one lane after the other, each up to the end of a frame. [`words`]: what is said to one stream alone.
//! - [`asked`] is what a client asks for; [`open`] reads it and opens the line, [`adding`] adds lanes to it and takes them away. [`lanes`]: what a line keeps of its lanes; `names`: and of
//!   what its client calls them.
//! - [`status`]: what is said of a view whose ids are numbered, and shared; [`parts`]: its snapshot. [`end`]: how lanes and lines end.
//!
//! Invariants: a lane that has got a frame in part is its line's `current`, and nothing else is sent by that socket until the frame is whole. A lane
//! that has something to send is in its line's `turns` or is `current`. A lane's first frame goes out behind the `view` that names its number.

pub mod adding;
pub mod asked;
mod end;
pub mod lanes;
mod names;
mod open;
pub mod parts;
mod status;
mod turns;
mod words;

use std::collections::VecDeque;

use xxhash_rust::xxh3::Xxh3;

use super::limiter::UserId;
use super::slot::{At, Slot, SlotId, SlotName};
use crate::feed::{FeedKey, Scope};
use crate::wire::head::Version;
use crate::wire::id::Mark;

pub use self::lanes::LaneId;
use self::lanes::Lanes;
pub use self::open::LineWish;
use self::turns::Due;
use self::words::Words;

/// A line's number in its core.
pub type LineId = u32;

/// A multiplexed stream, beside what its slot says.
pub struct Line {
    /// Its slot.
    slot: SlotName,
    /// What a client has to know to name it.
    secret: u128,
    /// Whose views it shows, for the limiter.
    user: UserId,
    version: Version,
    /// What is said to this stream alone and not sent yet.
    words: Words,
    /// Lanes with something to send.
    turns: VecDeque<Due>,
    /// The lane whose turn it is.
    current: Option<Due>,
    lanes: Lanes,
}

/// What a line sends in this turn.
pub enum Turn<'a> {
    /// What is said to it alone.
    Words(&'a [u8]),
    /// What this lane has.
    Lane(SlotName),
}

/// A core's lines.
#[derive(Default)]
pub struct Lines {
    all: Vec<Option<Line>>,
    free: Vec<LineId>,
}

impl Lines {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a line sends in this turn.
    #[must_use]
    pub fn turn_of(&self, id: LineId) -> Turn<'_> {
        match self.get(id) {
            Some(Line { current: Some(due), .. }) => Turn::Lane(due.lane),
            Some(line) => Turn::Words(line.words.unsent()),
            None => Turn::Words(&[]),
        }
    }

    /// The slot of the line that a stream is a lane of.
    #[must_use]
    pub fn of_lane(&self, slot: &Slot) -> Option<SlotId> {
        Some(self.get(slot.socket.line()?)?.slot.id)
    }

    /// A lane has become a stream.
    pub fn seat(&mut self, id: LineId, lane: LaneId, stream: SlotName) {
        if let Some(line) = self.get_mut(id) {
            line.lanes.seat(lane, stream);
        }
    }

    fn get(&self, id: LineId) -> Option<&Line> {
        self.all.get(id as usize)?.as_ref()
    }

    fn get_mut(&mut self, id: LineId) -> Option<&mut Line> {
        self.all.get_mut(id as usize)?.as_mut()
    }

    /// The number that the next line gets.
    fn next(&mut self) -> LineId {
        self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            LineId::try_from(self.all.len() - 1).expect("fewer lines than 2^32")
        })
    }

    fn put(&mut self, id: LineId, line: Line) {
        self.all[id as usize] = Some(line);
    }

    fn take(&mut self, id: LineId) -> Option<Line> {
        let line = self.all.get_mut(id as usize)?.take()?;
        self.free.push(id);
        Some(line)
    }

    fn iter(&self) -> impl Iterator<Item = (LineId, &Line)> {
        (0..).zip(&self.all).filter_map(|(id, line)| Some((id, line.as_ref()?)))
    }
}

/// What the positions of a lane's view have behind the version: what they are positions of, where that is not all of the kind's objects, or those of one
/// namespace.
pub(super) fn mark_of(feed: &FeedKey, scope: &Scope) -> Option<Mark> {
    let Some(selector) = &feed.selector else { return scope.mark() };
    let mut hash = Xxh3::new();
    hash.update(selector.to_string().as_bytes());
    if let Some(mark) = scope.mark() {
        hash.update(&mark.digits());
    }
    Some(Mark::of_hash(hash.digest()))
}

/// The line that a slot is of itself.
fn line_of(slot: &Slot) -> Option<LineId> {
    match slot.at {
        At::Line(line) => Some(line),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_little_beside_its_slot_and_its_lanes() {
        assert_eq!((size_of::<Option<Line>>(), size_of::<Due>()), (144, 12));
    }
}
