//! When a source last heard of its apiserver: as of when the rows of its feeds are.
//!
//! What counts is what came on the very connection of the source's watch: lines, and the answers to pings, which a peer that is gone no longer gives. So the time is
//! never later than the truth: it is taken where bytes are read, and only of the connection on which the watch that feeds the rows is open. Written by the control
//! plane, read by cores without a lock.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

/// What times are counted from, in both directions: what was heard by a process before was so long before.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Stands for no time.
const NEVER: i64 = i64::MIN;

/// A time that only moves forward; none at first.
#[derive(Debug)]
struct Latest(AtomicI64);

impl Default for Latest {
    fn default() -> Self {
        Latest(AtomicI64::new(NEVER))
    }
}

impl Latest {
    fn set(&self, at: Instant) {
        let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let since = match START.checked_duration_since(at) {
            // Up, so that it is no later than the truth.
            Some(before) => -milliseconds(before).saturating_add(1),
            None => milliseconds(at.saturating_duration_since(*START)),
        };
        self.0.fetch_max(since, Relaxed);
    }

    fn get(&self) -> Option<Instant> {
        match self.0.load(Relaxed) {
            NEVER => None,
            before @ ..0 => START.checked_sub(Duration::from_millis(before.unsigned_abs())),
            since => START.checked_add(Duration::from_millis(since.unsigned_abs())),
        }
    }
}

/// A connection to an apiserver, as far as it shows that its peer is there: when bytes last came on it.
#[derive(Debug, Default)]
pub struct Pulse(Latest);

impl Pulse {
    /// Bytes came.
    pub fn beat(&self) {
        self.0.set(Instant::now());
    }

    /// When bytes last came.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.0.get()
    }
}

/// When a source last heard of its apiserver.
#[derive(Debug, Default)]
pub struct Heard {
    /// All that was heard before the watch that is open now.
    before: Latest,
    /// The connection of that watch.
    watch: ArcSwapOption<Pulse>,
}

impl Heard {
    /// When that was. `None`: it never has.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        let pulse = self.watch.load();
        self.before.get().max(pulse.as_ref().and_then(|pulse| pulse.last()))
    }

    /// All rows are (at least) as of this time: that of a list's request.
    pub fn listed(&self, at: Instant) {
        self.before.set(at);
    }

    /// A watch that feeds the rows is open, on this connection.
    pub fn opened(&self, pulse: Arc<Pulse>) {
        self.closed();
        self.watch.store(Some(pulse));
    }

    /// The watch is over: what comes on its connection says nothing of the rows any more.
    pub fn closed(&self) {
        let last = self.watch.load().as_ref().and_then(|pulse| pulse.last());
        if let Some(last) = last {
            self.before.set(last);
        }
        self.watch.store(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_while_the_watch_is_open_on_it() {
        let (heard, pulse) = (Heard::default(), Arc::new(Pulse::default()));
        assert_eq!(heard.at(), None);
        let listed = Instant::now() + Duration::from_secs(1);
        heard.listed(listed);
        let at = heard.at().expect("it was listed");
        assert!(at <= listed && listed - at < Duration::from_millis(2), "never later than the truth");
        pulse.0.set(listed + Duration::from_secs(5));
        assert_eq!(heard.at(), Some(at), "the connection of no watch");
        heard.opened(pulse.clone());
        let opened = heard.at().expect("it is open");
        assert!(opened > at);
        heard.closed();
        pulse.0.set(listed + Duration::from_secs(9));
        assert_eq!(heard.at(), Some(opened), "what is said to others is not said of these rows");
        heard.listed(listed);
        assert_eq!(heard.at(), Some(opened), "it never falls");
    }

    #[test]
    fn what_was_heard_before_the_process_began_is_as_long_ago() {
        let (heard, now) = (Heard::default(), Instant::now());
        let Some(before) = now.checked_sub(Duration::from_secs(30)) else { return };
        heard.listed(before);
        let at = heard.at().expect("it was heard");
        assert!(at <= before && before - at <= Duration::from_millis(2), "never later than the truth");
        heard.listed(now);
        assert!(heard.at() > Some(at));
    }
}
