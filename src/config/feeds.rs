//! Feeds' life.

use std::time::Duration;

use super::grammar::{Time, Whole};
use super::table::{Section, Table};
use super::{HOUR, MINUTE, SECOND};

/// Feeds' life.
#[derive(Clone, Debug)]
pub struct Feeds {
    /// How long a feed goes on after its last tab.
    pub linger: Duration,
    /// How long a list waits for a feed's first sync before 503.
    pub wait: Duration,
    /// After how long without upstream each stream is told.
    pub away_after: Duration,
    /// How long readiness waits for a prewarmed feed that does not sync.
    pub ready_after: Duration,
    /// Most feeds alive at once in the process.
    pub max: usize,
    /// Most label selectors in use at once on a kind of a cluster.
    pub selectors_per_kind: usize,
}

impl Default for Feeds {
    fn default() -> Self {
        Feeds {
            linger: Duration::from_mins(5),
            wait: Duration::from_secs(10),
            away_after: Duration::from_secs(15),
            ready_after: Duration::from_secs(30),
            max: 20_000,
            selectors_per_kind: 32,
        }
    }
}

impl Section for Feeds {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "linger",
            &mut self.linger,
            Time(Duration::ZERO, 24 * HOUR),
            "How long a feed goes on watching after its last tab has left.",
        );
        table.setting(
            "wait",
            &mut self.wait,
            Time(Duration::ZERO, MINUTE),
            "How long a list request waits for the first sync of its feed before it is answered 503.",
        );
        table.setting(
            "awayAfter",
            &mut self.away_after,
            Time(SECOND, HOUR),
            "How long a feed's apiserver may be away before each of its streams is told.",
        );
        table.setting(
            "readyAfter",
            &mut self.ready_after,
            Time(Duration::ZERO, HOUR),
            "How long `/readyz` waits for a prewarmed feed that does not sync.",
        );
        table.setting(
            "max",
            &mut self.max,
            Whole(1, 10_000_000),
            "Feeds alive at once; a stream or list that would need a further one is refused (503).",
        );
        table.setting(
            "selectorsPerKind",
            &mut self.selectors_per_kind,
            Whole(0, 256),
            "Different label selectors in use at once on a kind of a cluster: each is a feed of its own, with the memory of the rows that it selects. A stream or \
             list with a further one is refused (429). 0: none is taken.",
        );
    }
}
