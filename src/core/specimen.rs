//! Specimens: one frame that says nothing new, which turns a client's badge live after a resume that missed nothing, or when a source
//! is back and nothing is different.

use std::sync::Arc;
use std::time::Instant;

use super::Core;
use super::prefix::{SegmentId, Then};
use super::slot::{At, ENDING, SlotName};
use super::view::{FeedId, ViewId, ViewKey};
use crate::feed::post::Specimen;
use crate::feed::{Feed, Scope};
use crate::kind::Rv;
use crate::wire::sse;

impl Core {
    /// Gives these streams one frame that says nothing new, which turns a client's badge live.
    pub(super) fn want_specimen(&mut self, view_id: ViewId, names: &[SlotName]) {
        let feed = self.view(view_id).key.feed;
        // Streams of numbered views are told in words.
        if names.is_empty() || self.feed(feed).away || self.view(view_id).key.is_numbered() {
            return;
        }
        if let Some(segment) = self.current_specimen(view_id) {
            for name in names {
                self.give_specimen(*name, segment);
            }
            return;
        }
        let asked = self.view(view_id).awaits_specimen();
        self.view(view_id).wants_specimen.extend_from_slice(names);
        if !asked {
            self.ask_specimen(view_id);
        }
    }

    /// Puts such a frame into the log, for all who are there.
    pub(super) fn owe_specimen(&mut self, view_id: ViewId) {
        if let Some(segment) = self.current_specimen(view_id) {
            return self.append_specimen(view_id, segment);
        }
        let asked = self.view(view_id).awaits_specimen();
        self.view(view_id).owes_specimen = true;
        if !asked {
            self.ask_specimen(view_id);
        }
    }

    fn current_specimen(&mut self, view_id: ViewId) -> Option<SegmentId> {
        let feed = self.view(view_id).key.feed;
        let now = (self.feed(feed).mirror.end(), self.feed(feed).mirror.newest().head);
        let (place, rv, segment) = self.view(view_id).specimen?;
        ((place, rv) == now).then_some(segment)
    }

    fn append_specimen(&mut self, view_id: ViewId, segment: SegmentId) {
        let feed = self.view(view_id).key.feed;
        let end = self.feed(feed).mirror.end();
        let Core { views, prefixes, .. } = self;
        if let Some(view) = &mut views[view_id as usize] {
            view.log.append_notice(prefixes.bytes(segment), end);
        }
        self.schedule_lap(view_id, Instant::now());
    }

    fn ask_specimen(&mut self, view_id: ViewId) {
        let key = self.view(view_id).key.clone();
        let feed = self.feed(key.feed).feed.clone();
        self.everywhere.hub.ask_specimen(self.id, feed, key.scope);
    }

    /// A row that changes nothing is here.
    pub(super) fn got_specimen(&mut self, feed: &Arc<Feed>, scope: &Scope, specimen: &Specimen) {
        let Some(feed_id) = self.followed(feed) else { return };
        let mirror = &self.feed(feed_id).mirror;
        // Streams may have got newer rows already.
        let outdated = specimen.place < mirror.start() || mirror.has_news(scope, specimen.place);
        for key in ViewKey::all_of(feed_id, scope) {
            let Some(view) = self.view_ids.get(&key).copied() else { continue };
            if self.view(view).spoke_since_away {
                self.view(view).owes_specimen = false;
            }
            if !self.view(view).awaits_specimen() {
                continue;
            }
            if outdated {
                self.ask_specimen(view);
                continue;
            }
            let segment = self.specimen_frame(view, specimen.row.as_deref());
            if std::mem::take(&mut self.view(view).owes_specimen) {
                self.append_specimen(view, segment);
            }
            let names = std::mem::take(&mut self.view(view).wants_specimen);
            for name in names {
                self.give_specimen(name, segment);
            }
        }
    }

    fn specimen_frame(&mut self, view: ViewId, row: Option<&[u8]>) -> u32 {
        let feed = self.view(view).key.feed;
        let (end, head) = (self.feed(feed).mirror.end(), self.feed(feed).mirror.newest().head);
        let bytes = self.dressed(view, idempotent_frame(self.feed_kind(feed), head, row));
        let segment = self.prefixes.own(bytes, Then::From(end));
        if let Some((.., old)) = self.view(view).specimen.replace((end, head, segment)) {
            self.prefixes.release(old);
        }
        segment
    }

    fn feed_kind(&self, feed: FeedId) -> &'static crate::kind::Kind {
        let followed = self.feeds[feed as usize].as_ref().expect("a feed is followed while it has views");
        followed.feed.key.kind
    }

    /// Only a stream that has no frame to get is given it; any frame turns it live as well. Notices that it has not got are needless then.
    fn give_specimen(&mut self, name: SlotName, segment: SegmentId) {
        let Some(slot) = self.slots.named(name) else { return };
        let (At::Log(cursor), view, false) = (slot.at, slot.view, slot.is(ENDING)) else { return };
        if self.view(view).log.has_frame_for(cursor) {
            return;
        }
        let rest = self.view(view).log.cut(cursor).rest;
        let segment = if rest.is_empty() {
            self.prefixes.hold(segment);
            segment
        } else {
            let (bytes, then) = (self.prefixes.bytes(segment).to_vec(), self.prefixes.then(segment));
            self.prefixes.behind(rest, &bytes, then)
        };
        self.slots.get_mut(name.id).at = At::Prefix(segment, 0);
        self.make_ready(name.id);
    }
}

/// A frame that repeats a row, or an empty snapshot where there is none.
fn idempotent_frame(kind: &crate::kind::Kind, head: Rv, row: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Some(row) = row else {
        let text =
            format!("event: snapshot\nid: {head}\ndata: {{\"resourceVersion\":\"{head}\",\"items\":[]}}\n\n");
        sse::write_chunk(&mut bytes, text.as_bytes());
        return bytes;
    };
    let op = match kind.listing {
        crate::kind::Listing::ByKey => sse::Op::Modified,
        crate::kind::Listing::NewestFirst { .. } => sse::Op::Added,
    };
    sse::write_delta(&mut bytes, op, Some(head), row);
    bytes
}
