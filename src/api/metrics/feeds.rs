//! What feeds count: summed over clusters, by what they show, so that labels stay few whatever the number of clusters.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Scene;
use super::table::{Metric, Out, Type};
use crate::feed::hub::Shown;
use crate::feed::saved::Cold;
use crate::feed::{Counter, Counters, Eyes, State};

/// Most clusters that are named, those first that have been in trouble for longest.
pub(super) const MOST_TROUBLED: usize = 100;

/// Events of one source are counted by each of its feeds: of the same kind there is one per sort of rows, and per selector.
const SHOWN: &[&str] = &["kind", "rows", "selector"];

/// By what feeds show, as they have counted it.
macro_rules! each_shown {
    ($field:ident) => {
        |scene, out| each(scene, out, |feed| &feed.$field)
    };
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "foretop_feeds",
        kind: Type::Gauge,
        labels: &["state"],
        help: "Feeds (one per cluster, kind, sort of rows and selector that somebody looks at), by how their reflector does: ok, syncing, failed (the apiserver is not reached), unauthenticated, forbidden or absent.",
        read: |scene, out| {
            for word in State::WORDS {
                let count = scene.feeds.iter().filter(|feed| feed.state().word() == word).count();
                out.count(&[word], count as u64);
            }
        },
    },
    Metric {
        name: "foretop_state_restored",
        kind: Type::Counter,
        labels: &[],
        help: "Feeds that went on from where the process before had saved them.",
        read: |scene, out| out.count(&[], scene.api.hub.restores.restored.get()),
    },
    Metric {
        name: "foretop_state_cold_starts",
        kind: Type::Counter,
        labels: &["why"],
        help: "Saved feeds that were of no use, and began with a LIST.",
        read: |scene, out| {
            for why in Cold::ALL {
                out.count(&[why.name()], scene.api.hub.restores.cold(why).get());
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
        labels: SHOWN,
        help: "Rows held.",
        read: |scene, out| {
            let mut rows: BTreeMap<Shown, u64> = BTreeMap::new();
            for feed in &scene.feeds {
                *rows.entry(Shown::of(&feed.key)).or_default() += feed.figures().rows as u64;
            }
            for (Shown { kind, rows, selector }, held) in rows {
                out.count(&[kind, rows, selector], held);
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
        labels: SHOWN,
        help: "Events that watches delivered, once for each feed: those of `rows=\"plain\",selector=\"none\"` (what a kind's own streams and lists show), of `full` rows, and of rows that a selector narrows.",
        read: each_shown!(events_in),
    },
    Metric {
        name: "foretop_feed_events_suppressed",
        kind: Type::Counter,
        labels: SHOWN,
        help: "Of these, those that changed no row, and were sent to nobody.",
        read: each_shown!(suppressed),
    },
    Metric {
        name: "foretop_feed_encodings",
        kind: Type::Counter,
        labels: SHOWN,
        help: "Frames encoded: events less suppressed ones, and differences of relists; whatever the number of tabs.",
        read: each_shown!(encodings),
    },
    Metric {
        name: "foretop_feed_lists",
        kind: Type::Counter,
        labels: SHOWN,
        help: "Whole lists taken from apiservers. After the first of a feed each one is a relist.",
        read: each_shown!(lists),
    },
    Metric {
        name: "foretop_feed_diffed",
        kind: Type::Counter,
        labels: SHOWN,
        help: "Frames that relists came to, by comparison.",
        read: each_shown!(diffed),
    },
    Metric {
        name: "foretop_feed_resets",
        kind: Type::Counter,
        labels: SHOWN,
        help: "Times that a feed's versions began anew (a restored etcd, another cluster), and every tab got a snapshot.",
        read: each_shown!(resets),
    },
    Metric {
        name: "foretop_feed_bookmarks",
        kind: Type::Counter,
        labels: SHOWN,
        help: "Bookmarks that watches delivered.",
        read: each_shown!(bookmarks),
    },
    Metric {
        name: "foretop_feed_snapshots",
        kind: Type::Counter,
        labels: SHOWN,
        help: "Snapshots encoded. How many streams got one: `foretop_snapshots_sent_total`.",
        read: each_shown!(snapshots),
    },
];

fn each(scene: &Scene, out: &mut Out<'_>, count: impl Fn(&Counters) -> &Counter) {
    for (Shown { kind, rows, selector }, counters) in &scene.by_shown {
        out.count(&[kind, rows, selector], count(counters).get());
    }
}

fn troubles(scene: &Scene, out: &mut Out<'_>) {
    let now = Timestamp::now();
    let mut longest: BTreeMap<&str, (f64, &'static str)> = BTreeMap::new();
    for feed in &scene.feeds {
        let status = feed.status();
        // What a user of their own watch may not see is no trouble of the cluster's.
        let is_theirs = feed.key.eyes != Eyes::Own && status.state == State::Forbidden;
        if is_theirs || matches!(status.state, State::Live | State::Absent) {
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
