//! What there is: kinds with a stream, and clusters.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::{Api, Asker, json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Features {
    channel: &'static str,
    commit: &'static str,
    version: &'static str,
    watch_streams: Vec<&'static str>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The kinds that have a stream, in the registry's order.
pub(super) async fn features(State(api): State<Arc<Api>>) -> Response {
    json(&Features {
        channel: if VERSION.contains('-') { "prerelease" } else { "stable" },
        commit: option_env!("FORETOP_COMMIT").unwrap_or("unknown"),
        version: VERSION,
        watch_streams: api.kinds.iter().map(|kind| kind.name).collect(),
    })
}

#[derive(Serialize)]
struct ClusterList {
    clusters: Vec<ClusterLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterLine {
    name: String,
    backend: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    arn: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    region: String,
    exec_enabled: bool,
}

/// The caller's clusters, in the registry's order. Where their kubeconfigs are is nobody's business.
pub(super) async fn clusters(State(api): State<Arc<Api>>, Extension(asker): Extension<Asker>) -> Response {
    let line = |spec: &crate::cluster::ClusterSpec| ClusterLine {
        name: spec.name.to_string(),
        backend: spec.backend.name(),
        arn: spec.arn.clone(),
        region: spec.region.clone(),
        exec_enabled: spec.exec_enabled,
    };
    let specs = api.clusters.specs();
    let theirs = specs.iter().filter(|spec| api.access.admits(&asker.identity, &spec.name));
    json(&ClusterList { clusters: theirs.map(|spec| line(spec)).collect() })
}
