//! The rows of namespaces that streams have come to see: asked for, encoded once for all who gained the same, and given.
//!
//! A stream that stands at place P of its old view's log gets the gained rows as of a place E, not before P, as `added` frames without ids;
//! then it goes on in its new view from P. So the gained namespaces' frames between P and E are told once more, which shows in the end
//! what E showed. Until it gets a frame of its new view its client's id is one of the old, and answered by a snapshot.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Core;
use super::prefix::{GainedRows, Then};
use super::slot::{AHEAD, At, ENDING, SlotId, SlotName, TOLD_AWAY};
use super::view::{FeedId, ViewId};
use crate::feed::block::Refused;
use crate::feed::ledger::Thing;
use crate::feed::snapshot::Snapshot;
use crate::feed::{Feed, FeedKey, Scope};
use crate::wire::dress::Dress;
use crate::wire::sse::{self, Framing, Op};

/// Streams that go on as they were until the rows are here that they gained.
#[derive(Default)]
pub struct Gains {
    /// Who waits for the rows of a scope. Some of them may have been forgotten since.
    waiting: HashMap<(FeedKey, Scope), Vec<SlotName>>,
    /// What each of them is to come to.
    bound: HashMap<SlotId, Bound>,
}

/// What a stream is to come to.
struct Bound {
    name: SlotName,
    gained: Scope,
    to: Scope,
}

impl Gains {
    /// The stream is to come to something else.
    pub fn forget(&mut self, id: SlotId) {
        self.bound.remove(&id);
    }

    /// Who waited for these rows and still does, with the scope that each is to come to.
    fn take(&mut self, feed: &Arc<Feed>, gained: &Scope) -> Vec<(SlotName, Scope)> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let names = self.waiting.remove(&(feed.key.clone(), gained.clone())).unwrap_or_default();
        names.into_iter().filter_map(|name| Some((name, self.take_bound(name, gained)?))).collect()
    }

    fn take_bound(&mut self, name: SlotName, gained: &Scope) -> Option<Scope> {
        let is_due =
            self.bound.get(&name.id).is_some_and(|bound| bound.name == name && bound.gained == *gained);
        if is_due { self.bound.remove(&name.id).map(|bound| bound.to) } else { None }
    }
}

impl Core {
    /// The stream comes to a scope that has this beyond its own: it is moved when the rows are here.
    pub(super) fn ask_gained(&mut self, id: SlotId, gained: Scope, to: &Scope) {
        let (name, view) = (self.slots.name(id), self.slots.get(id).view);
        let feed_id = self.view(view).key.feed;
        let feed = self.feed(feed_id).feed.clone();
        self.gains.bound.insert(id, Bound { name, gained: gained.clone(), to: to.clone() });
        let waiting = self.gains.waiting.entry((feed.key.clone(), gained.clone())).or_default();
        waiting.push(name);
        if waiting.len() == 1 {
            self.everywhere.hub.ask_snapshot(self.id, feed, gained, false);
        }
    }

    /// Rows are here that streams may wait for, or the reason why there are none.
    pub(super) fn got_gained(
        &mut self,
        feed: &Arc<Feed>,
        gained: &Scope,
        result: &Result<Arc<Snapshot>, Refused>,
    ) {
        let due = self.gains.take(feed, gained);
        let Some(feed_id) = self.followed(feed) else { return };
        // First, since all blocks are taken for a new view: no stream is to stand behind the place that the rows are of.
        let mut bound = Vec::new();
        for (name, to) in due {
            if self.slots.named(name).is_some() {
                bound.push((name.id, self.view_in_place_of(name.id, &to), to));
            }
        }
        let snapshot = result.as_ref().ok();
        for framing in [Framing::Chunked, Framing::Plain] {
            let alike: Vec<_> =
                bound.iter().filter(|(_, view, _)| self.view(*view).key.framing == framing).collect();
            if alike.is_empty() {
                continue;
            }
            let rows = snapshot.and_then(|snapshot| self.encode_gained(feed_id, gained, snapshot, framing));
            for (id, view, to) in alike {
                match &rows {
                    Some(rows) if self.can_be_given_rows(*id) => self.give_gained(*id, rows.clone(), *view),
                    _ => self.begin_anew_in(*id, to),
                }
            }
        }
    }

    fn can_be_given_rows(&self, id: SlotId) -> bool {
        let slot = self.slots.get(id);
        matches!(slot.at, At::Log(_)) && !slot.is(AHEAD) && !slot.is(ENDING)
    }

    /// The rows as they are where the core has come to. `None`: what came since the snapshot is no longer here.
    fn encode_gained(
        &mut self,
        feed: FeedId,
        gained: &Scope,
        snapshot: &Snapshot,
        framing: Framing,
    ) -> Option<Rc<GainedRows>> {
        let mirror = &self.feed(feed).mirror;
        if snapshot.place < mirror.start() {
            return None;
        }
        let dress = Dress { framing, mark: None, number: None };
        let (mut bytes, mut ends, mut frame) = (Vec::new(), Vec::new(), Vec::new());
        let mut push = |op: Op, row: &[u8]| {
            frame.clear();
            sse::write_delta(&mut frame, op, None, row);
            dress.put_on(&frame, &mut bytes);
            ends.push(u32::try_from(bytes.len()).expect("a list is far smaller than 4 GiB"));
        };
        snapshot.rows().for_each(|row| push(Op::Added, row));
        for (block, index, frame) in mirror.frames(snapshot.place, mirror.end()) {
            if gained.holds(&frame.namespace) {
                push(frame.op, sse::row_of(block.frame_bytes(index), usize::from(frame.row)));
            }
        }
        let charge = self.everywhere.ledger.charge(Thing::Logs, bytes.len() + ends.len() * size_of::<u32>());
        Some(Rc::new(GainedRows { bytes: bytes.into(), ends: ends.into(), charge }))
    }

    /// Takes a stream out of its log, and gives it the rows and then what its new view has from there.
    fn give_gained(&mut self, id: SlotId, rows: Rc<GainedRows>, to: ViewId) {
        let slot = self.slots.get(id);
        let (At::Log(cursor), from) = (slot.at, slot.view) else { return };
        self.counters.gained.add(1);
        let feed = self.view(from).key.feed;
        let has_all = self.view(from).log.unseen(cursor).is_empty();
        let cut = self.view(from).log.cut(cursor);
        // A log's place is as old as its newest frame; who has got all that there was for it stands where the core has come to.
        let place = if has_all { self.feed(feed).mirror.end() } else { cut.place };
        self.slots.get_mut(id).at = At::behind(place);
        self.change_view(id, to);
        // What was said of the source may be among what it leaves behind, and an `added` turns a client's badge live.
        let away = self.feed(feed).away;
        let slot = self.slots.get_mut(id);
        if away {
            slot.unset(TOLD_AWAY);
        } else {
            slot.set(TOLD_AWAY);
        }
        let then = Then::From(place);
        let segment = match (rows.bytes.is_empty(), cut.rest.is_empty()) {
            (true, true) => {
                self.go_on_from(id, place);
                return self.make_ready(id);
            }
            (true, false) => self.prefixes.behind(cut.rest, &[], then),
            (false, true) => self.prefixes.gained(rows, then),
            (false, false) => {
                let next = self.prefixes.gained(rows, then);
                self.prefixes.behind(cut.rest, &[], Then::Segment(next))
            }
        };
        self.slots.get_mut(id).at = At::Prefix(segment, 0);
        self.make_ready(id);
    }
}
