//! Giving memory back to the system when a wave of connections is over.
//!
//! The allocator keeps what a thread has freed for what that thread allocates next, and does not even look at what *others* have freed of it (a core the
//! snapshots that the control plane has made). When ten thousand tabs have come at once, that is megabytes which nobody may want for hours.
//!
//! A core that sees a wave end [`ask`]s; then each thread gives back what it has, on its own and outside of anything that is waited for: a core in its
//! clock's turn, a thread of the control plane before it sleeps. That takes a millisecond or so, and happens once per wave.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

// The allocator is the program's to choose. With another one this is a call that does nothing.
use mimalloc as _;

unsafe extern "C" {
    /// Of `mimalloc.h`: hands free pages of the calling thread back, and those that no thread uses to the system.
    safe fn mi_collect(force: bool);
}

static ASKED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static DONE: Cell<u64> = const { Cell::new(0) };
}

/// Asks every thread to give back what it does not use.
pub fn ask() {
    ASKED.fetch_add(1, Relaxed);
}

/// Gives back what this thread does not use, if that was asked for since it last did. Else it costs next to nothing.
pub fn give_back_if_asked() {
    let asked = ASKED.load(Relaxed);
    if DONE.replace(asked) != asked {
        mi_collect(true);
    }
}

/// So many connections are a wave.
const WAVE: u64 = 256;

/// So few in a second are calm.
const CALM: u64 = 16;

/// Waves of connections, as a core sees them once a second.
#[derive(Debug, Default)]
pub struct Waves {
    /// Connections accepted as of the last second.
    seen: u64,
    /// The same when a wave was last over.
    over: u64,
    /// When what was kept for newcomers is let go.
    again: Option<Instant>,
}

impl Waves {
    /// A second has passed, and so many connections have been accepted in all. Whether it is time to give memory back: when a wave is over, and once more
    /// when `kept_for` has passed since, in which views keep for newcomers what the wave was given.
    pub fn second(&mut self, accepted: u64, now: Instant, kept_for: Duration) -> bool {
        let calm = accepted - std::mem::replace(&mut self.seen, accepted) < CALM;
        if calm && accepted - self.over >= WAVE {
            self.over = accepted;
            self.again = Some(now + kept_for);
            return true;
        }
        self.again.take_if(|again| *again <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_over_once_and_is_followed_up_once() {
        let (mut waves, begin) = (Waves::default(), Instant::now());
        let kept = Duration::from_secs(3);
        let accepted =
            [0, 10, 200, 4000, 8000, 8015, 8015, 8016, 8016, 8016, 8020, 8200, 8275, 8276, 8276, 8276, 8276];
        let gives: Vec<usize> = (0..accepted.len())
            .filter(|second| {
                waves.second(accepted[*second], begin + Duration::from_secs(*second as u64), kept)
            })
            .collect();
        assert_eq!(gives, [5, 8, 13, 16]);
    }

    #[test]
    fn a_thread_gives_back_once_for_each_time_that_it_was_asked() {
        let done = || DONE.get();
        give_back_if_asked();
        let before = done();
        ask();
        give_back_if_asked();
        assert!(done() > before);
    }
}
