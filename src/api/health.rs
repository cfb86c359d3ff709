//! Whether the process lives, and whether it is to be sent clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State as Of;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use serde::Serialize;

use super::{Api, json};
use crate::feed::State;

/// The contract's answer: two bytes, whatever the clusters do.
pub(super) async fn healthz() -> &'static str {
    "ok"
}

/// Why clients are not to be sent here; `None`: they are.
fn not_ready(api: &Api) -> Option<&'static str> {
    if api.draining.load(Ordering::Acquire) {
        return Some("shutting down");
    }
    let ready = api.ready.load(Ordering::Acquire);
    (!ready).then_some("not ready: feeds that are kept warm are syncing")
}

/// 200 once the feeds that are kept warm are there (or were tried for long enough), until the process is shutting down.
pub(super) async fn readyz(Of(api): Of<Arc<Api>>) -> Response {
    match not_ready(&api) {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        None => "ok".into_response(),
    }
}

/// Most feeds that are told of one by one.
const MOST_TROUBLED: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    clusters: usize,
    streams: u64,
    /// How many, by state.
    feeds: BTreeMap<&'static str, usize>,
    /// Those that are not live.
    troubled: Vec<Troubled>,
}

#[derive(Serialize)]
struct Troubled {
    cluster: String,
    kind: &'static str,
    state: &'static str,
    since: String,
    synced: bool,
}

/// The same answer, with what it rests on and what is amiss.
pub(super) async fn readyz_in_detail(Of(api): Of<Arc<Api>>) -> Response {
    let why = not_ready(&api);
    let mut feeds = BTreeMap::new();
    let mut troubled = Vec::new();
    for feed in &api.hub.feeds() {
        let status = feed.status();
        *feeds.entry(status.state.word()).or_default() += 1;
        if status.state != State::Live && troubled.len() < MOST_TROUBLED {
            troubled.push(Troubled {
                cluster: feed.key.cluster.to_string(),
                kind: feed.key.kind.name,
                state: status.state.word(),
                since: status.since.to_string(),
                synced: status.synced,
            });
        }
    }
    let detail = Detail {
        ready: why.is_none(),
        why,
        clusters: api.clusters.specs().len(),
        streams: api.cores.iter().map(|core| core.counters.streams.get()).sum(),
        feeds,
        troubled,
    };
    let status = if why.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, json(&detail)).into_response()
}
