//! Roles and bindings, found by whom they are about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::policy::{Bearer, Binding, Role, RoleRef};
use crate::sim::access::{Identity, Question};
use crate::sim::object::Object;

/// A namespace and a name; the namespace of a `ClusterRole` or `ClusterRoleBinding` is empty.
type Place = (String, String);

/// What roles and bindings there are.
#[derive(Default)]
pub struct Graph {
    roles: HashMap<Place, Role>,
    bindings: HashMap<Place, Arc<Bound>>,
    /// For each bearer: by the namespace that they count in (empty: all), their bindings.
    of: HashMap<Bearer, BTreeMap<String, Vec<Arc<Bound>>>>,
}

/// A binding and whom it is about.
struct Bound {
    bearers: Vec<Bearer>,
    role: RoleRef,
}

impl Graph {
    /// Takes an object of one of the four resources; `None`: it is gone. What cannot be read permits nothing.
    pub fn write(&mut self, plural: &str, key: &str, object: Option<&Object>) {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let place = (namespace.to_owned(), name.to_owned());
        if plural.ends_with("roles") {
            match object {
                Some(object) => drop(self.roles.insert(place, read(object))),
                None => drop(self.roles.remove(&place)),
            }
            return;
        }
        self.unbind(&place);
        if let Some(object) = object {
            self.bind(place, &read(object));
        }
    }

    /// Forgets all objects of one of the four resources.
    pub fn clear(&mut self, plural: &str) {
        let is_of = |place: &Place| place.0.is_empty() == plural.starts_with("cluster");
        if plural.ends_with("roles") {
            return self.roles.retain(|place, _| !is_of(place));
        }
        let places: Vec<_> = self.bindings.keys().filter(|place| is_of(place)).cloned().collect();
        for place in places {
            self.unbind(&place);
        }
    }

    fn bind(&mut self, place: Place, binding: &Binding) {
        let bearers = binding.subjects.iter().filter_map(|subject| subject.bearer(&place.0)).collect();
        let bound = Arc::new(Bound { bearers, role: binding.role_ref.clone() });
        for bearer in &bound.bearers {
            let counts_in = self.of.entry(bearer.clone()).or_default();
            counts_in.entry(place.0.clone()).or_default().push(bound.clone());
        }
        self.bindings.insert(place, bound);
    }

    fn unbind(&mut self, place: &Place) {
        let Some(bound) = self.bindings.remove(place) else { return };
        for bearer in &bound.bearers {
            let Some(counts_in) = self.of.get_mut(bearer) else { continue };
            if let Some(there) = counts_in.get_mut(&place.0) {
                there.retain(|other| !Arc::ptr_eq(other, &bound));
                if there.is_empty() {
                    counts_in.remove(&place.0);
                }
            }
            if counts_in.is_empty() {
                self.of.remove(bearer);
            }
        }
    }

    /// Whether some role of theirs permits what is asked.
    pub fn allows(&self, who: &Identity, question: &Question<'_>) -> bool {
        Bearer::of(who).filter_map(|bearer| self.of.get(&bearer)).any(|counts_in| {
            self.permits(counts_in, "", question)
                || (!question.namespace.is_empty() && self.permits(counts_in, question.namespace, question))
        })
    }

    fn permits(
        &self,
        counts_in: &BTreeMap<String, Vec<Arc<Bound>>>,
        namespace: &str,
        question: &Question<'_>,
    ) -> bool {
        let bound = counts_in.get(namespace).into_iter().flatten();
        bound
            .filter_map(|bound| self.role(&bound.role, namespace))
            .any(|role| role.rules.iter().any(|rule| rule.allows(question)))
    }

    /// The role that a binding of that namespace means.
    fn role(&self, named: &RoleRef, namespace: &str) -> Option<&Role> {
        let of = match named.kind.as_str() {
            "ClusterRole" => "",
            "Role" if !namespace.is_empty() => namespace,
            _ => return None,
        };
        self.roles.get(&(of.to_owned(), named.name.clone()))
    }
}

fn read<T: serde::de::DeserializeOwned + Default>(object: &Object) -> T {
    serde_json::from_value(object.value()).unwrap_or_default()
}
