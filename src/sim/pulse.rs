//! The pulse of a simulated cluster: pods restart one after another, each at a time that was set beforehand.
//!
//! Each write changes one row, and the pod's restarts become a stamp: the time when the write was *due*. So whoever shows the row knows how late it
//! is, and a source that falls behind makes its rows late and not few.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::world::World;

/// The restarts of a pod are a number of 32 bits with a sign.
const STAMP: u64 = (1 << 31) - 1;
/// Writes between two looks at whether the pulse was set anew.
const WRITES_AT_A_TIME: usize = 256;

/// The pulse of one cluster.
pub struct Pulse {
    /// How often it was set.
    set: watch::Sender<u64>,
    made: AtomicU64,
    latest: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { set: watch::Sender::new(0), made: AtomicU64::new(0), latest: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Writes made so far.
    pub fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// How late a write was made at most since the pulse was last set, in microseconds.
    pub fn latest(&self) -> u64 {
        self.latest.load(Relaxed)
    }
}

/// Sets a cluster's pulse in writes per second, the first after `delay`; without a positive rate it stops.
pub fn set(world: &Arc<World>, rate: f64, delay: Duration) {
    world.pulse.set.send_modify(|set| *set += 1);
    world.pulse.latest.store(0, Relaxed);
    if rate.is_finite() && rate > 0.0 {
        tokio::spawn(beat(world.clone(), rate, Instant::now() + delay));
    }
}

/// Writes until the pulse is set anew.
async fn beat(world: Arc<World>, rate: f64, first: Instant) {
    let mut set = world.pulse.set.subscribe();
    let (now, stamp) = (Instant::now(), monotonic());
    let mut made = 0u32;
    loop {
        let mut due = first + Duration::from_secs_f64(f64::from(made) / rate);
        tokio::select! {
            // First, so that nothing is written once the pulse was set anew, however much is due.
            biased;
            _ = set.changed() => return,
            () = sleep_until(due) => {}
        }
        for _ in 0..WRITES_AT_A_TIME {
            if due > Instant::now() || set.has_changed().unwrap_or(true) {
                break;
            }
            if !world.is_down() {
                write(&world, stamp + micros(due - now), due);
            }
            made += 1;
            due = first + Duration::from_secs_f64(f64::from(made) / rate);
        }
    }
}

fn write(world: &World, stamp: u64, due: Instant) {
    let stamp = u32::try_from(stamp & STAMP).expect("masked");
    if world.churn.restart(&world.store, stamp) {
        world.pulse.made.fetch_add(1, Relaxed);
        world.pulse.latest.fetch_max(micros(due.elapsed()), Relaxed);
    }
}

/// `CLOCK_MONOTONIC` in microseconds: one time for all processes of a machine.
fn monotonic() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let time = Duration::try_from(time).expect("the monotonic clock is not negative");
    micros(time)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
