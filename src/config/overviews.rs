//! What overviews may start.

use super::grammar::Whole;
use super::table::{Section, Table};

/// What overviews may start.
#[derive(Clone, Debug)]
pub struct Overviews {
    /// Feeds that they may start per second.
    pub feeds_per_second: u32,
    /// They start none while the process holds so many.
    pub most_feeds: usize,
}

impl Default for Overviews {
    fn default() -> Self {
        Overviews { feeds_per_second: 10, most_feeds: 1000 }
    }
}

impl Section for Overviews {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "feedsPerSecond",
            &mut self.feeds_per_second,
            Whole(1, 10_000),
            "Feeds that the fleet page, dashboards and searches may start per second for kinds that nobody watches yet. What is not started \
             yet reads as unknown.",
        );
        table.setting(
            "mostFeeds",
            &mut self.most_feeds,
            Whole(0, 10_000_000),
            "They start no feed while the process holds so many; streams and lists still do, up to `feeds.max`. A fleet page sums up a \
             cluster from three feeds.",
        );
    }
}
