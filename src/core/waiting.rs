//! Streams that wait for their view's snapshot: who asks for it, who gets it, and how long is waited.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Core;
use super::beat::Timer;
use super::line::parts::Coming;
use super::prefix::Then;
use super::slot::{At, ENDING, HAS_ROWS, RESUMED, SlotId, SlotName, TOLD};
use super::view::{HeldSnapshot, ViewId, ViewKey};
use crate::feed::block::Refused;
use crate::feed::snapshot::Snapshot;
use crate::feed::{Feed, Scope};
use crate::wire::sse;

/// A snapshot on an open stream keeps this distance from its last delta: the reference front end applies a snapshot at once, but holds
/// deltas back for 50 ms.
const AFTER_DELTAS: Duration = Duration::from_millis(100);

impl Core {
    /// A stream that comes to need a snapshot in its midst keeps its distance from its last delta.
    pub(super) fn snapshot_in_time(&mut self, id: SlotId) {
        let name = self.slots.name(id);
        let is_lane = self.slots.get(id).socket.line().is_some();
        if self.slots.get(id).is(HAS_ROWS) && !is_lane {
            self.slots.get_mut(id).at = At::Pausing;
            self.timers.at(Instant::now() + AFTER_DELTAS, Timer::Snapshot(name));
        } else {
            self.want_snapshot(name);
        }
    }

    /// Gives the stream its view's snapshot, or has it wait for one.
    pub(super) fn want_snapshot(&mut self, name: SlotName) {
        let view_id = self.slots.get(name.id).view;
        let feed = self.view(view_id).key.feed;
        let start = self.feed(feed).mirror.start();
        let view = self.view(view_id);
        let fresh = view.snapshot.as_ref().filter(|held| held.since <= held.snapshot.frame().len());
        if let Some(segment) = fresh.filter(|held| held.snapshot.place >= start).map(|held| held.segment) {
            return self.give_snapshot(name.id, segment);
        }
        let coming = view.coming.as_ref().filter(|coming| coming.place() >= start);
        if let Some(first) = coming.map(Coming::first) {
            return self.give_snapshot(name.id, first);
        }
        view.waiting.push(name);
        if view.asked.is_some() {
            return;
        }
        let now = Instant::now();
        view.asked = Some(now);
        let (scope, serial) = (view.key.scope.clone(), view.serial);
        let feed = self.feed(feed).feed.clone();
        self.everywhere.hub.ask_snapshot(self.id, feed, scope, false);
        self.timers.at(now + self.everywhere.wait, Timer::GiveUp(view_id, serial));
    }

    pub(super) fn give_snapshot(&mut self, id: SlotId, segment: u32) {
        self.counters.snapshots.add(1);
        self.record_snapshot(id);
        self.prefixes.hold(segment);
        let view = self.slots.get(id).view;
        if let Some(held) = &mut self.view(view).snapshot {
            held.given = Instant::now();
        }
        let slot = self.slots.get_mut(id);
        slot.at = At::Prefix(segment, 0);
        slot.unset(RESUMED | TOLD);
        self.make_ready(id);
    }

    /// A snapshot is here, or the reason why there is none.
    pub(super) fn got_snapshot(
        &mut self,
        feed: &Arc<Feed>,
        scope: &Scope,
        result: &Result<Arc<Snapshot>, Refused>,
    ) {
        let Some(feed_id) = self.followed(feed) else { return };
        for key in ViewKey::all_of(feed_id, scope) {
            let Some(view) = self.view_ids.get(&key).copied() else { continue };
            let is_coming = self.view(view).coming.as_ref().is_some_and(Coming::is_told);
            if self.view(view).asked.take().is_some() || is_coming {
                self.got_views_snapshot(view, result);
            }
        }
    }

    fn got_views_snapshot(&mut self, view_id: ViewId, result: &Result<Arc<Snapshot>, Refused>) {
        let waiting = std::mem::take(&mut self.view(view_id).waiting);
        match result {
            Ok(snapshot) => {
                let segment = self.hold_snapshot(view_id, snapshot.clone());
                for name in waiting.into_iter().filter(|name| self.waits(*name)).collect::<Vec<_>>() {
                    match self.slots.get(name.id).at {
                        At::Waiting => self.give_snapshot(name.id, segment),
                        // A heartbeat is in its way; behind that it asks again.
                        _ => self.view(view_id).waiting.push(name),
                    }
                }
            }
            Err(why) => {
                self.drop_coming(view_id);
                self.end_waiting(waiting, *why);
            }
        }
    }

    fn end_waiting(&mut self, waiting: Vec<SlotName>, why: Refused) {
        for name in waiting {
            if self.waits(name) {
                self.end_with_error(name.id, why);
            }
        }
    }

    /// Whether a stream that has waited for a snapshot still does.
    pub(super) fn waits(&self, name: SlotName) -> bool {
        self.slots.named(name).filter(|slot| !slot.is(ENDING)).is_some_and(|slot| match slot.at {
            At::Waiting => true,
            At::Prefix(segment, _) => self.prefixes.then(segment) == Then::Wait,
            At::Log(_) | At::Behind(_) | At::Pausing | At::Line(_) => false,
        })
    }

    /// Makes segments of a snapshot. Returns the first.
    fn hold_snapshot(&mut self, view_id: ViewId, snapshot: Arc<Snapshot>) -> u32 {
        self.drop_held(view_id);
        let key = &self.view(view_id).key;
        let segment = match (key.is_numbered(), key.framing) {
            (true, _) => match self.end_parts(view_id, &snapshot) {
                Some(first) => first,
                None => return self.begin_dressing(view_id, snapshot),
            },
            (false, sse::Framing::Chunked) => self.prefixes.snapshot(snapshot.clone()),
            (false, sse::Framing::Plain) => {
                let mut plain = Vec::new();
                sse::strip_chunks(snapshot.frame(), &mut plain);
                self.prefixes.own(plain, Then::From(snapshot.place))
            }
        };
        self.keep_snapshot(view_id, snapshot, segment);
        segment
    }

    /// A view hands this snapshot out from now on.
    pub(super) fn keep_snapshot(&mut self, view_id: ViewId, snapshot: Arc<Snapshot>, segment: u32) {
        let feed = self.view(view_id).key.feed;
        let scope = self.view(view_id).key.scope.clone();
        let mirror = &self.feed(feed).mirror;
        let since = mirror
            .frames(snapshot.place, mirror.end())
            .filter(|(_, _, frame)| scope.holds(&frame.namespace))
            .map(|(block, index, _)| block.frame_bytes(index).len())
            .sum();
        let given = Instant::now();
        self.view(view_id).snapshot = Some(HeldSnapshot { snapshot, segment, since, given });
        // Who was getting another one in parts gets this.
        self.drop_coming(view_id);
    }

    /// Lets go of the snapshot that a view hands out.
    pub(super) fn drop_held(&mut self, view: ViewId) {
        if let Some(held) = self.view(view).snapshot.take() {
            self.prefixes.release(held.segment);
        }
    }

    /// A heartbeat that was in the way of a waiting stream is sent.
    pub(super) fn waited(&mut self, id: SlotId) {
        let name = self.slots.name(id);
        let view = self.slots.get(id).view;
        let waits = self.view(view).waiting.contains(&name);
        if waits && self.view(view).asked.is_some() {
            return;
        }
        self.view(view).waiting.retain(|waiting| *waiting != name);
        if waits {
            self.want_snapshot(name);
        }
    }

    /// Rows have not come in time. All who wait for them hear it; their clients try again.
    pub(super) fn give_up(&mut self, id: ViewId, serial: u64) {
        let wait = self.everywhere.wait;
        if !self.has_view(id) || self.view(id).serial != serial {
            return;
        }
        let view = self.view(id);
        if view.asked.is_none_or(|asked| asked.elapsed() < wait) {
            return;
        }
        view.asked = None;
        let waiting = std::mem::take(&mut view.waiting);
        self.end_waiting(waiting, Refused::Unavailable);
    }
}
