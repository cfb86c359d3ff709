//! The objects of a run: some of every kind in two namespaces, and what happens to them.

use foretop::kind::{self, Kind};

use super::Real;
use super::object::{Thing, object};
use super::patch::{invisible, visible};

pub const NAMESPACES: [&str; 2] = ["team-a", "team-b"];

/// Enough for a list to be larger than the few changes of one round.
const PODS: u64 = 40;

/// How many objects of every other kind there are, per namespace.
const OTHERS: u64 = 3;

/// What there is, and how often it has changed.
pub struct World {
    turn: u64,
    /// The turn of the newest round, whose extra objects the next round deletes.
    round: Option<u64>,
}

impl World {
    /// Creates all of it.
    pub async fn create(real: &Real) -> World {
        for namespace in NAMESPACES {
            real.create(&Thing::new("namespaces", "", namespace), 0).await;
        }
        for kind in kind::all() {
            for namespace in places(kind) {
                let count = if kind.name == "pods" { PODS } else { OTHERS };
                for index in 0..count {
                    real.create(&thing(kind, namespace, &index.to_string()), index).await;
                }
            }
        }
        World { turn: 10, round: None }
    }

    /// One round: in every kind and namespace one object changes visibly, one invisibly, one comes and one goes.
    pub async fn churn(&mut self, real: &Real) {
        self.turn += 1;
        let last = self.round.replace(self.turn);
        for kind in kind::all() {
            for namespace in places(kind) {
                let extra = |turn: u64| thing(kind, namespace, &format!("extra-{turn}"));
                real.create(&extra(self.turn), self.turn).await;
                let (first, second) = (thing(kind, namespace, "0"), thing(kind, namespace, "1"));
                if let Some(patch) = visible(&first, self.turn) {
                    real.patch(&first, &patch).await;
                }
                real.patch(&second, &invisible(&second, self.turn)).await;
                if let Some(last) = last {
                    real.delete(&extra(last)).await;
                }
            }
        }
    }

    /// Changes one object of every kind and namespace, but nothing that a row shows. Returns how many objects of a kind
    /// changed in all namespaces.
    pub async fn beat(&mut self, real: &Real, kind: &Kind) -> u64 {
        self.turn += 1;
        for namespace in places(kind) {
            let second = thing(kind, namespace, "1");
            real.patch(&second, &invisible(&second, self.turn)).await;
        }
        places(kind).len() as u64
    }

    /// Creates one more object by one single write, which every tab of the kind must see as one `added`.
    pub async fn mark(&mut self, real: &Real, kind: &Kind) {
        self.turn += 1;
        let mark = thing(kind, NAMESPACES[0], &format!("mark-{}", self.turn));
        real.call("POST", &mark.collection(), Some(&object(&mark, self.turn))).await;
    }
}

fn places(kind: &Kind) -> &'static [&'static str] {
    if kind.namespaced { &NAMESPACES } else { &NAMESPACES[..1] }
}

fn thing(kind: &Kind, namespace: &str, name: &str) -> Thing {
    Thing::new(kind.name, namespace, format!("{}-{name}", kind.name))
}
