//! What apiservers are asked, over all clusters.

use std::sync::atomic::Ordering::Relaxed;

use super::table::{Metric, Type};

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "foretop_clusters",
        kind: Type::Gauge,
        labels: &[],
        help: "Clusters of the registry.",
        read: |scene, out| out.count(&[], scene.api.clusters.specs().len() as u64),
    },
    Metric {
        name: "foretop_clusters_unusable",
        kind: Type::Gauge,
        labels: &[],
        help: "Of these, those whose kubeconfig cannot be read or leads nowhere.",
        read: |scene, out| {
            let clusters = &scene.api.clusters;
            out.count(&[], clusters.specs().len().saturating_sub(clusters.all().len()) as u64);
        },
    },
    Metric {
        name: "foretop_upstream_requests",
        kind: Type::Counter,
        labels: &["verb", "code"],
        help: "Requests to apiservers, by Kubernetes' verb and the answer's HTTP status; `none`: no answer.",
        read: |scene, out| {
            for (verb, code, count) in scene.asked.requests() {
                out.count(&[verb, code], count);
            }
        },
    },
    Metric {
        name: "foretop_upstream_watches",
        kind: Type::Gauge,
        labels: &[],
        help: "Watches open now.",
        read: |scene, out| {
            let clusters = scene.api.clusters.all();
            let open = clusters.iter().map(|cluster| cluster.counters.watches.load(Relaxed));
            out.count(&[], open.sum::<usize>() as u64);
        },
    },
    Metric {
        name: "foretop_upstream_connections",
        kind: Type::Gauge,
        labels: &[],
        help: "TCP connections to apiservers open now.",
        read: |scene, out| {
            let clusters = scene.api.clusters.all();
            let open = clusters.iter().map(|cluster| cluster.counters.connections.load(Relaxed));
            out.count(&[], open.sum::<usize>() as u64);
        },
    },
    Metric {
        name: "foretop_upstream_syncs",
        kind: Type::Counter,
        labels: &[],
        help: "Lists and initial events that were taken whole.",
        read: |scene, out| out.count(&[], scene.asked.syncs.load(Relaxed)),
    },
    Metric {
        name: "foretop_upstream_bad_lines",
        kind: Type::Counter,
        labels: &[],
        help: "Lines of watches that were over-long, cut off, or not what Kubernetes sends.",
        read: |scene, out| out.count(&[], scene.asked.bad_lines.load(Relaxed)),
    },
    Metric {
        name: "foretop_upstream_repeats",
        kind: Type::Counter,
        labels: &[],
        help: "Requests repeated because a connection was being renewed.",
        read: |scene, out| out.count(&[], scene.asked.repeats.load(Relaxed)),
    },
    Metric {
        name: "foretop_upstream_renewals",
        kind: Type::Counter,
        labels: &[],
        help: "Times that a cluster's credentials were read anew after a 401.",
        read: |scene, out| out.count(&[], scene.asked.renewals.load(Relaxed)),
    },
];
