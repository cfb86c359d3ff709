//! What a feed has counted; `/debug/feeds` and `/metrics` show it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts of one feed. `encodings = events_in − suppressed + diffed`, whatever the number of tabs.
#[derive(Debug, Default)]
pub struct Counters {
    /// ADDED, MODIFIED and DELETED that the source delivered (no bookmarks, no rows of lists).
    pub events_in: Counter,
    /// Of these, those that changed no row.
    pub suppressed: Counter,
    /// Frames that came of comparing a relist with the replica.
    pub diffed: Counter,
    /// Delta frames encoded.
    pub encodings: Counter,
    /// Snapshots encoded.
    pub snapshots: Counter,
    /// Whole lists taken from the source.
    pub lists: Counter,
    /// Bookmarks taken from the source.
    pub bookmarks: Counter,
    /// Times that the journal began anew.
    pub resets: Counter,
}

impl Counters {
    /// Adds what another feed has counted.
    pub fn take_in(&self, other: &Counters) {
        let of = |counters: &'_ Counters| {
            let Counters { events_in, suppressed, diffed, encodings, snapshots, lists, bookmarks, resets } =
                counters;
            [events_in, suppressed, diffed, encodings, snapshots, lists, bookmarks, resets].map(Counter::get)
        };
        let Counters { events_in, suppressed, diffed, encodings, snapshots, lists, bookmarks, resets } = self;
        let mine = [events_in, suppressed, diffed, encodings, snapshots, lists, bookmarks, resets];
        for (mine, more) in mine.into_iter().zip(of(other)) {
            mine.add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_take_in_each_count_for_itself() {
        let (sum, one) = (Counters::default(), Counters::default());
        one.events_in.add(1);
        one.resets.add(8);
        sum.take_in(&one);
        sum.take_in(&one);
        assert_eq!((sum.events_in.get(), sum.suppressed.get(), sum.resets.get()), (2, 0, 16));
    }
}
