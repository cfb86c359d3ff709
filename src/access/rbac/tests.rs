use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::graph::{Graph, Place};
use super::*;
use crate::access::Touched;
use crate::cluster::reflector::Sink;
use crate::feed::State;
use crate::kind::rbac::{Bound, Permits};
use crate::kind::{Change, Object, Row, Rv, by_name};

const NAMESPACES: [&str; 3] = ["bank", "farm", "shop"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const USERS: [&str; 3] = ["ann", "bob", "cid"];
const GROUPS: [&str; 3] = ["dev", "ops", "system:authenticated"];
const KINDS: [&str; 2] = ["pods", "events"];

fn permits(list: u64, watch: u64) -> Permits {
    Permits::read(&Row::fixed(format!(r#"{{"list":{list},"watch":{watch}}}"#).into_bytes()))
}

fn user(name: &str, groups: &[&str]) -> KubeUser {
    KubeUser { name: name.into(), groups: groups.iter().map(|group| (*group).into()).collect() }
}

#[derive(Clone, Debug)]
enum Step {
    Role(Place, Option<Permits>),
    Binding(Place, Option<Bound>),
}

/// All roles and bindings, looked through for each question.
#[derive(Clone, Default)]
struct Naive {
    roles: BTreeMap<Place, Permits>,
    bindings: BTreeMap<Place, Bound>,
}

impl Naive {
    fn step(&mut self, step: &Step) {
        match step.clone() {
            Step::Role(place, Some(permits)) => drop(self.roles.insert(place, permits)),
            Step::Role(place, None) => drop(self.roles.remove(&place)),
            Step::Binding(place, Some(bound)) => drop(self.bindings.insert(place, bound)),
            Step::Binding(place, None) => drop(self.bindings.remove(&place)),
        }
    }

    /// What bindings that count there let a user list and watch.
    fn rights(&self, who: &KubeUser, kind: &Kind, counts: impl Fn(Option<&str>) -> bool) -> (bool, bool) {
        let mut rights = (false, false);
        for (place, bound) in self.bindings.iter().filter(|(place, _)| counts(place.namespace.as_deref())) {
            let is_theirs = bound.users.contains(&who.name)
                || bound
                    .groups
                    .iter()
                    .any(|group| who.groups.contains(group) || &**group == "system:authenticated");
            let namespace = if bound.cluster_role { None } else { place.namespace.clone() };
            let role = self.roles.get(&Place { namespace, name: (&*bound.role).into() });
            if let Some(permits) = role.filter(|_| is_theirs) {
                rights.0 |= permits.list.contains(kind);
                rights.1 |= permits.watch.contains(kind);
            }
        }
        rights
    }
}

fn place() -> impl Strategy<Value = Place> {
    (prop::option::weighted(0.7, select(&NAMESPACES[..])), select(&NAMES[..]))
        .prop_map(|(namespace, name)| Place { namespace: namespace.map(Into::into), name: name.into() })
}

fn step() -> impl Strategy<Value = Step> {
    let role = prop::option::weighted(0.8, (0..4u64, 0..4u64).prop_map(|(list, watch)| permits(list, watch)));
    let bound =
        (any::<bool>(), select(&NAMES[..]), subsequence(&USERS[..], 0..=2), subsequence(&GROUPS[..], 0..=1));
    let bound = bound.prop_map(|(cluster_role, role, users, groups)| Bound {
        cluster_role,
        role: role.into(),
        users: users.into_iter().map(Into::into).collect(),
        groups: groups.into_iter().map(Into::into).collect(),
    });
    prop_oneof![
        (place(), role).prop_map(|(place, permits)| Step::Role(place, permits)),
        (place(), prop::option::weighted(0.8, bound)).prop_map(|(place, mut bound)| {
            if let Some(bound) = bound.as_mut().filter(|_| place.namespace.is_none()) {
                bound.cluster_role = true;
            }
            Step::Binding(place, bound)
        }),
    ]
}

proptest! {
    #[test]
    fn every_right_that_changes_is_touched_and_every_right_in_a_namespace_has_its_candidate(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let users = [user("ann", &[]), user("bob", &["dev"]), user("eve", &["dev", "ops"])];
        let kinds = KINDS.map(|kind| by_name(kind).expect("a kind"));
        let (mut graph, mut naive) = (Graph::default(), Naive::default());
        for step in steps {
            let before = naive.clone();
            naive.step(&step);
            let touched = match &step {
                Step::Role(place, permits) => graph.set_role(place, *permits),
                Step::Binding(place, bound) => graph.set_binding(place, bound.clone()),
            };
            for (who, kind) in users.iter().flat_map(|who| kinds.map(|kind| (who, kind))) {
                let mut expected = Vec::new();
                for at in NAMESPACES {
                    let counts = |namespace: Option<&str>| namespace.is_none_or(|namespace| namespace == at);
                    let is_touched = touched.iter().any(|touched| {
                        touched.concerns(who) && touched.namespace().is_none_or(|namespace| &**namespace == at)
                    });
                    let changed = before.rights(who, kind, counts) != naive.rights(who, kind, counts);
                    prop_assert!(is_touched || !changed, "{:?} in {}: {:?} after {:?}", who, at, touched, step);
                    if naive.rights(who, kind, |namespace| namespace == Some(at)) != (false, false) {
                        expected.push(Arc::from(at));
                    }
                }
                let everywhere = touched.iter().any(|touched| touched.concerns(who) && touched.namespace().is_none());
                let changed = before.rights(who, kind, |at| at.is_none()) != naive.rights(who, kind, |at| at.is_none());
                prop_assert!(everywhere || !changed, "{:?} cluster-wide after {:?}", who, step);
                prop_assert_eq!(graph.candidates(who, kind), expected, "{:?}", who);
            }
        }
    }
}

fn bound_to(role: &str, who: &str) -> Bound {
    Bound { cluster_role: true, role: role.into(), users: [who.into()].into(), ..Bound::default() }
}

fn at(namespace: Option<&str>, name: &str) -> Place {
    Place { namespace: namespace.map(Into::into), name: name.into() }
}

#[test]
fn a_change_that_nobody_could_notice_touches_nobody() {
    let mut graph = Graph::default();
    assert!(graph.set_role(&at(None, "view"), Some(permits(1, 1))).is_empty(), "no binding names it");
    let ann = vec![crate::access::Subject::User("ann".into())];
    let touched = graph.set_binding(&at(Some("shop"), "b"), Some(bound_to("view", "ann")));
    assert_eq!(touched, [Touched::Subjects(ann.clone(), Some("shop".into()))]);
    assert!(graph.set_binding(&at(Some("shop"), "b"), Some(bound_to("view", "ann"))).is_empty());
    assert!(graph.set_role(&at(None, "view"), Some(permits(1, 1))).is_empty());
    assert!(
        graph.set_role(&at(Some("shop"), "view"), Some(permits(0, 0))).is_empty(),
        "another of the same name"
    );
    graph.set_binding(&at(None, "c"), Some(bound_to("view", "ann")));
    let touched = graph.set_role(&at(None, "view"), None);
    let expected = [Touched::Subjects(ann.clone(), None), Touched::Subjects(ann, Some("shop".into()))];
    assert_eq!(touched, expected);
}

fn object(namespace: &str, name: &str, rv: u128, row: &str) -> Object {
    Object {
        namespace: namespace.into(),
        name: name.into(),
        rv: Rv(rv),
        row: Row::fixed(row.as_bytes().to_vec()),
        details: None,
    }
}

const BINDING: &str = r#"{"cluster_role":true,"role":"view","users":["ann"],"groups":[]}"#;

fn synced() -> (Arc<Watched>, [Arc<watched::Part>; 4]) {
    synced_for(Weak::new())
}

fn synced_for(access: Weak<Access>) -> (Arc<Watched>, [Arc<watched::Part>; 4]) {
    let (watched, parts) = Watched::new(&"east".into(), access);
    let pods = by_name("pods").expect("a kind");
    let lists = [
        vec![],
        vec![object("", "view", 1, r#"{"list":1,"watch":1}"#)],
        vec![object("shop", "b", 2, BINDING)],
        vec![],
    ];
    for (part, list) in parts.iter().zip(lists) {
        assert_eq!(
            watched.candidates(&user("ann", &[]), pods, Instant::now()),
            None,
            "before all have synced"
        );
        part.replace(Rv(5), list, None);
        part.set_state(State::Live);
    }
    (watched, parts)
}

fn candidates(watched: &Watched, now: Instant) -> Option<Vec<String>> {
    let found = watched.candidates(&user("ann", &[]), by_name("pods").expect("a kind"), now)?;
    Some(found.iter().map(std::string::ToString::to_string).collect())
}

#[test]
fn what_is_followed_is_a_replica() {
    let (watched, parts) = synced();
    let [.., bindings, _] = &parts;
    let now = Instant::now();
    assert_eq!(candidates(&watched, now), Some(vec!["shop".to_owned()]));
    bindings.apply(&mut vec![
        Change::Put(object("bank", "b", 6, BINDING)),
        Change::Deleted(object("shop", "b", 7, BINDING)),
    ]);
    assert_eq!(candidates(&watched, now), Some(vec!["bank".to_owned()]));
    bindings.apply(&mut vec![Change::Put(object("shop", "b", 7, BINDING))]);
    assert_eq!(candidates(&watched, now), Some(vec!["bank".to_owned()]), "a repetition of what is over");
    assert_eq!(bindings.cursor(), Some(Rv(7)));
    bindings.apply(&mut vec![Change::Bookmark { rv: Rv(9), initial_events_end: false }]);
    assert_eq!(bindings.cursor(), Some(Rv(9)));
    bindings.replace(Rv(10), vec![object("farm", "b", 10, BINDING)], None);
    assert_eq!(
        candidates(&watched, now),
        Some(vec!["farm".to_owned()]),
        "what a relist does not show is gone"
    );
}

#[test]
fn nothing_is_nominated_by_what_may_be_out_of_date() {
    let (watched, parts) = synced();
    let known = Some(vec!["shop".to_owned()]);
    parts[3].set_state(State::Away { why: "gone".to_owned() });
    let now = Instant::now();
    assert_eq!(candidates(&watched, now), known, "for a while");
    assert_eq!(candidates(&watched, now + Duration::from_secs(31)), None);
    parts[3].set_state(State::Live);
    assert_eq!(candidates(&watched, now + Duration::from_secs(31)), known);
    parts[0].set_state(State::Forbidden);
    assert_eq!(candidates(&watched, now), None);
    parts[0].set_state(State::Live);
    assert_eq!(candidates(&watched, now), known);
}

#[tokio::test]
async fn a_relist_touches_everybody_since_what_came_and_went_leaves_no_difference() {
    let access = Access::alone(&crate::config::Config::default());
    let (_watched, parts) = synced_for(Arc::downgrade(&access));
    let news_of_bob = || access.recent("east", |recent| recent.of(&user("bob", &[]), Instant::now()).len());
    assert_eq!(news_of_bob(), 1, "all is known");
    parts[2].apply(&mut vec![Change::Put(object("bank", "b", 6, BINDING))]);
    assert_eq!(news_of_bob(), 1, "ann's binding is nothing to bob");
    parts[3].replace(Rv(9), vec![], None);
    assert_eq!(news_of_bob(), 2);
}
