//! The yardstick: what a fresh LIST would show, and what the server counts.
//!
//! The list is asked of the simulated cluster itself, and goes through the projection alone: replica, journal, cores and
//! logs have no part in it. So ask it only after the cluster's own counters were read, and while no fault stands.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use foretop::kind;
use foretop::sim::Cluster;
use serde_json::Value;

use crate::house::OPERATORS;
use crate::tab::state::{Rows, State};
use crate::tab::{Following, get};

/// Who looks at figures, where users come by a header.
pub const OPERATOR: &[(&str, &str)] = &[("X-Forwarded-User", "operator"), ("X-Forwarded-Groups", OPERATORS)];

/// The rows that a fresh LIST shows.
pub async fn list(cluster: &Cluster, kind: &str, namespace: Option<&str>) -> Rows {
    let known = kind::by_name(kind).expect("a kind of the registry");
    let answer = get(cluster.addr(), &known.api.path(None), &[]).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let page = (known.decode_page)(&answer.body).expect("a list");
    let mut items = Vec::new();
    for object in page.items.iter().filter(|object| namespace.is_none_or(|only| only == &*object.namespace)) {
        let mut json = Vec::new();
        object.row.write(jiff::Timestamp::now(), &mut json);
        items.push(serde_json::from_slice::<Value>(&json).expect("a row is JSON"));
    }
    Rows::of_list(kind, &items)
}

/// The full rows that a fresh LIST shows, by `namespace/name`: of a kind whose rows do not follow the clock.
pub async fn full(cluster: &Cluster, kind: &str, namespace: Option<&str>) -> BTreeMap<String, Value> {
    let known = kind::by_name(kind).expect("a kind of the registry");
    let answer = get(cluster.addr(), &known.api.path(None), &[]).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let page = (known.detail_page)(&answer.body).expect("a list");
    let shown = page.items.iter().filter(|object| namespace.is_none_or(|only| only == &*object.namespace));
    shown
        .map(|object| {
            let full = object.details.as_ref().expect("they were asked for").full(&object.row);
            let row = serde_json::from_slice(&full.json).expect("a row is JSON");
            (format!("{}/{}", object.namespace, object.name), row)
        })
        .collect()
}

/// A hash of rows by their identity.
pub fn hash(rows: &BTreeMap<String, Value>) -> u64 {
    let text: String = rows.iter().map(|(identity, row)| format!("{identity}\n{row}\n")).collect();
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// Where two sets of rows differ, for the text of a failure.
pub fn difference(shown: &Rows, wanted: &Rows) -> String {
    let (shown, wanted) = (shown.comparable(), wanted.comparable());
    let mut told = Vec::new();
    for (identity, row) in &shown {
        match wanted.get(identity) {
            None => told.push(format!("{identity} is shown, but gone")),
            Some(other) if other != row => told.push(format!("{identity} is shown as {row}, but is {other}")),
            Some(_) => {}
        }
    }
    told.extend(wanted.keys().filter(|key| !shown.contains_key(*key)).map(|key| format!("{key} is missing")));
    let more = told.len().saturating_sub(5);
    told.truncate(5);
    format!("{}; and {more} more differences", told.join("\n"))
}

/// Fails the test unless the tab comes to show what a fresh LIST shows, which is asked for once the cluster is quiet.
pub async fn becomes_equal(
    tab: &mut Following,
    cluster: &Cluster,
    kind: &str,
    namespace: Option<&str>,
) -> State {
    let wanted = list(cluster, kind, namespace).await;
    let equal = |state: &State| state.rows.len() == wanted.len() && state.rows.hash() == wanted.hash();
    let reached = tab.reach(equal).await;
    let state = tab.state();
    assert!(
        reached,
        "{kind} in {namespace:?}: end {:?}, badge {:?}, events {:?}, relists {:?}; {}",
        state.end,
        state.badge,
        state.counts,
        state.relists,
        difference(&state.rows, &wanted)
    );
    state
}

/// Writes a new object of this name, like the first that there is, which a test can wait for: whoever shows it has seen all
/// that was written before. Returns its row's text that is looked for.
pub fn mark(cluster: &Cluster, kind: &str, name: &str) -> String {
    let plural = kind::by_name(kind).expect("a kind of the registry").api.plural;
    let (namespace, first) = cluster.names(plural).expect("a resource").swap_remove(0);
    let mut object = cluster.get(plural, &namespace, &first).expect("the first object");
    object["metadata"]["name"] = name.into();
    object["metadata"].as_object_mut().expect("metadata").remove("uid");
    cluster.put(plural, object).expect("an object");
    format!("\"name\":\"{name}\"")
}

/// Restarts a container of each of these pods, one after another, until there were so many writes: each changes a row. Pods
/// without containers yet are passed over.
pub fn restart(cluster: &Cluster, pods: &[(String, String)], writes: usize) {
    for (namespace, name) in pods.iter().cycle().take(writes) {
        let Some(mut pod) = cluster.get("pods", namespace, name) else { continue };
        let Some(count) =
            pod["status"]["containerStatuses"].get_mut(0).and_then(|s| s.get_mut("restartCount"))
        else {
            continue;
        };
        *count = (count.as_u64().unwrap_or(0) + 1).into();
        cluster.put("pods", pod).expect("the same pod");
    }
}

/// The line of a feed in `/debug/feeds`.
pub async fn feed(address: SocketAddr, cluster: &str, kind: &str) -> Value {
    feeds(address, cluster, kind).await.into_iter().next().unwrap_or_default()
}

/// The lines of all feeds of a kind.
pub async fn feeds(address: SocketAddr, cluster: &str, kind: &str) -> Vec<Value> {
    let lines = get(address, "/debug/feeds", OPERATOR).await.json();
    let mine = |line: &&Value| line["cluster"] == cluster && line["kind"] == kind;
    lines.as_array().expect("a line per feed").iter().filter(mine).cloned().collect()
}

/// Fails the test unless all frames of a feed were encoded once, for however many tabs. Returns how many.
pub async fn encoded_once(address: SocketAddr, cluster: &str, kind: &str) -> u64 {
    let line = feed(address, cluster, kind).await;
    let count = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("{name} in {line}"));
    let let_through = count("eventsIn") - count("suppressed") + count("diffed");
    assert_eq!(count("encodings"), let_through, "{line}");
    count("encodings")
}

/// Waits until each core has counted what its sockets took before: a client may have it sooner.
pub async fn counted(address: SocketAddr) {
    assert_eq!(get(address, "/debug/streams", OPERATOR).await.head.status, 200);
}

/// A figure of a management listener's `/metrics`, summed over its labels; or with these labels alone.
pub async fn metric(managed: SocketAddr, name: &str) -> u64 {
    let text = get(managed, "/metrics", &[]).await.text();
    let lines = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']) || name.ends_with('}'))
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// A number from the environment, for the long forms of a test.
pub fn from_env(name: &str, or: usize) -> usize {
    std::env::var(name).map_or(or, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// A moment that is far longer than a frame takes from one end to the other: for what must not happen.
pub const A_WHILE: Duration = Duration::from_millis(300);
