//! A core's turn: events, then one batch of sends.
//!
//! Each stream of a view in a lap gets one send of all that follows its place; streams with something outside the log get one too.
//! Views take turns batch by batch, so a busy one holds up nobody for longer than a batch.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use super::epoll::{Awaited, Ready};
use super::line::{Lines, Turn};
use super::prefix::{Prefixes, Then};
use super::quota::Quotas;
use super::reason::Reason;
use super::ring::{BATCH, Send, Sent};
use super::slot::{At, BLOCKED, HELD, READY, SENDING, Slot, SlotId, Slots, Socket, seconds};
use super::view::{View, ViewId};
use super::{Command, Core, Moved};

/// Members of a lap that are looked at in one turn, whether or not there is something to send.
const VISITS: usize = 4096;

/// Room that is used again from turn to turn.
#[derive(Default)]
pub struct Scratch {
    ready: Vec<Ready>,
    picked: Vec<Picked>,
    sent: Vec<Sent>,
}

/// A stream that gets a send in this batch.
pub(super) struct Picked {
    /// Which.
    pub id: SlotId,
    /// Of at most so many bytes.
    pub most: usize,
    /// When the oldest frame of its lap was published; none where it is no lap that brings it.
    pub oldest: Option<Instant>,
}

/// Runs a core until its process ends.
///
/// # Errors
/// When the runtime can no longer wait.
pub async fn run(core: &super::Cell, awaited: &Awaited, spawn: impl Fn(Moved)) -> io::Result<()> {
    let mut scratch = Scratch::default();
    loop {
        let began = Instant::now();
        let more_events = core.get().take_events(&mut scratch, &spawn);
        let more_sends = core.get().send_batch(&mut scratch);
        core.get().counters.turns.observe(began.elapsed());
        if more_events || more_sends {
            awaited.pass().await?;
        } else {
            core.get().set_clock();
            awaited.happened().await?;
        }
    }
}

impl Core {
    fn set_clock(&mut self) {
        let Core { timers, epoll, .. } = self;
        timers.set(epoll);
    }

    pub(super) fn take_events(&mut self, scratch: &mut Scratch, spawn: &impl Fn(Moved)) -> bool {
        scratch.ready.clear();
        let more = self.epoll.take(&mut scratch.ready);
        // Time also passes while a core is too busy to wait for its clock.
        self.beat();
        for ready in scratch.ready.drain(..) {
            match ready {
                Ready::Bell => {
                    self.read_mail();
                    self.read_commands(spawn);
                }
                Ready::Clock => {}
                Ready::Listener => {
                    // Level-triggered: what is left is told again.
                    self.accept(spawn);
                }
                Ready::Stream { name, closed, writable } => {
                    if self.slots.named(name).is_none() {
                        continue;
                    }
                    if closed {
                        self.close(name.id, Reason::ClientGone);
                    } else if writable {
                        self.writable(name.id);
                    }
                }
            }
        }
        more
    }

    /// Reads what `serve` and other cores have to say.
    pub(super) fn read_commands(&mut self, spawn: &impl Fn(Moved)) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Connection(moved) => self.take_over(moved, spawn),
                Command::Revoked(revoked) => self.revoke(&revoked),
                Command::Streams(answer) => answer(self.stream_lines()),
                Command::Lame => self.lame = true,
                Command::Drain(until) => {
                    // Those whose connect was answered by the kernel alone would be reset.
                    while self.accept(spawn) {}
                    self.drain(until);
                }
            }
        }
    }

    /// The socket takes bytes again.
    fn writable(&mut self, id: SlotId) {
        let slot = self.slots.get_mut(id);
        if !slot.is(BLOCKED) {
            return;
        }
        slot.unset(BLOCKED);
        if let At::Behind(place) = slot.at {
            self.go_on_from(id, place.place());
        }
        self.make_ready(id);
    }

    /// The stream gets a send of its own in one of the next batches.
    pub(super) fn make_ready(&mut self, id: SlotId) {
        let slot = self.slots.get_mut(id);
        if let Socket::Of(line) = slot.socket {
            return self.queue_lane(line, id);
        }
        if slot.is(READY | BLOCKED | HELD) {
            return;
        }
        slot.set(READY);
        self.ready.push_back(self.slots.name(id));
    }

    /// Sends one batch. Returns whether there is more to send.
    pub(super) fn send_batch(&mut self, scratch: &mut Scratch) -> bool {
        scratch.picked.clear();
        // Half a batch for streams on their own, so that laps go on under a storm of joins; what one leaves, the other takes.
        self.pick_ready(BATCH / 2, &mut scratch.picked);
        self.pick_held(BATCH / 4 * 3, &mut scratch.picked);
        self.pick_laps(&mut scratch.picked);
        self.pick_ready(BATCH, &mut scratch.picked);
        if !scratch.picked.is_empty() {
            self.send_picked(&scratch.picked, &mut scratch.sent);
        }
        self.dress_some();
        let has_streams = !self.ready.is_empty() || !self.laps.is_empty();
        has_streams || !self.dressing.is_empty() || self.quotas.as_ref().is_some_and(Quotas::moves)
    }

    fn pick_ready(&mut self, up_to: usize, picked: &mut Vec<Picked>) {
        while picked.len() < up_to {
            let Some(name) = self.ready.pop_front() else { return };
            if self.slots.named(name).is_none() {
                continue;
            }
            let slot = self.slots.get_mut(name.id);
            slot.unset(READY);
            if slot.is(BLOCKED | HELD | SENDING) {
                continue;
            }
            let bytes = self.due(name.id);
            if bytes == 0 {
                continue;
            }
            let oldest = self.lines_oldest(name.id);
            self.pick(name.id, bytes, oldest, picked);
        }
    }

    /// When the oldest frame of a lap was published that a line has to send now.
    fn lines_oldest(&mut self, id: SlotId) -> Option<Instant> {
        match self.slots.get(id).at {
            At::Line(line) => self.since_of_turn(line),
            _ => None,
        }
    }

    /// How much a stream has to send now; a line, in the turn that it is now.
    pub(super) fn due(&mut self, id: SlotId) -> usize {
        match self.slots.get(id).at {
            At::Line(line) => self.choose_turn(line),
            _ => self.pending(id).len(),
        }
    }

    /// Picks a stream that has so many bytes to send, if it may send any of them now.
    fn pick(&mut self, id: SlotId, bytes: usize, oldest: Option<Instant>, picked: &mut Vec<Picked>) {
        let Some(most) = self.allow(id, bytes) else { return self.held_up(id) };
        self.slots.get_mut(id).set(SENDING);
        picked.push(Picked { id, most, oldest });
    }

    /// A stream cannot send now what it has to.
    fn held_up(&mut self, id: SlotId) {
        if let At::Line(line) = self.slots.get(id).at {
            self.hold_up(line);
        }
    }

    fn pick_laps(&mut self, picked: &mut Vec<Picked>) {
        let mut visits = VISITS;
        while picked.len() < BATCH && visits > 0 {
            let Some(view) = self.laps.pop_front() else { return };
            if !self.has_view(view) || self.view(view).lap.is_none() {
                continue;
            }
            if self.pick_lap(view, picked, &mut visits) {
                self.end_lap(view);
            } else {
                self.laps.push_back(view);
                return;
            }
        }
    }

    /// Goes on with a view's lap. Returns whether it has ended.
    fn pick_lap(&mut self, id: ViewId, picked: &mut Vec<Picked>, visits: &mut usize) -> bool {
        while picked.len() < BATCH && *visits > 0 {
            let view = self.view(id);
            let Some(next) = view.lap else { return true };
            let Some(slot) = view.members.get(next as usize).copied() else { return true };
            view.lap = Some(next + 1);
            *visits -= 1;
            let stream = self.slots.get_mut(slot);
            let At::Log(cursor) = stream.at else { continue };
            if let Socket::Of(line) = stream.socket {
                let carries = self.view(id).carries;
                self.visit_lane(line, slot, carries);
                continue;
            }
            if stream.is(BLOCKED | HELD) {
                self.shed_lag(slot);
                continue;
            }
            let sends = stream.is(SENDING);
            let bytes = self.view(id).log.unseen(cursor).len();
            if sends || bytes == 0 {
                continue;
            }
            let carries = self.view(id).carries;
            self.pick(slot, bytes, carries, picked);
        }
        let view = self.view(id);
        view.lap.is_none_or(|next| next as usize >= view.members.len())
    }

    fn end_lap(&mut self, id: ViewId) {
        let now = Instant::now();
        let view = self.view(id);
        view.lap = None;
        let began = view.turned.replace(now).unwrap_or(now);
        let again = std::mem::take(&mut view.again);
        self.counters.laps.add(1);
        self.counters.lap_us.add(u64::try_from((now - began).as_micros()).unwrap_or(u64::MAX));
        if again {
            self.schedule_lap(id, now);
        }
    }

    /// What a stream has to send now; a line, what its turn is of.
    pub(super) fn pending(&self, id: SlotId) -> &[u8] {
        pending(self.slots.get(id), (&self.slots, &self.lines), &self.views, &self.prefixes)
    }

    fn send_picked(&mut self, picked: &[Picked], sent: &mut Vec<Sent>) {
        sent.clear();
        let Core { slots, lines, views, prefixes, ring, .. } = self;
        let batch = picked.iter().filter_map(|Picked { id, most, .. }| {
            let slot = slots.get(*id);
            let bytes = pending(slot, (slots, lines), views, prefixes);
            let fd = slot.socket.own()?.as_raw_fd();
            Some(Send { fd, bytes: &bytes[..bytes.len().min(*most)] })
        });
        ring.send(batch, sent);
        self.counters.sends.add(sent.len() as u64);
        let done = Instant::now();
        for alike in picked.chunk_by(|one, next| one.oldest == next.oldest) {
            if let Some(oldest) = alike[0].oldest {
                self.counters.event_to_socket.observe_many(done - oldest, alike.len() as u64);
            }
        }
        let now = seconds(self.started, done);
        for (Picked { id, .. }, sent) in picked.iter().zip(sent.drain(..)) {
            self.took(*id, sent, now);
        }
    }

    /// A stream's socket took some, all or nothing of what it was given.
    fn took(&mut self, id: SlotId, Sent { given, taken }: Sent, now: u32) {
        let slot = self.slots.get_mut(id);
        slot.unset(SENDING);
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return self.close(id, Reason::ClientGone),
        };
        if taken < given {
            slot.set(BLOCKED);
            self.counters.blocked.add(1);
            self.give_back(id, given - taken);
            self.held_up(id);
        }
        if taken == 0 {
            return;
        }
        let slot = self.slots.get_mut(id);
        slot.moved(now);
        self.counters.bytes.add(taken as u64);
        self.advance(id, taken);
    }

    /// So many bytes of what a stream had to send are sent.
    pub(super) fn advance(&mut self, id: SlotId, taken: usize) {
        let slot = self.slots.get_mut(id);
        slot.sent += taken as u64;
        let (at, view) = (slot.at, slot.view);
        match at {
            At::Line(line) => self.line_took(line, taken),
            At::Log(cursor) => {
                let cursor = self.view(view).log.advance(cursor, taken);
                self.slots.get_mut(id).at = At::Log(cursor);
                if !self.view(view).log.unseen(cursor).is_empty() {
                    self.make_ready(id);
                }
            }
            At::Prefix(segment, offset) => {
                let offset = offset + u32::try_from(taken).expect("a segment is smaller than 4 GiB");
                self.slots.get_mut(id).at = At::Prefix(segment, offset);
                if offset as usize == self.prefixes.bytes(segment).len() {
                    self.follow(id, segment);
                } else {
                    self.make_ready(id);
                }
            }
            At::Behind(_) | At::Waiting | At::Pausing => {}
        }
    }

    /// A stream has read a prefix segment to its end.
    pub(super) fn follow(&mut self, id: SlotId, segment: u32) {
        let then = self.prefixes.then(segment);
        if then == Then::More {
            return;
        }
        if let Then::Segment(next) = then {
            self.prefixes.hold(next);
            self.slots.get_mut(id).at = At::Prefix(next, 0);
            self.prefixes.release(segment);
            return self.make_ready(id);
        }
        self.slots.get_mut(id).at = At::Waiting;
        self.prefixes.release(segment);
        match then {
            Then::From(place) => {
                self.go_on_from(id, place);
                if self.slots.get(id).at != At::Waiting {
                    self.make_ready(id);
                }
            }
            Then::Snapshot => self.snapshot_in_time(id),
            Then::Wait => self.waited(id),
            Then::Close => self.close(id, Reason::ClientGone),
            Then::Segment(_) | Then::More => {}
        }
    }
}

/// What a slot has to send now.
fn pending<'a>(
    slot: &'a Slot,
    (slots, lines): (&'a Slots, &'a Lines),
    views: &'a [Option<View>],
    prefixes: &'a Prefixes,
) -> &'a [u8] {
    match slot.at {
        At::Log(cursor) => views[slot.view as usize].as_ref().map_or(&[], |view| view.log.unseen(cursor)),
        At::Prefix(segment, offset) => &prefixes.bytes(segment)[offset as usize..],
        At::Line(line) => match lines.turn_of(line) {
            Turn::Words(words) => words,
            // A lane is no line, so this ends here.
            Turn::Lane(lane) => {
                slots.named(lane).map_or(&[], |slot| pending(slot, (slots, lines), views, prefixes))
            }
        },
        At::Behind(_) | At::Waiting | At::Pausing => &[],
    }
}
