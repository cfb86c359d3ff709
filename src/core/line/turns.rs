//! How a line sends: by turns. Words come first, being few. Then each lane that has something gets a turn, which ends at the end of a frame and after
//! some 64 KiB: so a busy view takes from a quiet one no more than that, however much it has to say. A frame that was sent in part goes on before all else.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::{Line, LineId};
use crate::core::Core;
use crate::core::reason::Reason;
use crate::core::slot::{At, BLOCKED, ENDING, HELD, READY, SENDING, SlotId, SlotName};

/// Bytes of one turn, unless its first frame is longer.
const TURN: usize = 64 * 1024;

/// A lane that has something to send.
#[derive(Clone, Copy)]
pub(super) struct Due {
    /// Which.
    pub lane: SlotName,
    /// When the oldest frame was published of the lap that came by; none where it was no lap, or the line has been held up since.
    since: Option<Moment>,
}

/// Microseconds since the core's start, less all multiples of 2^32: of the last hour, in a quarter of an [`Instant`]'s bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment(NonZeroU32);

impl Moment {
    fn of(started: Instant, at: Instant) -> Self {
        let micros = at.saturating_duration_since(started).as_micros() & u128::from(u32::MAX);
        // One microsecond in an hour is taken for the one before it.
        Moment(u32::try_from(micros).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN))
    }

    /// The newest instant that is this moment and not after `now`.
    fn before(self, started: Instant, now: Instant) -> Instant {
        let age = Moment::of(started, now).0.get().wrapping_sub(self.0.get());
        now.checked_sub(Duration::from_micros(age.into())).unwrap_or(started)
    }
}

impl Core {
    /// A lane has something to send.
    pub(in crate::core) fn queue_lane(&mut self, id: LineId, lane: SlotId) {
        self.queue_since(id, lane, None);
    }

    fn queue_since(&mut self, id: LineId, lane: SlotId, since: Option<Moment>) {
        let name = self.slots.name(lane);
        let Some(line) = self.lines.get_mut(id) else { return };
        let slot = self.slots.get_mut(lane);
        if !slot.is(READY) {
            slot.set(READY);
            line.turns.push_back(Due { lane: name, since });
        }
        let own = line.slot.id;
        self.make_ready(own);
    }

    /// A lap comes by a lane. What it has waits for its turn; where that is too much, it leaves the log.
    pub(in crate::core) fn visit_lane(&mut self, id: LineId, lane: SlotId, carries: Option<Instant>) {
        if self.pending(lane).is_empty() {
            return;
        }
        let name = self.slots.name(lane);
        let Some(line) = self.lines.get(id) else { return };
        let own = self.slots.get(line.slot.id);
        let is_sending = line.current.is_some_and(|due| due.lane == name) && own.is(SENDING);
        let since = carries.filter(|_| !own.is(BLOCKED | HELD));
        if !is_sending {
            self.shed_lag(lane);
        }
        self.queue_since(id, lane, since.map(|at| Moment::of(self.started, at)));
    }

    /// When the oldest frame was published that goes out in the turn that was just chosen, if a lap has brought it and nothing has held it up.
    pub(in crate::core) fn since_of_turn(&mut self, id: LineId) -> Option<Instant> {
        let since = self.lines.get_mut(id)?.current.as_mut()?.since.take()?;
        Some(since.before(self.started, Instant::now()))
    }

    /// A line is held up: how long its lanes wait from now on says nothing of this server.
    pub(in crate::core) fn hold_up(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(id) else { return };
        line.turns.iter_mut().chain(&mut line.current).for_each(|due| due.since = None);
    }

    /// Whether a lane's line can send nothing now.
    pub(in crate::core) fn is_stuck(&self, lane: SlotId) -> bool {
        let own = self.lines.of_lane(self.slots.get(lane));
        own.is_some_and(|own| self.slots.get(own).is(BLOCKED | HELD))
    }

    /// The lane that has got a frame in part.
    pub(in crate::core) fn amid_frame(&self, id: LineId) -> Option<SlotName> {
        let lane = self.lines.get(id)?.current?.lane;
        self.slots.named(lane)?;
        self.owes_rest(lane.id).then_some(lane)
    }

    /// Chooses whose turn it is. Returns how many bytes that is.
    pub(in crate::core) fn choose_turn(&mut self, id: LineId) -> usize {
        if let Some(lane) = self.amid_frame(id) {
            return self.bytes_of_turn(lane.id);
        }
        let Some(line) = self.lines.get_mut(id) else { return 0 };
        if let Some(due) = line.current.take()
            && self.slots.named(due.lane).is_some_and(|slot| !slot.is(READY))
        {
            // Chosen before, and held up before it began.
            self.slots.get_mut(due.lane.id).set(READY);
            line.turns.push_front(due);
        }
        if !line.words.is_empty() {
            return line.words.unsent().len();
        }
        while let Some(due) = self.lines.get_mut(id).and_then(|line| line.turns.pop_front()) {
            let lane = due.lane;
            if self.slots.named(lane).is_none() {
                continue;
            }
            self.slots.get_mut(lane.id).unset(READY);
            if let At::Behind(place) = self.slots.get(lane.id).at {
                self.go_on_from(lane.id, place.place());
                if let Some(words) = self.put_off(id, due) {
                    return words;
                }
            }
            let bytes = self.bytes_of_turn(lane.id);
            if bytes > 0 {
                if let Some(line) = self.lines.get_mut(id) {
                    line.current = Some(due);
                }
                return bytes;
            }
        }
        0
    }

    /// Where something is to be said before a lane's turn, the lane waits. Returns how many bytes are to be said.
    fn put_off(&mut self, id: LineId, due: Due) -> Option<usize> {
        let line = self.lines.get_mut(id).filter(|line| !line.words.is_empty())?;
        line.turns.push_front(due);
        self.slots.get_mut(due.lane.id).set(READY);
        Some(line.words.unsent().len())
    }

    fn bytes_of_turn(&self, lane: SlotId) -> usize {
        let slot = self.slots.get(lane);
        match slot.at {
            At::Log(cursor) => {
                let view = self.views[slot.view as usize].as_ref();
                view.map_or(0, |view| view.log.whole_frames(cursor, TURN))
            }
            At::Prefix(segment, offset) => self.prefixes.whole_frames(segment, offset, TURN),
            At::Behind(_) | At::Waiting | At::Pausing | At::Line(_) => 0,
        }
    }

    /// A line's socket took so many bytes of what its turn is of.
    pub(in crate::core) fn line_took(&mut self, id: LineId, taken: usize) {
        let Some(line) = self.lines.get_mut(id) else { return };
        match line.current {
            None => line.words.advance(taken),
            Some(Due { lane, .. }) => {
                self.advance(lane.id, taken);
                self.end_turn(id, lane);
            }
        }
        let Some(line) = self.lines.get(id) else { return };
        let own = line.slot.id;
        if line.has_more() {
            self.make_ready(own);
        } else if self.slots.get(own).is(ENDING) {
            self.close(own, Reason::ClientGone);
        }
    }

    /// A lane has sent some of what it has: its turn is over, unless it stands amid a frame.
    fn end_turn(&mut self, id: LineId, lane: SlotName) {
        let is_amid = self.slots.named(lane).is_some() && self.owes_rest(lane.id);
        if is_amid {
            return;
        }
        if let Some(line) = self.lines.get_mut(id) {
            line.current = None;
        }
        if self.slots.named(lane).is_some() && !self.pending(lane.id).is_empty() {
            self.queue_lane(id, lane.id);
        }
    }
}

impl Line {
    /// Whether it has, or may have, something to send.
    pub(super) fn has_more(&self) -> bool {
        self.current.is_some() || !self.words.is_empty() || !self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_over_a_wrap() {
        let started = Instant::now();
        let wrap = Duration::from_micros(1 << 32);
        for at in [Duration::from_micros(5), wrap.saturating_sub(Duration::from_micros(7)), wrap + wrap] {
            for later in [Duration::ZERO, Duration::from_micros(9), Duration::from_mins(50)] {
                let (at, now) = (started + at, started + at + later);
                let told = Moment::of(started, at).before(started, now);
                let seen = now.saturating_duration_since(told);
                assert!(seen <= later && later <= seen + Duration::from_micros(1), "{later:?}");
            }
        }
    }
}
