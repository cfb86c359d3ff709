//! Prefix segments: all that a stream gets outside its view's log (head, snapshot, catch-up, notices, end), each with what follows it.
//!
//! Invariant: `refs` counts the streams that stand in the segment, and one for a view that hands it out; at zero it is freed.

use std::rc::Rc;
use std::sync::Arc;

use crate::feed::block::Place;
use crate::feed::ledger::{Charge, Ledger, Thing};
use crate::feed::snapshot::Snapshot;

/// A prefix segment's number in its core.
pub type SegmentId = u32;

/// What a stream does at the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Goes on with all frames of its view from this place.
    From(Place),
    /// Goes on in another segment.
    Segment(SegmentId),
    /// Waits for its view's snapshot.
    Snapshot,
    /// Stays at its end until it is known what follows.
    More,
    /// Does nothing until something is put in its way.
    Wait,
    /// Closes.
    Close,
}

/// Frames without ids, shared by the streams that have come to see more namespaces: all of these namespaces' rows.
pub struct GainedRows {
    /// Wire bytes, as the streams' framing has it.
    pub bytes: Box<[u8]>,
    /// Where each frame ends.
    pub ends: Box<[u32]>,
    /// What they take.
    pub charge: Charge,
}

enum Bytes {
    Own(Box<[u8]>),
    Snapshot(Arc<Snapshot>),
    /// Shared by streams that each have a place of their own to go on from.
    Gained(Rc<GainedRows>),
    /// The rest of another segment, from an offset on; it is held as long.
    RestOf(SegmentId, u32),
}

/// A piece of wire bytes and what follows it.
struct Prefix {
    bytes: Bytes,
    refs: u32,
    then: Then,
    /// So many bytes at its beginning are the rest of something that was sent in part: they cannot be left out.
    owed: u32,
    /// Of a catch-up: per frame, the offset of its end and the place that a stream has come to behind it.
    marks: Box<[(u32, Place)]>,
}

/// A core's prefix segments.
pub struct Prefixes {
    slots: Vec<Option<Prefix>>,
    free: Vec<SegmentId>,
    own_bytes: usize,
    charge: Charge,
}

impl Prefixes {
    /// None yet.
    pub fn new(ledger: &Arc<Ledger>) -> Self {
        Prefixes { slots: Vec::new(), free: Vec::new(), own_bytes: 0, charge: ledger.charge(Thing::Logs, 0) }
    }

    /// Makes a segment of these bytes, held once.
    pub fn own(&mut self, bytes: Vec<u8>, then: Then) -> SegmentId {
        self.insert(Bytes::Own(bytes.into()), 0, then, Box::default())
    }

    /// Makes a segment of these bytes behind the rest of a frame that was sent in part, held once.
    pub fn behind(&mut self, rest: Vec<u8>, bytes: &[u8], then: Then) -> SegmentId {
        let owed = u32::try_from(rest.len()).expect("a frame is smaller than 4 GiB");
        let mut whole = rest;
        whole.extend_from_slice(bytes);
        self.insert(Bytes::Own(whole.into()), owed, then, Box::default())
    }

    /// Makes a segment of what is left of another that was sent in part, held once. The other goes on being held for it.
    pub fn rest_of(&mut self, id: SegmentId, offset: u32, then: Then) -> SegmentId {
        self.hold(id);
        let owed = u32::try_from(self.bytes(id).len()).expect("a segment is smaller than 4 GiB") - offset;
        self.insert(Bytes::RestOf(id, offset), owed, then, Box::default())
    }

    /// Makes a catch-up segment, held once.
    pub fn marked(&mut self, bytes: Vec<u8>, marks: Vec<(u32, Place)>, then: Then) -> SegmentId {
        self.insert(Bytes::Own(bytes.into()), 0, then, marks.into())
    }

    /// Makes a segment of a snapshot, held once.
    pub fn snapshot(&mut self, snapshot: Arc<Snapshot>) -> SegmentId {
        let then = Then::From(snapshot.place);
        self.insert(Bytes::Snapshot(snapshot), 0, then, Box::default())
    }

    /// Makes a segment of rows that others get too, held once.
    pub fn gained(&mut self, rows: Rc<GainedRows>, then: Then) -> SegmentId {
        self.insert(Bytes::Gained(rows), 0, then, Box::default())
    }

    fn insert(&mut self, bytes: Bytes, owed: u32, then: Then, marks: Box<[(u32, Place)]>) -> SegmentId {
        if let Bytes::Own(own) = &bytes {
            self.own_bytes += own.len() + marks.len() * 16;
            self.charge.set(self.own_bytes);
        }
        let prefix = Some(Prefix { bytes, refs: 1, then, owed, marks });
        if let Some(id) = self.free.pop() {
            self.slots[id as usize] = prefix;
            return id;
        }
        self.slots.push(prefix);
        u32::try_from(self.slots.len() - 1).expect("fewer segments than 2^32")
    }

    /// From now on a segment whose end was open leads to this one, which it holds instead of the caller.
    pub fn lead_on(&mut self, id: SegmentId, next: SegmentId) {
        self.get_mut(id).then = Then::Segment(next);
    }

    /// What a segment whose end was open was to lead to does not come: its readers wait for a snapshot.
    pub fn end_more(&mut self, id: SegmentId) {
        self.get_mut(id).then = Then::Snapshot;
    }

    /// One more stream (or view) holds the segment.
    pub fn hold(&mut self, id: SegmentId) {
        self.get_mut(id).refs += 1;
    }

    /// One less holds it.
    pub fn release(&mut self, id: SegmentId) {
        let mut next = Some(id);
        // Not by recursion: a snapshot in parts is a long chain.
        while let Some(id) = next.take() {
            let prefix = self.get_mut(id);
            prefix.refs -= 1;
            if prefix.refs > 0 {
                return;
            }
            let freed = self.slots[id as usize].take();
            self.free.push(id);
            let Some(Prefix { bytes, then, marks, .. }) = freed else { return };
            match bytes {
                Bytes::Own(own) => {
                    self.own_bytes -= own.len() + marks.len() * 16;
                    self.charge.set(self.own_bytes);
                }
                Bytes::RestOf(other, _) => self.release(other),
                Bytes::Snapshot(_) | Bytes::Gained(_) => {}
            }
            if let Then::Segment(after) = then {
                next = Some(after);
            }
        }
    }

    /// Bytes of a segment and of all that it leads to.
    pub fn held_bytes(&self, id: SegmentId) -> usize {
        let (mut bytes, mut next) = (0, Some(id));
        while let Some(id) = next {
            bytes += self.bytes(id).len();
            next = match self.then(id) {
                Then::Segment(after) => Some(after),
                _ => None,
            };
        }
        bytes
    }

    /// The bytes.
    pub fn bytes(&self, id: SegmentId) -> &[u8] {
        match &self.get(id).bytes {
            Bytes::Own(own) => own,
            Bytes::Snapshot(snapshot) => snapshot.frame(),
            Bytes::Gained(rows) => &rows.bytes,
            Bytes::RestOf(other, offset) => &self.bytes(*other)[*offset as usize..],
        }
    }

    /// What follows.
    pub fn then(&self, id: SegmentId) -> Then {
        self.get(id).then
    }

    /// Segments that somebody holds.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many hold it.
    pub fn refs(&self, id: SegmentId) -> u32 {
        self.get(id).refs
    }

    /// In a catch-up, the offset at which a stream joins that has seen all before `place`.
    pub fn offset_of(&self, id: SegmentId, place: Place) -> u32 {
        let marks = &self.get(id).marks;
        let seen = marks.partition_point(|(_, after)| *after <= place);
        if seen == 0 { 0 } else { marks[seen - 1].0 }
    }

    /// How many bytes at its beginning are the rest of something that was sent in part.
    pub fn owed(&self, id: SegmentId) -> u32 {
        self.get(id).owed
    }

    /// Where the frame ends that a stream at `offset` has got in part; `offset` itself where there is none.
    pub fn end_of_frame(&self, id: SegmentId, offset: u32) -> u32 {
        let prefix = self.get(id);
        if offset <= prefix.owed {
            return prefix.owed;
        }
        if let Bytes::Gained(rows) = &prefix.bytes {
            let whole = rows.ends.partition_point(|end| *end < offset);
            return rows.ends.get(whole).copied().unwrap_or(offset);
        }
        if prefix.marks.is_empty() {
            return u32::try_from(self.bytes(id).len()).expect("a segment is smaller than 4 GiB");
        }
        let whole = prefix.marks.partition_point(|(end, _)| *end < offset);
        prefix.marks.get(whole).map_or(offset, |(end, _)| *end)
    }

    /// How many bytes from `offset` on make whole frames of no more than `most` bytes; at least as many as the next frame, or the rest of one, has.
    pub fn whole_frames(&self, id: SegmentId, offset: u32, most: usize) -> usize {
        let prefix = self.get(id);
        let whole = self.bytes(id).len();
        let rest = whole - offset as usize;
        if offset < prefix.owed {
            return (prefix.owed - offset) as usize;
        }
        if prefix.marks.is_empty() {
            return rest;
        }
        let next = prefix.marks.partition_point(|(end, _)| *end <= offset);
        let fit = prefix.marks.partition_point(|(end, _)| *end as usize <= offset as usize + most);
        let last = fit.max(next + 1).min(prefix.marks.len());
        prefix.marks[last - 1].0 as usize - offset as usize
    }

    fn get(&self, id: SegmentId) -> &Prefix {
        self.slots[id as usize].as_ref().expect("a segment lives as long as it is held")
    }

    fn get_mut(&mut self, id: SegmentId) -> &mut Prefix {
        self.slots[id as usize].as_mut().expect("a segment lives as long as it is held")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Act {
        Own(usize),
        Marked(usize),
        RestOf(usize),
        Chain(usize),
        Hold(usize),
        Release(usize),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            (1usize..50).prop_map(Act::Own),
            (1usize..50).prop_map(Act::Marked),
            any::<usize>().prop_map(Act::RestOf),
            any::<usize>().prop_map(Act::Chain),
            any::<usize>().prop_map(Act::Hold),
            any::<usize>().prop_map(Act::Release),
            any::<usize>().prop_map(Act::Release),
        ];
        proptest::collection::vec(act, 1..60)
    }

    proptest! {
        #[test]
        fn a_segment_lives_exactly_as_long_as_somebody_holds_it(acts in acts()) {
            let ledger = Ledger::new(usize::MAX);
            let mut prefixes = Prefixes::new(&ledger);
            // One entry per hold of ours, with what the segment's bytes have to be.
            let mut held: Vec<(SegmentId, Vec<u8>)> = Vec::new();
            let mut fill = 0u8;
            for act in acts {
                fill = fill.wrapping_add(1);
                match act {
                    Act::Own(length) => held.push((prefixes.own(vec![fill; length], Then::Wait), vec![fill; length])),
                    Act::Marked(length) => {
                        let end = u32::try_from(length).expect("small");
                        held.push((prefixes.marked(vec![fill; length], vec![(end, 7)], Then::From(9)), vec![fill; length]));
                    }
                    Act::RestOf(which) if !held.is_empty() => {
                        let (id, bytes) = held[which % held.len()].clone();
                        let offset = which % bytes.len();
                        let rest = prefixes.rest_of(id, u32::try_from(offset).expect("small"), Then::Close);
                        held.push((rest, bytes[offset..].to_vec()));
                    }
                    // A segment that another leads to is held by that other.
                    Act::Chain(which) if !held.is_empty() => {
                        let (next, _) = held.swap_remove(which % held.len());
                        held.push((prefixes.own(vec![fill], Then::Segment(next)), vec![fill]));
                    }
                    Act::Hold(which) if !held.is_empty() => {
                        let (id, bytes) = held[which % held.len()].clone();
                        prefixes.hold(id);
                        held.push((id, bytes));
                    }
                    Act::Release(which) if !held.is_empty() => {
                        let index = which % held.len();
                        prefixes.release(held.swap_remove(index).0);
                    }
                    _ => {}
                }
                for (id, bytes) in &held {
                    prop_assert_eq!(prefixes.bytes(*id), &bytes[..]);
                }
            }
            for (id, _) in held {
                prefixes.release(id);
            }
            prop_assert_eq!(prefixes.len(), 0);
            prop_assert_eq!(ledger.spent(Thing::Logs), 0);
        }
    }

    #[test]
    fn a_frame_that_was_sent_in_part_ends_where_it_ends() {
        let ledger = Ledger::new(usize::MAX);
        let mut prefixes = Prefixes::new(&ledger);
        let whole = prefixes.own(vec![0; 10], Then::Wait);
        let marked = prefixes.marked(vec![0; 10], vec![(4, 1), (10, 2)], Then::From(2));
        let owed = prefixes.behind(vec![0; 3], &[0; 7], Then::Close);
        let ends = |id: SegmentId| [0, 2, 3, 4, 5, 10].map(|offset| prefixes.end_of_frame(id, offset));
        assert_eq!(ends(whole), [0, 10, 10, 10, 10, 10]);
        assert_eq!(ends(marked), [0, 4, 4, 4, 10, 10]);
        assert_eq!(ends(owed), [3, 3, 3, 10, 10, 10]);
    }
}
