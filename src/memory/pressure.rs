//! How short memory is, and what is therefore not done any more: the levels of shedding.
//!
//! Two figures are held against two ceilings, and the worse one counts: what the process has entered in its ledger against `memory.limit`, and what the
//! kernel counts of the room (everything, sockets and the allocator's slack too). The first is known at once and names what grows; the second is the
//! one by which the kernel kills.
//!
//! Invariants: a level is entered as soon as a figure reaches its threshold, however many levels are passed by; it is left one by one, when both figures
//! have been clearly below its threshold for a while, so that what was shed does not come back at once and is shed again.

use std::time::{Duration, Instant};

/// What is done for want of memory. Each level does what those before it do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Shedding {
    /// Nothing.
    #[default]
    Nothing,
    /// Streams that lag leave their logs sooner, and so get fewer, later rows; snapshots are not kept for newcomers.
    Coalescing,
    /// Journals give of their past: tabs that come back late get a snapshot.
    Journals,
    /// New streams, lists and feeds are refused.
    Refusing,
}

impl Shedding {
    /// All of them, in their order.
    pub const ALL: [Shedding; 4] =
        [Shedding::Nothing, Shedding::Coalescing, Shedding::Journals, Shedding::Refusing];

    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Shedding::Nothing => "nothing",
            Shedding::Coalescing => "coalescing",
            Shedding::Journals => "journals",
            Shedding::Refusing => "refusing",
        }
    }

    /// The level of this number; the last for any larger one.
    #[must_use]
    pub fn of(number: u8) -> Self {
        Shedding::ALL.get(usize::from(number)).copied().unwrap_or(Shedding::Refusing)
    }

    /// From which share of a figure's ceiling on, in thousandths, it is entered.
    const fn threshold(self, ceiling: Ceiling) -> u64 {
        match (self, ceiling) {
            (Shedding::Nothing, _) => 0,
            (Shedding::Coalescing, Ceiling::Limit) => 750,
            (Shedding::Journals, Ceiling::Limit) => 875,
            (Shedding::Refusing, Ceiling::Limit) => 1000,
            (Shedding::Coalescing, Ceiling::Room) => 800,
            (Shedding::Journals, Ceiling::Room) => 850,
            (Shedding::Refusing, Ceiling::Room) => 900,
        }
    }
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ceiling {
    /// `memory.limit`.
    Limit,
    /// The cgroup's.
    Room,
}

/// A figure and its ceiling, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// How much there is.
    pub taken: u64,
    /// How much there may be.
    pub of: u64,
}

impl Measure {
    /// Thousandths of the ceiling.
    fn share(self) -> u64 {
        let share = u128::from(self.taken) * 1000 / u128::from(self.of.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// Bytes beyond so many thousandths of the ceiling.
    fn beyond(self, share: u64) -> u64 {
        let most = u128::from(self.of) * u128::from(share) / 1000;
        u64::try_from(u128::from(self.taken).saturating_sub(most)).unwrap_or(u64::MAX)
    }
}

/// Both figures at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures {
    /// What the ledger has entered, of `memory.limit`.
    pub counted: Measure,
    /// What the kernel counts, of the room; `None` where nobody but the machine sets a bound.
    pub real: Option<Measure>,
}

impl Measures {
    fn each(&self) -> impl Iterator<Item = (Ceiling, Measure)> {
        [Some((Ceiling::Limit, self.counted)), self.real.map(|real| (Ceiling::Room, real))]
            .into_iter()
            .flatten()
    }

    /// The level that these figures reach.
    #[must_use]
    pub fn reach(&self) -> Shedding {
        self.reach_of(0)
    }

    /// The level that they would reach if thresholds lay so many thousandths lower.
    fn reach_of(&self, lower: u64) -> Shedding {
        let reached = |level: &Shedding| {
            self.each().any(|(ceiling, measure)| measure.share() + lower >= level.threshold(ceiling))
        };
        Shedding::ALL.into_iter().rfind(reached).unwrap_or_default()
    }

    /// Bytes that may come to what is counted before the kernel's figure is where nobody is let in any more. `None` where it has none.
    #[must_use]
    pub fn headroom(&self) -> Option<u64> {
        let Measure { taken, of } = self.real?;
        let most = u128::from(of) * u128::from(Shedding::Refusing.threshold(Ceiling::Room)) / 1000;
        Some(u64::try_from(most).unwrap_or(u64::MAX).saturating_sub(taken))
    }

    /// Bytes that are to be given back so that nobody has to be refused: what is beyond the threshold of shrinking journals.
    #[must_use]
    pub fn excess(&self) -> u64 {
        let excess =
            |(ceiling, measure): (Ceiling, Measure)| measure.beyond(Shedding::Journals.threshold(ceiling));
        self.each().map(excess).max().unwrap_or(0)
    }
}

/// A level is left no sooner than figures have been this much below its threshold, in thousandths of their ceilings...
const CLEARLY: u64 = 50;

/// ... for so long.
const CALM: Duration = Duration::from_secs(5);

/// The level that is in force, from one look at the figures to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    level: Shedding,
    /// Since when figures are clearly below it.
    calm_since: Option<Instant>,
}

impl Pressure {
    /// The level in force.
    #[must_use]
    pub fn level(&self) -> Shedding {
        self.level
    }

    /// Takes note of the figures. Returns the level in force from now on.
    pub fn look(&mut self, measures: &Measures, now: Instant) -> Shedding {
        let reached = measures.reach();
        if reached > self.level {
            *self = Pressure { level: reached, calm_since: None };
            return self.level;
        }
        if measures.reach_of(CLEARLY) >= self.level {
            self.calm_since = None;
            return self.level;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= CALM {
            *self = Pressure { level: Shedding::of((self.level as u8).saturating_sub(1)), calm_since: None };
        }
        self.level
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(thousandths: u64) -> Measures {
        Measures { counted: Measure { taken: thousandths, of: 1000 }, real: None }
    }

    fn real(thousandths: u64) -> Measures {
        Measures { real: Some(Measure { taken: thousandths, of: 1000 }), ..counted(0) }
    }

    #[test]
    fn levels_are_reached_in_their_order_by_either_figure() {
        let levels = |measures: fn(u64) -> Measures, all: &[u64]| -> Vec<Shedding> {
            all.iter().map(|share| measures(*share).reach()).collect()
        };
        let all = [Shedding::Nothing, Shedding::Coalescing, Shedding::Journals, Shedding::Refusing];
        assert_eq!(levels(counted, &[749, 750, 875, 1000]), all);
        assert_eq!(levels(real, &[799, 800, 850, 900]), all);
        assert_eq!(Shedding::ALL, all);
        for (number, level) in (0u8..).zip(all) {
            assert_eq!((level as u8, Shedding::of(number)), (number, level));
        }
    }

    #[test]
    fn what_is_to_be_given_back_is_the_worse_of_both() {
        assert_eq!(counted(875).excess(), 0);
        assert_eq!(counted(1000).excess(), 125);
        assert_eq!(real(1000).excess(), 150);
        let both = Measures { real: real(860).real, ..counted(900) };
        assert_eq!(both.excess(), 25);
    }

    #[test]
    fn a_level_is_entered_at_once_and_left_one_by_one_when_it_has_been_calm() {
        let (mut pressure, begin) = (Pressure::default(), Instant::now());
        let mut at =
            |second, measures: Measures| pressure.look(&measures, begin + Duration::from_secs(second));
        assert_eq!(at(0, counted(1000)), Shedding::Refusing);
        // Below its threshold, but not clearly.
        assert_eq!(at(100, counted(960)), Shedding::Refusing);
        assert_eq!(at(101, counted(900)), Shedding::Refusing);
        assert_eq!(at(104, counted(960)), Shedding::Refusing, "which was not calm enough");
        assert_eq!(at(105, counted(0)), Shedding::Refusing);
        assert_eq!(at(110, counted(0)), Shedding::Journals);
        assert_eq!(at(111, counted(0)), Shedding::Journals);
        assert_eq!(at(116, counted(0)), Shedding::Coalescing);
        assert_eq!(at(117, real(910)), Shedding::Refusing);
    }

    proptest! {
        /// Whatever figures come, the level is never below what they reach, leaves no level out on its way down, and goes down only after calm.
        #[test]
        fn no_figure_is_answered_by_too_little(looks in prop::collection::vec((0u64..1200, 0u64..1200, 0u64..8), 1..200)) {
            let (mut pressure, mut now) = (Pressure::default(), Instant::now());
            let mut history: Vec<(Instant, Measures)> = Vec::new();
            for (ledger, kernel, wait) in looks {
                now += Duration::from_secs(wait);
                let measures = Measures { real: real(kernel).real, ..counted(ledger) };
                let before = pressure.level();
                let level = pressure.look(&measures, now);
                history.push((now, measures));
                prop_assert!(level >= measures.reach());
                prop_assert!(level >= before || level as u8 + 1 == before as u8);
                if level > before {
                    prop_assert_eq!(level, measures.reach());
                }
                if level < before {
                    // The looks of the last seconds, back to one that is old enough, all reached less.
                    let calm: Vec<_> = history.iter().rev().take_while(|(_, was)| was.reach_of(CLEARLY) < before).collect();
                    let (oldest, _) = calm.last().expect("this very look");
                    prop_assert!(now.duration_since(*oldest) >= CALM);
                }
            }
        }

        #[test]
        fn whatever_is_beyond_the_second_threshold_is_excess(taken in any::<u64>(), of in any::<u64>()) {
            let measures = Measures { counted: Measure { taken, of }, real: None };
            let excess = measures.excess();
            prop_assert!(excess <= taken);
            if measures.reach() < Shedding::Journals {
                prop_assert!(excess <= of / 1000 + 1, "{} of {}", excess, of);
            }
        }
    }
}
