//! Time on a core: heartbeats, flush windows, deadlines. One clock for all; no stream owns a timer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Core;
use super::epoll::Epoll;
use super::prefix::Then;
use super::reason::Reason;
use super::sessions::unix_ms;
use super::slot::{AHEAD, At, BLOCKED, ENDING, SlotName, StreamState, seconds};
use super::view::ViewId;
use crate::kind::Rv;
use crate::memory;
use crate::wire::line::Reset;
use crate::wire::sse;

/// Something that is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A view's heartbeat. With the view's serial, since ids are used again.
    Beat(ViewId, u64),
    /// The end of a busy view's flush window.
    Flush(ViewId),
    /// A stream may have its snapshot now.
    Snapshot(SlotName),
    /// An ending stream's time to take its last event is over.
    Close(SlotName),
    /// The same of a stream that may not have what it has still to get.
    CutOff(SlotName),
    /// A view's streams that wait for rows have waited long enough.
    GiveUp(ViewId, u64),
    /// A draining core ends this stream.
    Drain(SlotName),
    /// Bytes of the tenant of this number are due.
    Lump(usize),
    /// Accepting goes on.
    Accept,
    /// Once a second: deadlines of connections, stalled streams, what is ahead.
    Second,
}

/// What is due when.
#[derive(Default)]
pub struct Timers {
    due: BTreeMap<(Instant, u64), Timer>,
    next: u64,
}

impl Timers {
    /// Enters a timer.
    pub fn at(&mut self, when: Instant, timer: Timer) {
        self.due.insert((when, self.next), timer);
        self.next += 1;
    }

    /// Takes one timer that is due.
    fn pop(&mut self, now: Instant) -> Option<Timer> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Sets the clock for the next one.
    pub fn set(&self, epoll: &mut Epoll) {
        epoll.set_clock(self.due.first_key_value().map(|((when, _), _)| *when));
    }
}

const SECOND: Duration = Duration::from_secs(1);

impl Core {
    /// Does what is due.
    pub(super) fn beat(&mut self) {
        self.beat_at(Instant::now());
    }

    /// Does what is due at this time.
    pub(super) fn beat_at(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Beat(view, serial) => self.heartbeat(view, serial, now),
                Timer::Flush(view) => self.flush(view),
                Timer::Snapshot(name) => {
                    if self.slots.named(name).is_some_and(|slot| slot.at == At::Pausing) {
                        self.slots.get_mut(name.id).at = At::Waiting;
                        self.want_snapshot(name);
                    }
                }
                Timer::Close(name) => {
                    if self.slots.named(name).is_some() {
                        self.close(name.id, Reason::ClientGone);
                    }
                }
                Timer::CutOff(name) => {
                    if self.slots.named(name).is_some() {
                        self.cut_off(name.id);
                    }
                }
                Timer::GiveUp(view, serial) => self.give_up(view, serial),
                Timer::Drain(name) => self.drain_stream(name),
                Timer::Lump(tenant) => self.lump(tenant),
                Timer::Accept => self.accept_again(now),
                Timer::Second => {
                    self.every_second(now);
                    self.timers.at(now + SECOND, Timer::Second);
                }
            }
        }
    }

    /// Starts the clock.
    pub(super) fn start_clock(&mut self) {
        self.timers.at(Instant::now() + SECOND, Timer::Second);
    }

    /// One shared heartbeat for a view: into the log for those who are in it, as a segment for those who wait for their rows.
    pub(super) fn heartbeat(&mut self, id: ViewId, serial: u64, now: Instant) {
        if !self.has_view(id) || self.view(id).serial != serial {
            return;
        }
        let next = now + self.beats_every(id);
        self.timers.at(next, Timer::Beat(id, serial));
        let feed = self.view(id).key.feed;
        let head = self.feed(feed).mirror.newest().head;
        let end = self.feed(feed).mirror.end();
        let view = self.view(id);
        let moved = head > view.told && head > Rv(0);
        view.told = view.told.max(head);
        let at = moved.then_some(head);
        let mut bytes = Vec::new();
        if view.key.is_numbered() {
            bytes = self.status_for_all(id, at);
        } else {
            sse::write_heartbeat(&mut bytes, at);
        }
        let bytes = self.dressed(id, bytes);
        self.view(id).log.append_notice(&bytes, end);
        self.schedule_lap(id, now);
        if !self.view(id).key.is_numbered() {
            self.ping_waiting(id);
        }
        self.drop_unused(id, now);
    }

    /// A comment for streams that have nothing yet; a proxy must not think them dead.
    pub(super) fn ping_waiting(&mut self, id: ViewId) {
        let waiting: Vec<_> = self
            .view(id)
            .members
            .clone()
            .into_iter()
            .filter(|slot| self.slots.get(*slot).at == At::Waiting)
            .collect();
        if waiting.is_empty() {
            return;
        }
        let mut bytes = Vec::new();
        sse::write_heartbeat(&mut bytes, None);
        let bytes = self.dressed(id, bytes);
        let segment = self.prefixes.own(bytes, Then::Wait);
        for slot in waiting {
            self.prefixes.hold(segment);
            self.slots.get_mut(slot).at = At::Prefix(segment, 0);
            self.make_ready(slot);
        }
        self.prefixes.release(segment);
    }

    /// Lets go of what a view kept for newcomers that did not come. While they come, they all get one snapshot: that at this moment none of them is being
    /// sent it says nothing.
    pub(super) fn drop_unused(&mut self, id: ViewId, now: Instant) {
        let Core { views, prefixes, .. } = self;
        let Some(view) = views[id as usize].as_mut() else { return };
        view.ranges.retain(|range| {
            let keep = prefixes.refs(range.segment) > 1;
            if !keep {
                prefixes.release(range.segment);
            }
            keep
        });
        let unwanted = |given: Instant| now.saturating_duration_since(given) > 2 * SECOND;
        if let Some(held) =
            view.snapshot.take_if(|held| prefixes.refs(held.segment) == 1 && unwanted(held.given))
        {
            prefixes.release(held.segment);
        }
        if let Some((.., segment)) = view.specimen.take() {
            prefixes.release(segment);
        }
    }

    fn every_second(&mut self, now: Instant) {
        self.opened_now = (seconds(self.started, now), 0);
        self.connections.enforce_deadlines(now);
        self.reset_stalled(now);
        self.shed_for_memory(now);
        self.see_about_ahead(now);
        self.expire_lists(now);
        let unix_now = unix_ms();
        self.expire_passes(unix_now);
        self.rotate(unix_now);
        self.forget_revocations(now);
        self.forget_grants();
        self.follow_tails();
        self.logs.set(self.views.iter().flatten().map(|view| view.log.memory()).sum());
        self.set_levels();
        self.tell_recovered();
        self.ping_lines(now);
        self.give_memory_back(now);
    }

    /// Says how much there is of what comes and goes.
    pub(super) fn set_levels(&self) {
        self.count_streams();
        self.counters.views.set(self.view_ids.len());
        self.counters.users.set(self.limiter.users());
        self.counters.connections.set(self.connections.len());
    }

    /// After a wave of connections, and when the snapshots that it was given are let go.
    fn give_memory_back(&mut self, now: Instant) {
        let kept_for = self.everywhere.streams.heartbeat + 3 * SECOND;
        if self.waves.second(self.counters.accepted.get(), now, kept_for) {
            memory::ask();
        }
        memory::give_back_if_asked();
    }

    fn count_streams(&self) {
        let mut states = [0; StreamState::ALL.len()];
        let mut lanes = 0;
        for (_, slot) in self.slots.iter() {
            match slot.socket.line() {
                Some(_) => lanes += 1,
                None => states[slot.state() as usize] += 1,
            }
        }
        self.counters.streams.set(self.slots.len() - lanes);
        self.counters.lanes.set(lanes);
        self.counters.lines.set(self.lines.len());
        for (level, count) in self.counters.states.iter().zip(states) {
            level.set(count);
        }
    }

    /// A socket that has taken no byte for very long, though there is something for it, is reset.
    fn reset_stalled(&mut self, now: Instant) {
        let second = seconds(self.started, now);
        let most = u32::try_from(self.everywhere.streams.stall.as_secs()).unwrap_or(u32::MAX);
        let stalled: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.is(BLOCKED) && !slot.is(ENDING))
            .filter(|(_, slot)| {
                slot.progress().is_some_and(|progress| second.saturating_sub(progress) > most)
            })
            .map(|(id, _)| id)
            .collect();
        for id in stalled {
            self.counters.stalled.add(1);
            self.reset(id, Reason::Backpressure);
        }
    }

    /// Streams that said an id which was newer than anything known here: most of those ids come true within moments.
    fn see_about_ahead(&mut self, now: Instant) {
        for (name, rv, until) in std::mem::take(&mut self.ahead) {
            let Some(slot) = self.slots.named(name).filter(|slot| slot.is(AHEAD)) else { continue };
            let view = slot.view;
            let feed = self.view(view).key.feed;
            if self.feed(feed).mirror.newest().head >= rv {
                self.slots.get_mut(name.id).unset(AHEAD);
                // Perhaps nothing of its view was among what came.
                self.want_specimen(view, &[name]);
                continue;
            }
            if now < until {
                self.ahead.push((name, rv, until));
                continue;
            }
            self.relist_stream(name.id, Reset::History);
        }
    }

    /// Lets go of blocks that the journals have evicted.
    fn follow_tails(&mut self) {
        for followed in self.feeds.iter_mut().flatten() {
            let tail = followed.feed.tail();
            followed.mirror.follow(&tail);
        }
    }
}
