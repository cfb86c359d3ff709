//! Quotas of bytes: where a tenant has used its bytes up, its streams stand in line for more.
//!
//! To everybody else a stream in line is one whose socket is full: it keeps its place, falls behind, leaves the log when it is too far behind, and goes
//! on from its place when its turn comes. It misses nothing, and others are not held up by it. A turn is of so few bytes that the line
//! comes round within seconds, so a heartbeat is never long in coming; what takes more bytes, a snapshot, goes out in pieces.
//!
//! A core draws on a tenant's bucket in lumps, at most one ahead of its time for each tenant, so that all cores get their turn. Without quotas there are no
//! lines, and a send costs one comparison more.
//!
//! A list is not sent in pieces: it is answered as long as its tenant has bytes for lists, which are as many again, and refused where it has none.
//!
//! Invariants: who is `HELD` is in the line of its tenant. While somebody is in line, something will move it: a lump is on its way, or the line is
//! among those to be served in the next batch. A last event waits in no line, and is not counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Core;
use super::beat::Timer;
use super::slot::{At, ENDING, HELD, SENDING, SlotId, SlotName, seconds};
use super::turn::Picked;
use crate::access::bucket::Bucket;
use crate::access::{Tenant, Tenants};
use crate::identity::Identity;

/// A lump is what a tenant may have in this time, within these bounds.
const LUMP_TIME: Duration = Duration::from_millis(10);
const LUMPS: (usize, usize) = (4 * 1024, 256 * 1024);

/// In how many seconds a line comes round where every turn is as long as it may be.
const ROUND: usize = 8;

/// Bytes of one turn: with fewer, sends would cost more than they carry; with more, others would wait for one.
const TURNS: (usize, usize) = (256, 64 * 1024);

/// The tenants' quotas, as one core has them.
pub struct Quotas {
    /// At each tenant's number.
    lines: Vec<Line>,
    /// Which lines have bytes for somebody in them.
    moving: VecDeque<usize>,
    cores: usize,
}

/// A tenant's streams that wait for bytes.
struct Line {
    tenant: Arc<Tenant>,
    /// Bytes that may be sent now.
    purse: usize,
    /// A lump is drawn, and not due yet.
    awaits: bool,
    /// Some of them have ended, or have their last event to get.
    waiting: VecDeque<SlotName>,
}

impl Quotas {
    /// Of these tenants. `None`: there is no quota.
    #[must_use]
    pub fn new(tenants: &Tenants, cores: usize) -> Option<Self> {
        let line = |tenant: Arc<Tenant>| {
            tenant.bytes.is_some().then(|| Line { tenant, purse: 0, awaits: false, waiting: VecDeque::new() })
        };
        let lines: Option<Vec<Line>> = tenants.all().into_iter().map(line).collect();
        Some(Quotas { lines: lines?, moving: VecDeque::new(), cores })
    }

    /// Whether somebody's turn has come.
    #[must_use]
    pub fn moves(&self) -> bool {
        !self.moving.is_empty()
    }

    /// Whether a line will move, or is empty.
    #[cfg(test)]
    pub(super) fn is_moved(&self, number: usize) -> bool {
        let line = &self.lines[number];
        line.waiting.is_empty() || line.awaits || self.moving.contains(&number)
    }

    /// Whether a stream stands in a line, once.
    #[cfg(test)]
    pub(super) fn has_in_line(&self, number: usize, name: SlotName) -> bool {
        self.lines[number].waiting.iter().filter(|one| **one == name).count() == 1
    }

    fn serve(&mut self, number: usize) {
        if !self.lines[number].waiting.is_empty() && !self.moving.contains(&number) {
            self.moving.push_back(number);
        }
    }

    /// Bytes of one turn in this line.
    fn turn(&self, number: usize) -> usize {
        let line = &self.lines[number];
        let streams = line.waiting.len().max(1) * self.cores;
        (line.per_second() * ROUND / streams).clamp(TURNS.0, TURNS.1)
    }
}

impl Line {
    fn per_second(&self) -> usize {
        let per_second = self.tenant.bytes.as_ref().map_or(u64::MAX, Bucket::per_second);
        usize::try_from(per_second).unwrap_or(usize::MAX / ROUND).min(usize::MAX / ROUND)
    }

    fn lump(&self) -> usize {
        let bytes = self.per_second() / usize::try_from(1000 / LUMP_TIME.as_millis()).unwrap_or(1);
        bytes.clamp(LUMPS.0, LUMPS.1)
    }

    /// Draws until there are so many bytes, or no more are due now. Returns when the next ones are, where that was not known before.
    fn draw(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let lump = self.lump();
        while self.purse < bytes && !self.awaits {
            let wait = self.tenant.bytes.as_ref().map_or(Duration::ZERO, |bucket| bucket.take(now, lump));
            if wait.is_zero() {
                self.purse += lump;
            } else {
                self.awaits = true;
                return Some(now + wait);
            }
        }
        None
    }
}

impl Core {
    /// How many of the bytes that a stream has to send it may send now. `None`: it waits for its turn.
    #[inline]
    pub(super) fn allow(&mut self, id: SlotId, bytes: usize) -> Option<usize> {
        if self.quotas.is_none() { Some(bytes) } else { self.allow_by_quota(id, bytes) }
    }

    fn allow_by_quota(&mut self, id: SlotId, bytes: usize) -> Option<usize> {
        let Core { quotas, slots, passes, timers, counters, .. } = self;
        let name = slots.name(id);
        let slot = slots.get_mut(id);
        let Some(quotas) = quotas.as_mut().filter(|_| !slot.is(ENDING)) else { return Some(bytes) };
        let number = passes.holder(slot.pass).tenant.number;
        let line = &mut quotas.lines[number];
        if line.waiting.is_empty() {
            if let Some(due) = line.draw(bytes.min(TURNS.1), Instant::now()) {
                timers.at(due, Timer::Lump(number));
            }
            if line.purse >= bytes.min(TURNS.0) {
                let most = bytes.min(TURNS.1).min(line.purse);
                line.purse -= most;
                return Some(most);
            }
        }
        slot.set(HELD);
        line.waiting.push_back(name);
        counters.held.add(1);
        counters.held_bytes.add(bytes as u64);
        None
    }

    /// Whether a list of so many bytes may be sent to somebody now.
    pub(super) fn may_list(&self, who: &Identity, bytes: usize) -> bool {
        let tenant = self.everywhere.access.tenants.of(who);
        tenant.is_none_or(|tenant| tenant.list(Instant::now(), bytes))
    }

    /// A lump is due.
    pub(super) fn lump(&mut self, number: usize) {
        let Some(quotas) = &mut self.quotas else { return };
        let line = &mut quotas.lines[number];
        line.awaits = false;
        line.purse += line.lump();
        quotas.serve(number);
    }

    /// A socket has taken fewer bytes than its stream was allowed.
    pub(super) fn give_back(&mut self, id: SlotId, bytes: usize) {
        let Some(quotas) = &mut self.quotas else { return };
        let slot = self.slots.get(id);
        if !slot.is(ENDING) {
            let number = self.passes.holder(slot.pass).tenant.number;
            quotas.lines[number].purse += bytes;
            quotas.serve(number);
        }
    }

    /// Picks streams whose turn has come, tenant by tenant.
    pub(super) fn pick_held(&mut self, up_to: usize, picked: &mut Vec<Picked>) {
        while picked.len() < up_to {
            let Some(number) = self.quotas.as_mut().and_then(|quotas| quotas.moving.pop_front()) else {
                return;
            };
            self.pick_line(number, up_to, picked);
        }
    }

    fn pick_line(&mut self, number: usize, up_to: usize, picked: &mut Vec<Picked>) {
        let now = Instant::now();
        loop {
            let Core { quotas, timers, .. } = self;
            let Some(quotas) = quotas else { return };
            if picked.len() >= up_to {
                return quotas.serve(number);
            }
            let turn = quotas.turn(number);
            let line = &mut quotas.lines[number];
            if line.waiting.is_empty() {
                return;
            }
            if let Some(due) = line.draw(TURNS.0, now) {
                timers.at(due, Timer::Lump(number));
            }
            if line.purse < TURNS.0 {
                return;
            }
            let Some(name) = line.waiting.pop_front() else { return };
            let most = turn.min(line.purse);
            let sends = self.step_forward(name, now).min(most);
            if sends > 0 {
                self.slots.get_mut(name.id).set(SENDING);
                picked.push(Picked { id: name.id, most: sends, oldest: None });
                if let Some(quotas) = &mut self.quotas {
                    quotas.lines[number].purse -= sends;
                }
            }
        }
    }

    /// A stream's turn has come. Returns how much it has to send.
    fn step_forward(&mut self, name: SlotName, now: Instant) -> usize {
        if !self.slots.named(name).is_some_and(|slot| slot.is(HELD)) {
            return 0;
        }
        let second = seconds(self.started, now);
        let slot = self.slots.get_mut(name.id);
        slot.unset(HELD);
        // While it was in line its socket was not asked to take anything.
        slot.moved(second);
        if let At::Behind(place) = slot.at {
            self.go_on_from(name.id, place.place());
        }
        self.due(name.id)
    }
}
