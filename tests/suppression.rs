//! What changes nothing that a list shows is sent to nobody.

mod crowd;
mod fresh;
mod house;
mod tab;

use crowd::Crowd;
use house::{EAST, House, eventually};
use serde_json::json;

/// Waits until the feed has taken so many events, and says how many of them it let nobody see.
async fn taken(house: &House, kind: &str, events: u64) -> u64 {
    let address = house.address();
    let line = || fresh::feed(address, EAST, kind);
    eventually("the feed takes every event", || async { line().await["eventsIn"] == events }).await;
    line().await["suppressed"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubelets_heartbeats_send_nothing() {
    let house = House::with(&crowd::config(), 20).await;
    let east = house.east();
    let mut tabs = Crowd::open(house.address(), EAST, "nodes", 10).await;
    let nodes = east.names("nodes").unwrap();
    fresh::counted(house.address()).await;
    let (before, bytes) = (tabs.bytes(), fresh::metric(house.managed(), "foretop_sent_bytes_total").await);
    for _ in 0..10 {
        for (_, name) in &nodes {
            east.touch("nodes", "", name).unwrap();
        }
    }
    let events = 10 * nodes.len() as u64;
    assert_eq!(taken(&house, "nodes", events).await, events);
    assert_eq!(fresh::encoded_once(house.address(), EAST, "nodes").await, 0);

    // Whatever was sent for a heartbeat would have come before the marker.
    let marker = fresh::mark(east, "nodes", "marker");
    tabs.until("the marker", &marker).await;
    assert_eq!(tabs.counts("\nevent: "), vec![2; 10], "the snapshot and the marker");
    let frame = (tabs.bytes() - before) as u64;
    fresh::counted(house.address()).await;
    let sent = fresh::metric(house.managed(), "foretop_sent_bytes_total").await - bytes;
    assert_eq!(sent, frame, "ten tabs were sent one frame each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_no_list_shows_send_nothing() {
    let house = House::with(&crowd::config(), 20).await;
    let east = house.east();
    let mut tabs = Crowd::open(house.address(), EAST, "pods", 10).await;
    let (namespace, name) = east.names("pods").unwrap().swap_remove(0);
    let hidden = [
        json!({"metadata": {"managedFields": [{"manager": "kubectl", "operation": "Apply"}]}}),
        json!({"metadata": {"managedFields": []}}),
        json!({"metadata": {"managedFields": null}}),
        json!({"metadata": {"generation": 99}}),
    ];
    for patch in &hidden {
        east.patch("pods", &namespace, &name, patch).unwrap();
    }
    assert_eq!(taken(&house, "pods", 4).await, 4);
    let marker = fresh::mark(east, "pods", "marker");
    tabs.until("the marker", &marker).await;
    assert_eq!(tabs.counts("\nevent: "), vec![2; 10], "the snapshot and the marker");
    let wanted = fresh::list(east, "pods", None).await;
    for state in tabs.states() {
        assert_eq!(state.rows.hash(), wanted.hash(), "{}", fresh::difference(&state.rows, &wanted));
    }
}
