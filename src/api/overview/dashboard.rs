//! `GET /api/clusters/{cluster}/dashboard`: one cluster at a glance.
//!
//! What rows do not hold (allocatable resources, metrics) is left as the contract leaves what is not available. Where a cluster is away, what was
//! last seen is shown, with `stale` and `asOf`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::super::in_path::InPath;
use super::super::{Api, Asker, json, refuse, wants_json};
use super::demand::Rank;
use super::glance::{Glance, Seen, Starts, Unseen};
use super::tally::{Phases, Tally, Troubled};
use super::version;
use crate::cluster::Backend;
use crate::kind::quantity;
use crate::wire::refusal::Refusal;

/// How long a dashboard waits for decisions and first syncs.
const PATIENCE: Duration = Duration::from_secs(4);

/// The kinds that are looked at, and their names in the answer.
const KINDS: [(&str, &str); 10] = [
    ("nodes", "nodes"),
    ("pods", "pods"),
    ("namespaces", "namespaces"),
    ("deployments", "deployments"),
    ("statefulsets", "statefulSets"),
    ("daemonsets", "daemonSets"),
    ("jobs", "jobs"),
    ("cronjobs", "cronJobs"),
    ("pvs", "pvs"),
    ("pvcs", "pvcs"),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dashboard {
    kubernetes_version: String,
    provider: &'static str,
    node_count: usize,
    node_ready_count: usize,
    pod_count: usize,
    namespace_count: usize,
    cpu_allocatable: &'static str,
    memory_allocatable: &'static str,
    metrics_available: bool,
    accessibility: BTreeMap<&'static str, &'static str>,
    workloads: BTreeMap<&'static str, Workload>,
    pod_phases: Phases,
    needs_attention: Vec<Troubled>,
    storage: Storage,
    stale: bool,
    as_of: Timestamp,
}

#[derive(Serialize)]
struct Workload {
    total: usize,
    healthy: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Storage {
    pv_count: usize,
    pvc_bound: usize,
    pvc_pending: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_provisioned: Option<String>,
}

pub(in super::super) async fn dashboard(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    InPath(cluster): InPath<String>,
    headers: HeaderMap,
) -> Response {
    match summed_up(api, &asker, cluster.into()).await {
        Ok(dashboard) => json(&dashboard),
        Err(why) => refuse(why, wants_json(&headers)),
    }
}

async fn summed_up(api: Arc<Api>, asker: &Asker, cluster: Arc<str>) -> Result<Dashboard, Refusal> {
    let asker = api.asks_as(asker, &cluster)?;
    let until = Instant::now() + PATIENCE;
    let glance =
        Glance { api: api.clone(), cluster: cluster.clone(), asker, until, starts: Starts::Each(Rank::Page) };
    let looked = glance.see_all(KINDS.map(|(kind, _)| kind)).await;
    let tallies = looked.each_ref().map(|seen| match seen {
        Ok(seen) => seen.tally.clone(),
        Err(_) => Arc::new(Tally::default()),
    });
    let [nodes, pods, namespaces, workloads @ .., volumes, claims] = &tallies;
    let since = looked.iter().flatten().filter_map(|seen| seen.stale).map(|(since, _)| since).min();
    Ok(Dashboard {
        kubernetes_version: version::seen_by(&api, &cluster, &looked[0], until).await,
        provider: provider(&api, &cluster),
        node_count: nodes.total,
        node_ready_count: nodes.good,
        pod_count: pods.total,
        namespace_count: namespaces.total,
        cpu_allocatable: "",
        memory_allocatable: "",
        metrics_available: false,
        accessibility: accessibility(&looked),
        workloads: named(&KINDS[3..8], workloads),
        pod_phases: pods.phases,
        needs_attention: pods.troubled.clone(),
        storage: Storage {
            pv_count: volumes.total,
            pvc_bound: claims.good,
            pvc_pending: claims.pending,
            total_provisioned: (volumes.bytes > 0).then(|| quantity::format_bytes(volumes.bytes)),
        },
        stale: since.is_some(),
        as_of: since.unwrap_or_else(Timestamp::now),
    })
}

/// The contract names the first three and metrics; who reads the others learns of what their zeros mean.
fn accessibility(looked: &[Result<Seen, Unseen>]) -> BTreeMap<&'static str, &'static str> {
    let word = |seen: &Result<Seen, Unseen>| match seen {
        Ok(_) => "ok",
        Err(Unseen::Forbidden) => "forbidden",
        Err(Unseen::Unknown | Unseen::Unavailable(_)) => "unavailable",
    };
    let of_kinds = KINDS.iter().zip(looked).map(|((_, name), seen)| (*name, word(seen)));
    of_kinds.chain([("metrics", "unavailable")]).collect()
}

fn named(kinds: &[(&str, &'static str)], tallies: &[Arc<Tally>]) -> BTreeMap<&'static str, Workload> {
    let workload = |tally: &Tally| Workload { total: tally.total, healthy: tally.good };
    kinds.iter().zip(tallies).map(|((_, name), tally)| (*name, workload(tally))).collect()
}

fn provider(api: &Api, cluster: &str) -> &'static str {
    let specs = api.clusters.specs();
    match specs.iter().find(|spec| &*spec.name == cluster).map(|spec| spec.backend) {
        Some(Backend::InCluster) => "In-cluster",
        Some(Backend::Kubeconfig) | None => "Kubeconfig",
    }
}
