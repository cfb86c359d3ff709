//! How lanes and lines end.
//!
//! A lane that ends amid a frame gets the rest of that, since what follows on the socket would else be taken for it; where its right is lost, the line
//! is reset instead, for nothing of a row leaves here once the right to it is gone. Its client comes back with its positions.

use std::time::Instant;

use super::lanes::LaneId;
use super::{Line, LineId, line_of};
use crate::access::GrantKey;
use crate::audit::Origin;
use crate::core::beat::Timer;
use crate::core::prefix::Then;
use crate::core::reason::Reason;
use crate::core::record::is_denial;
use crate::core::rights::Loss;
use crate::core::sessions::unix_ms;
use crate::core::slot::{At, ENDING, HELD, SlotId, SlotName};
use crate::core::{Core, StreamLine, end, start};
use crate::feed::block::Refused;
use crate::wire::line::{self, Bye, Denied};
use crate::wire::refusal::Refusal;

impl Core {
    /// Whether a slot is a line's own or a lane's.
    pub(in crate::core) fn is_of_line(&self, id: SlotId) -> bool {
        let slot = self.slots.get(id);
        line_of(slot).or(slot.socket.line()).is_some()
    }

    /// Tells a line's client that these views are not shown.
    pub(super) fn say_denied(&mut self, id: LineId, names: &[Box<str>], why: Denied, words: &str) {
        let mut chunks = Vec::new();
        for name in names {
            line::write_denied(&mut chunks, name, why, words);
        }
        self.say(id, &chunks);
    }

    /// A lane is not shown, or no longer.
    fn deny(&mut self, id: LineId, lane: LaneId, (why, reason): (Denied, Reason), words: &str) {
        let Some(line) = self.lines.get_mut(id) else { return };
        let Some((names, stream)) = line.lanes.remove(lane) else { return };
        let user = line.user;
        self.limiter.release_view(user);
        self.say_denied(id, &names, why, words);
        if let Some(stream) = stream {
            self.retire(stream.id, reason);
        }
    }

    /// A lane that nobody wants any more.
    pub(super) fn drop_lane(&mut self, id: LineId, lane: LaneId) {
        let Some(line) = self.lines.get_mut(id) else { return };
        let Some((_, stream)) = line.lanes.remove(lane) else { return };
        let user = line.user;
        self.limiter.release_view(user);
        if let Some(stream) = stream {
            self.retire(stream.id, Reason::ClientGone);
        }
    }

    /// Ends a lane's stream, behind the rest of the frame that it has got in part; where there is none, as soon as the core is at its clock: amid a feed's
    /// blocks a stream that ends is not closed, lest its view and the feed go with it.
    fn retire(&mut self, id: SlotId, reason: Reason) {
        if self.owes_rest(id) {
            self.put_in_way(id, Vec::new(), Then::Close);
        } else {
            self.stand_nowhere(id);
            self.timers.at(Instant::now(), Timer::Close(self.slots.name(id)));
        }
        let slot = self.slots.get_mut(id);
        slot.set(ENDING);
        slot.ending = Some(reason);
    }

    /// A lane's feed shows nothing.
    pub(in crate::core) fn end_lane(&mut self, id: SlotId, why: Refused) {
        let Some((line, lane)) = self.lane_of(id) else { return };
        let view = self.slots.get(id).view;
        let feed = self.view(view).key.feed;
        let cluster = self.feed(feed).feed.key.cluster.clone();
        let is_known = self.everywhere.hub.knows(&cluster);
        let (code, reason, words) = match why {
            Refused::Forbidden => (Denied::Forbidden, Reason::Forbidden, "list and watch are forbidden"),
            Refused::Absent => (Denied::Gone, Reason::Absent, "the cluster does not know this kind"),
            Refused::Unauthenticated => (
                Denied::Unavailable,
                Reason::Unauthenticated,
                "the cluster refuses this server's credentials",
            ),
            Refused::Unavailable => (Denied::Unavailable, Reason::Unavailable, "the cluster does not answer"),
            Refused::Full => (Denied::Unavailable, Reason::Backpressure, Refusal::Full.message()),
            // Its settings have changed: the next who asks finds it.
            Refused::Gone if is_known => (Denied::Unavailable, Reason::Gone, "the cluster is read anew"),
            Refused::Gone => (Denied::Gone, Reason::Gone, "the cluster was removed"),
        };
        self.deny(line, lane, (code, reason), words);
    }

    fn lane_of(&self, id: SlotId) -> Option<(LineId, LaneId)> {
        let line = self.slots.get(id).socket.line()?;
        Some((line, self.lines.get(line)?.lanes.of(self.slots.name(id))?))
    }

    /// A lane that has become no stream yet has lost its right. `asked`: what was asked for it, and by which request.
    pub(in crate::core) fn lose_lane(
        &mut self,
        line: SlotName,
        lane: LaneId,
        loss: &Loss,
        (key, from): (&GrantKey, &Origin),
    ) {
        let Some(id) = self.awaited_by(line, lane) else { return };
        if bye_of(loss).is_some() {
            return self.lose(line.id, loss);
        }
        self.record_view_denied(line.id, loss.refusal().code(), key, from);
        self.deny(id, lane, (denied_by(loss), loss.reason()), &loss.words());
    }

    /// A lane that has become no stream cannot become one. `asked`: what was asked for it, and by which request.
    pub(in crate::core) fn refuse_lane(
        &mut self,
        line: SlotName,
        lane: LaneId,
        why: Refusal,
        (key, from): (&GrantKey, &Origin),
    ) {
        let Some(id) = self.awaited_by(line, lane) else { return };
        let code = match why {
            Refusal::OneNamespace => Denied::Forbidden,
            Refusal::UnknownCluster => Denied::NotFound,
            Refusal::TooManySelectors => Denied::TooManySelectors,
            _ => Denied::Unavailable,
        };
        if is_denial(why) {
            self.record_view_denied(line.id, why.code(), key, from);
        }
        self.deny(id, lane, (code, Reason::Unavailable), why.message());
    }

    /// A line, or a lane, has lost its right; what is amid a frame is reset by the caller.
    pub(in crate::core) fn lose_of_line(&mut self, id: SlotId, loss: &Loss) {
        let Some(bye) = bye_of(loss) else {
            if let Some((line, lane)) = self.lane_of(id) {
                self.deny(line, lane, (denied_by(loss), loss.reason()), &loss.words());
            }
            return;
        };
        let own = self.lines.of_lane(self.slots.get(id)).unwrap_or(id);
        if self.owes_rest(own) {
            return self.reset(own, loss.reason());
        }
        self.say_last(own, bye, loss.reason());
        let name = self.slots.name(own);
        self.timers.at(Instant::now() + self.everywhere.streams.last_event, Timer::CutOff(name));
    }

    /// Ends a line, if its socket takes its last event in time.
    pub(in crate::core) fn say_bye(&mut self, own: SlotId, bye: Bye, reason: Reason) {
        self.say_last(own, bye, reason);
        let name = self.slots.name(own);
        self.timers.at(Instant::now() + self.everywhere.streams.last_event, Timer::Close(name));
    }

    fn say_last(&mut self, own: SlotId, bye: Bye, reason: Reason) {
        let Some(id) = line_of(self.slots.get(own)).filter(|_| !self.slots.get(own).is(ENDING)) else {
            return;
        };
        self.take_lanes(id, |core, stream| core.retire(stream.id, reason));
        let retry = self.retry_ms();
        let mut chunks = Vec::new();
        line::write_bye(&mut chunks, bye, retry);
        if let Some(line) = self.lines.get_mut(id) {
            line.turns.clear();
            line.words.say_last(&chunks, line.version);
        }
        let slot = self.slots.get_mut(own);
        // A last event waits in no line of a tenant's.
        slot.unset(HELD);
        slot.set(ENDING);
        slot.ending = Some(reason);
        tracing::debug!(stream = slot.number, reason = reason.name(), "line.ending");
        self.make_ready(own);
    }

    /// Takes all lanes out of a line, and does this with their streams.
    fn take_lanes(&mut self, id: LineId, end: impl Fn(&mut Core, SlotName)) {
        let Some(line) = self.lines.get_mut(id) else { return };
        let (user, lanes) = (line.user, std::mem::take(&mut line.lanes));
        for stream in lanes.streams() {
            self.limiter.release_view(user);
            if let Some(stream) = stream.filter(|stream| self.slots.named(*stream).is_some()) {
                end(self, stream);
            }
        }
    }

    /// A lane's stream is closed.
    pub(in crate::core) fn lane_closed(&mut self, id: LineId, stream: SlotName) {
        let Some(line) = self.lines.get_mut(id) else { return };
        line.current.take_if(|due| due.lane == stream);
        if let Some(lane) = line.lanes.of(stream) {
            line.lanes.remove(lane);
            let user = line.user;
            self.limiter.release_view(user);
        }
    }

    /// Takes a line and all its lanes out of everything, and closes its socket.
    pub(in crate::core) fn close_line(&mut self, id: LineId, reason: Reason) {
        self.take_lanes(id, |core, stream| core.close(stream.id, reason));
        let Some(Line { slot: own, current, .. }) = self.lines.take(id) else { return };
        if let Some(due) = current.filter(|due| self.slots.named(due.lane).is_some()) {
            self.close(due.lane.id, reason);
        }
        let Some(slot) = self.slots.remove(own.id) else { return };
        let reason = slot.ending.unwrap_or(reason);
        let actor = &*self.passes.holder(slot.pass).subject;
        tracing::info!(id = slot.number, actor, bytes = slot.sent, reason = reason.name(), "line.closed");
        self.release(slot.pass);
        self.counters.closed[reason as usize].add(1);
        end::shut_down_after_last_event(&slot);
    }

    /// Whether a line keeps this many bytes from being freed.
    pub(in crate::core) fn holds_much(&self, id: LineId, much: usize) -> bool {
        let Some(line) = self.lines.get(id) else { return false };
        let held = line.lanes.streams().flatten().filter_map(|stream| self.slots.named(stream));
        let bytes = held.map(|slot| match slot.at {
            At::Prefix(segment, _) => self.prefixes.held_bytes(segment),
            _ => 0,
        });
        bytes.sum::<usize>() > much
    }

    /// Whether a line's client has got all there is, and a position of each view that says so.
    pub(in crate::core) fn line_stands_at_end(&self, id: LineId) -> bool {
        let Some(line) = self.lines.get(id) else { return false };
        let stands = |stream: Option<SlotName>| {
            stream.and_then(|stream| self.slots.named(stream)).is_some_and(|slot| self.stands_at_end(slot))
        };
        line.words.is_empty() && line.current.is_none() && line.lanes.streams().all(stands)
    }

    /// A line of `/debug/streams` for a line.
    pub(in crate::core) fn line_line(&self, own: SlotId, id: LineId) -> StreamLine {
        let slot = self.slots.get(own);
        let now = unix_ms();
        StreamLine {
            id: slot.number,
            actor: self.passes.holder(slot.pass).subject.to_string(),
            cluster: String::new(),
            kind: "",
            namespace: String::new(),
            opened_at: start::time_text(now - slot.opened.age(now)),
            bytes_sent: slot.sent,
            lag: self.lines.get(id).map_or(0, |line| line.words.unsent().len()),
            core: self.id,
            view: 0,
            state: slot.state().name(),
            line: Some(slot.number),
        }
    }
}

/// How a line ends by a loss that is not of one view.
fn bye_of(loss: &Loss) -> Option<Bye> {
    match loss {
        Loss::Expired => Some(Bye::AuthExpired),
        Loss::Revoked => Some(Bye::SessionRevoked),
        Loss::Denied { .. } | Loss::Unavailable => None,
    }
}

fn denied_by(loss: &Loss) -> Denied {
    match loss {
        Loss::Denied { .. } => Denied::Forbidden,
        Loss::Unavailable | Loss::Expired | Loss::Revoked => Denied::Unavailable,
    }
}
