//! The clock by which decisions are dated, asked for again and given up: the machine's, save where a test holds it.

#[cfg(test)]
pub mod held;

use std::time::{Duration, Instant};

/// Now.
pub fn now() -> Instant {
    #[cfg(test)]
    if let Some(now) = held::now() {
        return now;
    }
    Instant::now()
}

/// Waits until then.
pub async fn sleep_until(until: Instant) {
    #[cfg(test)]
    if held::now().is_some() {
        return held::Until::new(until).await;
    }
    tokio::time::sleep_until(until.into()).await;
}

/// Waits so long.
pub async fn sleep(time: Duration) {
    sleep_until(now() + time).await;
}

/// What comes of `work` within a time.
pub async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = sleep(time) => None,
    }
}
