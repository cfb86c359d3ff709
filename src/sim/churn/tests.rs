use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::sim::resource::{RESOURCES, named};
use crate::sim::store::{Change, Range};

fn cluster(pods: usize, seed: u64) -> (Store, Churn) {
    let store = Store::new(100_000);
    let churn = build(
        &store,
        &Size { pods, bare: false, node_name: 0 },
        seed,
        Arc::new(Clock::new(Some(1_800_000_000))),
    );
    (store, churn)
}

fn text(store: &Store) -> Vec<u8> {
    let mut text = Vec::new();
    for resource in &RESOURCES {
        for (_, object) in store.list(resource, &Range::default()).unwrap().items {
            object.write_item(&mut text);
        }
    }
    text
}

#[test]
fn equal_seeds_make_equal_clusters() {
    let (one, churn) = cluster(100, 3);
    churn.step(&one, 1000);
    let (other, churn) = cluster(100, 3);
    churn.step(&other, 400);
    churn.step(&other, 600);
    assert!(text(&one) == text(&other));
    let (third, _) = cluster(100, 4);
    assert!(text(&third) != text(&cluster(100, 3).0));
}

#[test]
fn there_are_exactly_as_many_pods_as_asked_for() {
    for pods in [0, 1, 5, 12, 59, 500, 1234] {
        assert_eq!(cluster(pods, 1).0.count(named("pods")), pods);
    }
}

#[test]
fn a_step_is_one_write() {
    let (store, churn) = cluster(100, 1);
    let before = store.rv();
    churn.step(&store, 777);
    assert_eq!(store.rv(), before + 777);
    assert_eq!(churn.written(), 777);
}

#[test]
fn pods_are_born_grow_up_and_go() {
    let (store, churn) = cluster(100, 1);
    let begin = store.rv();
    churn.step(&store, 3000);
    let mut lives = BTreeMap::<String, Vec<String>>::new();
    for event in store.events_after(named("pods"), begin, usize::MAX).unwrap().0 {
        let pod = event.object.value();
        let terminating = pod["metadata"].get("deletionTimestamp").is_some();
        let word = match event.change {
            Change::Deleted => "deleted".to_owned(),
            _ if terminating => "terminating".to_owned(),
            Change::Added => "added".to_owned(),
            Change::Modified => pod["status"]["phase"].as_str().unwrap().to_owned(),
        };
        lives.entry(pod["metadata"]["uid"].to_string()).or_default().push(word);
    }
    let seen: BTreeSet<String> = lives.values().flatten().cloned().collect();
    let wanted = ["Failed", "Pending", "Running", "Succeeded", "added", "deleted", "terminating"];
    assert!(wanted.iter().all(|word| seen.contains(*word)), "{seen:?}");
    for life in lives.values() {
        let gone = life.iter().position(|word| word == "deleted");
        assert!(gone.is_none_or(|at| at + 1 == life.len()), "{life:?}");
        let born = life.iter().position(|word| word == "added");
        assert!(born.is_none_or(|at| at == 0), "{life:?}");
    }
}

#[test]
fn the_cluster_stays_about_as_large_as_it_was() {
    let (store, churn) = cluster(200, 1);
    let counts = |store: &Store| RESOURCES.iter().map(|resource| store.count(resource)).sum::<usize>();
    let before = counts(&store);
    churn.step(&store, 20_000);
    let after = counts(&store);
    assert!(after < before + 2500, "{before} objects became {after}");
    assert!((150..300).contains(&store.count(named("pods"))));
}

#[test]
fn each_restart_is_another_pod_and_shows_its_stamp() {
    let (store, churn) = cluster(20, 1);
    let before = store.rv();
    assert!((1..=5).all(|stamp| churn.restart(&store, 1000 + stamp)));
    let (events, _) = store.events_after(named("pods"), before, usize::MAX).unwrap();
    let keys: BTreeSet<_> = events.iter().map(|event| event.key.clone()).collect();
    assert_eq!(keys.len(), 5);
    let stamps = events.iter().map(|event| {
        event.object.value()["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap()
    });
    assert_eq!(stamps.collect::<Vec<_>>(), [1001, 1002, 1003, 1004, 1005]);
}

#[test]
fn a_bare_cluster_has_its_pods_and_lives() {
    let store = Store::new(1000);
    let size = Size { pods: 50, bare: true, node_name: 100 };
    let churn = build(&store, &size, 1, Arc::new(Clock::new(Some(1_800_000_000))));
    assert_eq!((store.count(named("pods")), store.count(named("deployments"))), (50, 0));
    let page = store.list(named("pods"), &Range::default()).unwrap();
    let nodes =
        page.items.iter().filter_map(|(_, pod)| pod.value()["spec"]["nodeName"].as_str().map(str::len));
    assert!(nodes.into_iter().all(|length| length == 100));
    churn.step(&store, 2000);
    assert!(store.count(named("deployments")) > 0);
}
