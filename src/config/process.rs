//! What concerns the process as a whole: its memory, its end, its log.

use std::time::Duration;

use super::grammar::{AutoSize, Filter, Switch, Time, Whole};
use super::table::{Section, Table};
use super::{GIB, HOUR, MIB, MINUTE};

/// Ceilings for the process.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Bytes that logs, segments, journals, replicas and snapshots may take in all; near it journals give of their past, at it new streams are refused.
    /// `None`: as many as fit what the system leaves to the process.
    pub limit: Option<usize>,
}

/// Shutting down.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Not ready, but still accepting.
    pub lame: Duration,
    /// Streams are ended evenly over this span.
    pub window: Duration,
}

/// Log output.
#[derive(Clone, Debug)]
pub struct Log {
    /// JSON lines instead of text.
    pub json: bool,
    /// A filter such as `info` or `foretop=debug`.
    pub level: String,
    /// Lines of one event in one second; 0: any number.
    pub per_second: u32,
}

impl Default for Drain {
    fn default() -> Self {
        Drain { lame: Duration::from_secs(10), window: Duration::from_secs(20) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { json: false, level: "info".into(), per_second: 1000 }
    }
}

impl Section for Memory {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "limit",
            &mut self.limit,
            AutoSize(16 * MIB, 4096 * GIB),
            "What replicas, journals, snapshots and unsent bytes may take together. From three quarters of it on streams that take nothing leave their logs sooner, from seven eighths on journals give of their past, \
             the largest first; at it new streams, lists and feeds are refused (503); open streams go on. The same is done as the process's cgroup gets full, whatever fills it. \
             `auto`: four fifths of the cgroup's limit (v1 or v2, the smallest on the way to the root), of which journals then take at most half; without a cgroup 2GiB, and no more than half of the machine's memory.",
        );
    }
}

impl Section for Drain {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "lame",
            &mut self.lame,
            Time(Duration::ZERO, 10 * MINUTE),
            "After SIGTERM: how long `/readyz` says no while connections are still accepted, since load balancers learn it late.",
        );
        table.setting(
            "window",
            &mut self.window,
            Time(Duration::ZERO, HOUR),
            "Then: the span over which streams are ended, evenly, so that their clients do not all come back at once.",
        );
    }
}

impl Section for Log {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting("json", &mut self.json, Switch, "One JSON object per line instead of text.");
        table.setting(
            "level",
            &mut self.level,
            Filter,
            "What is logged: a level, or levels by module, such as `info,foretop::cluster=debug`.",
        );
        table.setting(
            "perSecond",
            &mut self.per_second,
            Whole(0, 1_000_000),
            "How often a second one event is written at most, since clients can cause some at will. What is left out is counted. 0: no limit.",
        );
    }
}
