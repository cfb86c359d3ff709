//! What a grant's task asks, and what it makes of the answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Tending;
use crate::access::grant::Ruling;
use crate::access::question::{Answer, Question, Unsaid, What};
use crate::access::reviewer::{Fresh, Reply};
use crate::access::touch::About;
use crate::access::turns::Lane;
use crate::access::verdicts::Where;
use crate::access::{Access, clock};
use crate::config::AccessUpstream;
use crate::feed::Scope;

/// Answers that come within this time of the first make one ruling: each new set of namespaces costs its streams a snapshot.
const TOGETHER: Duration = Duration::from_millis(250);

/// What was not said is asked again after this long, and longer each time up to the other.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// Who could see the whole cluster and no longer may is denied after this long, unless it is known by then what they may still see.
const NARROWING: Duration = Duration::from_secs(2);

impl Tending {
    pub(super) fn ask_all(&mut self, fresh: Fresh, lane: Lane) {
        self.nominate();
        for place in self.verdicts.questions() {
            self.ask(place, fresh, lane);
        }
    }

    /// Asks what may show more.
    pub(super) fn explore(&mut self, now: Instant, lane: Lane) {
        if self.exploring > 0 && lane == Lane::Explore {
            return;
        }
        for place in self.verdicts.further() {
            self.exploring += 1;
            self.reviewer.ask(&self.question(place), Fresh::Since(now), lane, &self.to_further);
        }
    }

    pub(super) fn ask_about(&mut self, about: &About, now: Instant) {
        match about {
            About::All => {
                self.ask_all(Fresh::Since(now), Lane::Urgent);
                self.explore(now, Lane::Urgent);
            }
            About::Namespaces(names) => {
                let questions = [self.verdicts.questions(), self.verdicts.further()].concat();
                for place in questions {
                    if place.as_ref().is_some_and(|name| names.contains(name)) {
                        self.ask(place, Fresh::Since(now), Lane::Urgent);
                    }
                }
            }
        }
    }

    fn question(&self, namespace: Where) -> Question {
        Question { user: self.user.clone(), what: What::Rows(self.live.grant.key.kind), namespace }
    }

    pub(super) fn ask(&mut self, namespace: Where, fresh: Fresh, lane: Lane) {
        let question = self.question(namespace);
        *self.under_way.entry(question.namespace.clone()).or_default() += 1;
        self.reviewer.ask(&question, fresh, lane, &self.to);
    }

    pub(super) fn learn(&mut self, Reply { namespace, answer, asked }: Reply) {
        if let Some(count) = self.under_way.get_mut(&namespace) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&namespace);
            }
        }
        match answer {
            Answer::Allowed => self.said(namespace, true, asked),
            Answer::Denied => self.said(namespace, false, asked),
            Answer::Unsaid(why) => self.not_said(namespace, &why),
        }
    }

    pub(super) fn learn_further(&mut self, Reply { namespace, answer, asked }: Reply) {
        self.exploring -= 1;
        match answer {
            Answer::Allowed => self.said(namespace, true, asked),
            Answer::Denied => self.said(namespace, false, asked),
            // The clock asks again; nobody sees anything by it.
            Answer::Unsaid(_) => {}
        }
    }

    fn said(&mut self, namespace: Where, allowed: bool, asked: Instant) {
        self.unreached = false;
        self.unsaid.remove(&namespace);
        let of_the_whole = namespace.is_none();
        self.verdicts.learn(namespace, allowed, asked);
        let now = clock::now();
        self.settle.get_or_insert(now + TOGETHER);
        if of_the_whole && self.verdicts.is_union() {
            if matches!(self.live.grant.ruling().0, Ruling::Allowed(Scope::All)) {
                self.narrowing.get_or_insert(now + NARROWING);
            }
            self.nominate();
        }
        let progress = self.verdicts.progress();
        self.tell.send_modify(|told| told.progress = progress);
    }

    fn not_said(&mut self, namespace: Where, why: &Unsaid) {
        self.unreached = matches!(why, Unsaid::Unreached(_));
        self.unsaid.insert(namespace);
        if self.again.is_none() {
            let factor = 1u32 << self.failures.min(8);
            let wait = (AGAIN.0 * factor).min(AGAIN.1).mul_f64(0.75 + 0.5 * fastrand::f64());
            self.again = Some(clock::now() + wait);
            self.failures += 1;
        }
        let graced = self.is_graced();
        self.tell.send_modify(|told| {
            told.unsaid += 1;
            told.graced = graced;
        });
    }

    /// The namespaces that a union may be of may be others.
    pub(super) fn nominate(&mut self) {
        if !self.verdicts.is_union() {
            self.candidates = None;
            return;
        }
        let Some(access) = self.access.upgrade() else { return };
        let key = &self.live.grant.key;
        if access.settings.upstream == AccessUpstream::Impersonate {
            // A watch of their own is of one namespace or of all: there is no union of several.
            return self.take_candidates(&access, Vec::new());
        }
        if let Some(names) = access.namespaces.nominated(&key.cluster, &self.user, key.kind) {
            self.take_candidates(&access, names);
            return;
        }
        let all = self.candidates.get_or_insert_with(|| access.namespaces.of(&key.cluster));
        let known = all.borrow_and_update().clone();
        if let Some(names) = known {
            self.take_candidates(&access, names.to_vec());
        }
    }

    fn take_candidates(&mut self, access: &Access, mut names: Vec<Arc<str>>) {
        let most = access.settings.most_namespaces as usize;
        if names.len() > most {
            let cluster = &self.live.grant.key.cluster;
            tracing::warn!(
                %cluster, namespaces = names.len(), most,
                "access.too_many_namespaces: nobody's right to each is asked for; see access.mostNamespaces"
            );
            names.clear();
        }
        self.verdicts.nominate(names);
        self.settle.get_or_insert_with(Instant::now);
        for place in self.verdicts.unanswered() {
            if !self.unsaid.contains(&place) && !self.under_way.contains_key(&place) {
                self.ask(place, Fresh::Cached, Lane::Urgent);
            }
        }
    }
}
