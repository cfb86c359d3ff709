use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::*;
use crate::sim::object::Object;

const NAMESPACES: [&str; 3] = ["shop", "bank", "farm"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const USERS: [&str; 4] = ["ann", "bob", "system:serviceaccount:shop:a", "system:serviceaccount:bank:b"];
const GROUPS: [&str; 4] = ["dev", "ops", "system:authenticated", "system:masters"];
const VERBS: [&str; 4] = ["list", "watch", "get", "*"];
const API_GROUPS: [&str; 3] = ["", "apps", "*"];
const RESOURCES: [&str; 7] = ["pods", "pods/log", "deployments", "*/log", "deployments/scale", "*", "nodes"];

/// Kubernetes' own evaluation, line by line over the objects' JSON.
#[derive(Clone, Debug, Default)]
struct Naive {
    objects: Vec<(String, String, Value)>,
}

impl Naive {
    fn write(&mut self, plural: &str, key: &str, object: Option<Value>) {
        self.objects.retain(|(of, other, _)| (of.as_str(), other.as_str()) != (plural, key));
        self.objects.extend(object.map(|object| (plural.to_owned(), key.to_owned(), object)));
    }

    fn rules(&self, plural: &str, key: &str) -> Vec<Value> {
        let found = self.objects.iter().find(|(of, other, _)| of == plural && other == key);
        found.and_then(|(_, _, role)| role["rules"].as_array().cloned()).unwrap_or_default()
    }

    /// `VisitRulesFor` and `RuleAllows`.
    fn allows(&self, who: &Identity, question: &Question<'_>) -> bool {
        if who.groups.iter().any(|group| group == "system:masters") {
            return true;
        }
        for (plural, key, binding) in &self.objects {
            let namespace = match (plural.as_str(), key.split_once('/')) {
                ("clusterrolebindings", _) => "",
                ("rolebindings", Some((namespace, _))) if namespace == question.namespace => namespace,
                _ => continue,
            };
            let subjects = binding["subjects"].as_array().cloned().unwrap_or_default();
            if !subjects.iter().any(|subject| applies_to(subject, namespace, who)) {
                continue;
            }
            let name = binding["roleRef"]["name"].as_str().unwrap();
            let rules = match binding["roleRef"]["kind"].as_str().unwrap() {
                "Role" => self.rules("roles", &format!("{namespace}/{name}")),
                _ => self.rules("clusterroles", name),
            };
            if rules.iter().any(|rule| rule_allows(rule, question)) {
                return true;
            }
        }
        false
    }
}

fn applies_to(subject: &Value, namespace: &str, who: &Identity) -> bool {
    let name = subject["name"].as_str().unwrap();
    match subject["kind"].as_str().unwrap() {
        "User" => who.user == name,
        "Group" => who.groups.iter().any(|group| group == name),
        _ => {
            let own = subject["namespace"].as_str().unwrap_or(namespace);
            !own.is_empty() && who.user == format!("system:serviceaccount:{own}:{name}")
        }
    }
}

fn rule_allows(rule: &Value, question: &Question<'_>) -> bool {
    let list = |field: &str| -> Vec<String> {
        let texts = rule[field].as_array().into_iter().flatten();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let combined = if question.subresource.is_empty() {
        question.resource.to_owned()
    } else {
        format!("{}/{}", question.resource, question.subresource)
    };
    let resource_matches = list("resources").iter().any(|resource| {
        resource == "*"
            || *resource == combined
            || (!question.subresource.is_empty() && *resource == format!("*/{}", question.subresource))
    });
    let names = list("resourceNames");
    list("verbs").iter().any(|verb| verb == "*" || verb == question.verb)
        && list("apiGroups").iter().any(|group| group == "*" || group == question.group)
        && resource_matches
        && (names.is_empty() || names.iter().any(|name| name == question.name))
}

#[derive(Clone, Debug)]
enum Step {
    Write { plural: &'static str, namespace: &'static str, name: &'static str, object: Option<Value> },
    Rewind(u64),
    Forget,
    Ask(Identity, Asked),
}

#[derive(Clone, Debug)]
struct Asked(&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

fn rule() -> impl Strategy<Value = Value> {
    let some = |from: &'static [&'static str]| subsequence(from, 0..=2);
    (some(&VERBS), some(&API_GROUPS), some(&RESOURCES), subsequence(&NAMES[..], 0..=1)).prop_map(
        |(verbs, groups, resources, names)| {
            json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
        },
    )
}

fn role() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => prop::collection::vec(rule(), 0..3).prop_map(|rules| json!({"rules": rules})),
        1 => Just(json!({"rules": null})),
        1 => Just(json!({})),
    ]
}

fn subject() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(&USERS[..]).prop_map(|name| json!({"kind": "User", "name": name})),
        select(&GROUPS[..]).prop_map(|name| json!({"kind": "Group", "name": name})),
        (select(&NAMES[..]), prop::option::of(select(&NAMESPACES[..]))).prop_map(|(name, namespace)| {
            match namespace {
                Some(namespace) => json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}),
                None => json!({"kind": "ServiceAccount", "name": name}),
            }
        }),
    ]
}

fn binding() -> impl Strategy<Value = Value> {
    let role_ref = (select(&["Role", "ClusterRole"][..]), select(&NAMES[..]));
    (prop::collection::vec(subject(), 0..3), role_ref).prop_map(
        |(subjects, (kind, name))| json!({"subjects": subjects, "roleRef": {"kind": kind, "name": name}}),
    )
}

fn write() -> impl Strategy<Value = Step> {
    (
        select(&PLURALS[..]),
        select(&NAMESPACES[..]),
        select(&NAMES[..]),
        prop::option::weighted(0.8, (role(), binding())),
    )
        .prop_map(|(plural, namespace, name, made)| {
            let namespace = if plural.starts_with("cluster") { "" } else { namespace };
            // A role binding's role may be of either kind, a cluster role binding's is the cluster's.
            let object = made.map(|(role, mut binding)| {
                if plural == "clusterrolebindings" {
                    binding["roleRef"]["kind"] = "ClusterRole".into();
                }
                if plural.ends_with("roles") { role } else { binding }
            });
            Step::Write { plural, namespace, name, object }
        })
}

fn ask() -> impl Strategy<Value = Step> {
    let who = (select(&USERS[..]), subsequence(&GROUPS[..3], 0..=2)).prop_map(|(user, groups)| Identity {
        user: user.to_owned(),
        groups: groups.into_iter().map(str::to_owned).collect(),
    });
    let what = (
        select(&VERBS[..3]),
        select(&API_GROUPS[..2]),
        select(&["pods", "deployments", "nodes"][..]),
        select(&["", "", "log", "scale"][..]),
        select(&["", "shop", "bank", "farm"][..]),
        select(&["", "a", "b"][..]),
    );
    (who, what).prop_map(|(who, (verb, group, resource, subresource, namespace, name))| {
        Step::Ask(who, Asked(verb, group, resource, subresource, namespace, name))
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![20 => write(), 40 => ask(), 1 => (0..4u64).prop_map(Step::Rewind), 1 => Just(Step::Forget)]
}

impl Asked {
    fn question(&self) -> Question<'_> {
        let Asked(verb, group, resource, subresource, namespace, name) = *self;
        Question { verb, group, resource, subresource, namespace, name }
    }
}

fn put(store: &Store, plural: &str, namespace: &str, name: &str, mut object: Value) {
    object["metadata"] = if namespace.is_empty() {
        json!({"name": name})
    } else {
        json!({"name": name, "namespace": namespace})
    };
    let resource = named(plural);
    let (key, object) = Object::from_json(resource, object, "uid", "").expect("an object");
    store.put(resource, &key, &object);
}

proptest! {
    #[test]
    fn it_decides_as_kubernetes_does(steps in prop::collection::vec(step(), 1..120)) {
        let store = Store::new(8);
        store.forget_past();
        let rbac = Rbac::new(true, &store);
        let mut past = vec![Naive::default()];
        for step in steps {
            let mut now = past.last().expect("the beginning").clone();
            match step {
                Step::Write { plural, namespace, name, object } => {
                    let key = crate::sim::object::key(namespace, name);
                    match &object {
                        Some(object) => put(&store, plural, namespace, name, object.clone()),
                        None if store.delete(named(plural), &key).is_none() => continue,
                        None => {}
                    }
                    now.write(plural, &key, object);
                    past.push(now);
                }
                Step::Rewind(by) => {
                    let back = store.rv() - store.rewind(by);
                    rbac.begin_again(&store);
                    past.truncate(past.len() - usize::try_from(back).expect("few"));
                }
                Step::Forget => store.forget_past(),
                Step::Ask(who, asked) => {
                    let said = rbac.allows(&store, &who, &asked.question(), Instant::now());
                    prop_assert_eq!(said, Some(now.allows(&who, &asked.question())), "{:?} {:?}", who, asked);
                }
            }
        }
    }
}

fn bind(store: &Store) {
    let rule = json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]});
    put(store, "clusterroles", "", "reader", json!({"rules": [rule]}));
    let binding = json!({"subjects": [{"kind": "User", "name": "ann"}],
        "roleRef": {"kind": "ClusterRole", "name": "reader"}});
    put(store, "rolebindings", "shop", "ann", binding);
}

fn ann_lists(rbac: &Rbac, store: &Store, now: Instant) -> Option<bool> {
    let who = Identity { user: "ann".to_owned(), groups: Vec::new() };
    let question = Question { verb: "list", resource: "pods", namespace: "shop", ..Question::default() };
    rbac.allows(store, &who, &question, now)
}

#[test]
fn it_says_nothing_where_it_does_not_decide() {
    let store = Store::new(8);
    let rbac = Rbac::new(false, &store);
    bind(&store);
    assert_eq!(ann_lists(&rbac, &store, Instant::now()), None);
    rbac.set_on(true);
    assert_eq!(ann_lists(&rbac, &store, Instant::now()), Some(true));
}

#[test]
fn with_a_lag_it_obeys_a_write_so_long_after_it() {
    const LAG: Duration = Duration::from_mins(1);
    let store = Store::new(8);
    let rbac = Rbac::new(true, &store);
    rbac.set_lag(LAG);
    let before = Instant::now();
    bind(&store);
    let bound = Instant::now();
    assert_eq!(
        ann_lists(&rbac, &store, (before + LAG).checked_sub(Duration::from_millis(1)).unwrap()),
        Some(false)
    );
    assert_eq!(ann_lists(&rbac, &store, bound + LAG), Some(true));
    store.delete(named("rolebindings"), "shop/ann");
    assert_eq!(ann_lists(&rbac, &store, bound + LAG), Some(true));
    assert_eq!(ann_lists(&rbac, &store, Instant::now() + LAG), Some(false));
}
