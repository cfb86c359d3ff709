//! What was decided about rights, and how old it is.

use super::table::{Metric, Type};
use crate::access::RULINGS;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "foretop_access_grants",
        kind: Type::Gauge,
        labels: &["ruling"],
        help: "Decisions that are kept up to date: one per user, cluster, kind and namespaces wanted. None in `authorization.mode: shared`.",
        read: |scene, out| {
            for (ruling, count) in RULINGS.iter().zip(scene.standing.rulings) {
                out.count(&[ruling], count);
            }
        },
    },
    Metric {
        name: "foretop_access_grants_graced",
        kind: Type::Gauge,
        labels: &[],
        help: "Of these, those that still allow although the apiserver cannot be asked (`access.grace`).",
        read: |scene, out| out.count(&[], scene.standing.graced),
    },
    Metric {
        name: "foretop_access_oldest_seconds",
        kind: Type::Gauge,
        labels: &[],
        help: "Age of the oldest answer that an open stream depends on. `access.reviewEvery` bounds it while apiservers answer.",
        read: |scene, out| out.seconds(&[], scene.standing.oldest.unwrap_or_default().as_secs_f64()),
    },
    Metric {
        name: "foretop_access_rulings",
        kind: Type::Counter,
        labels: &["ruling"],
        help: "Decisions that were first ones, or other ones than before.",
        read: |scene, out| {
            for (ruling, count) in RULINGS.iter().zip(&scene.api.access.counters.rulings) {
                out.count(&[ruling], count.get());
            }
        },
    },
    Metric {
        name: "foretop_access_questions",
        kind: Type::Counter,
        labels: &["answer"],
        help: "Questions about rights that apiservers were asked (up to two reviews each), by their answer: allowed, denied, or unsaid where none came or it was not clear.",
        read: |scene, out| {
            let counters = &scene.api.access.counters;
            out.count(&["allowed"], counters.allowed.get());
            out.count(&["denied"], counters.denied.get());
            out.count(&["unsaid"], counters.unsaid.get());
        },
    },
    Metric {
        name: "foretop_access_question_seconds",
        kind: Type::Histogram,
        labels: &[],
        help: "How long they took.",
        read: |scene, out| out.histogram(&[], &scene.api.access.counters.took),
    },
];
