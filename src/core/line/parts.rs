//! A snapshot as lanes get it: `begin`, its rows in parts, `synced`. It comes in segments, each of which leads to the next; who has read the last that is there
//! stands at its end until there is another. Where the control plane is still encoding it, there is one for each part that it has told. One that is whole is dressed
//! a few parts in a turn: for megabytes a core would else do nothing else for as long as many laps take.

use std::sync::Arc;

use crate::core::Core;
use crate::core::prefix::{SegmentId, Then};
use crate::core::slot::{At, SlotId, SlotName};
use crate::core::view::ViewId;
use crate::core::view::ViewKey;
use crate::feed::block::Place;
use crate::feed::snapshot::{Part, Snapshot};
use crate::feed::{Feed, Scope};
use crate::wire::line::{self, PART_ROWS};

/// A snapshot of which some parts are here.
pub struct Coming {
    /// The snapshot's place.
    place: Place,
    /// Its first part, which the view holds, and with it all others.
    first: SegmentId,
    last: SegmentId,
    /// How many are here.
    parts: u32,
    /// How many rows it will have.
    pub count: usize,
    /// What is still to be dressed: the whole snapshot, from this row on. `None`: it is still being encoded.
    rest: Option<(Arc<Snapshot>, usize)>,
}

impl Coming {
    /// The first part's segment.
    pub fn first(&self) -> SegmentId {
        self.first
    }

    /// Who has read it has seen all before this place.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether it is still being encoded.
    pub fn is_told(&self) -> bool {
        self.rest.is_none()
    }
}

/// Bytes of rows that are dressed in a turn. Fewer in tests, so that they see many turns.
const STEP: usize = if cfg!(test) { 2 * PART_ROWS } else { 256 * 1024 };

impl Core {
    /// Some rows are here of a snapshot that streams may wait for.
    pub(in crate::core) fn got_part(&mut self, feed: &Arc<Feed>, scope: &Scope, part: &Part) {
        let Some(feed_id) = self.followed(feed) else { return };
        for key in ViewKey::all_of(feed_id, scope).filter(ViewKey::is_numbered) {
            let Some(view) = self.view_ids.get(&key).copied() else { continue };
            if part.index == 0 {
                self.begin_parts(view, part);
            } else {
                self.add_part(view, part);
            }
        }
    }

    fn begin_parts(&mut self, id: ViewId, part: &Part) {
        if self.view(id).asked.is_none() {
            return;
        }
        self.drop_coming(id);
        let mut chunks = Vec::new();
        line::write_begin(&mut chunks, part.rv, part.count);
        line::write_part(&mut chunks, &part.rows);
        let first = self.part_segment(id, &chunks, Then::More);
        let view = self.view(id);
        let Part { place, count, .. } = *part;
        view.coming = Some(Coming { place, first, last: first, parts: 1, count, rest: None });
        let waiting: Vec<SlotName> = std::mem::take(&mut view.waiting);
        for name in waiting {
            if self.waits(name) {
                self.give_snapshot(name.id, first);
            }
        }
    }

    fn add_part(&mut self, id: ViewId, part: &Part) {
        let fits =
            |coming: &Coming| coming.is_told() && (coming.place, coming.parts) == (part.place, part.index);
        if !self.view(id).coming.as_ref().is_some_and(fits) {
            return;
        }
        let mut chunks = Vec::new();
        line::write_part(&mut chunks, &part.rows);
        let next = self.part_segment(id, &chunks, Then::More);
        self.lead_on(id, next);
    }

    /// The snapshot that came in parts is whole. Returns its segment; `None` where it did not come in parts, or another did.
    pub(in crate::core) fn end_parts(&mut self, id: ViewId, snapshot: &Snapshot) -> Option<SegmentId> {
        let is_this = |coming: &&Coming| {
            coming.is_told() && coming.place == snapshot.place && coming.count == snapshot.count
        };
        self.view(id).coming.as_ref().filter(is_this)?;
        let mut chunks = Vec::new();
        line::write_synced(&mut chunks, snapshot.rv, snapshot.count);
        self.end_with_part(id, &chunks, snapshot.place)
    }

    /// These chunks are the last of a snapshot. Returns its first segment.
    fn end_with_part(&mut self, id: ViewId, chunks: &[u8], place: Place) -> Option<SegmentId> {
        let end = self.part_segment(id, chunks, Then::From(place));
        self.lead_on(id, end);
        self.view(id).coming.take().map(|coming| coming.first)
    }

    /// The segment that follows on the last one; who has read that goes on.
    fn lead_on(&mut self, id: ViewId, next: SegmentId) {
        let Some(coming) = &mut self.view(id).coming else { return };
        let last = std::mem::replace(&mut coming.last, next);
        coming.parts += 1;
        self.prefixes.lead_on(last, next);
        self.follow_all(id, last);
    }

    /// Lets go of a snapshot that was coming: who is in its midst stays there, and is told when another is here.
    pub(in crate::core) fn drop_coming(&mut self, id: ViewId) {
        if let Some(coming) = self.view(id).coming.take() {
            self.let_go(id, &coming);
        }
    }

    fn let_go(&mut self, id: ViewId, coming: &Coming) {
        self.prefixes.end_more(coming.last);
        self.follow_all(id, coming.last);
        self.prefixes.release(coming.first);
    }

    /// Those of a view's streams that have read this segment to its end go on.
    fn follow_all(&mut self, id: ViewId, segment: SegmentId) {
        let end =
            At::Prefix(segment, u32::try_from(self.prefixes.bytes(segment).len()).expect("parts are small"));
        let Core { views, slots, .. } = self;
        let members = views[id as usize].iter().flat_map(|view| &view.members);
        let done: Vec<SlotId> = members.filter(|slot| slots.get(**slot).at == end).copied().collect();
        for slot in done {
            self.follow(slot, segment);
        }
    }

    fn part_segment(&mut self, id: ViewId, chunks: &[u8], then: Then) -> SegmentId {
        let dress = self.view(id).dress;
        let (mut bytes, mut marks) = (Vec::with_capacity(dress.most(chunks.len())), Vec::new());
        for chunk in line::chunks_of(chunks) {
            dress.put_on(chunk, &mut bytes);
            marks.push((u32::try_from(bytes.len()).expect("parts are small"), 0));
        }
        self.prefixes.marked(bytes, marks, then)
    }

    /// Begins to dress a snapshot that is whole. Returns its first segment.
    pub(in crate::core) fn begin_dressing(&mut self, id: ViewId, snapshot: Arc<Snapshot>) -> SegmentId {
        // Who was getting another one in parts gets this, and so is told when this is there.
        let other = self.view(id).coming.take();
        let Snapshot { place, rv, count, .. } = *snapshot;
        let mut chunks = Vec::new();
        line::write_begin(&mut chunks, rv, count);
        let rest = write_step(&snapshot, 0, &mut chunks);
        let then = if rest.is_some() { Then::More } else { Then::From(place) };
        let first = self.part_segment(id, &chunks, then);
        if let Some(next) = rest {
            let rest = Some((snapshot, next));
            self.view(id).coming = Some(Coming { place, first, last: first, parts: 1, count, rest });
            self.dressing.push_back(id);
        } else {
            self.keep_snapshot(id, snapshot, first);
        }
        if let Some(other) = other {
            self.let_go(id, &other);
        }
        first
    }

    /// Dresses some of a snapshot that somebody waits for. The views take turns.
    pub(in crate::core) fn dress_some(&mut self) {
        let Some(id) = self.dressing.pop_front().filter(|id| self.has_view(*id)) else { return };
        let Some(rest) = self.view(id).coming.as_mut().and_then(|coming| coming.rest.as_mut()) else {
            return;
        };
        let (snapshot, row) = (rest.0.clone(), rest.1);
        let mut chunks = Vec::new();
        if let Some(next) = write_step(&snapshot, row, &mut chunks) {
            rest.1 = next;
            let segment = self.part_segment(id, &chunks, Then::More);
            self.lead_on(id, segment);
            self.dressing.push_back(id);
        } else if let Some(first) = self.end_with_part(id, &chunks, snapshot.place) {
            self.keep_snapshot(id, snapshot, first);
        }
    }
}

/// Writes the parts of one step, from this row on; behind the last row also `synced`. Returns the row that the next step begins with, if there is one.
fn write_step(snapshot: &Snapshot, row: usize, chunks: &mut Vec<u8>) -> Option<usize> {
    let most = chunks.len() + STEP;
    let mut next = row;
    while let Some((rows, behind)) = snapshot.part_from(next) {
        if chunks.len() + rows.len() > most && next > row {
            return Some(next);
        }
        line::write_part(chunks, rows);
        next = behind;
    }
    line::write_synced(chunks, snapshot.rv, snapshot.count);
    None
}
