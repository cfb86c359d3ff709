//! What feeds count: summed over clusters, by kind, so that labels stay few whatever the number of clusters.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Scene;
use super::table::{Metric, Out, Type};
use crate::feed::{Counter, Counters, State};

/// Most clusters that are named, those first that have been in trouble for longest.
pub(super) const MOST_TROUBLED: usize = 100;

/// By kind, as its feeds have counted it.
macro_rules! each_kind {
    ($field:ident) => {
        |scene, out| each(scene, out, |feed| &feed.$field)
    };
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "foretop_feeds",
        kind: Type::Gauge,
        labels: &["state"],
        help: "Feeds (one per cluster and kind that somebody looks at), by how their reflector does: ok, syncing, failed (the apiserver is not reached), unauthenticated, forbidden or absent.",
        read: |scene, out| {
            for word in State::WORDS {
                let count = scene.feeds.iter().filter(|feed| feed.state().word() == word).count();
                out.count(&[word], count as u64);
            }
        },
    },
    Metric {
        name: "foretop_cluster_trouble_seconds",
        kind: Type::Gauge,
        labels: &["cluster", "state"],
        help: "For how long a cluster has had a feed that is neither ok nor absent; the feed with the longest, and at most 100 clusters.",
        read: troubles,
    },
    Metric {
        name: "foretop_feed_rows",
        kind: Type::Gauge,
        labels: &["kind"],
        help: "Rows held.",
        read: |scene, out| {
            let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
            for feed in &scene.feeds {
                *rows.entry(feed.key.kind.name).or_default() += feed.figures().rows as u64;
            }
            for (kind, rows) in rows {
                out.count(&[kind], rows);
            }
        },
    },
    Metric {
        name: "foretop_event_lateness_seconds",
        kind: Type::Histogram,
        labels: &[],
        help: "From an object's creation, by the apiserver's clock and in whole seconds, until its row was ready here; of new objects that watches told of. Half a second of it is rounding, and two clocks that differ show as well.",
        read: |scene, out| out.histogram(&[], scene.api.hub.lateness()),
    },
    Metric {
        name: "foretop_feed_events",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Events that watches delivered.",
        read: each_kind!(events_in),
    },
    Metric {
        name: "foretop_feed_events_suppressed",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Of these, those that changed no row, and were sent to nobody.",
        read: each_kind!(suppressed),
    },
    Metric {
        name: "foretop_feed_encodings",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Frames encoded: events less suppressed ones, and differences of relists; whatever the number of tabs.",
        read: each_kind!(encodings),
    },
    Metric {
        name: "foretop_feed_lists",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Whole lists taken from apiservers. After the first of a feed each one is a relist.",
        read: each_kind!(lists),
    },
    Metric {
        name: "foretop_feed_diffed",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Frames that relists came to, by comparison.",
        read: each_kind!(diffed),
    },
    Metric {
        name: "foretop_feed_resets",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Times that a feed's versions began anew (a restored etcd, another cluster), and every tab got a snapshot.",
        read: each_kind!(resets),
    },
    Metric {
        name: "foretop_feed_bookmarks",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Bookmarks that watches delivered.",
        read: each_kind!(bookmarks),
    },
    Metric {
        name: "foretop_feed_snapshots",
        kind: Type::Counter,
        labels: &["kind"],
        help: "Snapshots encoded. How many streams got one: `foretop_snapshots_sent_total`.",
        read: each_kind!(snapshots),
    },
];

fn each(scene: &Scene, out: &mut Out<'_>, count: impl Fn(&Counters) -> &Counter) {
    for (kind, counters) in &scene.by_kind {
        out.count(&[kind], count(counters).get());
    }
}

fn troubles(scene: &Scene, out: &mut Out<'_>) {
    let now = Timestamp::now();
    let mut longest: BTreeMap<&str, (f64, &'static str)> = BTreeMap::new();
    for feed in &scene.feeds {
        let status = feed.status();
        if matches!(status.state, State::Live | State::Absent) {
            continue;
        }
        let seconds = now.duration_since(status.since).as_secs_f64().max(0.0);
        let known = longest.entry(&feed.key.cluster).or_insert((seconds, status.state.word()));
        if seconds > known.0 {
            *known = (seconds, status.state.word());
        }
    }
    let mut longest: Vec<_> = longest.into_iter().collect();
    longest.sort_by(|(_, (a, _)), (_, (b, _))| b.total_cmp(a));
    for (cluster, (seconds, state)) in longest.into_iter().take(MOST_TROUBLED) {
        out.seconds(&[cluster, state], seconds);
    }
}
