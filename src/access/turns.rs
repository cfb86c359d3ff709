//! Whose question is next: users take turns, and what somebody waits for goes before what the clock asks.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How much a question matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// It may show somebody more than they see now.
    Explore,
    /// The clock asks for what somebody sees.
    Clock,
    /// A stream waits for it, or a right may be gone.
    Urgent,
}

/// Of so many turns one is the clock's, also while urgent questions wait: else its decisions would grow too old.
const CLOCK_EVERY: u32 = 4;

/// Questions that wait, of many users.
#[derive(Debug)]
pub struct Turns<U, Q> {
    urgent: Round<U, Q>,
    clock: Round<U, Q>,
    explore: Round<U, Q>,
    turn: u32,
}

/// One lane: users take turns, each user's questions in their order.
#[derive(Debug)]
struct Round<U, Q> {
    order: VecDeque<U>,
    questions: HashMap<U, VecDeque<Q>>,
}

impl<U, Q> Default for Round<U, Q> {
    fn default() -> Self {
        Round { order: VecDeque::new(), questions: HashMap::new() }
    }
}

impl<U: Clone + Eq + Hash, Q> Round<U, Q> {
    fn push(&mut self, user: U, question: Q) {
        let questions = self.questions.entry(user.clone()).or_default();
        if questions.is_empty() {
            self.order.push_back(user);
        }
        questions.push_back(question);
    }

    fn pop(&mut self) -> Option<Q> {
        let user = self.order.pop_front()?;
        let questions = self.questions.get_mut(&user)?;
        let question = questions.pop_front();
        if questions.is_empty() {
            self.questions.remove(&user);
        } else {
            self.order.push_back(user);
        }
        question
    }
}

impl<U, Q> Default for Turns<U, Q> {
    fn default() -> Self {
        Turns { urgent: Round::default(), clock: Round::default(), explore: Round::default(), turn: 0 }
    }
}

impl<U: Clone + Eq + Hash, Q> Turns<U, Q> {
    /// One more question of this user.
    pub fn push(&mut self, user: U, lane: Lane, question: Q) {
        match lane {
            Lane::Explore => self.explore.push(user, question),
            Lane::Clock => self.clock.push(user, question),
            Lane::Urgent => self.urgent.push(user, question),
        }
    }

    /// The next question.
    pub fn pop(&mut self) -> Option<Q> {
        self.turn = self.turn.wrapping_add(1);
        let (first, then) = if self.turn.is_multiple_of(CLOCK_EVERY) {
            (&mut self.clock, &mut self.urgent)
        } else {
            (&mut self.urgent, &mut self.clock)
        };
        first.pop().or_else(|| then.pop()).or_else(|| self.explore.pop())
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.urgent, &self.clock, &self.explore].iter().all(|lane| lane.order.is_empty())
    }
}

/// So many per second, and a second's worth at once after a quiet one.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    /// May be below zero, by what was taken beyond it.
    left: f64,
    at: Instant,
}

impl Pace {
    /// A pace that was quiet until now.
    #[must_use]
    pub fn new(per_second: u32, now: Instant) -> Self {
        Pace { per_second: per_second.into(), left: per_second.into(), at: now }
    }

    /// Takes one, whatever is left.
    pub fn take(&mut self, now: Instant) {
        self.fill(now);
        self.left -= 1.0;
    }

    /// How long to wait until one is left.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        Duration::from_secs_f64(((1.0 - self.left) / self.per_second).max(0.0))
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.per_second);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_users_many_questions_delay_no_other_user() {
        let mut turns = Turns::default();
        for question in 0..300 {
            turns.push("many", Lane::Urgent, ("many", question));
        }
        assert_eq!(turns.pop(), Some(("many", 0)));
        turns.push("one", Lane::Urgent, ("one", 0));
        let next: Vec<_> = (0..3).filter_map(|_| turns.pop()).collect();
        assert!(next.contains(&("one", 0)), "{next:?}");
        let rest: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(rest.len(), 297);
        assert!(rest.is_sorted() && turns.is_empty(), "a user's questions stay in order");
    }

    #[test]
    fn urgent_ones_come_first_and_the_clock_is_not_forgotten() {
        let mut turns = Turns::default();
        for question in 0..8 {
            turns.push("c", Lane::Explore, (Lane::Explore, question));
            turns.push("a", Lane::Clock, (Lane::Clock, question));
            turns.push("b", Lane::Urgent, (Lane::Urgent, question));
        }
        let lanes: Vec<Lane> = std::iter::from_fn(|| turns.pop()).map(|(lane, _)| lane).collect();
        let urgent = |lanes: &[Lane]| lanes.iter().filter(|lane| **lane == Lane::Urgent).count();
        assert_eq!((urgent(&lanes[..8]), urgent(&lanes)), (6, 8));
        assert_eq!((&lanes[..3], &lanes[16..]), (&[Lane::Urgent; 3][..], &[Lane::Explore; 8][..]));
    }

    #[test]
    fn the_pace_is_kept_over_any_time() {
        let start = Instant::now();
        let mut pace = Pace::new(100, start);
        let (mut now, mut taken) = (start, 0);
        while now < start + Duration::from_secs(10) {
            let wait = pace.wait(now);
            now += wait;
            pace.take(now);
            // Now and then one answer makes a second question necessary.
            taken += 1;
            if taken % 10 == 0 {
                pace.take(now);
                taken += 1;
            }
        }
        assert!((1090..=1112).contains(&taken), "a second's worth at once, then 100 per second: {taken}");
        assert_eq!(pace.wait(now + Duration::from_hours(1)), Duration::ZERO);
    }
}
