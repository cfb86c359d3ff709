//! How many feeds overviews may start, and how fast: somebody who opens the front page of a fleet starts no watch of every kind of every cluster.
//!
//! Overviews start at most [`Demand::per_second`](Demand) feeds a second, [`BURST`] seconds' worth at once after a quiet time, and none while the
//! process holds as many as `overviews.mostFeeds`. A page of one cluster goes before the fleet, which leaves it half of the burst. What is not
//! started reads as unknown; whoever looks again asks again.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::config;

/// Seconds' worth of feeds that may be started at once.
const BURST: f64 = 3.0;

/// For whom a feed is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// A page of one cluster.
    Page,
    /// The page of all clusters.
    Fleet,
}

/// The bounds, and what is left of them.
#[derive(Debug)]
pub(super) struct Demand {
    per_second: f64,
    most_feeds: usize,
    left: Mutex<(f64, Instant)>,
}

impl Demand {
    pub(super) fn new(settings: &config::Overviews, now: Instant) -> Self {
        let per_second = f64::from(settings.feeds_per_second);
        let left = Mutex::new((per_second * BURST, now));
        Demand { per_second, most_feeds: settings.most_feeds, left }
    }

    /// Takes the right to start so many feeds now, where the process holds `alive`.
    ///
    /// # Errors
    /// How long to wait before it makes sense to ask again; `None`: until feeds have ended.
    pub(super) fn take(
        &self,
        feeds: u32,
        alive: usize,
        rank: Rank,
        now: Instant,
    ) -> Result<(), Option<Duration>> {
        if alive + feeds as usize > self.most_feeds {
            return Err(None);
        }
        let whole = self.per_second * BURST;
        let floor = if rank == Rank::Fleet { whole / 2.0 } else { 0.0 };
        let mut left = self.left.lock().expect("nothing panics while it holds this lock");
        let passed = now.saturating_duration_since(left.1).as_secs_f64();
        *left = ((left.0 + passed * self.per_second).min(whole), left.1.max(now));
        // More than a burst has to offer is given where the burst is whole.
        let after = left.0 - f64::from(feeds);
        let missing = (floor - after).min(whole - left.0);
        if missing > 0.0 {
            return Err(Some(Duration::from_secs_f64(missing / self.per_second)));
        }
        left.0 = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(per_second: u32, most_feeds: usize, now: Instant) -> Demand {
        Demand::new(&config::Overviews { feeds_per_second: per_second, most_feeds }, now)
    }

    #[test]
    fn a_fleet_of_any_size_starts_no_more_than_the_pace() {
        let start = Instant::now();
        let demand = demand(10, 1_000_000, start);
        let mut started = 0;
        for ms in 0..60_000 {
            let now = start + Duration::from_millis(ms);
            while demand.take(3, started, Rank::Fleet, now).is_ok() {
                started += 3;
            }
        }
        assert!((600..=618).contains(&started), "half a burst at once, then 10 a second: {started}");
    }

    #[test]
    fn pages_go_before_the_fleet() {
        let now = Instant::now();
        let demand = demand(10, 1000, now);
        while demand.take(3, 0, Rank::Fleet, now).is_ok() {}
        for feed in 0..15 {
            assert_eq!(demand.take(1, 0, Rank::Page, now), Ok(()), "{feed}");
        }
        let wait = demand.take(1, 0, Rank::Page, now).expect_err("the burst is spent").expect("a while");
        assert_eq!(demand.take(1, 0, Rank::Page, now + wait), Ok(()), "as long as it said");
    }

    #[test]
    fn nothing_is_started_at_the_ceiling() {
        let now = Instant::now();
        let demand = demand(10, 20, now);
        assert_eq!(demand.take(1, 20, Rank::Page, now), Err(None));
        assert_eq!(demand.take(1, 19, Rank::Page, now), Ok(()));
    }

    #[test]
    fn a_slow_pace_still_lets_a_cluster_be_summed_up() {
        let start = Instant::now();
        let demand = demand(1, 20, start);
        let mut taken = 0;
        for second in 0..60 {
            taken += u32::from(demand.take(3, 0, Rank::Fleet, start + Duration::from_secs(second)).is_ok());
        }
        assert!(taken >= 10, "{taken}");
    }
}
