//! A snapshot as lanes get it: `begin`, its rows in parts, `synced`. Where the control plane is still encoding it, the parts that are there go out already:
//! each is a segment that leads to the next, and who has read the last of them stands at its end until there is another.

use std::sync::Arc;

use crate::core::Core;
use crate::core::prefix::{SegmentId, Then};
use crate::core::slot::{At, SlotId, SlotName};
use crate::core::view::ViewId;
use crate::core::view::ViewKey;
use crate::feed::block::Place;
use crate::feed::snapshot::{Part, Snapshot};
use crate::feed::{Feed, Scope};
use crate::wire::line;

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
}

impl Coming {
    /// The first part's segment.
    pub fn first(&self) -> SegmentId {
        self.first
    }
}

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
        view.coming = Some(Coming { place: part.place, first, last: first, parts: 1, count: part.count });
        let waiting: Vec<SlotName> = std::mem::take(&mut view.waiting);
        for name in waiting {
            if self.waits(name) {
                self.give_snapshot(name.id, first);
            }
        }
    }

    fn add_part(&mut self, id: ViewId, part: &Part) {
        let fits = |coming: &Coming| (coming.place, coming.parts) == (part.place, part.index);
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
        let is_this = |coming: &&Coming| coming.place == snapshot.place && coming.count == snapshot.count;
        self.view(id).coming.as_ref().filter(is_this)?;
        let mut chunks = Vec::new();
        line::write_synced(&mut chunks, snapshot.rv, snapshot.count);
        let end = self.part_segment(id, &chunks, Then::From(snapshot.place));
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
        let Some(coming) = self.view(id).coming.take() else { return };
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

    /// Makes a segment of a snapshot that is whole.
    pub(in crate::core) fn hold_parts(&mut self, id: ViewId, snapshot: &Snapshot) -> SegmentId {
        let mut chunks = Vec::new();
        line::write_begin(&mut chunks, snapshot.rv, snapshot.count);
        snapshot.parts().for_each(|rows| line::write_part(&mut chunks, rows));
        line::write_synced(&mut chunks, snapshot.rv, snapshot.count);
        self.part_segment(id, &chunks, Then::From(snapshot.place))
    }
}
