//! How a line sends: by turns. Words come first, being few. Then each lane that has something gets a turn, which ends at the end of a frame and after
//! some 64 KiB: so a busy view takes from a quiet one no more than that, however much it has to say. A frame that was sent in part goes on before all else.

use super::{Line, LineId};
use crate::core::Core;
use crate::core::reason::Reason;
use crate::core::slot::{At, BLOCKED, ENDING, HELD, READY, SENDING, SlotId, SlotName};

/// Bytes of one turn, unless its first frame is longer.
const TURN: usize = 64 * 1024;

impl Core {
    /// A lane has something to send.
    pub(in crate::core) fn queue_lane(&mut self, id: LineId, lane: SlotId) {
        let name = self.slots.name(lane);
        let Some(line) = self.lines.get_mut(id) else { return };
        let slot = self.slots.get_mut(lane);
        if !slot.is(READY) {
            slot.set(READY);
            line.turns.push_back(name);
        }
        let own = line.slot.id;
        self.make_ready(own);
    }

    /// A lap comes by a lane. What it has waits for its turn; where that is too much, it leaves the log.
    pub(in crate::core) fn visit_lane(&mut self, id: LineId, lane: SlotId) {
        if self.pending(lane).is_empty() {
            return;
        }
        let name = self.slots.name(lane);
        let is_sending = self
            .lines
            .get(id)
            .is_some_and(|line| line.current == Some(name) && self.slots.get(line.slot.id).is(SENDING));
        if !is_sending {
            self.shed_lag(lane);
        }
        self.queue_lane(id, lane);
    }

    /// Whether a lane's line can send nothing now.
    pub(in crate::core) fn is_stuck(&self, lane: SlotId) -> bool {
        let own = self.lines.of_lane(self.slots.get(lane));
        own.is_some_and(|own| self.slots.get(own).is(BLOCKED | HELD))
    }

    /// The lane that has got a frame in part.
    pub(in crate::core) fn amid_frame(&self, id: LineId) -> Option<SlotName> {
        let lane = self.lines.get(id)?.current?;
        self.slots.named(lane)?;
        self.owes_rest(lane.id).then_some(lane)
    }

    /// Chooses whose turn it is. Returns how many bytes that is.
    pub(in crate::core) fn choose_turn(&mut self, id: LineId) -> usize {
        if let Some(lane) = self.amid_frame(id) {
            return self.bytes_of_turn(lane.id);
        }
        let Some(line) = self.lines.get_mut(id) else { return 0 };
        if let Some(lane) = line.current.take()
            && self.slots.named(lane).is_some_and(|slot| !slot.is(READY))
        {
            // Chosen before, and held up before it began.
            self.slots.get_mut(lane.id).set(READY);
            line.turns.push_front(lane);
        }
        if !line.words.is_empty() {
            return line.words.unsent().len();
        }
        while let Some(lane) = self.lines.get_mut(id).and_then(|line| line.turns.pop_front()) {
            if self.slots.named(lane).is_none() {
                continue;
            }
            self.slots.get_mut(lane.id).unset(READY);
            if let At::Behind(place) = self.slots.get(lane.id).at {
                self.go_on_from(lane.id, place.place());
            }
            let bytes = self.bytes_of_turn(lane.id);
            if bytes > 0 {
                if let Some(line) = self.lines.get_mut(id) {
                    line.current = Some(lane);
                }
                return bytes;
            }
        }
        0
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
            Some(lane) => {
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
