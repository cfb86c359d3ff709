//! How much of one event reaches the log: clients and apiservers can cause some of them as often as they like.
//!
//! Asked on every thread that logs, cores among them, so it takes no lock: each event has a cell with the second and how often it came in it. Two events
//! whose cells are one share its bound, which the number of cells makes unlikely and harmless.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// Far more than there are events.
const CELLS: usize = 1024;

/// Lines that were left out, over all events.
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// How many lines were left out since the process began.
#[must_use]
pub fn suppressed() -> u64 {
    SUPPRESSED.load(Relaxed)
}

/// Lets each event through so many times a second.
pub struct Throttle {
    /// 0: any number.
    per_second: u32,
    began: Instant,
    cells: Box<[AtomicU64]>,
}

impl Throttle {
    /// With this bound; 0 is none.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let cells = (0..CELLS).map(|_| AtomicU64::new(0)).collect();
        Throttle { per_second, began: Instant::now(), cells }
    }

    /// Whether an event with this number may be written in this second.
    fn admits(&self, number: usize, second: u32) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let cell = &self.cells[number % CELLS];
        let known = cell.load(Relaxed);
        // The second in the upper half, the count in the lower.
        let count = if known >> 32 == u64::from(second) { known & 0xffff_ffff } else { 0 };
        if count >= u64::from(self.per_second) {
            return false;
        }
        // Threads that come at once may write one line more, and wait for nobody.
        cell.store(u64::from(second) << 32 | (count + 1), Relaxed);
        true
    }
}

/// The same for the same event as long as the process lives.
fn number(of: &Identifier) -> usize {
    use std::hash::BuildHasher;
    let hash = xxhash_rust::xxh3::Xxh3DefaultBuilder.hash_one(of);
    usize::try_from(hash % CELLS as u64).unwrap_or(0)
}

impl<S: Subscriber> Filter<S> for Throttle {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        // Not `always`: a refusal of one event would be taken for that of the next one, of which nobody was asked.
        Interest::sometimes()
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let second = u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX);
        let admitted = self.admits(number(&event.metadata().callsite()), second);
        if !admitted {
            SUPPRESSED.fetch_add(1, Relaxed);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn each_event_has_its_own_bound_in_each_second() {
        let throttle = Throttle::new(2);
        let admitted: Vec<bool> = (0..3).map(|_| throttle.admits(7, 0)).collect();
        assert_eq!(admitted, [true, true, false]);
        assert!(throttle.admits(8, 0), "another event");
        assert!(throttle.admits(7, 1), "another second");
        let unbounded = Throttle::new(0);
        assert!((0..1000).all(|_| unbounded.admits(7, 0)));
    }

    /// Counts what reaches it.
    struct Lines(std::sync::Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let lines = std::sync::Arc::default();
        let throttle = Throttle { began: Instant::now(), ..Throttle::new(1) };
        let subscriber =
            tracing_subscriber::registry().with(Lines(std::sync::Arc::clone(&lines)).with_filter(throttle));
        let before = suppressed();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..100 {
                tracing::info!("log.tried");
            }
        });
        // Few seconds begin while this goes on.
        let written = lines.load(Relaxed);
        assert!((1..50).contains(&written), "{written}");
        assert_eq!(suppressed() - before, 100 - written);
    }
}
