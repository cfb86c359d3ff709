//! How long a decision counts that nobody confirms.
//!
//! While the cluster is away no new row can come, and the last decision counts for the grace. While it is there and does not say what its
//! users may see, rows flow, and the decision counts for the silence after it was due to be confirmed. Both are sums over the time since
//! the decision, so that a cluster which comes and goes does not stretch them.

use std::time::{Duration, Instant};

/// Whether rows can come from a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// They can.
    Here,
    /// They cannot: it is not reached.
    Away,
}

/// For how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A decision is due to be confirmed after this.
    pub every: Duration,
    /// Time after that with the cluster here.
    pub silence: Duration,
    /// Time with the cluster away.
    pub grace: Duration,
}

/// How long the last decision still counts.
#[derive(Clone, Debug)]
pub struct Patience {
    limits: Limits,
    /// When the decision's question was sent.
    asked: Instant,
    /// Until when time is accounted for.
    seen: Instant,
    silent: Duration,
    away: Duration,
}

impl Patience {
    /// With a decision that was asked for now.
    #[must_use]
    pub fn new(limits: Limits, asked: Instant) -> Self {
        Patience { limits, asked, seen: asked, silent: Duration::ZERO, away: Duration::ZERO }
    }

    /// A decision was confirmed; `asked`: when its question was sent. An older one than the last changes nothing.
    pub fn confirmed(&mut self, asked: Instant) {
        if asked > self.asked {
            *self = Patience::new(self.limits, asked);
        }
    }

    /// The time since the last look, or since the decision, has passed like this.
    pub fn pass(&mut self, now: Instant, upstream: Upstream) {
        if now <= self.seen {
            return;
        }
        match upstream {
            Upstream::Away => self.away += now - self.seen,
            Upstream::Here => {
                let due = self.asked + self.limits.every;
                self.silent += now.saturating_duration_since(self.seen.max(due));
            }
        }
        self.seen = now;
    }

    /// Whether the decision should have been confirmed by now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.asked + self.limits.every
    }

    /// Whether the decision counts no longer.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.silent > self.limits.silence || self.away > self.limits.grace
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        every: Duration::from_secs(30),
        silence: Duration::from_secs(20),
        grace: Duration::from_mins(2),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_cluster_is_cut_off_sooner_than_one_that_is_away() {
        let start = Instant::now();
        let mut silent = Patience::new(LIMITS, start);
        silent.pass(after(start, 50), Upstream::Here);
        assert!(!silent.is_over());
        silent.pass(after(start, 51), Upstream::Here);
        assert!(silent.is_over());
        let mut away = Patience::new(LIMITS, start);
        away.pass(after(start, 120), Upstream::Away);
        assert!(!away.is_over());
        away.pass(after(start, 121), Upstream::Away);
        assert!(away.is_over());
    }

    #[test]
    fn a_cluster_that_comes_and_goes_stretches_nothing() {
        let start = Instant::now();
        let mut patience = Patience::new(LIMITS, start);
        let mut now = 30;
        while !patience.is_over() {
            now += 1;
            patience.pass(after(start, now), Upstream::Here);
            now += 1;
            patience.pass(after(start, now), Upstream::Away);
        }
        assert!(now <= 30 + 2 * 21, "{now}");
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Pass(u64, Upstream),
        /// Confirmed by an answer to a question sent so many seconds ago.
        Confirmed(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let upstream = prop_oneof![Just(Upstream::Here), Just(Upstream::Away)];
        prop_oneof![
            4 => (1..40u64, upstream).prop_map(|(seconds, upstream)| Step::Pass(seconds, upstream)),
            1 => (0..60u64).prop_map(Step::Confirmed),
        ]
    }

    proptest! {
        /// Against counting every second one by one.
        #[test]
        fn it_is_what_counting_seconds_says(steps in proptest::collection::vec(step(), 0..40)) {
            let start = Instant::now();
            let mut patience = Patience::new(LIMITS, start);
            let (mut now, mut asked, mut counted) = (0, 0, Vec::new());
            for step in steps {
                match step {
                    Step::Pass(seconds, upstream) => {
                        // What passed since a late answer's question was sent is told by the look that follows.
                        let from = counted.len().max(usize::try_from(asked).unwrap());
                        counted.resize(from, upstream);
                        now += seconds;
                        counted.resize(usize::try_from(now).unwrap(), upstream);
                        patience.pass(after(start, now), upstream);
                    }
                    Step::Confirmed(ago) => {
                        let when = now.saturating_sub(ago);
                        if when > asked {
                            asked = when;
                            counted.truncate(usize::try_from(asked).unwrap());
                        }
                        patience.confirmed(after(start, when));
                    }
                }
                let since = |from: u64, upstream| {
                    counted.iter().skip(usize::try_from(from).unwrap()).filter(|one| **one == upstream).count()
                };
                let over = since(asked + 30, Upstream::Here) > 20 || since(asked, Upstream::Away) > 120;
                prop_assert_eq!(patience.is_over(), over, "{:?} after {} s", patience, now);
            }
        }
    }
}
