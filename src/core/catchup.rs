//! Catching up: from a place in the journal to the log's end.
//!
//! A stream that resumes within `streams.lag` gets every frame, in order. One that lags gets the latest row of each object that it missed.
//! Either is encoded once per view and stretch, and shared by all who can join it: whoever has seen all before a place inside the stretch
//! begins behind the frames that it has seen.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Core;
use super::prefix::Then;
use super::slot::{At, RESUMED, SlotId, TOLD_AWAY};
use super::view::{Range, ViewId};
use crate::feed::Scope;
use crate::feed::block::{Block, Content, Place};
use crate::feed::journal::Mirror;
use crate::wire::dress::Dress;
use crate::wire::line::Reset;
use crate::wire::sse::{self, Op};

/// How long a stretch is handed out that no longer reaches the log's end.
const SERVES: Duration = Duration::from_secs(1);

/// Bytes of frames that one coalesced stretch is made of. It bounds the work of making one, and what a stream that then stops reading
/// keeps from being freed.
const LONGEST: usize = 4 << 20;

/// Stretches that a view keeps for others.
const KEPT: usize = 4;

/// An encoded stretch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Whoever has seen all before this place, or more, can join.
    pub from: Place,
    /// Who has read it has seen all before this place.
    pub to: Place,
    /// Wire bytes, chunked.
    pub bytes: Vec<u8>,
    /// Per frame, the offset of its end and the place behind it.
    pub marks: Vec<(u32, Place)>,
}

/// The newest frames of a scope, every one of them, as far back as `most` bytes go.
#[must_use]
pub fn every_frame(mirror: &Mirror, scope: &Scope, most: usize) -> Stretch {
    let mut picked: Vec<(&Block, usize)> = Vec::new();
    let mut bytes = 0;
    let mut from = mirror.start();
    for (block, index, frame) in mirror.frames(mirror.start(), mirror.end()).rev() {
        if !scope.holds(&frame.namespace) {
            continue;
        }
        bytes += block.frame_bytes(index).len();
        if bytes > most {
            from = place_behind(block, index);
            break;
        }
        picked.push((block, index));
    }
    let mut stretch = Stretch { from, to: mirror.end(), ..Stretch::default() };
    for (block, index) in picked.into_iter().rev() {
        stretch.push(block.frame_bytes(index), place_behind(block, index));
    }
    stretch
}

/// What becomes of an object in a stretch.
#[derive(Default)]
struct Latest {
    /// The place behind its latest frame.
    behind: Place,
    /// That frame is `modified`, though the stretch holds the object's `added`.
    is_new: bool,
    was_added: bool,
}

/// The latest frame of each object of a scope from a place on: as `added` if the stretch holds its `added`, as `deleted` if it ends so.
/// Reads so many bytes of frames at the most; the stretch ends where they end.
///
/// A client that goes away amid the stretch comes back with the newest id that it has got, and then gets every frame since, as it is: a
/// `modified` of an object whose `added` was left out would be nothing to it. So between an `added` that is left out and the frame that
/// stands for it no frame has an id.
#[must_use]
pub fn latest_rows(mirror: &Mirror, scope: &Scope, from: Place, most: usize) -> Stretch {
    let mut objects: HashMap<u64, Latest> = HashMap::new();
    let mut bytes = 0;
    let mut to = mirror.end();
    for (block, index, frame) in mirror.frames(from, mirror.end()) {
        if !scope.holds(&frame.namespace) {
            continue;
        }
        let latest = objects.entry(frame.object).or_default();
        latest.was_added |= frame.op == Op::Added;
        latest.is_new = latest.was_added && frame.op == Op::Modified;
        latest.behind = place_behind(block, index);
        bytes += block.frame_bytes(index).len();
        if bytes >= most {
            to = place_behind(block, index);
            break;
        }
    }
    let mut stretch = Stretch { from, to, ..Stretch::default() };
    let mut left_out = 0_usize;
    for (block, index, frame) in mirror.frames(from, to) {
        let Some(latest) = objects.get(&frame.object) else { continue };
        let is_latest = latest.behind == place_behind(block, index);
        left_out += usize::from(latest.is_new && frame.op == Op::Added);
        left_out -= usize::from(latest.is_new && is_latest);
        if is_latest {
            stretch.push_latest(block, index, latest.is_new, left_out == 0);
        }
    }
    stretch
}

fn place_behind(block: &Block, index: usize) -> Place {
    block.place + index as Place + 1
}

impl Stretch {
    fn push(&mut self, frame: &[u8], behind: Place) {
        self.bytes.extend_from_slice(frame);
        self.mark(behind);
    }

    fn push_latest(&mut self, block: &Block, index: usize, is_new: bool, with_id: bool) {
        let (bytes, frame) = (block.frame_bytes(index), &block.frames[index]);
        if !is_new && with_id {
            return self.push(bytes, place_behind(block, index));
        }
        let in_gap = matches!(block.content, Content::Gap(_)) && index + 1 < block.frames.len();
        let id = (with_id && !in_gap).then_some(frame.rv);
        let op = if is_new { Op::Added } else { frame.op };
        sse::write_delta(&mut self.bytes, op, id, sse::row_of(bytes, usize::from(frame.row)));
        self.mark(place_behind(block, index));
    }

    fn mark(&mut self, behind: Place) {
        self.marks.push((u32::try_from(self.bytes.len()).expect("a stretch is smaller than 4 GiB"), behind));
    }

    /// The same frames as a view's streams get them.
    fn dressed(self, dress: Dress) -> Self {
        if dress.is_bare() {
            return self;
        }
        let mut dressed = Stretch { from: self.from, to: self.to, ..Stretch::default() };
        let mut start = 0;
        for (end, behind) in self.marks {
            dress.put_on(&self.bytes[start..end as usize], &mut dressed.bytes);
            dressed.mark(behind);
            start = end as usize;
        }
        dressed
    }
}

impl Core {
    /// Puts the frames between a place and the log's end in the stream's way; or `relist`, where the journal no longer has them.
    pub(super) fn catch_up(&mut self, id: SlotId, place: Place) {
        let slot = self.slots.get(id);
        let (view_id, resumed) = (slot.view, slot.is(RESUMED));
        let feed = self.view(view_id).key.feed;
        if place < self.feed(feed).mirror.start() {
            return self.relist_stream(id, Reset::TooOld);
        }
        let found = self.find_range(view_id, place, resumed);
        let range = found.unwrap_or_else(|| self.make_range(view_id, place, resumed));
        let offset = self.prefixes.offset_of(range.segment, place);
        if offset as usize == self.prefixes.bytes(range.segment).len() {
            // Nothing of this view happened since: the log begins later only because nobody was in it.
            return self.go_on_from(id, range.to);
        }
        self.prefixes.hold(range.segment);
        self.slots.get_mut(id).at = At::Prefix(range.segment, offset);
        self.say_catching_up(id);
        if !self.feed(feed).away {
            // A frame says it.
            self.slots.get_mut(id).unset(TOLD_AWAY);
        }
    }

    /// A stretch that is there already: one that reaches the log's end, or was made only just now.
    fn find_range(&mut self, view: ViewId, place: Place, every_frame: bool) -> Option<Range> {
        let feed = self.view(view).key.feed;
        let end = self.feed(feed).mirror.end();
        let serves = |range: &&Range| {
            let reaches = range.to == end || (range.to > place && range.made.elapsed() < SERVES);
            range.from <= place && place <= range.to && reaches && !(every_frame && range.coalesced)
        };
        self.view(view).ranges.iter().filter(serves).max_by_key(|range| range.to).copied()
    }

    fn make_range(&mut self, view_id: ViewId, place: Place, every: bool) -> Range {
        let lag = self.most_lag();
        let key = self.view(view_id).key.clone();
        let oldest = self.oldest_behind(view_id, place);
        let mirror = &self.feed(key.feed).mirror;
        let whole = every.then(|| every_frame(mirror, &key.scope, lag)).filter(|whole| whole.from <= place);
        let coalesced = whole.is_none();
        let stretch = whole.unwrap_or_else(|| {
            // One that begins with the slowest stream serves them all, unless it is so long that it ends before this one.
            let for_all = latest_rows(mirror, &key.scope, oldest, LONGEST);
            if for_all.to > place { for_all } else { latest_rows(mirror, &key.scope, place, LONGEST) }
        });
        self.counters.catchups.add(1);
        self.counters.coalesced.add(u64::from(coalesced));
        let stretch = stretch.dressed(self.view(view_id).dress);
        let (from, to) = (stretch.from, stretch.to);
        let segment = self.prefixes.marked(stretch.bytes, stretch.marks, Then::From(to));
        let range = Range { from, to, coalesced, made: Instant::now(), segment };
        self.view(view_id).ranges.push(range);
        if self.view(view_id).ranges.len() > KEPT {
            let oldest = self.view(view_id).ranges.remove(0);
            self.prefixes.release(oldest.segment);
        }
        range
    }

    /// The oldest place among the view's streams that are behind, so that one stretch serves them all.
    fn oldest_behind(&mut self, view_id: ViewId, place: Place) -> Place {
        let feed = self.view(view_id).key.feed;
        let start = self.feed(feed).mirror.start();
        let Core { views, slots, .. } = self;
        let members = views[view_id as usize].iter().flat_map(|view| &view.members);
        let behind = members.filter_map(|id| match slots.get(*id).at {
            At::Behind(place) => Some(place.place()),
            _ => None,
        });
        behind.fold(place, Place::min).max(start)
    }
}
