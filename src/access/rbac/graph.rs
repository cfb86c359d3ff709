//! The roles and bindings of one cluster, and what follows from a change of them.
//!
//! Invariants: what a change returns names every subject whose rights to list or watch a kind of ours may have changed by it, and where;
//! a namespace that is not among a user's candidates holds no binding that helps them to such a right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::access::{Subject, Touched};
use crate::feed::KubeUser;
use crate::kind::Kind;
use crate::kind::rbac::{Bound, Permits};

/// Whom an apiserver takes every user for that it has authenticated.
const EVERYONE: &str = "system:authenticated";

/// A namespace (`None`: the cluster itself) and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The namespace.
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
}

/// The roles and bindings of one cluster.
#[derive(Default)]
pub struct Graph {
    roles: HashMap<Place, Permits>,
    bindings: HashMap<Place, Bound>,
    /// The bindings of each role, whether it exists or not.
    of_role: HashMap<Place, BTreeSet<Place>>,
    /// Of each subject: the bindings that count in one namespace.
    in_namespaces: HashMap<Subject, BTreeMap<Arc<str>, BTreeSet<Place>>>,
}

impl Graph {
    /// A role is now this; `None`: it is gone.
    pub fn set_role(&mut self, place: &Place, permits: Option<Permits>) -> Vec<Touched> {
        let before = match permits {
            Some(permits) => self.roles.insert(place.clone(), permits),
            None => self.roles.remove(place),
        };
        if before.unwrap_or_default() == permits.unwrap_or_default() {
            return Vec::new();
        }
        let bindings = self.of_role.get(place).into_iter().flatten();
        touched(bindings.map(|at| (at.namespace.clone(), self.subjects(at))))
    }

    /// A binding is now this; `None`: it is gone.
    pub fn set_binding(&mut self, place: &Place, bound: Option<Bound>) -> Vec<Touched> {
        if self.bindings.get(place) == bound.as_ref() {
            return Vec::new();
        }
        let mut subjects = self.subjects(place);
        self.unbind(place);
        if let Some(bound) = bound {
            self.bind(place, bound);
        }
        subjects.extend(self.subjects(place));
        touched([(place.namespace.clone(), subjects)])
    }

    /// The namespaces in which bindings help this user to a right to this kind, in order.
    pub fn candidates(&self, user: &KubeUser, kind: &Kind) -> Vec<Arc<str>> {
        let name = std::iter::once(Subject::User(user.name.clone()));
        let groups = user.groups.iter().map(|group| Subject::Group(group.clone()));
        let everyone = std::iter::once(Subject::Group(EVERYONE.into()));
        let mut found = BTreeSet::new();
        for subject in name.chain(groups).chain(everyone) {
            for (namespace, bindings) in self.in_namespaces.get(&subject).into_iter().flatten() {
                if !found.contains(namespace) && bindings.iter().any(|binding| self.helps(binding, kind)) {
                    found.insert(namespace.clone());
                }
            }
        }
        found.into_iter().collect()
    }

    /// Every place that holds a role, or a binding, of the cluster itself or of namespaces.
    pub fn places(&self, roles: bool, namespaced: bool) -> Vec<Place> {
        let is_wanted = |place: &&Place| place.namespace.is_some() == namespaced;
        if roles {
            return self.roles.keys().filter(is_wanted).cloned().collect();
        }
        self.bindings.keys().filter(is_wanted).cloned().collect()
    }

    fn helps(&self, binding: &Place, kind: &Kind) -> bool {
        let role = self.bindings.get(binding).and_then(|bound| self.roles.get(&role_of(binding, bound)));
        role.is_some_and(|permits| permits.helps(kind))
    }

    fn subjects(&self, binding: &Place) -> BTreeSet<Subject> {
        self.bindings.get(binding).into_iter().flat_map(subjects).collect()
    }

    fn bind(&mut self, place: &Place, bound: Bound) {
        self.of_role.entry(role_of(place, &bound)).or_default().insert(place.clone());
        if let Some(namespace) = &place.namespace {
            for subject in subjects(&bound) {
                let counts_in = self.in_namespaces.entry(subject).or_default();
                counts_in.entry(namespace.clone()).or_default().insert(place.clone());
            }
        }
        self.bindings.insert(place.clone(), bound);
    }

    fn unbind(&mut self, place: &Place) {
        let Some(bound) = self.bindings.remove(place) else { return };
        remove(&mut self.of_role, &role_of(place, &bound), |bindings| {
            bindings.remove(place);
            bindings.is_empty()
        });
        let Some(namespace) = &place.namespace else { return };
        for subject in subjects(&bound) {
            remove(&mut self.in_namespaces, &subject, |counts_in| {
                if let Some(bindings) = counts_in.get_mut(namespace) {
                    bindings.remove(place);
                    if bindings.is_empty() {
                        counts_in.remove(namespace);
                    }
                }
                counts_in.is_empty()
            });
        }
    }
}

/// Changes what is kept for a key, and forgets it where nothing is left.
fn remove<K: Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    key: &K,
    is_empty_after: impl FnOnce(&mut V) -> bool,
) {
    if map.get_mut(key).is_some_and(is_empty_after) {
        map.remove(key);
    }
}

fn subjects(bound: &Bound) -> impl Iterator<Item = Subject> + '_ {
    let users = bound.users.iter().map(|user| Subject::User(user.clone()));
    users.chain(bound.groups.iter().map(|group| Subject::Group(group.clone())))
}

fn role_of(binding: &Place, bound: &Bound) -> Place {
    let namespace = if bound.cluster_role { None } else { binding.namespace.clone() };
    Place { namespace, name: bound.role.as_ref().into() }
}

/// One piece of news for each namespace, and one for the whole cluster.
fn touched(pieces: impl IntoIterator<Item = (Option<Arc<str>>, BTreeSet<Subject>)>) -> Vec<Touched> {
    let mut by_namespace: BTreeMap<Option<Arc<str>>, BTreeSet<Subject>> = BTreeMap::new();
    for (namespace, subjects) in pieces {
        by_namespace.entry(namespace).or_default().extend(subjects);
    }
    by_namespace.retain(|_, subjects| !subjects.is_empty());
    by_namespace
        .into_iter()
        .map(|(namespace, subjects)| Touched::Subjects(subjects.into_iter().collect(), namespace))
        .collect()
}
