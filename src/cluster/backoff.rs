//! How long to wait before the next try.
//!
//! The wait doubles from 100 ms to a ceiling, and jitter spreads it, since all watches of a connection fail in the same
//! millisecond. The count of failures belongs to the cluster, so that a feed which starts, or fails, while the cluster is
//! away joins at the wait that the others have reached; the first success of any ends the wait of all.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

const FIRST: Duration = Duration::from_millis(100);

/// The wait after so many failures in a row (1: the first), without jitter.
#[must_use]
pub fn doubled(failures: u32, most: Duration) -> Duration {
    let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(most)
}

/// Between 75 % and 125 % of a wait, evenly.
#[must_use]
pub fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.75 + 0.5 * fastrand::f64())
}

/// Up to this long, evenly.
#[must_use]
pub fn up_to(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

/// The failures of one cluster.
#[derive(Debug, Default)]
pub struct Backoff {
    run: Mutex<Run>,
    back: Notify,
}

#[derive(Debug, Default)]
struct Run {
    failures: u32,
    /// Until when further failures count as the same one.
    until: Option<Instant>,
}

impl Backoff {
    /// Counts a failure and says how long to wait, without jitter. Failures within one wait are one: many watches fall at once.
    pub fn failed(&self, now: Instant, most: Duration) -> Duration {
        let mut run = self.run();
        if run.until.is_none_or(|until| now >= until) {
            run.failures = run.failures.saturating_add(1);
            run.until = Some(now + doubled(run.failures, most));
        }
        doubled(run.failures, most)
    }

    /// The cluster answered: whoever waits in [`Backoff::wait`] may try at once.
    pub fn succeeded(&self) {
        let mut run = self.run();
        if run.failures > 0 {
            *run = Run::default();
            self.back.notify_waiters();
        }
    }

    /// Waits so long, or until the cluster answered someone; then a little longer, so that not all try in one millisecond.
    pub async fn wait(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.back.notified() => tokio::time::sleep(up_to(Duration::from_millis(250))).await,
        }
    }

    fn run(&self) -> std::sync::MutexGuard<'_, Run> {
        self.run.lock().expect("no panic under this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(10);

    #[test]
    fn waits_double_to_the_ceiling() {
        let waits: Vec<u128> = (1..=9).map(|n| doubled(n, MOST).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(doubled(u32::MAX, MOST), MOST);
    }

    #[test]
    fn many_falls_at_once_are_one_failure() {
        let backoff = Backoff::default();
        let start = Instant::now();
        for _ in 0..80 {
            assert_eq!(backoff.failed(start, MOST).as_millis(), 100);
        }
        assert_eq!(backoff.failed(start + Duration::from_millis(100), MOST).as_millis(), 200);
        assert_eq!(backoff.failed(start + Duration::from_millis(299), MOST).as_millis(), 200);
        assert_eq!(backoff.failed(start + Duration::from_millis(300), MOST).as_millis(), 400);
        backoff.succeeded();
        assert_eq!(backoff.failed(start + Duration::from_millis(301), MOST).as_millis(), 100);
    }

    #[tokio::test]
    async fn a_success_ends_every_wait() {
        let backoff = Backoff::default();
        backoff.failed(Instant::now(), MOST);
        let succeeds = async {
            tokio::task::yield_now().await;
            backoff.succeeded();
        };
        let both = async { tokio::join!(backoff.wait(Duration::from_hours(1)), succeeds) };
        tokio::time::timeout(Duration::from_mins(1), both).await.expect("the wait has ended");
    }
}
