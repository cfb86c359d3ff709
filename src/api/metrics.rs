//! `/metrics` in Prometheus' format: figures are counted beside what they count, and gathered here when they are asked for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Api, process};
use crate::core::counters::CoreCounters;
use crate::feed::ledger::Thing;
use crate::feed::{Counter, Counters};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let mut registry = Registry::with_prefix("foretop");
    registry.register_collector(Box::new(Gathered(api)));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([("content-type", CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

struct Gathered(Arc<Api>);

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server's figures")
    }
}

/// A figure's name, its help, and where it is read.
type CoreFigure = (&'static str, &'static str, fn(&CoreCounters) -> u64);

/// A count's name, its help, and where it is counted.
type Counted<T> = (&'static str, &'static str, fn(&T) -> &Counter);

const CORE_LEVELS: [CoreFigure; 5] = [
    ("streams", "Open streams", |core| core.streams.get()),
    ("views", "Views with streams", |core| core.views.get()),
    ("users", "Users with streams", |core| core.users.get()),
    ("connections", "Open connections that are no stream", |core| core.connections.get()),
    ("streams_held", "Streams that wait for bytes of their tenant's quota", |core| core.waiting.get()),
];

const CORE_COUNTS: [Counted<CoreCounters>; 24] = [
    ("streams_opened", "Streams opened", |core| &core.opened),
    ("streams_closed", "Streams ended", |core| &core.closed),
    ("sends", "Sends given to the kernel", |core| &core.sends),
    ("laps", "Laps over a view's streams that have ended", |core| &core.laps),
    ("lap_microseconds", "Microseconds that these laps took", |core| &core.lap_us),
    ("sent_bytes", "Bytes that sockets took", |core| &core.bytes),
    ("sends_blocked", "Sends that met a full socket", |core| &core.blocked),
    ("frames_appended", "Frames put into views' logs", |core| &core.appended),
    ("streams_lagged", "Streams that left their log for lagging", |core| &core.lagged),
    ("catchups", "Catch-ups encoded", |core| &core.catchups),
    ("catchups_coalesced", "Catch-ups that were coalesced", |core| &core.coalesced),
    ("resumes", "Resumes answered from a journal", |core| &core.resumed),
    ("resumes_too_old", "Resumes whose id was too old", |core| &core.too_old),
    ("resumes_ahead", "Resumes whose id was newer than anything known", |core| &core.ahead),
    ("snapshots_sent", "Snapshots handed to streams", |core| &core.snapshots),
    ("quota_waits", "Times that a stream began to wait for bytes of its tenant's quota", |core| &core.held),
    ("quota_held_bytes", "Bytes that there were for a stream when it began to wait so", |core| {
        &core.held_bytes
    }),
    ("streams_stalled", "Streams reset for taking nothing", |core| &core.stalled),
    ("streams_shed", "Streams ended at the ceiling of memory", |core| &core.shed),
    ("lists", "Lists asked for", |core| &core.lists),
    ("lists_not_modified", "Lists answered by 304", |core| &core.not_modified),
    ("requests_refused", "Requests refused", |core| &core.refused),
    ("connections_accepted", "Connections accepted", |core| &core.accepted),
    (
        "connections_turned_away",
        "Connections closed at once, since the core or the client's address had too many",
        |core| &core.turned_away,
    ),
];

const FEED_COUNTS: [Counted<Counters>; 6] = [
    ("feed_events", "Events that apiservers delivered", |feed| &feed.events_in),
    ("feed_events_suppressed", "Events that changed no row", |feed| &feed.suppressed),
    ("feed_diffed", "Frames that came of a relist", |feed| &feed.diffed),
    ("feed_encodings", "Delta frames encoded", |feed| &feed.encodings),
    ("feed_snapshots", "Snapshots encoded", |feed| &feed.snapshots),
    ("feed_lists", "Whole lists taken", |feed| &feed.lists),
];

impl Collector for Gathered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let api = &self.0;
        for (name, help, level) in CORE_LEVELS {
            gauges(&mut encoder, name, help, "core", &self.per_core(level))?;
        }
        for (name, help, count) in CORE_COUNTS {
            counters(&mut encoder, name, help, "core", &self.per_core(|core| count(core).get()))?;
        }
        let memory: Vec<_> = Thing::ALL
            .iter()
            .map(|thing| (thing.name().to_owned(), api.ledger.spent(*thing) as u64))
            .collect();
        gauges(&mut encoder, "memory_bytes", "Bytes entered in the ledger", "thing", &memory)?;
        let driver = [(api.driver.name().to_owned(), 1)];
        gauges(&mut encoder, "driver", "What the cores run on", "driver", &driver)?;
        self.process(&mut encoder)?;
        self.feeds(&mut encoder)?;
        self.upstream(&mut encoder)
    }
}

impl Gathered {
    fn per_core(&self, figure: impl Fn(&CoreCounters) -> u64) -> Vec<(String, u64)> {
        self.0.cores.iter().enumerate().map(|(id, core)| (id.to_string(), figure(&core.counters))).collect()
    }

    /// What the process takes, by thread where that is time, and what the audit has written.
    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut by_name: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
        for thread in process::all_threads() {
            *by_name.entry(thread.name).or_default() += thread.time.as_secs_f64();
        }
        let kind = prometheus_client::metrics::MetricType::Counter;
        let help = "Processor time of the threads of a name";
        let mut family = encoder.encode_descriptor("thread_cpu_seconds", help, None, kind)?;
        for (name, seconds) in by_name {
            ConstCounter::new(seconds).encode(family.encode_family(&[("thread", name.as_str())])?)?;
        }
        let resident: Vec<_> =
            process::resident().map(|bytes| ("rss".to_owned(), bytes)).into_iter().collect();
        gauges(encoder, "process_memory_bytes", "Memory of the process", "kind", &resident)?;
        let audit = self.0.audit.counters().into_iter().flat_map(|audit| {
            [("written".to_owned(), audit.written.get()), ("lost".to_owned(), audit.lost.get())]
        });
        counters(encoder, "audit_records", "Records of the audit", "outcome", &audit.collect::<Vec<_>>())
    }

    /// Summed over clusters, by kind: labels stay few whatever the number of clusters.
    fn feeds(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let feeds = self.0.hub.feeds();
        for (name, help, count) in FEED_COUNTS {
            let mut by_kind: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
            for feed in &feeds {
                *by_kind.entry(feed.key.kind.name).or_default() += count(&feed.counters).get();
            }
            let sums: Vec<_> = by_kind.into_iter().map(|(kind, sum)| (kind.to_owned(), sum)).collect();
            counters(encoder, name, help, "kind", &sums)?;
        }
        let mut by_state: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
        for feed in &feeds {
            *by_state.entry(feed.state().word()).or_default() += 1;
        }
        let states: Vec<_> = by_state.into_iter().map(|(state, n)| (state.to_owned(), n)).collect();
        gauges(encoder, "feeds", "Feeds by state", "state", &states)
    }

    fn upstream(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut sums: std::collections::BTreeMap<(&str, &str), u64> = std::collections::BTreeMap::new();
        for cluster in self.0.clusters.all() {
            for (verb, outcome, count) in cluster.counters.requests() {
                *sums.entry((verb, outcome)).or_default() += count;
            }
        }
        let name = "upstream_requests";
        let kind = prometheus_client::metrics::MetricType::Counter;
        let mut family = encoder.encode_descriptor(name, "Requests to apiservers", None, kind)?;
        for ((verb, code), count) in sums {
            let labels = [("verb", verb), ("code", code)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(String, u64)],
) -> Result<(), std::fmt::Error> {
    let kind = prometheus_client::metrics::MetricType::Counter;
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, count) in values {
        ConstCounter::new(*count).encode(family.encode_family(&[(label, value.as_str())])?)?;
    }
    Ok(())
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(String, u64)],
) -> Result<(), std::fmt::Error> {
    let kind = prometheus_client::metrics::MetricType::Gauge;
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, level) in values {
        let level = i64::try_from(*level).unwrap_or(i64::MAX);
        ConstGauge::new(level).encode(family.encode_family(&[(label, value.as_str())])?)?;
    }
    Ok(())
}
