//! What was decided, and what it took to ask.

use std::time::Duration;

use super::question::Answer;
use super::{Access, Ruling, clock};
use crate::feed::{Counter, Histogram};

/// Counts over all clusters.
#[derive(Debug, Default)]
pub struct AccessCounters {
    /// Questions to apiservers that were answered by yes.
    pub allowed: Counter,
    /// By no.
    pub denied: Counter,
    /// Not, or not clearly.
    pub unsaid: Counter,
    /// How long the answers took.
    pub took: Histogram,
    /// Decisions that were first ones, or other ones than before, in the order of [`RULINGS`].
    pub rulings: [Counter; RULINGS.len()],
}

/// The words for rulings in metrics.
pub const RULINGS: [&str; 3] = ["allowed", "denied", "unavailable"];

/// The number of a ruling's word.
fn number(ruling: &Ruling) -> usize {
    match ruling {
        Ruling::Allowed(_) => 0,
        Ruling::Denied { .. } => 1,
        Ruling::Unavailable => 2,
    }
}

impl AccessCounters {
    pub(super) fn answered(&self, answer: &Answer, took: Duration) {
        let count = match answer {
            Answer::Allowed => &self.allowed,
            Answer::Denied => &self.denied,
            Answer::Unsaid(_) => &self.unsaid,
        };
        count.add(1);
        self.took.observe(took);
    }

    pub(super) fn ruled(&self, ruling: &Ruling) {
        self.rulings[number(ruling)].add(1);
    }
}

/// The decisions that are kept up to date now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many, in the order of [`RULINGS`].
    pub rulings: [u64; RULINGS.len()],
    /// Of those that allow, how many count although nobody can be asked.
    pub graced: u64,
    /// How long ago the question was sent that the oldest of those rests on which somebody's stream depends on.
    pub oldest: Option<Duration>,
}

impl Access {
    /// The decisions as they stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let now = clock::now();
        let mut standing = Standing::default();
        for live in self.grants().values() {
            let ruling = live.grant.ruling();
            standing.rulings[number(&ruling.0)] += 1;
            if !matches!(ruling.0, Ruling::Allowed(_)) {
                continue;
            }
            standing.graced += u64::from(live.told.borrow().graced);
            if live.is_held() {
                standing.oldest = standing.oldest.max(Some(now.saturating_duration_since(ruling.1)));
            }
        }
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Scope;

    #[test]
    fn rulings_are_counted_each_by_its_word() {
        let counters = AccessCounters::default();
        counters.ruled(&Ruling::Allowed(Scope::All));
        counters.ruled(&Ruling::Unavailable);
        counters.ruled(&Ruling::Unavailable);
        let counted: Vec<_> = RULINGS.iter().zip(counters.rulings.each_ref().map(Counter::get)).collect();
        assert_eq!(counted, [(&"allowed", 1), (&"denied", 0), (&"unavailable", 2)]);
    }
}
