//! The registry of clusters, as it changes while the binary runs.

mod house;
mod tab;

use std::net::SocketAddr;

use foretop::sim::Cluster;
use house::process::Process;
use house::wire::Stream;
use house::{EAST, WEST, cluster, eventually};
use serde_json::Value;

const SETTINGS: &str =
    "auth: {mode: dev}\nserver: {listen: \"127.0.0.1:0\", cores: 2}\nclustersFile: clusters.yaml\n";

/// A registry of these names, each with a context of the kubeconfig.
fn registry(entries: &[(&str, &str)]) -> String {
    let entry = |(name, context): &(&str, &str)| {
        format!(
            "  - {{name: {name}, backend: kubeconfig, kubeconfigPath: kubeconfig, kubeconfigContext: {context}}}\n"
        )
    };
    format!("clusters:\n{}", entries.iter().map(entry).collect::<String>())
}

async fn names(address: SocketAddr) -> Vec<String> {
    let answer = tab::get(address, "/api/clusters", &[]).await.json();
    let name = |line: &Value| line["name"].as_str().expect("a name").to_owned();
    answer["clusters"].as_array().expect("an array").iter().map(name).collect()
}

async fn has_names(address: SocketAddr, expected: &[&str]) {
    eventually(&format!("{expected:?}"), async || names(address).await == expected).await;
}

async fn open(address: SocketAddr, cluster: &str) -> Stream {
    Stream::open(address, &format!("/api/clusters/{cluster}/pods/watch"), "").await
}

async fn opened(address: SocketAddr, cluster: &str) -> Stream {
    let mut stream = open(address, cluster).await;
    assert_eq!((stream.head.status, &*stream.events(1).await[0].name), (200, "snapshot"));
    stream
}

/// Reads to the end, which must be an `error` with a reason.
async fn ends_with_a_reason(mut stream: Stream) {
    let last = stream.until_end().await.pop().expect("an event");
    let data: Value = serde_json::from_str(&last.data).expect("JSON");
    assert_eq!((last.name.as_str(), last.id.as_deref()), ("error", None));
    assert!(
        data["message"].as_str().is_some_and(|text| !text.is_empty()) && data["code"] == "gone",
        "{data}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_is_followed() {
    let east = Cluster::start(cluster(EAST, 5)).await.unwrap();
    let west = Cluster::start(cluster(WEST, 5)).await.unwrap();
    let kubeconfig = Cluster::kubeconfig(&[&east, &west]);
    let first = registry(&[(EAST, EAST)]);
    let files = [("foretop.yaml", SETTINGS), ("clusters.yaml", &first), ("kubeconfig", &kubeconfig)];
    let process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    let address = process.address;
    let mut on_east = opened(address, EAST).await;
    assert_eq!(open(address, WEST).await.head.status, 404);

    // Added, in the file's order; who was there goes on.
    process.write("clusters.yaml", &registry(&[(WEST, WEST), (EAST, EAST)]));
    has_names(address, &[WEST, EAST]).await;
    let on_west = opened(address, WEST).await;
    let rv = east.put("pods", house::pod("team-x", "a", "Running")).unwrap();
    assert_eq!(on_east.events(2).await[1].id, Some(rv.to_string()));

    // Bad: all stays, and the log says why.
    process.write("clusters.yaml", "clusters: [{name: west, backend: eks}, {nam: x}]\n");
    process.says("clusters.bad_file");
    assert_eq!(names(address).await, [WEST, EAST]);
    let rv = east.put("pods", house::pod("team-x", "b", "Running")).unwrap();
    assert_eq!(on_east.events(3).await[2].id, Some(rv.to_string()));

    // Removed, with its streams; the other goes on.
    process.write("clusters.yaml", &registry(&[(EAST, EAST)]));
    ends_with_a_reason(on_west).await;
    has_names(address, &[EAST]).await;
    assert_eq!(open(address, WEST).await.head.status, 404);
    assert_eq!(tab::get(address, "/api/clusters/west/pods", &[]).await.head.status, 404);
    eventually("no watch of the removed", async || west.counters().open_in_all() == 0).await;
    let rv = east.put("pods", house::pod("team-x", "c", "Running")).unwrap();
    assert_eq!(on_east.events(4).await[3].id, Some(rv.to_string()));

    // Changed: the name now means another cluster.
    west.put("pods", house::pod("team-west", "only-here", "Running")).unwrap();
    process.write("clusters.yaml", &registry(&[(EAST, WEST)]));
    ends_with_a_reason(on_east).await;
    let mut anew = open(address, EAST).await;
    assert!(anew.events(1).await[0].data.contains("only-here"));
    eventually("no watch of the old", async || east.counters().open_in_all() == 0).await;
}

#[test]
fn a_registry_that_is_bad_at_the_start_is_an_error() {
    let files = [("foretop.yaml", SETTINGS), ("clusters.yaml", "clusters: [{name: west, backend: eks}]\n")];
    let (status, said) = house::process::run(&["serve", "--config", "foretop.yaml"], &files);
    assert!(!status.success());
    assert!(said.contains("clusters[0]"), "{said}");
}
