//! The time of a simulated cluster: the wall's, or one that a test chooses.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Where the timestamps of objects come from.
pub struct Clock {
    /// The chosen time in Unix seconds; negative for the wall's.
    fixed: AtomicI64,
}

impl Clock {
    /// The wall's time, or a chosen one that only [`Clock::advance`] moves, so that two runs make equal objects.
    pub fn new(fixed: Option<i64>) -> Self {
        Clock { fixed: AtomicI64::new(fixed.unwrap_or(-1)) }
    }

    /// Unix seconds.
    pub fn seconds(&self) -> i64 {
        match self.fixed.load(Relaxed) {
            fixed if fixed >= 0 => fixed,
            _ => jiff::Timestamp::now().as_second(),
        }
    }

    /// Moves a chosen time on by one second.
    pub fn advance(&self) {
        if self.fixed.load(Relaxed) >= 0 {
            self.fixed.fetch_add(1, Relaxed);
        }
    }

    /// Now, as Kubernetes writes it.
    pub fn now(&self) -> String {
        timestamp(self.seconds())
    }
}

/// A time in Unix seconds as Kubernetes writes it, such as `2026-01-01T00:00:00Z`.
pub fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
