//! How much of the past is retained.

use std::time::Duration;

use super::grammar::{Size, Time};
use super::table::{Section, Table};
use super::{GIB, HOUR, KIB, MIB, SECOND};

/// How much of the past is retained.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Frames older than this are evicted.
    pub age: Duration,
    /// Bytes retained per feed.
    pub max_bytes: usize,
    /// Bytes retained in all.
    pub total_bytes: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Journal { age: Duration::from_mins(10), max_bytes: 16 << 20, total_bytes: 512 << 20 }
    }
}

impl Section for Journal {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "age",
            &mut self.age,
            Time(10 * SECOND, 24 * HOUR),
            "How long an event is retained for tabs that come back. One that comes back later gets a new snapshot.",
        );
        table.setting(
            "maxBytes",
            &mut self.max_bytes,
            Size(64 * KIB, 64 * GIB),
            "Bytes retained per feed; the oldest events go first.",
        );
        table.setting(
            "totalBytes",
            &mut self.total_bytes,
            Size(MIB, 1024 * GIB),
            "Bytes retained by all feeds together.",
        );
    }
}
