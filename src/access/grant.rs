//! Grants: decisions that live.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::{Asker, clock};
use crate::feed::{Namespaces, Scope};
use crate::kind::Kind;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// No namespace was named: all of them, or, for a user who may not list the whole cluster, those that they may list.
    Everything,
    /// These, all or nothing.
    Namespaces(Arc<Namespaces>),
}

impl Wanted {
    /// The scope of someone who may see everything.
    #[must_use]
    pub fn as_shared(&self) -> Scope {
        match self {
            Wanted::Everything => Scope::All,
            Wanted::Namespaces(set) => match set.names() {
                [one] => Scope::Namespace(one.clone()),
                _ => Scope::Set(set.clone()),
            },
        }
    }
}

/// Who wants to list and watch what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GrantKey {
    /// The cluster's name.
    pub cluster: Arc<str>,
    /// The kind.
    pub kind: &'static Kind,
    /// As whom.
    pub asker: Asker,
    /// Which namespaces. Of a cluster-scoped kind always everything.
    pub wanted: Wanted,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// They may list and watch this.
    Allowed(Scope),
    /// They may not. `namespace`: the first one refused, of those that they named.
    Denied {
        /// Which; `None` where everything was asked for.
        namespace: Option<Arc<str>>,
    },
    /// Nobody answers who could say, or could have for too long.
    Unavailable,
}

/// A decision that lives: asked again on a clock while a stream depends on it.
#[derive(Debug)]
pub struct Grant {
    /// Who wants what.
    pub key: GrantKey,
    ruling: ArcSwap<(Ruling, Instant)>,
}

impl Grant {
    /// Decided just now.
    #[must_use]
    pub fn new(key: GrantKey, ruling: Ruling) -> Self {
        Grant { key, ruling: ArcSwap::from_pointee((ruling, clock::now())) }
    }

    /// What was decided, and when it was last asked. Takes no lock.
    #[must_use]
    pub fn ruling(&self) -> Arc<(Ruling, Instant)> {
        self.ruling.load_full()
    }

    /// Whether it was decided no earlier than another.
    #[must_use]
    pub fn is_as_new_as(&self, other: &Grant) -> bool {
        self.ruling().1 >= other.ruling().1
    }

    /// Decided anew. Returns whether the ruling is another one.
    pub fn decide(&self, ruling: Ruling, at: Instant) -> bool {
        let now = Arc::new((ruling, at));
        let before = self.ruling.swap(now.clone());
        before.0 != now.0
    }
}
