//! What memory is spent on, in bytes, and the ceiling over all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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
}

impl Ledger {
    /// An account with a ceiling, in bytes.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Ledger { spent: Default::default(), limit })
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
        self.total() >= self.limit
    }

    /// Bytes that are to be given back before new work has to be refused: what is beyond seven eighths of the ceiling.
    #[must_use]
    pub fn short_by(&self) -> usize {
        self.total().saturating_sub(self.limit - self.limit / 8)
    }

    fn total(&self) -> usize {
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
