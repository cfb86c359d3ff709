//! Which kinds have streams, and what is kept warm.

use super::grammar::{KindNames, Prewarm};
use super::table::{Section, Table};
use crate::kind::{self, Kind};

/// Which kinds have streams, and what is kept warm.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The kinds that have a stream, in registry order.
    pub kinds: Vec<&'static Kind>,
    /// Feeds that are synced from the start and never end: (cluster or `*`, kind).
    pub prewarm: Vec<(String, &'static Kind)>,
}

impl Default for Watch {
    fn default() -> Self {
        Watch { kinds: kind::all().iter().collect(), prewarm: Vec::new() }
    }
}

impl Section for Watch {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "kinds",
            &mut self.kinds,
            KindNames(kind::all()),
            "The kinds that have a stream, by the kinds grammar above.",
        );
        table.setting(
            "prewarm",
            &mut self.prewarm,
            Prewarm(kind::all()),
            "Feeds that are synced from the start and never end, such as `prod/pods` or `*/nodes`. `/readyz` waits for them.",
        );
    }
}
