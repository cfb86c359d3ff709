//! Which namespaces of a feed a view, a snapshot or a question is about.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::wire::id::Mark;

/// Which namespaces of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All of them (and the only scope of cluster-scoped kinds).
    All,
    /// One.
    Namespace(Arc<str>),
    /// These. Its ids name the set beside the version, since a place means something else in another set.
    Set(Arc<Namespaces>),
}

/// A set of namespaces: sorted, without repetition, never empty. Equal sets are one view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespaces {
    /// A hash of the names: what an id names the set by.
    mark: Mark,
    names: Box<[Arc<str>]>,
}

impl Namespaces {
    /// The set of these names. `None` where there are none.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Option<Arc<Self>> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let mut hash = Xxh3::new();
        for name in &names {
            hash.update(name.as_bytes());
            hash.update(b"/");
        }
        let mark = Mark::of_hash(hash.digest());
        (!names.is_empty()).then(|| Arc::new(Namespaces { mark, names: names.into() }))
    }

    /// What an id names the set by.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Whether a namespace is one of them.
    #[must_use]
    pub fn contains(&self, namespace: &str) -> bool {
        self.names.binary_search_by(|name| (**name).cmp(namespace)).is_ok()
    }
}

impl Hash for Namespaces {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mark.hash(state);
    }
}

impl Scope {
    /// The namespaces as the contract shows them: empty for all.
    #[must_use]
    pub fn namespace(&self) -> String {
        match self {
            Scope::All => String::new(),
            Scope::Namespace(namespace) => namespace.to_string(),
            Scope::Set(set) => set.names().join(","),
        }
    }

    /// What its ids have behind the version: nothing, but for a set.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        match self {
            Scope::All | Scope::Namespace(_) => None,
            Scope::Set(set) => Some(set.mark()),
        }
    }

    /// Whether all that the other holds is in this one too.
    #[must_use]
    pub fn covers(&self, other: &Scope) -> bool {
        match (self, other) {
            (Scope::All, _) => true,
            (_, Scope::All) => false,
            (_, Scope::Namespace(namespace)) => self.holds(namespace),
            (_, Scope::Set(set)) => set.names().iter().all(|name| self.holds(name)),
        }
    }

    /// A scope, as narrow as can be said, of what is in this one and not in the other. `None` where nothing is.
    #[must_use]
    pub fn beyond(&self, other: &Scope) -> Option<Scope> {
        if other.covers(self) {
            return None;
        }
        let Scope::Set(set) = self else { return Some(self.clone()) };
        let names: Vec<_> = set.names().iter().filter(|name| !other.holds(name)).cloned().collect();
        match &names[..] {
            [one] => Some(Scope::Namespace(one.clone())),
            _ => Namespaces::new(names).map(Scope::Set),
        }
    }

    /// Whether an object of this namespace belongs to it.
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Namespace(mine) => &**mine == namespace,
            Scope::Set(set) => set.contains(namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Option<Arc<Namespaces>> {
        Namespaces::new(names.iter().map(|name| Arc::from(*name)))
    }

    #[test]
    fn what_one_scope_has_beyond_another() {
        let scope = |names: &[&str]| Scope::Set(set(names).expect("names"));
        let one = |name: &str| Scope::Namespace(name.into());
        assert_eq!(scope(&["a", "b", "c"]).beyond(&scope(&["b"])), Some(scope(&["a", "c"])));
        assert_eq!(scope(&["a", "b"]).beyond(&scope(&["b", "d"])), Some(one("a")));
        assert_eq!(scope(&["a"]).beyond(&one("a")), None);
        assert_eq!(scope(&["a"]).beyond(&Scope::All), None);
        assert_eq!(Scope::All.beyond(&scope(&["a"])), Some(Scope::All));
        assert!(scope(&["a", "b"]).covers(&one("a")) && !scope(&["a", "b"]).covers(&scope(&["a", "c"])));
        assert!(Scope::All.covers(&scope(&["a"])) && !scope(&["a"]).covers(&Scope::All));
    }

    #[test]
    fn a_set_is_its_names_in_any_order() {
        assert_eq!(set(&["b", "a", "b"]), set(&["a", "b"]));
        assert_ne!(set(&["a", "b"]), set(&["a"]));
        assert_ne!(set(&["ab"]).map(|set| set.mark()), set(&["a", "b"]).map(|set| set.mark()));
        assert_eq!(set(&[]), None);
        let set = set(&["team-b", "team-a"]).expect("two names");
        assert!(set.contains("team-a") && set.contains("team-b") && !set.contains("team"));
    }
}
