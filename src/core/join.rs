//! How a stream opens, and how it comes to its view's log: *a prefix, then the journal from a place*.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::Core;
use super::beat::Timer;
use super::line::{self, LaneId};
use super::pass::Pass;
use super::prefix::{SegmentId, Then};
use super::reason::Reason;
use super::sessions::unix_ms;
use super::slot::{
    AHEAD, At, ENDING, HAS_ROWS, Opened, RESUMED, Slot, SlotId, SlotName, Socket, TOLD, TOLD_AWAY, seconds,
};
use super::view::{FeedId, FollowedFeed, View, ViewId, ViewKey, Wished};
use crate::access::Wanted;
use crate::audit::Origin;
use crate::feed::block::{Content, Place, Refused};
use crate::feed::journal::{Found, Mirror};
use crate::feed::{Feed, FeedKey, Scope};
use crate::wire::head::Version;
use crate::wire::id::ResumeId;
use crate::wire::line::{Reset, write_reset};
use crate::wire::refusal::Refusal;
use crate::wire::sse;

/// The longest rest of a frame that is copied for a stream; of a longer one (a snapshot, that is), many may be on their way at once.
const COPIED: usize = 16 * 1024;

/// What the bytes of a stream that is being opened will go out by.
pub enum Bearer {
    /// A socket of its own.
    Socket(OwnedFd),
    /// The socket of the line with this slot: the stream becomes this lane of it.
    Lane(SlotName, LaneId),
}

/// A stream whose request was accepted.
pub struct Opening {
    /// What its bytes will go out by.
    pub bearer: Bearer,
    /// By what right; the stream is already counted for its user.
    pub pass: Pass,
    /// HTTP's version.
    pub version: Version,
    /// From where.
    pub resume: Option<ResumeId>,
    /// The request that it began with.
    pub from: Origin,
}

impl Opening {
    /// Whether it is a stream by itself, and not a view on a multiplexed one, which ends with that.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.bearer, Bearer::Socket(_))
    }
}

impl Core {
    /// Opens a stream: its first bytes, the head mostly, go out at once, before its feed is asked for.
    pub(super) fn open(&mut self, key: FeedKey, opening: Opening, first: &[u8]) {
        if let Bearer::Socket(socket) = &opening.bearer {
            if !first.is_empty() && !send_whole(socket, first) {
                self.release(opening.pass);
                return;
            }
            self.counters.opened.add(1);
        }
        let Some((opening, scope)) = self.still_allowed(opening) else { return };
        if let Some(id) = self.find_feed(&key) {
            return self.join(id, opening, scope);
        }
        let waiting = self.opening.entry(key.clone()).or_default();
        waiting.push(opening);
        if waiting.len() == 1 {
            self.everywhere.hub.ask_feed(self.id, key);
        }
    }

    /// A jittered `retry:`, in milliseconds.
    pub(super) fn retry_ms(&self) -> u64 {
        let (least, most) = self.everywhere.streams.retry;
        let (least, most) = (least.as_millis(), most.as_millis());
        fastrand::u64(u64::try_from(least).unwrap_or(0)..=u64::try_from(most.max(least)).unwrap_or(u64::MAX))
    }

    /// The feed, if it is followed already or in the hub's directory.
    fn find_feed(&mut self, key: &FeedKey) -> Option<FeedId> {
        if let Some(id) = self.feed_ids.get(key).copied() {
            // Its end may be among the blocks that were not looked at yet.
            self.take_blocks(id);
            if self.feed_ids.get(key) == Some(&id) {
                return Some(id);
            }
        }
        let feed = self.everywhere.hub.find(key)?;
        self.follow_feed(feed)
    }

    /// Begins to follow a feed. `None`: it has just ended.
    fn follow_feed(&mut self, feed: Arc<Feed>) -> Option<FeedId> {
        // In this order, so that whatever is appended after the mirror was made is told.
        feed.following(self.id).begin();
        let tail = feed.tail();
        let mirror = Mirror::new(&tail);
        if matches!(mirror.newest().content, Content::Refused(Refused::Gone)) {
            feed.following(self.id).end();
            return None;
        }
        let away = mirror.told_away(tail.away);
        let key = feed.key.clone();
        let followed = FollowedFeed {
            feed,
            mirror,
            all: Vec::new(),
            by_namespace: std::collections::HashMap::new(),
            away,
        };
        let free = self.feeds.iter().position(Option::is_none);
        let index = free.unwrap_or(self.feeds.len());
        if index == self.feeds.len() {
            self.feeds.push(None);
        }
        self.feeds[index] = Some(followed);
        let id = FeedId::try_from(index).expect("fewer feeds than 2^32");
        self.feed_ids.insert(key, id);
        Some(id)
    }

    /// The hub has answered.
    pub(super) fn opened(&mut self, key: &FeedKey, feed: Result<Arc<Feed>, Refusal>) {
        let why = feed.as_ref().err().copied().unwrap_or(Refusal::Unavailable);
        let waiting = self.opening.remove(key).unwrap_or_default();
        let openings: Vec<_> =
            waiting.into_iter().filter_map(|opening| self.still_allowed(opening)).collect();
        if !openings.is_empty() {
            let followed = self.find_feed(key).or_else(|| self.follow_feed(feed.ok()?));
            for (opening, scope) in openings {
                match followed {
                    Some(id) => self.join(id, opening, scope),
                    None => self.refuse_opened(opening, why),
                }
            }
        }
        self.lists_opened(key, why);
    }

    /// What a stream may show that has waited for its feed. `None`: what was decided then no longer holds, or this server goes, and it has
    /// ended.
    fn still_allowed(&mut self, opening: Opening) -> Option<(Opening, Scope)> {
        if self.lame && opening.is_stream() {
            let words = self.shutdown();
            self.end_opening(opening, &words, Reason::ServerShutdown);
            return None;
        }
        match self.scope_by(opening.pass) {
            Ok(scope) => Some((opening, scope)),
            Err(loss) => {
                match opening.bearer {
                    Bearer::Socket(_) => self.end_opening(opening, &loss.event(), loss.reason()),
                    Bearer::Lane(line, lane) => {
                        let grant = self.passes.grant(opening.pass).clone();
                        self.passes.release(opening.pass);
                        self.lose_lane(line, lane, &loss, (&grant.key, &opening.from));
                    }
                }
                None
            }
        }
    }

    /// Makes a slot of it, in its view.
    fn join(&mut self, feed: FeedId, opening: Opening, scope: Scope) {
        let core = self.id;
        let framing = opening.version.framing();
        let second = seconds(self.started, Instant::now());
        let (socket, lane) = match opening.bearer {
            Bearer::Socket(fd) => (Socket::Own { fd, progress: second }, None),
            Bearer::Lane(line, lane) => match self.awaited_by(line, lane) {
                Some(of) => (Socket::Of(of), Some(lane)),
                None => return self.passes.release(opening.pass),
            },
        };
        let wished = match self.passes.grant(opening.pass).key.wanted {
            Wanted::Everything => Wished::Everything,
            Wanted::Namespaces(_) => Wished::Namespaces,
        };
        let view = self.find_view(ViewKey { feed, scope, framing, lanes: lane.map(|_| wished) });
        let number = super::start::next_stream_number();
        let member = u32::try_from(self.view(view).members.len()).expect("fewer streams than 2^32");
        let name = self.slots.insert(|name| Slot {
            at: At::Waiting,
            number,
            sent: 0,
            opened: Opened::at(unix_ms()),
            socket,
            view,
            member,
            pass: opening.pass,
            ending: None,
            generation: name.generation,
            flags: 0,
        });
        self.view(view).members.push(name.id);
        self.feed(feed).feed.following(core).count(true);
        match (&self.slots.get(name.id).socket, lane) {
            (Socket::Own { fd, .. }, _) => {
                if self.epoll.add_stream(fd, name).is_err() {
                    return self.close(name.id, Reason::NoEpoll);
                }
            }
            (Socket::Of(line), Some(lane)) => self.lines.seat(*line, lane, name),
            (Socket::Of(_), None) => {}
        }
        self.record_opened(name.id, opening.from);
        self.take_blocks(feed);
        if self.slots.named(name).is_none_or(|slot| slot.is(ENDING)) {
            return;
        }
        self.begin(name, feed, opening.resume);
    }

    /// Where a new stream begins.
    fn begin(&mut self, name: SlotName, feed: FeedId, resume: Option<ResumeId>) {
        let followed = self.feed(feed);
        let status = followed.feed.status();
        let shown = status.synced && status.refused().is_none();
        let tail = followed.feed.tail();
        let scope = self.scope_of(name.id);
        let view = self.slots.get(name.id).view;
        let mark = self.view(view).dress.mark;
        let rv = match resume {
            // A version is a place only in the set that it was a version of.
            Some(ResumeId::At(rv, named)) if shown && named == mark => rv,
            other => {
                self.counters.unknown.add(u64::from(other.is_some()));
                self.say_view(name.id, false);
                return self.want_snapshot(name);
            }
        };
        let end = self.feed(feed).mirror.end();
        match self.feed(feed).mirror.find(&tail, &scope, rv) {
            Found::At(place) => {
                self.counters.resumed.add(1);
                self.say_view(name.id, true);
                self.slots.get_mut(name.id).set(RESUMED | HAS_ROWS);
                self.resume(name, feed, place);
            }
            Found::Older => {
                self.counters.too_old.add(1);
                self.say_view(name.id, false);
                self.slots.get_mut(name.id).set(HAS_ROWS);
                self.relist_stream(name.id, Reset::TooOld);
            }
            Found::Newer => {
                self.counters.ahead.add(1);
                self.say_view(name.id, true);
                let slot = self.slots.get_mut(name.id);
                // A lane is told in words that it has gone on.
                let resumed = if slot.socket.line().is_some() { RESUMED } else { 0 };
                slot.set(HAS_ROWS | AHEAD | resumed);
                self.ahead.push((name, rv, Instant::now() + self.everywhere.streams.ahead));
                self.go_on_from(name.id, end);
            }
        }
        if let Some(slot) = self.slots.named(name)
            && slot.at != At::Waiting
        {
            self.make_ready(name.id);
        }
    }

    fn resume(&mut self, name: SlotName, feed: FeedId, place: Place) {
        let scope = self.scope_of(name.id);
        let followed = self.feed(feed);
        let away = followed.away;
        let missed = followed.mirror.has_news(&scope, place);
        self.go_on_from(name.id, place);
        if missed || away {
            return;
        }
        let view = self.slots.get(name.id).view;
        self.want_specimen(view, &[name]);
    }

    pub(super) fn scope_of(&mut self, id: SlotId) -> Scope {
        let view = self.slots.get(id).view;
        self.view(view).key.scope.clone()
    }

    /// The view with this key; where there is none yet, one without members, which the caller gives it.
    pub(super) fn find_view(&mut self, key: ViewKey) -> ViewId {
        if let Some(id) = self.view_ids.get(&key) {
            return *id;
        }
        self.take_blocks(key.feed);
        let followed = self.feed(key.feed);
        let (end, head) = (followed.mirror.end(), followed.mirror.newest().head);
        let mark =
            if key.is_numbered() { line::mark_of(&followed.feed.key, &key.scope) } else { key.scope.mark() };
        self.next_view += 1;
        let serial = self.next_view;
        let view = Some(View::new(key.clone(), mark, serial, end, head));
        let id = if let Some(id) = self.free_views.pop() {
            self.views[id as usize] = view;
            id
        } else {
            self.views.push(view);
            ViewId::try_from(self.views.len() - 1).expect("fewer views than 2^32")
        };
        self.feed(key.feed).add(&key.scope, id);
        self.view_ids.insert(key, id);
        let first = Instant::now() + self.beats_every(id);
        self.timers.at(first, Timer::Beat(id, serial));
        id
    }

    /// The stream goes on with all frames of its view from this place: in the log where that reaches back to it, else through a
    /// catch-up, else with a new snapshot.
    pub(super) fn go_on_from(&mut self, id: SlotId, place: Place) {
        let view_id = self.slots.get(id).view;
        let feed = self.view(view_id).key.feed;
        self.slots.get_mut(id).set(HAS_ROWS);
        if self.view(view_id).key.is_numbered() && self.view(view_id).log.reaches(place) {
            if !self.slots.get(id).is(TOLD) {
                return self.tell_before_log(id, place);
            }
            self.slots.get_mut(id).unset(TOLD);
        }
        let stale = self.feed(feed).away
            && !self.slots.get(id).is(TOLD_AWAY)
            && !self.view(view_id).key.is_numbered();
        if stale && self.view(view_id).log.reaches(place) {
            return self.tell_newcomer_away(id, place);
        }
        if let Some(cursor) = self.view(view_id).log.enter(place) {
            let slot = self.slots.get_mut(id);
            slot.at = At::Log(cursor);
            slot.unset(RESUMED);
            if slot.is(TOLD_AWAY) && !self.feed(feed).away {
                self.slots.get_mut(id).unset(TOLD_AWAY);
                let name = self.slots.name(id);
                self.want_specimen(view_id, &[name]);
            }
            return;
        }
        self.slots.get_mut(id).unset(TOLD);
        self.catch_up(id, place);
    }

    fn tell_newcomer_away(&mut self, id: SlotId, place: Place) {
        let view = self.slots.get(id).view;
        let bytes = self.away_notice(view);
        let segment = self.prefixes.own(bytes, Then::From(place));
        let slot = self.slots.get_mut(id);
        slot.at = At::Prefix(segment, 0);
        slot.set(TOLD_AWAY);
    }

    /// `relist` (or `reset`), then a snapshot: the stream cannot be told what it missed.
    pub(super) fn relist_stream(&mut self, id: SlotId, why: Reset) {
        if self.slots.get(id).socket.line().is_none() {
            return self.relist_because(id, r#"{"reason":"gone_410"}"#);
        }
        let mut notice = Vec::new();
        write_reset(&mut notice, why);
        self.snapshot_behind(id, notice);
    }

    /// `relist` with this for its data, then a snapshot.
    pub(super) fn relist_because(&mut self, id: SlotId, data: &str) {
        let mut notice = Vec::new();
        sse::write_notice(&mut notice, "relist", data);
        self.snapshot_behind(id, notice);
    }

    /// This notice, then a snapshot. What the stream had still to get is dropped.
    fn snapshot_behind(&mut self, id: SlotId, bytes: Vec<u8>) {
        if self.slots.get(id).is(ENDING) {
            return;
        }
        self.slots.get_mut(id).unset(AHEAD);
        let view = self.slots.get(id).view;
        let notice = self.dressed(view, bytes);
        self.put_in_way(id, notice, Then::Snapshot);
    }

    /// What the stream gets next, behind the rest of what it has got in part; all else that it had still to get is dropped.
    pub(super) fn put_in_way(&mut self, id: SlotId, bytes: Vec<u8>, then: Then) {
        let slot = self.slots.get_mut(id);
        slot.unset(TOLD);
        let (at, view) = (slot.at, slot.view);
        let segment = match at {
            At::Log(cursor) => {
                let rest = self.view(view).log.cut(cursor).rest;
                self.prefixes.behind(rest, &bytes, then)
            }
            At::Prefix(segment, offset) => {
                let behind = self.behind_segment(segment, offset, bytes, then);
                self.prefixes.release(segment);
                behind
            }
            At::Behind(_) | At::Waiting | At::Pausing | At::Line(_) => self.prefixes.own(bytes, then),
        };
        self.slots.get_mut(id).at = At::Prefix(segment, 0);
        self.make_ready(id);
    }

    fn behind_segment(&mut self, segment: SegmentId, offset: u32, bytes: Vec<u8>, then: Then) -> SegmentId {
        let end = self.prefixes.end_of_frame(segment, offset);
        let whole = self.prefixes.bytes(segment);
        if end as usize == whole.len() && (end - offset) as usize > COPIED {
            if bytes.is_empty() {
                return self.prefixes.rest_of(segment, offset, then);
            }
            let next = self.prefixes.own(bytes, then);
            return self.prefixes.rest_of(segment, offset, Then::Segment(next));
        }
        let rest = whole[offset as usize..end as usize].to_vec();
        self.prefixes.behind(rest, &bytes, then)
    }
}

/// Sends the first bytes on a socket that has taken next to nothing yet; it has room for far more.
pub(super) fn send_whole(socket: &OwnedFd, bytes: &[u8]) -> bool {
    let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
    rustix::net::send(socket, bytes, flags) == Ok(bytes.len())
}
