//! What there is: kinds with a stream, and clusters.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::{Api, json};

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

/// The clusters, in the registry's order. Where their kubeconfigs are is nobody's business.
pub(super) async fn clusters(State(api): State<Arc<Api>>) -> Response {
    let line = |spec: &crate::cluster::ClusterSpec| ClusterLine {
        name: spec.name.to_string(),
        backend: spec.backend.name(),
        arn: spec.arn.clone(),
        region: spec.region.clone(),
        exec_enabled: spec.exec_enabled,
    };
    json(&ClusterList { clusters: api.clusters.specs().iter().map(|spec| line(spec)).collect() })
}
