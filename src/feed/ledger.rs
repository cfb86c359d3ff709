//! What memory is spent on, in bytes, the ceiling over all of it, and what is shed as it gets short.
//!
//! Whoever spends enters it here; whoever may shed asks here. The level is set by a look at the figures four times a second ([`crate::memory::pressure`]);
//! the ceiling itself counts at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::Counter;
use crate::memory::pressure::{Measure, Measures, Shedding};

/// A kind of thing that takes memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// Retained blocks.
    Journals,
    /// Latest rows.
    Replicas,
    /// Encoded snapshots that somebody holds.
    Snapshots,
    /// What cores have still to give to their streams.
    Logs,
}

impl Thing {
    /// All of them, in the order of the ledger's cells.
    pub const ALL: [Thing; 4] = [Thing::Journals, Thing::Replicas, Thing::Snapshots, Thing::Logs];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Thing::Journals => "journals",
            Thing::Replicas => "replicas",
            Thing::Snapshots => "snapshots",
            Thing::Logs => "logs",
        }
    }
}

/// The process's account of its memory.
#[derive(Debug)]
pub struct Ledger {
    spent: [AtomicUsize; 4],
    limit: usize,
    shedding: AtomicU8,
    /// Bytes that are to be given back, as of the last look.
    excess: AtomicUsize,
    /// What may be counted until the next look, so that the kernel's figure stays below its ceiling: a wave of connections is faster than looks are.
    until_next: AtomicUsize,
    /// What the kernel counts, as of the last look, and of how much; 0 of 0 where it does not say.
    real: (AtomicU64, AtomicU64),
    /// How often each level was entered from below, in the order of [`Shedding::ALL`].
    pub entered: [Counter; Shedding::ALL.len()],
}

impl Ledger {
    /// An account with a ceiling, in bytes.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Ledger {
            spent: Default::default(),
            limit,
            shedding: AtomicU8::default(),
            excess: AtomicUsize::default(),
            until_next: AtomicUsize::new(usize::MAX),
            real: Default::default(),
            entered: Default::default(),
        })
    }

    /// Bytes spent on one kind of thing.
    #[must_use]
    pub fn spent(&self, thing: Thing) -> usize {
        self.spent[thing as usize].load(Relaxed)
    }

    /// The ceiling.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether new work is to be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.has_room() || self.shedding() == Shedding::Refusing
    }

    /// Bytes that are to be given back before new work has to be refused: what is beyond seven eighths of the ceiling, or what the kernel counts too much.
    #[must_use]
    pub fn short_by(&self) -> usize {
        self.total().saturating_sub(self.limit - self.limit / 8).max(self.excess.load(Relaxed))
    }

    /// What is to be shed now.
    #[must_use]
    pub fn shedding(&self) -> Shedding {
        Shedding::of(self.shedding.load(Relaxed))
    }

    /// Whether there is room for what somebody who was let in needs now: both figures are below their ceilings. Who is let in is decided more cautiously.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.total() < self.limit.min(self.until_next.load(Relaxed))
    }

    /// Says what is to be shed from now on, by figures that were just looked at.
    pub fn shed(&self, level: Shedding, measures: &Measures) {
        self.excess.store(usize::try_from(measures.excess()).unwrap_or(usize::MAX), Relaxed);
        let until_next = measures.headroom().map(|bytes| measures.counted.taken.saturating_add(bytes));
        let until_next = until_next.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        self.until_next.store(until_next, Relaxed);
        let Measure { taken, of } = measures.real.unwrap_or(Measure { taken: 0, of: 0 });
        self.real.0.store(taken, Relaxed);
        self.real.1.store(of, Relaxed);
        let before = self.shedding.swap(level as u8, Relaxed);
        for passed in usize::from(before) + 1..=level as usize {
            self.entered[passed].add(1);
        }
    }

    /// What the kernel counts of what there is, as of the last look. `None` where it does not say.
    #[must_use]
    pub fn real(&self) -> Option<Measure> {
        let (taken, of) = (self.real.0.load(Relaxed), self.real.1.load(Relaxed));
        (of > 0).then_some(Measure { taken, of })
    }

    /// Bytes spent in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.spent.iter().map(|cell| cell.load(Relaxed)).sum()
    }

    /// Enters bytes until the charge is dropped.
    #[must_use]
    pub fn charge(self: &Arc<Self>, thing: Thing, bytes: usize) -> Charge {
        self.spent[thing as usize].fetch_add(bytes, Relaxed);
        Charge { ledger: self.clone(), thing, bytes }
    }
}

/// Bytes entered in a ledger; dropping it takes them out.
#[derive(Debug)]
pub struct Charge {
    ledger: Arc<Ledger>,
    thing: Thing,
    bytes: usize,
}

impl Charge {
    /// Changes how many bytes are entered.
    pub fn set(&mut self, bytes: usize) {
        let cell = &self.ledger.spent[self.thing as usize];
        cell.fetch_add(bytes, Relaxed);
        cell.fetch_sub(self.bytes, Relaxed);
        self.bytes = bytes;
    }

    /// The bytes entered.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.spent[self.thing as usize].fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_in_is_decided_more_cautiously_than_who_is_served() {
        let ledger = Ledger::new(1000);
        let look = |taken: u64| Measures {
            counted: Measure { taken: ledger.total() as u64, of: 1000 },
            real: Some(Measure { taken, of: 1000 }),
        };
        assert!(ledger.has_room() && !ledger.is_full());
        // At the ceiling that the kernel sets, then below it while the level is still in force.
        ledger.shed(Shedding::Refusing, &look(920));
        assert!(!ledger.has_room() && ledger.is_full());
        assert_eq!(ledger.short_by(), 70);
        ledger.shed(Shedding::Refusing, &look(880));
        assert!(ledger.has_room() && ledger.is_full());
        // What came since a look is taken for as much of the kernel's figure.
        let since = ledger.charge(Thing::Snapshots, 20);
        assert!(!ledger.has_room());
        drop(since);
        ledger.shed(Shedding::Journals, &look(100));
        assert!(ledger.has_room() && !ledger.is_full());
        // What is counted counts at once.
        let charge = ledger.charge(Thing::Journals, 1000);
        assert!(!ledger.has_room() && ledger.is_full());
        drop(charge);
        let entered: Vec<u64> = ledger.entered.iter().map(Counter::get).collect();
        assert_eq!(entered, [0, 1, 1, 1], "a level that is passed by is entered");
        assert_eq!(ledger.real(), Some(Measure { taken: 100, of: 1000 }));
    }
}
