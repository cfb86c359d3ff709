//! `/metrics`: figures are counted beside what they count, and gathered here when they are asked for.
//!
//! Everything that is told stands in one table ([`table`]), from which the answer is written and, as [`mod@page`], `docs/metrics.md`. Invariants: no label
//! is a user's, a tenant's, a namespace's or an object's; the series of a metric are bounded by cores, kinds and words of ours (of clusters, by
//! [`feeds::MOST_TROUBLED`]); a counter never falls while the process lives, whatever ends.

mod access;
mod cores;
mod exposition;
mod feeds;
mod page;
mod process;
mod table;
mod upstream;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

pub use self::page::{names, page};

use self::table::{Out, SECTIONS};
use super::Api;
use crate::cluster;
use crate::feed::hub::Shown;
use crate::feed::{Counters, Feed};

/// All that is read for one answer.
struct Scene {
    api: Arc<Api>,
    feeds: Vec<Arc<Feed>>,
    /// Of all feeds that ever were.
    by_shown: BTreeMap<Shown, Counters>,
    /// Of all clusters that ever were.
    asked: cluster::Counters,
    standing: crate::access::Standing,
}

impl Scene {
    fn new(api: Arc<Api>) -> Self {
        Scene {
            feeds: api.hub.feeds(),
            by_shown: api.hub.counts(),
            asked: api.clusters.counts(),
            standing: api.access.standing(),
            api,
        }
    }
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server's figures")
    }
}

impl Collector for Scene {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for metric in SECTIONS.iter().flat_map(|section| section.metrics) {
            Out::write(metric, &mut encoder, self)?;
        }
        Ok(())
    }
}

/// In `OpenMetrics`' text where the asker reads it, else in Prometheus' own.
pub(super) async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scene::new(api)));
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("application/openmetrics-text") {
        return ([(header::CONTENT_TYPE, exposition::OPEN_METRICS)], text).into_response();
    }
    ([(header::CONTENT_TYPE, exposition::PROMETHEUS)], exposition::as_prometheus(&text)).into_response()
}
