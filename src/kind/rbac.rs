//! Roles and bindings: what Foretop follows for itself, to know whose rights a change may touch. No tab sees their rows.
//!
//! A role is reduced to the kinds that it lets somebody list or watch, a binding to its subjects and its role, so that any
//! other change of them stops at the replica as it does for the kinds that are shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::field::{Identity, Items, Metadata, OrZero, Text, Texts};
use super::{Api, Group, Kind, Projection, Row, all};

/// Roles.
pub static ROLES: Kind = Kind::of::<Roles>();
/// Cluster roles.
pub static CLUSTER_ROLES: Kind = Kind::of::<ClusterRoles>();
/// Role bindings.
pub static ROLE_BINDINGS: Kind = Kind::of::<RoleBindings>();
/// Cluster role bindings.
pub static CLUSTER_ROLE_BINDINGS: Kind = Kind::of::<ClusterRoleBindings>();

/// A set of the registry's kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kinds(u64);

impl Kinds {
    /// Those that `wanted` picks.
    fn those(wanted: impl Fn(&Kind) -> bool) -> Self {
        let bits = all().iter().enumerate().filter(|(_, kind)| wanted(kind)).map(|(place, _)| 1 << place);
        Kinds(bits.sum())
    }

    /// Whether a kind is one of them.
    #[must_use]
    pub fn contains(self, kind: &Kind) -> bool {
        let place = all().iter().position(|other| other == kind);
        place.is_some_and(|place| self.0 & (1 << place) != 0)
    }

    fn join(&mut self, other: Kinds) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(all().iter().filter(|kind| self.contains(kind))).finish()
    }
}

/// What of a role Foretop could ask about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permits {
    /// The kinds that it lets be listed.
    pub list: Kinds,
    /// The kinds that it lets be watched.
    pub watch: Kinds,
}

impl Permits {
    /// Whether it is a part of a right to this kind: listing and watching may come from two roles.
    #[must_use]
    pub fn helps(&self, kind: &Kind) -> bool {
        self.list.contains(kind) || self.watch.contains(kind)
    }
}

/// A binding: whom it gives which role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Whether the role is the cluster's, and not the binding's namespace's.
    pub cluster_role: bool,
    /// The role's name.
    pub role: Box<str>,
    /// The users' names, service accounts' included. Sorted, each once.
    pub users: Box<[Box<str>]>,
    /// The groups. Sorted, each once.
    pub groups: Box<[Box<str>]>,
}

impl Permits {
    /// What a row of a role says.
    #[must_use]
    pub fn read(row: &Row) -> Self {
        serde_json::from_slice(&row.json).unwrap_or_default()
    }
}

impl Bound {
    /// What a row of a binding says.
    #[must_use]
    pub fn read(row: &Row) -> Self {
        serde_json::from_slice(&row.json).unwrap_or_default()
    }
}

fn row_of(what: &impl Serialize) -> Row {
    Row::fixed(serde_json::to_vec(what).expect("plain structs of texts and numbers are JSON"))
}

const fn api(plural: &'static str) -> Api {
    Api { group: "rbac.authorization.k8s.io", version: "v1", plural }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Role<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    rules: Items<Rule<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rule<'a> {
    #[serde(borrow)]
    verbs: Texts<'a>,
    #[serde(borrow)]
    api_groups: Texts<'a>,
    #[serde(borrow)]
    resources: Texts<'a>,
    #[serde(borrow)]
    resource_names: Texts<'a>,
}

impl Role<'_> {
    fn row(&self) -> Row {
        let mut permits = Permits::default();
        for rule in self.rules.iter() {
            if rule.permits("list") {
                permits.list.join(rule.kinds());
            }
            if rule.permits("watch") {
                permits.watch.join(rule.kinds());
            }
        }
        row_of(&permits)
    }
}

impl Rule<'_> {
    /// Whether it permits this verb of collections: a rule that names objects does not.
    fn permits(&self, verb: &str) -> bool {
        self.resource_names.is_empty() && has(&self.verbs, verb)
    }

    fn kinds(&self) -> Kinds {
        Kinds::those(|kind| has(&self.api_groups, kind.api.group) && has(&self.resources, kind.api.plural))
    }
}

fn has(list: &[Text<'_>], wanted: &str) -> bool {
    list.iter().any(|one| &**one == "*" || &**one == wanted)
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Binding<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    subjects: Items<Subject<'a>>,
    #[serde(borrow)]
    role_ref: OrZero<RoleRef<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subject<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    namespace: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RoleRef<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

impl Binding<'_> {
    fn row(&self) -> Row {
        let of_kind = |kind: &'static str| self.subjects.iter().filter(move |subject| &*subject.kind == kind);
        let users = of_kind("User").map(|subject| (&*subject.name).into());
        let accounts = of_kind("ServiceAccount").map(|subject| {
            let own = &subject.namespace;
            let namespace = if own.is_empty() { &self.metadata.namespace } else { own };
            format!("system:serviceaccount:{}:{}", &**namespace, &*subject.name).into()
        });
        row_of(&Bound {
            cluster_role: &*self.role_ref.kind == "ClusterRole",
            role: (&*self.role_ref.name).into(),
            users: sorted(users.chain(accounts)),
            groups: sorted(of_kind("Group").map(|subject| (&*subject.name).into())),
        })
    }
}

fn sorted(names: impl Iterator<Item = Box<str>>) -> Box<[Box<str>]> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

macro_rules! followed {
    ($($projection:ident $object:ident $plural:literal $wrapper:literal $namespaced:literal;)*) => {$(
        struct $projection;

        impl Projection for $projection {
            const NAME: &'static str = $plural;
            const GROUP: Group = Group::Cluster;
            const API: Api = api($plural);
            const WRAPPER: &'static str = $wrapper;
            const NAMESPACED: bool = $namespaced;

            type Object<'a> = $object<'a>;

            fn identity<'o>(object: &'o $object<'_>) -> Identity<'o> {
                object.metadata.identity()
            }

            fn row(object: &$object<'_>) -> Row {
                object.row()
            }
        }
    )*};
}

followed! {
    Roles Role "roles" "roles" true;
    ClusterRoles Role "clusterroles" "clusterRoles" false;
    RoleBindings Binding "rolebindings" "roleBindings" true;
    ClusterRoleBindings Binding "clusterrolebindings" "clusterRoleBindings" false;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{Change, by_name};

    fn row(kind: &Kind, object: &str) -> Row {
        let line = format!(
            r#"{{"type":"ADDED","object":{{"metadata":{{"name":"a","namespace":"n","resourceVersion":"7"}},{object}}}}}"#
        );
        match (kind.decode_line)(line.as_bytes()) {
            Ok(Change::Put(object)) => object.row,
            other => panic!("{other:?} of {line}"),
        }
    }

    fn permits(rules: &str) -> (String, String) {
        let permits = Permits::read(&row(&ROLES, &format!(r#""rules":{rules}"#)));
        (format!("{:?}", permits.list), format!("{:?}", permits.watch))
    }

    fn both(kinds: &str) -> (String, String) {
        (kinds.to_owned(), kinds.to_owned())
    }

    #[test]
    fn a_role_is_what_it_lets_be_listed_and_watched() {
        let rules = r#"[{"verbs":["get","list"],"apiGroups":[""],"resources":["pods","pods/log","secrets"]},
            {"verbs":["watch"],"apiGroups":["apps",""],"resources":["deployments","services"]}]"#;
        assert_eq!(permits(rules), ("{pods}".to_owned(), "{deployments, services}".to_owned()));
        let plural = r#"[{"verbs":["*"],"apiGroups":[""],"resources":["persistentvolumes"]}]"#;
        assert_eq!(permits(plural), both("{pvs}"));
        let apps = r#"[{"verbs":["*"],"apiGroups":["apps"],"resources":["*"]}]"#;
        assert_eq!(permits(apps), both("{deployments, statefulsets, daemonsets, replicasets}"));
        let everything = permits(r#"[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]"#);
        assert_eq!(everything, both(&format!("{:?}", Kinds::those(|_| true))));
    }

    #[test]
    fn what_permits_no_collection_is_nothing() {
        for rules in [
            "null",
            "[]",
            "[null]",
            r#"[{"verbs":["list","watch"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a"]}]"#,
            r#"[{"verbs":["list"],"apiGroups":["apps"],"resources":["pods"]}]"#,
            r#"[{"verbs":["list"],"apiGroups":[""],"resources":["*/log","pods/status"]}]"#,
            r#"[{"nonResourceURLs":["*"],"verbs":["*"]}]"#,
        ] {
            assert_eq!(permits(rules), both("{}"), "{rules}");
        }
    }

    #[test]
    fn a_binding_is_its_role_and_its_subjects() {
        let object = r#""roleRef":{"kind":"ClusterRole","name":"view"},"subjects":[
            {"kind":"User","name":"bob"},{"kind":"Group","name":"dev"},{"kind":"User","name":"ann"},{"kind":"User","name":"bob"},
            {"kind":"ServiceAccount","name":"ci"},{"kind":"ServiceAccount","name":"ci","namespace":"tools"}]"#;
        let expected = Bound {
            cluster_role: true,
            role: "view".into(),
            users: ["ann", "bob", "system:serviceaccount:n:ci", "system:serviceaccount:tools:ci"]
                .map(Into::into)
                .into(),
            groups: ["dev".into()].into(),
        };
        assert_eq!(Bound::read(&row(&ROLE_BINDINGS, object)), expected);
        let nobody = Bound { role: "reader".into(), ..Bound::default() };
        for subjects in ["null", "[]", "[null]"] {
            let object = format!(r#""roleRef":{{"kind":"Role","name":"reader"}},"subjects":{subjects}"#);
            assert_eq!(Bound::read(&row(&ROLE_BINDINGS, &object)), nobody);
        }
    }

    #[test]
    fn they_are_in_no_registry() {
        for kind in [&ROLES, &CLUSTER_ROLES, &ROLE_BINDINGS, &CLUSTER_ROLE_BINDINGS] {
            assert!(by_name(kind.name).is_none());
            assert_eq!(kind.api.path(None), format!("/apis/rbac.authorization.k8s.io/v1/{}", kind.name));
        }
        assert!(all().len() <= 64, "a set of kinds has a bit for each");
    }
}
