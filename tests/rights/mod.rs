//! Who may see what in a simulated cluster, written as an operator writes it, and users who come by header.
//!
//! A test that has this module has the modules `house` and `tab` too.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::sim::{Cluster, Options};
use serde_json::{Value, json};

use crate::house::{self, EAST, House, pod};
use crate::tab::{Answer, Open, get};

/// Users come by header and are to Kubernetes who they say they are; roles and bindings are watched.
pub fn config() -> Config {
    let mut config = house::config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    config.authorization.mode = AuthorizationMode::Raw;
    config.authorization.user_prefix.clear();
    config.authorization.group_prefix.clear();
    config.authorization.allow_unprefixed = true;
    config.access.watch_rbac = true;
    config
}

/// A cluster in which roles and bindings decide, without pods.
pub fn cluster() -> Options {
    Options { rbac: true, ..house::cluster(EAST, 0) }
}

/// Whoever asks.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub name: &'static str,
    pub groups: &'static [&'static str],
}

impl User {
    /// A user without groups.
    pub const fn of(name: &'static str) -> User {
        User { name, groups: &[] }
    }

    /// The watch of a kind with this query (with its `?`, or none).
    pub fn watch(&self, house: &House, kind: &str, namespace: Option<&str>) -> Open {
        let open = Open::watch(house.address(), EAST, kind, namespace).header("X-Forwarded-User", self.name);
        open.header("X-Forwarded-Groups", &self.groups.join(","))
    }

    /// The list of a kind, in one namespace or in all of theirs.
    pub async fn list(&self, house: &House, kind: &str, namespace: Option<&str>) -> Answer {
        let query = namespace.map(|namespace| format!("?namespace={namespace}")).unwrap_or_default();
        let groups = self.groups.join(",");
        let headers = [("X-Forwarded-User", self.name), ("X-Forwarded-Groups", &groups)];
        get(house.address(), &format!("/api/clusters/{EAST}/{kind}{query}"), &headers).await
    }
}

/// A subject that is a user.
pub fn user(name: &str) -> Value {
    json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name})
}

/// A subject that is a group.
pub fn group(name: &str) -> Value {
    json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name})
}

/// The rule that permits listing and watching these resources (plurals) of the core group.
pub fn reads(resources: &[&str]) -> Value {
    json!([{"verbs": ["list", "watch"], "apiGroups": [""], "resources": resources}])
}

/// A namespace with a pod of the name `web`.
pub fn add_namespace(cluster: &Cluster, name: &str) {
    cluster.put("namespaces", json!({"metadata": {"name": name}})).expect("a namespace");
    cluster.put("pods", pod(name, "web", "Running")).expect("a pod");
}

/// Writes a cluster role.
pub fn cluster_role(cluster: &Cluster, name: &str, rules: &Value) {
    cluster.put("clusterroles", json!({"metadata": {"name": name}, "rules": rules})).expect("a role");
}

/// Binds a subject to a cluster role in a namespace, or (`None`) in the whole cluster.
pub fn bind(cluster: &Cluster, namespace: Option<&str>, name: &str, role: &str, subject: &Value) {
    let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
    let mut binding = json!({"metadata": {"name": name}, "subjects": [subject], "roleRef": role_ref});
    let resource = match namespace {
        Some(namespace) => {
            binding["metadata"]["namespace"] = namespace.into();
            "rolebindings"
        }
        None => "clusterrolebindings",
    };
    cluster.put(resource, binding).expect("a binding");
}
