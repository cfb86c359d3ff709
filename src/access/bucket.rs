//! A quota of bytes per second that all cores draw on.
//!
//! One number says it all: until when everything is given away. Who draws moves it on by what the bytes cost in time, and is told how long they are
//! to wait for them. So whoever draws in turn waits in turn, nobody holds a lock, and a core that draws in lumps meets the others seldom.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// So much time's bytes are kept of what was not used.
const KEPT: u64 = 1_000_000_000;

const SECOND: u128 = 1_000_000_000;

/// Bytes per second, and what was taken of them.
#[derive(Debug)]
pub struct Bucket {
    per_second: u64,
    start: Instant,
    /// Until when everything is given away: nanoseconds since [`KEPT`] before the start.
    spent_until: AtomicU64,
}

impl Bucket {
    /// One that is full now: of a second's bytes. `per_second` is not 0.
    #[must_use]
    pub fn new(per_second: u64, now: Instant) -> Self {
        Bucket { per_second, start: now, spent_until: AtomicU64::new(0) }
    }

    /// Bytes per second.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Takes so many bytes. Returns how long it is until they are due.
    pub fn take(&self, now: Instant, bytes: usize) -> Duration {
        let (now, cost) = (self.time(now), self.cost(bytes));
        let after = |until: u64| until.max(now - KEPT).saturating_add(cost);
        let before = self.spent_until.fetch_update(Relaxed, Relaxed, |until| Some(after(until)));
        let due = before.map_or_else(after, after);
        Duration::from_nanos(due.saturating_sub(now))
    }

    /// Takes so many bytes, more than there are if need be, unless there are none. Returns whether they were taken.
    pub fn take_if_any(&self, now: Instant, bytes: usize) -> bool {
        let (now, cost) = (self.time(now), self.cost(bytes));
        let after = |until: u64| (until < now).then(|| until.max(now - KEPT).saturating_add(cost));
        self.spent_until.fetch_update(Relaxed, Relaxed, after).is_ok()
    }

    /// Never less than [`KEPT`].
    fn time(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX / 2).saturating_add(KEPT)
    }

    /// What bytes cost, in nanoseconds.
    fn cost(&self, bytes: usize) -> u64 {
        let nanoseconds = (bytes as u128 * SECOND).div_ceil(u128::from(self.per_second));
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_seconds_bytes_are_there_at_once_and_more_in_their_time() {
        let start = Instant::now();
        let bucket = Bucket::new(1000, start);
        assert_eq!(bucket.take(start, 600), Duration::ZERO);
        assert_eq!(bucket.take(start, 400), Duration::ZERO);
        assert_eq!(bucket.take(start, 100), Duration::from_millis(100));
        assert_eq!(bucket.take(ms(start, 50), 100), Duration::from_millis(150), "in turn");
        assert_eq!(bucket.take(ms(start, 200), 10), Duration::from_millis(10));
    }

    #[test]
    fn what_is_not_used_is_kept_for_a_second_only() {
        let start = Instant::now();
        let bucket = Bucket::new(1000, start);
        assert_eq!(bucket.take(ms(start, 3_600_000), 1500), Duration::from_millis(500));
    }

    #[test]
    fn who_takes_only_what_is_there_may_take_too_much_once() {
        let start = Instant::now();
        let bucket = Bucket::new(1000, start);
        assert!(bucket.take_if_any(start, 5000));
        assert!(!bucket.take_if_any(ms(start, 4000), 1));
        assert!(bucket.take_if_any(ms(start, 4001), 1));
    }

    /// A bucket as one would draw it: bytes come in, and run over at the rim; below zero they are owed. In nanoseconds' worth.
    struct Naive {
        full: i128,
        level: i128,
        now: u64,
    }

    impl Naive {
        fn at(&mut self, ms: u64) {
            self.level = self.full.min(self.level + i128::from(ms - self.now) * 1_000_000);
            self.now = ms;
        }

        fn wait(&self) -> Duration {
            Duration::from_nanos(u64::try_from((-self.level).max(0)).expect("not below zero"))
        }
    }

    proptest! {
        #[test]
        fn it_is_what_a_bucket_is(
            // A nanosecond is then a whole number of bytes' worth.
            each in prop_oneof![Just(1u64), Just(1000), Just(1_000_000)],
            steps in proptest::collection::vec((0u64..3000, 0usize..5_000_000, any::<bool>()), 1..60),
        ) {
            let start = Instant::now();
            let bucket = Bucket::new(1_000_000_000 / each, start);
            let mut naive = Naive { full: 1_000_000_000, level: 1_000_000_000, now: 0 };
            let mut given = Vec::new();
            for (pause, bytes, if_any) in steps {
                naive.at(naive.now + pause);
                let now = ms(start, naive.now);
                if if_any {
                    let taken = naive.level > 0;
                    prop_assert_eq!(bucket.take_if_any(now, bytes), taken);
                    naive.level -= if taken { bytes as i128 * i128::from(each) } else { 0 };
                    continue;
                }
                naive.level -= bytes as i128 * i128::from(each);
                let wait = bucket.take(now, bytes);
                prop_assert_eq!(wait, naive.wait());
                given.push((Duration::from_millis(naive.now) + wait, bytes));
            }
            // Whatever stretch of time one looks at: no more than its bytes and a second's.
            for (index, (first, _)) in given.iter().enumerate() {
                let mut sum = 0;
                for (due, bytes) in &given[index..] {
                    sum += bytes;
                    let least = Duration::from_nanos(sum as u64 * each);
                    prop_assert!(*due + Duration::from_secs(1) + Duration::from_nanos(given[index].1 as u64 * each) >= *first + least);
                }
            }
        }
    }

    #[test]
    fn cores_that_draw_at_once_get_no_more_together() {
        let start = Instant::now();
        let bucket = Bucket::new(1_000_000, start);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        bucket.take(start, 1000);
                    }
                });
            }
        });
        // Four seconds' worth, of which one was there.
        assert_eq!(bucket.take(start, 0), Duration::from_secs(3));
    }
}
