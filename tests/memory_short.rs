//! While memory is short, things are shed in their order: lag and the past first, and only then anybody who comes anew.

mod fresh;
mod house;
mod tab;

use std::time::Duration;

use foretop::config::Config;
use foretop::sim::Cluster;
use house::{EAST, House, eventually, list};
use serde_json::Value;
use tab::{Open, Tab, get};

const LOGS: &str = "foretop_memory_bytes{thing=\"logs\"}";
const JOURNALS: &str = "foretop_memory_bytes{thing=\"journals\"}";
const LAGGED: &str = "foretop_streams_lagged_total";
const SHEDDING: &str = "foretop_memory_shedding";

/// Restarts of containers, which every list shows: so many at a time, so often.
async fn restarts(cluster: &Cluster, each: usize, times: usize) {
    let started = |pod: &Value| pod["status"]["containerStatuses"].is_array();
    let mut pods = cluster.names("pods").unwrap();
    pods.retain(|(namespace, name)| cluster.get("pods", namespace, name).is_some_and(|pod| started(&pod)));
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..times {
        clock.tick().await;
        fresh::restart(cluster, &pods, each);
        let written = each % pods.len();
        pods.rotate_left(written);
    }
}

/// So little that a moment's journal is more.
fn short() -> Config {
    let mut config = house::config();
    config.server.cores = 1;
    config.streams.per_user = 0;
    config.memory.limit = Some(1 << 20);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_leaves_its_log_sooner() {
    let house = House::with(&short(), 40).await;
    let east = house.east();
    let metric = |name| fresh::metric(house.managed(), name);
    let mut slow = Tab::open(Open::watch(house.address(), EAST, "pods", None).receive_buffer(4096)).await;
    slow.until("a snapshot", |state| state.count("snapshot") == 1).await;
    let mut following = slow.follow();
    restarts(east, 100, 40).await;
    fresh::becomes_equal(&mut following, east, "pods", None).await;
    eventually("memory is short", || async { metric(SHEDDING).await > 0 }).await;
    eventually("journals give of their past", || async { metric(JOURNALS).await <= 7 << 17 }).await;
    let mut slow = following.stop().await;
    let lagged = metric(LAGGED).await;
    // Less than `streams.lag`, within which it would else get every event.
    restarts(east, 150, 4).await;
    eventually("it has left the log", || async { metric(LAGGED).await > lagged }).await;
    eventually("nothing waits in the log for it", || async { metric(LOGS).await < 16 * 1024 }).await;
    let wanted = fresh::list(east, "pods", None).await;
    slow.until("what a fresh LIST shows", |state| state.rows.hash() == wanted.hash()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_ceiling_lists_are_refused_and_later_answered() {
    let mut config = short();
    config.journal.total_bytes = 256 * 1024;
    let house = House::with(&config, 40).await;
    let east = house.east();
    assert_eq!(get(house.address(), &list("pods"), &[]).await.head.status, 200);
    // Rows alone are more than there may be, until they are gone.
    let note = "x".repeat(40 * 1024);
    for number in 0..30 {
        let mut pod = house::pod("team-x", &format!("large-{number}"), "Running");
        pod["spec"]["nodeName"] = note.clone().into();
        east.put("pods", pod).unwrap();
    }
    let status = async || get(house.address(), &list("pods"), &[]).await;
    eventually("a list is refused", || async { status().await.head.status == 503 }).await;
    let refused = get(house.address(), &list("pods"), &[("Accept", "application/json")]).await;
    assert_eq!(refused.json()["error"]["code"], "full");
    let shedding = async || fresh::metric(house.managed(), SHEDDING).await;
    eventually("that is told", || async { shedding().await == 3 }).await;
    for number in 0..30 {
        east.delete("pods", "team-x", &format!("large-{number}")).unwrap();
    }
    eventually("a list is answered", || async { status().await.head.status == 200 }).await;
}
