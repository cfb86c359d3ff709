//! Roles and bindings as Kubernetes describes them, looked through from end to end for every question.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::feed::KubeUser;

/// A namespace (`None`: the cluster itself) and a name in it.
pub type Place = (Option<&'static str>, &'static str);

/// Whom a binding is about.
#[derive(Clone, Debug)]
pub enum Subject {
    User(&'static str),
    Group(&'static str),
    /// A service account of this name, which no user is.
    Account(&'static str),
}

/// What a role permits.
#[derive(Clone, Debug)]
pub struct Rule {
    pub verbs: &'static [&'static str],
    pub groups: &'static [&'static str],
    pub resources: &'static [&'static str],
    pub names: &'static [&'static str],
}

/// Who gets which role.
#[derive(Clone, Debug)]
pub struct Binding {
    pub of_cluster: bool,
    pub role: &'static str,
    pub subjects: Vec<Subject>,
}

/// A role or a binding is now this; `None`: it is gone.
#[derive(Clone, Debug)]
pub enum Write {
    Role(Place, Option<Vec<Rule>>),
    Binding(Place, Option<Binding>),
}

/// All that counts.
#[derive(Default)]
pub struct Law {
    pub roles: BTreeMap<Place, Vec<Rule>>,
    pub bindings: BTreeMap<Place, Binding>,
}

impl Law {
    pub fn write(&mut self, write: Write) {
        match write {
            Write::Role(place, Some(rules)) => drop(self.roles.insert(place, rules)),
            Write::Role(place, None) => drop(self.roles.remove(&place)),
            Write::Binding(place, Some(binding)) => drop(self.bindings.insert(place, binding)),
            Write::Binding(place, None) => drop(self.bindings.remove(&place)),
        }
    }

    /// Every rule that is about somebody, and the namespace that it counts in; `None`: all, and the whole cluster.
    pub fn rules_of(&self, who: &KubeUser) -> Vec<(Option<&'static str>, &Rule)> {
        let mut rules = Vec::new();
        for ((at, _), binding) in &self.bindings {
            if binding.subjects.iter().any(|subject| subject.is(who)) {
                let role = (if binding.of_cluster { None } else { *at }, binding.role);
                rules.extend(self.roles.get(&role).into_iter().flatten().map(|rule| (*at, rule)));
            }
        }
        rules
    }
}

/// Whether rules let somebody do this with all objects of a resource there; `None`: in the whole cluster.
pub fn allow(
    rules: &[(Option<&'static str>, &Rule)],
    verb: &str,
    resource: (&str, &str),
    namespace: Option<&str>,
) -> bool {
    let counts = |at: Option<&'static str>| at.is_none() || at == namespace;
    rules.iter().any(|(at, rule)| counts(*at) && rule.allows(verb, resource))
}

impl Subject {
    fn is(&self, who: &KubeUser) -> bool {
        match self {
            Subject::User(name) => **name == *who.name,
            Subject::Group("system:authenticated") => true,
            Subject::Group(name) => who.groups.iter().any(|group| **group == **name),
            Subject::Account(_) => false,
        }
    }

    fn json(&self) -> Value {
        let of = "rbac.authorization.k8s.io";
        match self {
            Subject::User(name) => json!({"kind": "User", "apiGroup": of, "name": name}),
            Subject::Group(name) => json!({"kind": "Group", "apiGroup": of, "name": name}),
            Subject::Account(name) => json!({"kind": "ServiceAccount", "namespace": "n0", "name": name}),
        }
    }
}

impl Rule {
    fn allows(&self, verb: &str, (group, resource): (&str, &str)) -> bool {
        let has = |list: &[&str], wanted: &str| list.iter().any(|one| *one == "*" || *one == wanted);
        // A rule that names objects lets nobody list or watch the collection.
        has(self.verbs, verb)
            && has(self.groups, group)
            && has(self.resources, resource)
            && self.names.is_empty()
    }

    fn json(&self) -> Value {
        let Rule { verbs, groups, resources, names } = self;
        json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
    }
}

impl Write {
    /// Which of the four resources it is of: roles, cluster roles, bindings, cluster bindings.
    pub fn part(&self) -> usize {
        match self {
            Write::Role((at, _), _) => usize::from(at.is_none()),
            Write::Binding((at, _), _) => 2 + usize::from(at.is_none()),
        }
    }

    pub fn place(&self) -> &Place {
        match self {
            Write::Role(place, _) | Write::Binding(place, _) => place,
        }
    }

    pub fn is_there(&self) -> bool {
        matches!(self, Write::Role(_, Some(_)) | Write::Binding(_, Some(_)))
    }

    /// The object, at this version.
    pub fn json(&self, rv: u128) -> Value {
        let (namespace, name) = self.place();
        let mut object = match self {
            Write::Role(_, rules) => {
                json!({"rules": rules.iter().flatten().map(Rule::json).collect::<Vec<_>>()})
            }
            Write::Binding(_, Some(Binding { of_cluster, role, subjects })) => {
                let kind = if *of_cluster { "ClusterRole" } else { "Role" };
                let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
                json!({"roleRef": role_ref, "subjects": subjects.iter().map(Subject::json).collect::<Vec<_>>()})
            }
            Write::Binding(_, None) => json!({}),
        };
        object["metadata"] = json!({"name": name, "resourceVersion": rv.to_string()});
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = (*namespace).into();
        }
        object
    }
}
