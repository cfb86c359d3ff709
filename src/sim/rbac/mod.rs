//! Role-based access control in a simulated cluster: what its roles and bindings allow, once they are what decides.
//!
//! The authorizer reads the store's events when it is asked, like a real one's informers but without their delay;
//! with a lag, it obeys each write only so long after it, as real ones do. Invariant: without a lag, a decision obeys
//! every write that came before it.

mod graph;
mod policy;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::graph::Graph;
use super::access::{Identity, Question};
use super::resource::{Resource, named};
use super::store::{Change, Range, Store};

/// The resources that hold who may do what.
const PLURALS: [&str; 4] = ["roles", "clusterroles", "rolebindings", "clusterrolebindings"];

/// The group whose members may do everything, whatever the roles say.
const MASTERS: &str = "system:masters";

/// The authorizer of one simulated cluster.
pub struct Rbac {
    state: Mutex<State>,
}

struct State {
    on: bool,
    lag: Duration,
    graph: Graph,
    followed: [Followed; 4],
}

struct Followed {
    resource: &'static Resource,
    /// Every event up to this version is obeyed.
    cursor: u64,
}

impl Rbac {
    /// An authorizer that is asked, or not.
    pub fn new(on: bool, store: &Store) -> Self {
        let followed = PLURALS.map(|plural| Followed { resource: named(plural), cursor: 0 });
        let mut state = State { on, lag: Duration::ZERO, graph: Graph::default(), followed };
        state.begin(store);
        Rbac { state: Mutex::new(state) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets roles and bindings decide, or not.
    pub fn set_on(&self, on: bool) {
        self.state().on = on;
    }

    /// From now on, obeys a write only so long after it.
    pub fn set_lag(&self, lag: Duration) {
        self.state().lag = lag;
    }

    /// Reads everything anew: the store has gone back in time.
    pub fn begin_again(&self, store: &Store) {
        self.state().begin(store);
    }

    /// The answer to a question at `now`; `None` where roles and bindings do not decide.
    pub fn allows(
        &self,
        store: &Store,
        who: &Identity,
        question: &Question<'_>,
        now: Instant,
    ) -> Option<bool> {
        let mut state = self.state();
        if !state.on {
            return None;
        }
        state.catch_up(store, now);
        let is_master = who.groups.iter().any(|group| group == MASTERS);
        Some(!question.resource.is_empty() && (is_master || state.graph.allows(who, question)))
    }
}

impl State {
    fn begin(&mut self, store: &Store) {
        for followed in &mut self.followed {
            followed.begin(store, &mut self.graph);
        }
    }

    fn catch_up(&mut self, store: &Store, now: Instant) {
        let until = (!self.lag.is_zero()).then(|| now.checked_sub(self.lag)).flatten();
        for followed in &mut self.followed {
            if followed.cursor < store.version_of(followed.resource) {
                followed.catch_up(store, &mut self.graph, until);
            }
        }
    }
}

impl Followed {
    /// Obeys what was written, `until` then where there is a lag.
    fn catch_up(&mut self, store: &Store, graph: &mut Graph, until: Option<Instant>) {
        let Ok((events, _)) = store.events_after(self.resource, self.cursor, usize::MAX) else {
            return self.begin(store, graph);
        };
        for event in events {
            if until.is_some_and(|until| event.written > until) {
                return;
            }
            let object = (event.change != Change::Deleted).then_some(&event.object);
            graph.write(self.resource.plural, &event.key, object);
            self.cursor = event.object.rv;
        }
    }

    fn begin(&mut self, store: &Store, graph: &mut Graph) {
        graph.clear(self.resource.plural);
        let Ok(page) = store.list(self.resource, &Range::default()) else { return };
        self.cursor = page.rv;
        for (key, object) in &page.items {
            graph.write(self.resource.plural, key, Some(object));
        }
    }
}
