//! Clusters' Kubernetes versions, which no row holds: read once in a while, whoever asks.
//!
//! An apiserver tells its version to everybody who reaches it, by default. It is shown to those who may list the cluster's nodes, which name nearly
//! the same version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::Api;
use super::glance::{Seen, Unseen};
use crate::cluster::Cluster;

/// How long a version is known.
const LIFE: Duration = Duration::from_mins(5);

/// How long a cluster that did not tell it is left alone.
const PAUSE: Duration = Duration::from_secs(15);

/// How much longer than for rows it is waited for.
const GRACE: Duration = Duration::from_secs(1);

/// What was read, and when. Held while it is read, so that it is read once.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, String)>>>;

/// The versions of all clusters.
#[derive(Default)]
pub(super) struct Versions(Mutex<HashMap<Arc<str>, Slot>>);

impl Versions {
    /// A cluster's version; empty where it is not told in time.
    pub(super) async fn of(&self, cluster: &Arc<Cluster>, until: tokio::time::Instant) -> String {
        let slot = self.slot(&cluster.name);
        tokio::time::timeout_at(until, read(&slot, cluster)).await.unwrap_or_default()
    }

    fn slot(&self, cluster: &Arc<str>) -> Slot {
        let mut slots = self.0.lock().expect("nothing panics while it holds this lock");
        slots.entry(cluster.clone()).or_default().clone()
    }
}

/// The version of a cluster whose nodes somebody may see; empty for all others, and where the cluster is away.
pub(super) async fn seen_by(
    api: &Api,
    cluster: &str,
    nodes: &Result<Seen, Unseen>,
    until: tokio::time::Instant,
) -> String {
    let is_there = nodes.as_ref().is_ok_and(|seen| seen.stale.is_none());
    match api.clusters.get(cluster).filter(|_| is_there) {
        Some(cluster) => api.overviews.versions.of(&cluster, until + GRACE).await,
        None => String::new(),
    }
}

async fn read(slot: &Slot, cluster: &Arc<Cluster>) -> String {
    let mut known = slot.lock().await;
    if let Some((at, version)) = &*known {
        let life = if version.is_empty() { PAUSE } else { LIFE };
        if at.elapsed() < life {
            return version.clone();
        }
    }
    let version = cluster.server_version().await.ok().flatten().unwrap_or_default();
    *known = Some((Instant::now(), version.clone()));
    version
}
