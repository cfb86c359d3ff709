//! How a stream ends: with a last event, without one, or by reset.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Core;
use super::beat::Timer;
use super::join::{Bearer, Opening};
use super::prefix::Then;
use super::reason::Reason;
use super::slot::{At, ENDING, HELD, Slot, SlotId, SlotName, Socket};
use super::view::ViewId;
use crate::feed::Eyes;
use crate::feed::block::Refused;
use crate::wire::line::Bye;
use crate::wire::refusal::Refusal;
use crate::wire::sse::{self, LAST_CHUNK};

impl Core {
    /// Ends a stream with an `error` event that says why its feed shows nothing.
    pub(super) fn end_with_error(&mut self, id: SlotId, why: Refused) {
        if self.is_of_line(id) {
            return self.end_lane(id, why);
        }
        let (kind, reason) = match why {
            Refused::Full => {
                self.counters.shed.add(1);
                return self.end_stream(id, "backpressure", "{}", Reason::Backpressure);
            }
            Refused::Forbidden if self.sees_as_its_user(id) => {
                ("list and watch are forbidden to this user", Reason::Denied)
            }
            Refused::Forbidden => ("list and watch are forbidden to this server", Reason::Forbidden),
            Refused::Absent => ("the cluster does not know this kind", Reason::Absent),
            Refused::Unauthenticated => {
                ("the cluster refuses this server's credentials", Reason::Unauthenticated)
            }
            Refused::Unavailable => ("the cluster does not answer", Reason::Unavailable),
            Refused::Gone => ("the cluster was removed", Reason::Gone),
        };
        let text = format!("{}: {kind}", self.kind_of(id));
        self.end_stream(id, "error", &message(&text, reason.name()), reason);
    }

    /// Whether the stream's feed has its user's eyes.
    fn sees_as_its_user(&mut self, id: SlotId) -> bool {
        let view = self.slots.get(id).view;
        let feed = self.view(view).key.feed;
        self.feed(feed).feed.key.eyes != Eyes::Own
    }

    fn kind_of(&mut self, id: SlotId) -> &'static str {
        let view = self.slots.get(id).view;
        let feed = self.view(view).key.feed;
        self.feed(feed).feed.key.kind.name
    }

    /// Ends a stream with this event, if its socket takes it in time.
    pub(super) fn end_stream(&mut self, id: SlotId, event: &str, data: &str, reason: Reason) {
        if self.slots.get(id).is(ENDING) {
            return;
        }
        let mut bytes = Vec::new();
        sse::write_notice(&mut bytes, event, data);
        self.end_with(id, bytes, reason);
    }

    /// Ends a stream with these chunks, if its socket takes them in time.
    pub(super) fn end_with(&mut self, id: SlotId, chunks: Vec<u8>, reason: Reason) {
        self.put_end_in_way(id, chunks, reason);
        let name = self.slots.name(id);
        self.timers.at(Instant::now() + self.everywhere.streams.last_event, Timer::Close(name));
    }

    /// These chunks are the last that a stream gets, behind the rest of what it has got in part.
    pub(super) fn put_end_in_way(&mut self, id: SlotId, chunks: Vec<u8>, reason: Reason) {
        // A last event waits in no line.
        self.slots.get_mut(id).unset(HELD);
        let view = self.slots.get(id).view;
        let mut bytes = self.dressed(view, chunks);
        if self.view(view).key.framing == sse::Framing::Chunked {
            bytes.extend_from_slice(LAST_CHUNK);
        }
        self.put_in_way(id, bytes, Then::Close);
        let slot = self.slots.get_mut(id);
        slot.set(ENDING);
        slot.ending = Some(reason);
        tracing::debug!(stream = slot.number, reason = reason.name(), "stream.ending");
    }

    /// Answers a stream that was accepted, whose feed there is not.
    pub(super) fn refuse_opened(&mut self, opening: Opening, why: Refusal) {
        if let Bearer::Lane(line, lane) = opening.bearer {
            let grant = self.passes.grant(opening.pass).clone();
            self.passes.release(opening.pass);
            return self.refuse_lane(line, lane, why, (&grant.key, &opening.from));
        }
        let mut bytes = Vec::new();
        sse::write_notice(&mut bytes, "error", &message(why.message(), why.code()));
        let reason = if why == Refusal::Full { Reason::Backpressure } else { Reason::Unavailable };
        self.end_opening(opening, &bytes, reason);
    }

    /// Ends a stream that has had nothing but its head, with these chunks.
    pub(super) fn end_opening(&mut self, opening: Opening, chunks: &[u8], reason: Reason) {
        let Opening { bearer, pass, version, .. } = opening;
        let mut bytes = Vec::new();
        version.append_last(chunks, &mut bytes);
        let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
        if let Bearer::Socket(socket) = &bearer {
            // Whether or not it arrives, the connection closes.
            let _ = rustix::net::send(socket, &bytes, flags);
        }
        self.release_from(&bearer, pass);
        self.counters.closed[reason as usize].add(1);
    }

    /// Closes a stream's socket so that the peer hears of it at once and nothing more is kept for it.
    pub(super) fn reset(&mut self, id: SlotId, reason: Reason) {
        if let Some(line) = self.lines.of_lane(self.slots.get(id)) {
            return self.reset(line, reason);
        }
        if let Some(socket) = self.slots.get(id).socket.own() {
            // Without this the kernel would keep what it has, and go on sending it.
            let _ = rustix::net::sockopt::set_socket_linger(socket.as_fd(), Some(Duration::ZERO));
        }
        self.slots.get_mut(id).ending = None;
        self.close(id, reason);
    }

    /// Takes a stream out of everything and closes its socket, if that is its own.
    pub(super) fn close(&mut self, id: SlotId, reason: Reason) {
        if let At::Line(line) = self.slots.get(id).at {
            return self.close_line(line, reason);
        }
        let name = self.slots.name(id);
        let slot = self.slots.get(id);
        let (view_id, member) = (slot.view, slot.member);
        let at = slot.at;
        match at {
            At::Log(cursor) => self.view(view_id).log.leave(cursor),
            At::Prefix(segment, _) => self.prefixes.release(segment),
            At::Behind(_) | At::Waiting | At::Pausing | At::Line(_) => {}
        }
        for (moved, index) in self.view(view_id).remove_member(member) {
            if moved != id {
                self.slots.get_mut(moved).member = index;
            }
        }
        let (core, feed) = (self.id, self.view(view_id).key.feed);
        self.feed(feed).feed.following(core).count(false);
        // One that was ending ends for that reason, whatever closes it.
        let reason = self.slots.get(id).ending.unwrap_or(reason);
        self.record_closed(name, reason);
        let Some(slot) = self.slots.remove(id) else { return };
        if let Socket::Of(line) = slot.socket {
            self.lane_closed(line, name);
            self.passes.release(slot.pass);
        } else {
            self.release(slot.pass);
            self.counters.closed[reason as usize].add(1);
            shut_down_after_last_event(&slot);
        }
        drop(slot);
        if self.view(view_id).members.is_empty() {
            self.drop_view(view_id);
        }
    }

    /// A view without streams is dropped, and with a feed's last view the feed is no longer followed.
    pub(super) fn drop_view(&mut self, id: ViewId) {
        let Some(view) = self.views[id as usize].take() else { return };
        self.free_views.push(id);
        self.view_ids.remove(&view.key);
        let held = view
            .snapshot
            .map(|held| held.segment)
            .into_iter()
            .chain(view.coming.map(|coming| coming.first()));
        let specimen = view.specimen.map(|(.., segment)| segment);
        for segment in view.ranges.iter().map(|range| range.segment).chain(held).chain(specimen) {
            self.prefixes.release(segment);
        }
        if !self.feed(view.key.feed).remove(&view.key.scope, id) {
            return;
        }
        if let Some(followed) = self.feeds[view.key.feed as usize].take() {
            followed.feed.following(self.id).end();
            // A feed that has ended is no longer found by its key; another may have taken its place.
            if self.feed_ids.get(&followed.feed.key) == Some(&view.key.feed) {
                self.feed_ids.remove(&followed.feed.key);
            }
        }
    }

    /// Stops accepting, and ends all streams one after another until `until`. Who was let in and has no stream yet is told at once.
    pub(super) fn drain(&mut self, until: Instant) {
        self.lame = true;
        if let Some(listener) = self.accepting.close() {
            self.epoll.remove_listener(&listener);
        }
        self.connections.close_idle();
        let waiting = self
            .opening
            .values_mut()
            .flat_map(|waiting| waiting.extract_if(.., |opening| opening.is_stream()));
        for opening in waiting.collect::<Vec<_>>() {
            let words = self.shutdown();
            self.end_opening(opening, &words, Reason::ServerShutdown);
        }
        let now = Instant::now();
        let span = until.saturating_duration_since(now);
        let own = self.slots.iter().filter(|(_, slot)| slot.socket.own().is_some());
        let names: Vec<SlotName> = own.map(|(id, _)| self.slots.name(id)).collect();
        let count = u32::try_from(names.len().max(1)).unwrap_or(u32::MAX);
        for (index, name) in (0u32..).zip(names) {
            let when = now + span.mul_f64(f64::from(index) / f64::from(count));
            self.timers.at(when, Timer::Drain(name));
        }
        self.set_levels();
        self.counters.going.set(1);
    }

    /// Tells one stream that this server goes, and when to come back.
    pub(super) fn drain_stream(&mut self, name: SlotName) {
        if self.slots.named(name).is_none_or(|slot| slot.is(ENDING)) {
            return;
        }
        if self.is_of_line(name.id) {
            self.tell_positions(name.id);
            // What was taken may have ended it.
            if self.slots.named(name).is_some() {
                self.say_bye(name.id, Bye::ServerShutdown, Reason::ServerShutdown);
            }
            return;
        }
        let view = self.slots.get(name.id).view;
        let feed = self.view(view).key.feed;
        self.take_blocks(feed);
        // What was taken may have ended it.
        let Some(slot) = self.slots.named(name).filter(|slot| !slot.is(ENDING)) else { return };
        let mut chunks = Vec::new();
        if self.stands_at_end(slot) {
            // Its client may have shown nothing newer for long; by this id another replica knows that it has missed nothing.
            sse::write_bookmark(&mut chunks, self.feed(feed).mirror.newest().head);
        }
        chunks.extend(self.shutdown());
        self.end_with(name.id, chunks, Reason::ServerShutdown);
    }

    /// The last that a stream gets from a server that goes.
    pub(super) fn shutdown(&self) -> Vec<u8> {
        let mut chunks = Vec::new();
        let text = format!("retry: {}\nevent: server_shutdown\ndata: {{}}\n\n", self.retry_ms());
        sse::write_chunk(&mut chunks, text.as_bytes());
        chunks
    }
}

/// Where a last event is on its way, a plain close could overtake it with a reset.
pub(super) fn shut_down_after_last_event(slot: &Slot) {
    if let (Some(socket), Some(_)) = (slot.socket.own(), slot.ending) {
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
    }
}

/// An `error` event's data. Nothing in either text needs escaping: they are ours, and names in them are DNS labels.
pub(super) fn message(text: &str, code: &str) -> String {
    format!(r#"{{"message":"{text}","code":"{code}"}}"#)
}
