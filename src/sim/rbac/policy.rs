//! Roles and bindings as Kubernetes writes them, and what one rule allows.

use serde::{Deserialize, Deserializer};

use crate::sim::access::{Identity, Question};

/// A Role or `ClusterRole`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Role {
    /// Permissions; there are no bans.
    #[serde(deserialize_with = "or_none")]
    pub rules: Vec<Rule>,
}

/// One permission.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// `*` is every verb.
    #[serde(deserialize_with = "or_none")]
    pub verbs: Vec<String>,
    /// `*` is every group; empty is the core group.
    #[serde(deserialize_with = "or_none")]
    pub api_groups: Vec<String>,
    /// `*` is every resource and subresource, `*/scale` that subresource of every resource.
    #[serde(deserialize_with = "or_none")]
    pub resources: Vec<String>,
    /// Only these objects; none named is all.
    #[serde(deserialize_with = "or_none")]
    pub resource_names: Vec<String>,
}

/// A `RoleBinding` or `ClusterRoleBinding`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Binding {
    /// Who.
    #[serde(deserialize_with = "or_none")]
    pub subjects: Vec<Subject>,
    /// May do what.
    pub role_ref: RoleRef,
}

/// Whom a binding is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// A service account's; the binding's own where it is missing.
    pub namespace: String,
}

/// The role of a binding.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RoleRef {
    /// `Role` (in the binding's namespace) or `ClusterRole`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What a user must have for a subject to mean them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bearer {
    /// This name.
    User(String),
    /// This group.
    Group(String),
}

impl Subject {
    /// Who this is, in a binding of that namespace.
    pub fn bearer(&self, namespace: &str) -> Option<Bearer> {
        match self.kind.as_str() {
            "User" => Some(Bearer::User(self.name.clone())),
            "Group" => Some(Bearer::Group(self.name.clone())),
            "ServiceAccount" => {
                let own = if self.namespace.is_empty() { namespace } else { &self.namespace };
                (!own.is_empty()).then(|| Bearer::User(format!("system:serviceaccount:{own}:{}", self.name)))
            }
            _ => None,
        }
    }
}

impl Bearer {
    /// All that somebody has.
    pub fn of(who: &Identity) -> impl Iterator<Item = Bearer> + '_ {
        let groups = who.groups.iter().map(|group| Bearer::Group(group.clone()));
        std::iter::once(Bearer::User(who.user.clone())).chain(groups)
    }
}

impl Rule {
    /// Whether this permits what is asked.
    pub fn allows(&self, question: &Question<'_>) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|one| one == "*" || one == wanted);
        has(&self.verbs, question.verb)
            && has(&self.api_groups, question.group)
            && self.resources.iter().any(|resource| is_meant(resource, question))
            && (self.resource_names.is_empty()
                || self.resource_names.iter().any(|name| name == question.name))
    }
}

fn is_meant(resource: &str, question: &Question<'_>) -> bool {
    if question.subresource.is_empty() {
        return resource == "*" || resource == question.resource;
    }
    let subresource = resource.split_once('/').filter(|(_, sub)| *sub == question.subresource);
    resource == "*" || subresource.is_some_and(|(of, _)| of == "*" || of == question.resource)
}

/// A list that may be `null`.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
