//! Who may list and watch what in the real cluster, as it is changed at random.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fastrand::Rng;
use foretop::kind;
use serde_json::{Value, json};

use crate::real::Real;
use crate::tab::state::Rows;

/// The kind that everybody looks at.
pub const KIND: &str = "services";

/// Namespaces of the play.
pub const NAMESPACES: [&str; 5] = ["play-0", "play-1", "play-2", "play-3", "play-4"];

/// Who looks; groups as the apiserver knows them have the prefix of `authorization.groupPrefix`.
pub const USERS: [User; 5] = [
    User { name: "play-ann", groups: &["dev"] },
    User { name: "play-bob", groups: &["dev", "ops"] },
    User { name: "play-cid", groups: &["ops"] },
    User { name: "play-dan", groups: &[] },
    User { name: "play-eve", groups: &[] },
];

const GROUPS: [&str; 3] = ["periscope:dev", "periscope:ops", "system:authenticated"];
const ROLES: [&str; 3] = ["play-r0", "play-r1", "play-r2"];
/// Stands for every other namespace of the cluster, where nobody has a right but over all of it.
const ELSEWHERE: &str = "";

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Whoever looks.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub name: &'static str,
    pub groups: &'static [&'static str],
}

/// A binding: of a namespace or of the cluster.
struct Binding {
    path: String,
}

/// The rights as they are, and when each user could last list what.
pub struct Rights {
    bindings: Vec<Binding>,
    allowed: HashMap<(&'static str, &'static str), Instant>,
    /// What was done.
    pub acts: u64,
}

impl Rights {
    /// Roles, namespaces with an object each, and some bindings.
    pub async fn begin(real: &Real, random: &mut Rng) -> Rights {
        let mut rights = Rights { bindings: Vec::new(), allowed: HashMap::new(), acts: 0 };
        for namespace in NAMESPACES {
            let body = json!({"metadata": {"name": namespace}});
            real.call("POST", "/api/v1/namespaces", Some(&body)).await;
            write_object(real, namespace, "web", 80).await;
        }
        for (number, role) in ROLES.into_iter().enumerate() {
            let verbs: &[&str] = if number == 2 { &["list"] } else { &["list", "watch"] };
            real.call("POST", &format!("{RBAC}/clusterroles"), Some(&role_body(role, verbs))).await;
        }
        for _ in 0..6 {
            rights.bind(real, random).await;
        }
        rights.note(real).await;
        rights
    }

    /// Something happens.
    pub async fn act(&mut self, real: &Real, random: &mut Rng) {
        self.acts += 1;
        match random.u8(..10) {
            0..4 => self.bind(real, random).await,
            4..7 => self.unbind(real, random).await,
            7 => {
                let role = ROLES[random.usize(..ROLES.len())];
                let verbs = [&["list", "watch"][..], &["watch"], &["*"]][random.usize(..3)];
                real.call("PUT", &format!("{RBAC}/clusterroles/{role}"), Some(&role_body(role, verbs))).await;
            }
            _ => {
                let namespace = NAMESPACES[random.usize(..NAMESPACES.len())];
                let name = format!("s{}", random.u8(..4));
                let path = format!("/api/v1/namespaces/{namespace}/services/{name}");
                if real.attempt("DELETE", &path, None).await.is_err() {
                    write_object(real, namespace, &name, random.u16(1..)).await;
                }
            }
        }
        self.note(real).await;
    }

    async fn bind(&mut self, real: &Real, random: &mut Rng) {
        let name = format!("play-{}", random.u64(..));
        let role = ROLES[random.usize(..ROLES.len())];
        let subject = if random.u8(..3) == 0 {
            json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": GROUPS[random.usize(..GROUPS.len())]})
        } else {
            json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": USERS[random.usize(..USERS.len())].name})
        };
        let collection = if random.u8(..8) == 0 {
            format!("{RBAC}/clusterrolebindings")
        } else {
            format!("{RBAC}/namespaces/{}/rolebindings", NAMESPACES[random.usize(..NAMESPACES.len())])
        };
        let body = json!({
            "metadata": {"name": name}, "subjects": [subject],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        });
        real.call("POST", &collection, Some(&body)).await;
        self.bindings.push(Binding { path: format!("{collection}/{name}") });
    }

    async fn unbind(&mut self, real: &Real, random: &mut Rng) {
        if self.bindings.is_empty() {
            return;
        }
        let binding = self.bindings.swap_remove(random.usize(..self.bindings.len()));
        real.call("DELETE", &binding.path, None).await;
    }

    /// Notes who may see what now. An authorizer lags its own watch, so what it says just after a change may be of before.
    async fn note(&mut self, real: &Real) {
        for who in USERS {
            self.note_of(real, who).await;
        }
    }

    async fn note_of(&mut self, real: &Real, who: User) {
        let everywhere = may(real, who, None).await;
        for namespace in NAMESPACES {
            if everywhere || may(real, who, Some(namespace)).await {
                self.allowed.insert((who.name, namespace), Instant::now());
            }
        }
        if everywhere {
            self.allowed.insert((who.name, ELSEWHERE), Instant::now());
        }
    }

    /// How long ago a user could last list and watch a namespace.
    pub fn allowed_before(&self, who: User, namespace: &str) -> Option<Duration> {
        let known = NAMESPACES.into_iter().find(|known| *known == namespace).unwrap_or(ELSEWHERE);
        self.allowed.get(&(who.name, known)).map(Instant::elapsed)
    }

    /// What the apiserver lists to this user; `None` where it lists nothing to them.
    pub async fn truth(&mut self, real: &Real, who: User, namespace: Option<&str>) -> Option<Rows> {
        self.note_of(real, who).await;
        if may(real, who, namespace).await {
            return Some(Rows::of_list(KIND, &listed(real, namespace).await));
        }
        if namespace.is_some() {
            return None;
        }
        let mut union = BTreeMap::new();
        for namespace in BTreeSet::from(NAMESPACES) {
            if may(real, who, Some(namespace)).await {
                union.insert(namespace, listed(real, Some(namespace)).await);
            }
        }
        let rows: Vec<Value> = union.values().flatten().cloned().collect();
        (!union.is_empty()).then(|| Rows::of_list(KIND, &rows))
    }
}

fn role_body(name: &str, verbs: &[&str]) -> Value {
    json!({"metadata": {"name": name}, "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": verbs}]})
}

async fn write_object(real: &Real, namespace: &str, name: &str, port: u16) {
    let body = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": port}]}});
    real.call("POST", &format!("/api/v1/namespaces/{namespace}/services"), Some(&body)).await;
}

/// Whether the user's own LIST is answered, and a watch would be.
async fn may(real: &Real, who: User, namespace: Option<&str>) -> bool {
    let mut headers = vec![("impersonate-user", who.name.to_owned())];
    headers.extend(who.groups.iter().map(|group| ("impersonate-group", format!("periscope:{group}"))));
    let path = format!("{}?limit=1", collection(namespace));
    if real.attempt_as(&headers, "GET", &path, None).await.is_err() {
        return false;
    }
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes":
        {"verb": "watch", "group": "", "resource": KIND, "namespace": namespace.unwrap_or_default()}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let said = real.attempt_as(&headers, "POST", path, Some(&review)).await.expect("a review");
    serde_json::from_str::<Value>(&said).expect("JSON")["status"]["allowed"] == true
}

fn collection(namespace: Option<&str>) -> String {
    kind::by_name(KIND).expect("a kind").api.path(namespace)
}

async fn listed(real: &Real, namespace: Option<&str>) -> Vec<Value> {
    let known = kind::by_name(KIND).expect("a kind");
    let body = real.call("GET", &collection(namespace), None).await;
    let page = (known.decode_page)(body.as_bytes()).expect("a list");
    let rows = page.items.iter().map(|object| {
        let mut json = Vec::new();
        object.row.write(jiff::Timestamp::now(), &mut json);
        serde_json::from_slice(&json).expect("a row is JSON")
    });
    rows.collect()
}
