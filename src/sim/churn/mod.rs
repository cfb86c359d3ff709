//! What happens in a simulated cluster: deployments roll, jobs run, nodes beat, events are written.
//!
//! Every write is one step, and the steps follow from the seed alone: two clusters with equal options that take equally
//! many steps hold equal objects (but for uids replaced and times, unless a time is chosen).

mod act;
mod birth;
mod build;
mod notice;
mod restart;
mod script;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use build::{Size, build};
use script::Play;

use super::clock::Clock;
use super::store::Store;

/// With a chosen time, a second passes with every so many writes.
const WRITES_PER_SECOND: u64 = 10;

/// The churn of one simulated cluster.
pub struct Churn {
    play: Mutex<Play>,
    clock: Arc<Clock>,
    /// Bits of an `f64`.
    rate: AtomicU64,
    paused: AtomicBool,
    set: Notify,
    written: AtomicU64,
}

impl Churn {
    fn new(play: Play, clock: Arc<Clock>) -> Self {
        Churn {
            play: Mutex::new(play),
            clock,
            rate: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            set: Notify::new(),
            written: AtomicU64::new(0),
        }
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes exactly `writes` writes.
    pub fn step(&self, store: &Store, writes: usize) {
        let mut play = self.play();
        for _ in 0..writes {
            while !play.step(store, self.clock.seconds()) {}
            if (self.written.fetch_add(1, Relaxed) + 1).is_multiple_of(WRITES_PER_SECOND) {
                self.clock.advance();
            }
        }
    }

    /// Writes per second wanted of the background task.
    pub fn rate(&self) -> f64 {
        if self.paused.load(Relaxed) { 0.0 } else { f64::from_bits(self.rate.load(Relaxed)) }
    }

    /// Sets the writes per second; what is no positive number is none.
    pub fn set_rate(&self, rate: f64) {
        let rate = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
        self.rate.store(rate.to_bits(), Relaxed);
        self.set.notify_one();
    }

    /// Holds the background task, or lets it go on.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
        self.set.notify_one();
    }

    /// Waits until the rate or the pause is set.
    pub async fn is_set(&self) {
        self.set.notified().await;
    }

    /// Restarts the next ready pod, whose restarts become `count`. Whether there was one.
    pub fn restart(&self, store: &Store, count: u32) -> bool {
        self.play().restart(store, count).is_some()
    }

    /// Writes made so far.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// A uid that nothing has.
    pub fn new_uid(&self) -> String {
        self.play().new_uid().to_string()
    }
}

#[cfg(test)]
mod tests;
