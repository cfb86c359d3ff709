//! What the answers to a grant's questions come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::grant::{Ruling, Wanted};
use crate::feed::{Namespaces, Scope};

/// The namespace that a question is about; `None`: the whole cluster.
pub type Where = Option<Arc<str>>;

/// The answers to a grant's questions, each with the time at which its question was sent.
#[derive(Debug)]
pub struct Verdicts {
    wanted: Wanted,
    /// Whether the kind lives in namespaces, so that there may be a union.
    namespaced: bool,
    known: BTreeMap<Where, (bool, Instant)>,
    /// The namespaces that a union may be of; `None`: not known yet.
    candidates: Option<BTreeSet<Arc<str>>>,
    /// Whether every candidate was answered for once: from then on a new one is no reason to wait.
    settled: bool,
}

impl Verdicts {
    /// No answer yet.
    #[must_use]
    pub fn new(wanted: Wanted, namespaced: bool) -> Self {
        Verdicts { wanted, namespaced, known: BTreeMap::new(), candidates: None, settled: false }
    }

    /// An answer. One to an older question than the one that is known says nothing.
    pub fn learn(&mut self, place: Where, allowed: bool, asked: Instant) {
        if self.known.get(&place).is_some_and(|(_, at)| asked < *at) {
            return;
        }
        // While they see the whole cluster nobody asks about its namespaces: what is known of these grows old.
        if place.is_none() && allowed {
            *self = Verdicts::new(self.wanted.clone(), self.namespaced);
        } else if place.is_some() && self.allowed(&None) {
            return;
        }
        self.known.insert(place, (allowed, asked));
    }

    /// Whether candidates are needed: they may not see the whole cluster.
    #[must_use]
    pub fn is_union(&self) -> bool {
        self.wanted == Wanted::Everything
            && self.namespaced
            && self.known.get(&None).is_some_and(|(allowed, _)| !allowed)
    }

    /// The namespaces that a union may be of. What is known of others is forgotten.
    pub fn nominate(&mut self, names: impl IntoIterator<Item = Arc<str>>) {
        let names: BTreeSet<Arc<str>> = names.into_iter().collect();
        self.known.retain(|place, _| place.as_ref().is_none_or(|name| names.contains(name)));
        self.candidates = Some(names);
    }

    /// The questions that the ruling rests on; before there is a ruling, all.
    #[must_use]
    pub fn questions(&self) -> Vec<Where> {
        match &self.wanted {
            Wanted::Namespaces(set) => set.names().iter().cloned().map(Some).collect(),
            Wanted::Everything if !self.is_union() => vec![None],
            Wanted::Everything => {
                let (held, others) = self.union_questions();
                if self.settled && !held.is_empty() { held } else { [held, others].concat() }
            }
        }
    }

    /// The other questions: their answers may show more.
    #[must_use]
    pub fn further(&self) -> Vec<Where> {
        if !self.is_union() {
            return Vec::new();
        }
        let (held, others) = self.union_questions();
        if self.settled && !held.is_empty() { others } else { Vec::new() }
    }

    fn union_questions(&self) -> (Vec<Where>, Vec<Where>) {
        let names = self.candidates.iter().flatten().cloned().map(Some);
        std::iter::once(None).chain(names).partition(|place| self.allowed(place))
    }

    /// The candidates that were never answered for.
    #[must_use]
    pub fn unanswered(&self) -> Vec<Where> {
        let names = self.candidates.iter().flatten().filter(|_| self.is_union()).cloned().map(Some);
        names.filter(|place| !self.known.contains_key(place)).collect()
    }

    /// What it all comes to, and how old the oldest answer is that it rests on. `None`: too little is known.
    pub fn ruling(&mut self) -> Option<(Ruling, Instant)> {
        match &self.wanted {
            Wanted::Namespaces(set) => self.all_or_nothing(set),
            Wanted::Everything => {
                let (allowed, asked) = *self.known.get(&None)?;
                match allowed {
                    true => Some((Ruling::Allowed(Scope::All), asked)),
                    false if self.namespaced => self.union(),
                    false => Some((Ruling::Denied { namespace: None }, asked)),
                }
            }
        }
    }

    fn all_or_nothing(&self, set: &Arc<Namespaces>) -> Option<(Ruling, Instant)> {
        let answers = || set.names().iter().map(|name| (name, self.known.get(&Some(name.clone()))));
        let refused = answers().find(|(_, answer)| answer.is_some_and(|(allowed, _)| !allowed));
        if let Some((name, Some((_, asked)))) = refused {
            return Some((Ruling::Denied { namespace: Some(name.clone()) }, *asked));
        }
        let oldest = answers().map(|(_, answer)| answer.map(|(_, asked)| *asked)).min()??;
        Some((Ruling::Allowed(self.wanted.as_shared()), oldest))
    }

    fn union(&mut self) -> Option<(Ruling, Instant)> {
        let candidates = self.candidates.as_ref()?;
        self.settled |= self.unanswered().is_empty();
        if !self.settled {
            return None;
        }
        let held: Vec<Arc<str>> =
            candidates.iter().filter(|name| self.allowed(&Some((*name).clone()))).cloned().collect();
        let asked = |name: &Arc<str>| self.known.get(&Some(name.clone())).map(|(_, asked)| *asked);
        let oldest = held.iter().filter_map(asked).min();
        if let (Some(set), Some(oldest)) = (Namespaces::new(held), oldest) {
            Some((Ruling::Allowed(Scope::Set(set)), oldest))
        } else {
            let oldest = self.known.values().map(|(_, asked)| *asked).min()?;
            Some((Ruling::Denied { namespace: None }, oldest))
        }
    }

    fn allowed(&self, place: &Where) -> bool {
        self.known.get(place).is_some_and(|(allowed, _)| *allowed)
    }

    /// How many of how many questions are answered.
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let known = self.known.len();
        let all = match &self.wanted {
            Wanted::Namespaces(set) => set.names().len(),
            Wanted::Everything => {
                1 + self.candidates.as_ref().filter(|_| self.is_union()).map_or(0, BTreeSet::len)
            }
        };
        (count(known.min(all)), count(all))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn explicit(of: &[&str]) -> Verdicts {
        Verdicts::new(Wanted::Namespaces(Namespaces::new(names(of)).expect("some")), true)
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn set(of: &[&str]) -> Ruling {
        Ruling::Allowed(Scope::Set(Namespaces::new(names(of)).expect("some")))
    }

    #[test]
    fn named_namespaces_are_all_or_nothing() {
        let start = Instant::now();
        let mut verdicts = explicit(&["b", "a", "c"]);
        assert_eq!(verdicts.questions(), names(&["a", "b", "c"]).into_iter().map(Some).collect::<Vec<_>>());
        verdicts.learn(Some("a".into()), true, at(start, 3));
        verdicts.learn(Some("c".into()), true, at(start, 1));
        assert_eq!(verdicts.ruling(), None);
        verdicts.learn(Some("b".into()), true, at(start, 2));
        assert_eq!(verdicts.ruling(), Some((set(&["a", "b", "c"]), at(start, 1))));
        verdicts.learn(Some("c".into()), false, at(start, 4));
        verdicts.learn(Some("b".into()), false, at(start, 5));
        let denied = Ruling::Denied { namespace: Some("b".into()) };
        assert_eq!(verdicts.ruling(), Some((denied, at(start, 5))));
        let mut one = explicit(&["a"]);
        one.learn(Some("a".into()), true, start);
        assert_eq!(one.ruling(), Some((Ruling::Allowed(Scope::Namespace("a".into())), start)));
    }

    #[test]
    fn an_older_answer_does_not_undo_a_newer_one() {
        let start = Instant::now();
        let mut verdicts = explicit(&["a"]);
        verdicts.learn(Some("a".into()), false, at(start, 5));
        verdicts.learn(Some("a".into()), true, at(start, 4));
        assert!(matches!(verdicts.ruling(), Some((Ruling::Denied { .. }, _))));
    }

    #[test]
    fn who_may_not_see_the_cluster_sees_the_union() {
        let start = Instant::now();
        let mut verdicts = Verdicts::new(Wanted::Everything, true);
        assert_eq!((verdicts.questions(), verdicts.ruling()), (vec![None], None));
        verdicts.learn(None, false, start);
        assert!(verdicts.is_union() && verdicts.ruling().is_none(), "nobody knows yet of which");
        verdicts.nominate(names(&["a", "b", "c"]));
        verdicts.learn(Some("b".into()), true, at(start, 1));
        verdicts.learn(Some("a".into()), false, at(start, 1));
        assert_eq!((verdicts.ruling(), verdicts.progress()), (None, (3, 4)), "half a union is none");
        verdicts.learn(Some("c".into()), true, at(start, 2));
        assert_eq!(verdicts.ruling(), Some((set(&["b", "c"]), at(start, 1))));
        assert_eq!(verdicts.questions(), [Some("b".into()), Some("c".into())], "what it rests on");
        assert_eq!(verdicts.further(), [None, Some("a".into())], "what may show more");
        verdicts.nominate(names(&["c", "d"]));
        assert_eq!(verdicts.ruling(), Some((set(&["c"]), at(start, 2))), "a new one is not waited for");
        assert_eq!(verdicts.unanswered(), [Some("d".into())]);
        verdicts.learn(Some("c".into()), false, at(start, 3));
        assert_eq!(verdicts.ruling().map(|(ruling, _)| ruling), Some(Ruling::Denied { namespace: None }));
        verdicts.learn(None, true, at(start, 4));
        assert_eq!(verdicts.ruling(), Some((Ruling::Allowed(Scope::All), at(start, 4))));
    }

    #[test]
    fn what_was_known_before_the_whole_cluster_was_seen_is_forgotten() {
        let start = Instant::now();
        let mut verdicts = Verdicts::new(Wanted::Everything, true);
        verdicts.learn(None, false, start);
        verdicts.nominate(names(&["a"]));
        verdicts.learn(Some("a".into()), true, start);
        assert_eq!(verdicts.ruling(), Some((set(&["a"]), start)));
        verdicts.learn(None, true, at(start, 1));
        verdicts.learn(None, false, at(start, 1000));
        verdicts.nominate(names(&["a"]));
        assert_eq!((verdicts.ruling(), verdicts.unanswered()), (None, vec![Some("a".into())]));
    }

    #[test]
    fn what_is_said_of_namespaces_while_the_whole_cluster_is_seen_is_not_kept() {
        let start = Instant::now();
        let mut verdicts = Verdicts::new(Wanted::Everything, true);
        verdicts.learn(None, false, start);
        verdicts.nominate(names(&["a"]));
        verdicts.learn(None, true, at(start, 1));
        verdicts.learn(Some("a".into()), true, at(start, 1));
        verdicts.learn(None, false, at(start, 30));
        verdicts.nominate(names(&["a"]));
        assert_eq!((verdicts.ruling(), verdicts.unanswered()), (None, vec![Some("a".into())]));
    }

    #[test]
    fn no_namespace_and_no_candidate_is_denied() {
        let start = Instant::now();
        let mut nodes = Verdicts::new(Wanted::Everything, false);
        nodes.learn(None, false, start);
        assert_eq!(nodes.ruling(), Some((Ruling::Denied { namespace: None }, start)));
        let mut empty = Verdicts::new(Wanted::Everything, true);
        empty.learn(None, false, start);
        empty.nominate([]);
        assert_eq!(empty.ruling(), Some((Ruling::Denied { namespace: None }, start)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Learn(Option<usize>, bool),
        Nominate(Vec<usize>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (proptest::option::weighted(0.9, 0..5usize), any::<bool>())
                .prop_map(|(place, allowed)| Step::Learn(place, allowed)),
            proptest::collection::vec(0..5usize, 0..5).prop_map(Step::Nominate),
        ]
    }

    proptest! {
        /// Nothing is ever allowed that the newest answer about it has not allowed.
        #[test]
        fn nothing_is_seen_that_was_not_allowed(steps in proptest::collection::vec(step(), 0..40)) {
            let name = |number: usize| -> Arc<str> { format!("n{number}").as_str().into() };
            let start = Instant::now();
            let mut verdicts = Verdicts::new(Wanted::Everything, true);
            let mut answers: Vec<(Where, bool)> = Vec::new();
            for (second, step) in (0..).zip(steps) {
                match step {
                    Step::Learn(place, allowed) => {
                        let place = place.map(name);
                        verdicts.learn(place.clone(), allowed, at(start, second));
                        if place.is_none() && allowed {
                            answers.clear();
                        }
                        answers.push((place, allowed));
                    }
                    Step::Nominate(names) => verdicts.nominate(names.into_iter().map(name)),
                }
                let newest = |place: &Where| answers.iter().rev().find(|(of, _)| of == place).map(|(_, allowed)| *allowed);
                match verdicts.ruling() {
                    Some((Ruling::Allowed(Scope::All), _)) => prop_assert_eq!(newest(&None), Some(true)),
                    Some((Ruling::Allowed(Scope::Set(set)), _)) => {
                        for name in set.names() {
                            prop_assert_eq!(newest(&Some(name.clone())), Some(true), "{}", name);
                        }
                    }
                    Some((Ruling::Denied { .. }, _)) => prop_assert_eq!(newest(&None), Some(false)),
                    other => prop_assert!(other.is_none(), "{other:?}"),
                }
            }
        }
    }
}
