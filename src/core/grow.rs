//! A feed has grown: its new blocks go into the logs of the views that they belong to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Core;
use super::dispatch::{Dispatched, dispatch};
use super::prefix::Then;
use super::slot::{AHEAD, At, HAS_ROWS, TOLD_AWAY};
use super::view::{FeedId, ViewId};
use crate::feed::Feed;
use crate::feed::block::{Block, Content, ListSizes, Place, Refused};
use crate::feed::post::Mail;
use crate::kind::Rv;
use crate::wire::line::Reset;
use crate::wire::sse;

/// From this many members on a lap takes longer than any window would.
const LAP_IS_THE_WINDOW: usize = 5000;

impl Core {
    /// Reads the mail.
    pub(super) fn read_mail(&mut self) {
        self.bell.answer();
        while let Ok(mail) = self.mail.try_recv() {
            match mail {
                Mail::Grown(feed) => self.grow(&feed),
                Mail::Opened(key, feed) => self.opened(&key, feed),
                Mail::Snapshot(feed, scope, exact, result) => {
                    self.grow(&feed);
                    if exact {
                        self.answer_lists(&feed.key, &scope, &result);
                    }
                    self.got_snapshot(&feed, &scope, &result);
                    self.got_gained(&feed, &scope, &result);
                }
                Mail::Part(feed, scope, part) => {
                    self.grow(&feed);
                    self.got_part(&feed, &scope, &part);
                }
                Mail::Specimen(feed, scope, specimen) => {
                    self.grow(&feed);
                    self.got_specimen(&feed, &scope, &specimen);
                }
                Mail::Answer(ticket, answer) => self.answered(ticket, answer),
                Mail::Ruled(grant) => self.ruled(grant),
            }
        }
        self.carry_out_rulings();
    }

    /// The number under which this very feed is followed.
    pub(super) fn followed(&self, feed: &Arc<Feed>) -> Option<FeedId> {
        let id = *self.feed_ids.get(&feed.key)?;
        let followed = self.feeds[id as usize].as_ref()?;
        Arc::ptr_eq(&followed.feed, feed).then_some(id)
    }

    fn grow(&mut self, feed: &Arc<Feed>) {
        if let Some(id) = self.followed(feed) {
            self.take_blocks(id);
        }
    }

    /// Takes all blocks of a feed that this core has not taken.
    pub(super) fn take_blocks(&mut self, id: FeedId) {
        let core = self.id;
        self.feed(id).feed.following(core).looking();
        while let Some(block) = self.feed(id).mirror.advance().cloned() {
            self.take(id, &block);
        }
        let followed = self.feed(id);
        let tail = followed.feed.tail();
        followed.mirror.follow(&tail);
    }

    fn take(&mut self, id: FeedId, block: &Block) {
        match &block.content {
            Content::Events => self.append(id, block, None),
            Content::Gap(sizes) => {
                self.relist_ahead(id, block.before);
                let reset = self.outgrown(id, block, sizes);
                self.append(id, block, Some(&reset));
                for view in reset {
                    self.reset_view(view, block.end());
                }
            }
            Content::Reset => {
                self.feed(id).mirror.begin_anew();
                let views: Vec<_> = self.feed(id).views().collect();
                for view in views {
                    // A heartbeat names the head again, though it is no newer than what was told before.
                    self.view(view).told = block.head;
                    self.reset_view(view, block.end());
                }
            }
            Content::Away => self.tell_away(id),
            Content::Back => self.tell_back(id),
            Content::Refused(why) => self.refuse_all(id, *why),
        }
    }

    /// A gap says what is different from the rows before it, which a stream that has seen newer ones does not show.
    fn relist_ahead(&mut self, id: FeedId, before: Rv) {
        let ahead: Vec<_> =
            self.ahead.iter().filter(|(_, rv, _)| *rv > before).map(|(name, ..)| *name).collect();
        for name in ahead {
            let Some(slot) = self.slots.named(name).filter(|slot| slot.is(AHEAD)) else { continue };
            let view = slot.view;
            if self.view(view).key.feed == id {
                self.relist_stream(name.id, Reset::History);
            }
        }
    }

    /// Puts a block's frames into the logs of their views, except of those in `without`.
    fn append(&mut self, id: FeedId, block: &Block, without: Option<&HashSet<ViewId>>) {
        let Core { feeds, views, counters, .. } = self;
        let Some(followed) = feeds[id as usize].as_ref() else { return };
        let skips = |id| without.is_some_and(|without| without.contains(&id));
        let Dispatched { touched, appended } = dispatch(block, followed, views, skips);
        counters.appended.add(appended);
        if without.is_some() {
            self.name_end_of_gap(block, &touched);
        }
        let now = Instant::now();
        for view in touched {
            let shown = self.view(view);
            shown.touched = false;
            shown.oldest.get_or_insert(block.at);
            self.schedule_lap(view, now);
        }
    }

    /// Only a gap's last frame has an id. Views that it does not belong to are told the id by itself, lest a stream that comes back gets the
    /// gap again.
    fn name_end_of_gap(&mut self, block: &Block, views: &[ViewId]) {
        let Some(last) = block.frames.last() else { return };
        for id in views {
            if self.view(*id).key.scope.holds(&last.namespace) {
                continue;
            }
            let mut bookmark = Vec::new();
            if self.view(*id).key.is_numbered() {
                bookmark = self.status_of(*id, Some(block.head));
            } else {
                sse::write_bookmark(&mut bookmark, block.head);
            }
            let bookmark = self.dressed(*id, bookmark);
            let view = self.view(*id);
            view.told = block.head;
            view.log.append_notice(&bookmark, block.end());
        }
    }

    /// The views for which a gap is larger than the snapshot that it leads to.
    fn outgrown(&mut self, id: FeedId, block: &Block, sizes: &ListSizes) -> HashSet<ViewId> {
        let followed = self.feed(id);
        let mut in_namespace: HashMap<&str, usize> = HashMap::new();
        for (index, frame) in block.frames.iter().enumerate() {
            *in_namespace.entry(&frame.namespace).or_default() += block.frame_bytes(index).len();
        }
        let mut in_view: HashMap<ViewId, usize> =
            followed.all.iter().map(|view| (*view, block.bytes.len())).collect();
        for (namespace, bytes) in in_namespace {
            for view in followed.by_namespace.get(namespace).into_iter().flatten() {
                *in_view.entry(*view).or_default() += bytes;
            }
        }
        in_view.retain(|view, bytes| *bytes > sizes.of(&self.view(*view).key.scope));
        in_view.into_keys().collect()
    }

    /// A lap over the view's members: now where it is quiet, at the end of the window where it is busy. The window begins when a lap ends, so
    /// that a stream is sent to once per lap and window, however long laps take.
    pub(super) fn schedule_lap(&mut self, id: ViewId, now: Instant) {
        let window = self.everywhere.streams.window;
        let view = self.view(id);
        if !view.log.is_pending() {
            return;
        }
        if view.lap.is_some() {
            view.again = true;
            return;
        }
        if view.due.is_some() {
            return;
        }
        let window = if view.members.len() > LAP_IS_THE_WINDOW { Duration::ZERO } else { window };
        match view.turned.map(|ended| ended + window).filter(|due| *due > now) {
            None => self.start_lap(id, now),
            Some(due) => {
                view.due = Some(due);
                self.timers.at(due, super::beat::Timer::Flush(id));
            }
        }
    }

    /// A flush window has ended.
    pub(super) fn flush(&mut self, id: ViewId) {
        if !self.has_view(id) || self.view(id).due.take().is_none() {
            return;
        }
        if self.view(id).lap.is_none() {
            self.start_lap(id, Instant::now());
        }
    }

    fn start_lap(&mut self, id: ViewId, now: Instant) {
        let view = self.view(id);
        view.lap = Some(0);
        view.carries = view.oldest.take();
        view.turned = Some(now);
        self.laps.push_back(id);
    }

    /// Every stream of the view gets `relist` and a new snapshot. What they had still to get, they no longer need. Nobody can go on
    /// in the log from before `end`.
    fn reset_view(&mut self, id: ViewId, end: Place) {
        self.drop_held(id);
        let members = self.view(id).members.clone();
        for slot in members {
            match self.slots.get(slot).at {
                At::Log(_) => self.relist_stream(slot, Reset::History),
                // Behind, or in a prefix: where that ends, the place is found to be gone, or the gap is caught up with.
                At::Behind(_) | At::Prefix(..) | At::Waiting | At::Pausing | At::Line(_) => {}
            }
        }
        // The new snapshot says that the source is back; a row asked for before may be older than it.
        self.view(id).spoke_since_away = true;
        self.view(id).wants_specimen.clear();
        self.view(id).log.skip_to(end);
    }

    /// Each stream that shows rows is told that they may be stale.
    fn tell_away(&mut self, id: FeedId) {
        self.feed(id).away = true;
        let end = self.feed(id).mirror.end();
        let views: Vec<_> = self.feed(id).views().collect();
        for view in views {
            if self.view(view).key.is_numbered() {
                self.tell_status(view);
                continue;
            }
            // Who is not in the log hears it on its way there.
            for slot in self.view(view).members.clone() {
                self.slots.get_mut(slot).unset(TOLD_AWAY);
            }
            let bytes = self.away_notice(view);
            let shown = self.view(view);
            shown.spoke_since_away = false;
            // Nobody is to be turned live behind this.
            shown.owes_specimen = false;
            shown.wants_specimen.clear();
            self.view(view).log.append_notice(&bytes, end);
            self.schedule_lap(view, Instant::now());
        }
    }

    /// The frame that says so.
    pub(super) fn away_notice(&mut self, view: ViewId) -> Vec<u8> {
        let mut bytes = Vec::new();
        sse::write_notice(&mut bytes, "relist", r#"{"reason":"upstream_away"}"#);
        self.dressed(view, bytes)
    }

    /// The source is back. Where no difference said so already, a row that changes nothing does. It goes into the log, behind whatever
    /// a stream has still to get; one that is elsewhere gets it where it comes to the log.
    fn tell_back(&mut self, id: FeedId) {
        self.feed(id).away = false;
        let views: Vec<_> = self.feed(id).views().collect();
        for view in views {
            if self.view(view).key.is_numbered() {
                self.tell_status(view);
                continue;
            }
            let mut stale = Vec::new();
            for slot in self.view(view).members.clone() {
                let stream = self.slots.get_mut(slot);
                let in_log = matches!(stream.at, At::Log(_));
                if in_log && stream.is(TOLD_AWAY) {
                    stream.unset(TOLD_AWAY);
                    stale.push(self.slots.name(slot));
                } else if !in_log && stream.is(HAS_ROWS) {
                    // It hears it when it comes to the log.
                    stream.set(TOLD_AWAY);
                }
            }
            if self.view(view).spoke_since_away {
                // But whoever was told on its own may have been told after the difference.
                self.want_specimen(view, &stale);
            } else {
                self.owe_specimen(view);
            }
        }
    }

    fn refuse_all(&mut self, id: FeedId, why: Refused) {
        self.feed(id).away = false;
        if why == Refused::Gone {
            // Whoever comes now asks for a new feed.
            let key = self.feed(id).feed.key.clone();
            self.feed_ids.remove(&key);
        }
        let views: Vec<_> = self.feed(id).views().collect();
        for view in views {
            let members = self.view(view).members.clone();
            for slot in members {
                self.end_with_error(slot, why);
            }
        }
    }

    /// Bytes of whole chunks as this view's streams get them.
    pub(super) fn dressed(&mut self, view: ViewId, chunks: Vec<u8>) -> Vec<u8> {
        self.view(view).dress.dressed(chunks)
    }

    /// Takes a stream out of its view's log, between two frames: what it must still get of the half-sent one is left in its way. Returns
    /// the place behind that.
    pub(super) fn leave_log(&mut self, slot: u32) -> Option<u64> {
        let stream = self.slots.get(slot);
        let (At::Log(cursor), view) = (stream.at, stream.view) else { return None };
        let cut = self.view(view).log.cut(cursor);
        let place = cut.place;
        let at = if cut.rest.is_empty() {
            At::behind(place)
        } else {
            At::Prefix(self.prefixes.behind(cut.rest, &[], Then::From(place)), 0)
        };
        self.slots.get_mut(slot).at = at;
        Some(place)
    }

    /// A stream that can send nothing now (a lane: whose turn it is not), and is too far behind, leaves the log.
    pub(super) fn shed_lag(&mut self, slot: u32) {
        let stream = self.slots.get(slot);
        let At::Log(cursor) = stream.at else { return };
        let view = stream.view;
        if self.view(view).log.lag(cursor) > self.most_lag() {
            self.counters.lagged.add(1);
            self.leave_log(slot);
            // What was said of the source may be among what it leaves behind.
            let feed = self.view(view).key.feed;
            let away = self.feed(feed).away;
            let stream = self.slots.get_mut(slot);
            if away { stream.unset(TOLD_AWAY) } else { stream.set(TOLD_AWAY) }
        }
    }
}
