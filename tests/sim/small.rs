//! Small simulated clusters, and what is asked of them.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::time::Duration;

use foretop::sim::{Cluster, Options, Tuning};
use serde_json::{Value, json};

pub const PODS: &str = "/api/v1/pods";

/// One with so many pods.
pub async fn cluster(pods: usize) -> Cluster {
    tuned(pods, Tuning::default()).await
}

/// The same, with other settings.
pub async fn tuned(pods: usize, tuning: Tuning) -> Cluster {
    Cluster::start(Options { pods, tuning, ..Options::default() }).await.unwrap()
}

/// A pod of this name, in the namespace `shop`.
pub fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"containers": [{"name": "main", "image": "x"}]}, "status": {"phase": "Pending"}})
}

/// A watch of pods from this version on.
pub fn watch_from(rv: u64) -> String {
    format!("{PODS}?watch=1&allowWatchBookmarks=true&resourceVersion={rv}")
}

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(tokio::time::Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
