//! What is told: each metric's name, type, labels and help, and how it is read.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Scene;
use crate::feed::Histogram;

/// What a metric's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// It only grows; its samples' names end in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by how long they were.
    Histogram,
}

impl Type {
    /// Prometheus' word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }

    fn of_library(self) -> MetricType {
        match self {
            Type::Counter => MetricType::Counter,
            Type::Gauge => MetricType::Gauge,
            Type::Histogram => MetricType::Histogram,
        }
    }
}

/// One metric.
pub(super) struct Metric {
    /// Without the `_total` of a counter's samples.
    pub(super) name: &'static str,
    pub(super) kind: Type,
    /// The names of its labels.
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    pub(super) read: fn(&Scene, &mut Out<'_>),
}

/// Metrics about one thing.
pub(super) struct Section {
    pub(super) heading: &'static str,
    pub(super) metrics: &'static [Metric],
}

/// Everything that is told, in the order of the page.
pub(super) const SECTIONS: &[Section] = &[
    Section { heading: "Streams", metrics: super::cores::STREAMS },
    Section { heading: "Sending", metrics: super::cores::SENDING },
    Section { heading: "Coming back", metrics: super::cores::RESUMING },
    Section { heading: "Requests and connections", metrics: super::cores::REQUESTS },
    Section { heading: "Feeds", metrics: super::feeds::METRICS },
    Section { heading: "Apiservers", metrics: super::upstream::METRICS },
    Section { heading: "Rights", metrics: super::access::METRICS },
    Section { heading: "The process", metrics: super::process::METRICS },
];

/// Where a metric's samples are written.
pub(super) struct Out<'a> {
    metric: &'static Metric,
    family: MetricEncoder<'a>,
    written: Result<(), std::fmt::Error>,
}

impl Out<'_> {
    /// Writes a metric as it is now.
    pub(super) fn write(
        metric: &'static Metric,
        encoder: &mut DescriptorEncoder<'_>,
        scene: &Scene,
    ) -> Result<(), std::fmt::Error> {
        let family = encoder.encode_descriptor(metric.name, metric.help, None, metric.kind.of_library())?;
        let mut out = Out { metric, family, written: Ok(()) };
        (metric.read)(scene, &mut out);
        out.written
    }

    /// A count, or a level, with these values of its labels, in their order.
    pub(super) fn count(&mut self, values: &[&str], number: u64) {
        let kind = self.metric.kind;
        self.sample(values, |encoder| match kind {
            Type::Gauge => ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)).encode(encoder),
            Type::Counter | Type::Histogram => ConstCounter::new(number).encode(encoder),
        });
    }

    /// A level that may be less than nothing.
    pub(super) fn level(&mut self, values: &[&str], level: i64) {
        self.sample(values, |encoder| ConstGauge::new(level).encode(encoder));
    }

    /// The same in seconds, with what is less than one.
    pub(super) fn seconds(&mut self, values: &[&str], seconds: f64) {
        let kind = self.metric.kind;
        self.sample(values, |encoder| match kind {
            Type::Gauge => ConstGauge::new(seconds).encode(encoder),
            Type::Counter | Type::Histogram => ConstCounter::new(seconds).encode(encoder),
        });
    }

    /// A distribution.
    pub(super) fn histogram(&mut self, values: &[&str], histogram: &Histogram) {
        let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = histogram.sum().as_secs_f64();
        self.sample(values, |mut encoder| encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None));
    }

    fn sample(
        &mut self,
        values: &[&str],
        write: impl FnOnce(MetricEncoder<'_>) -> Result<(), std::fmt::Error>,
    ) {
        let labels: Vec<(&str, &str)> =
            self.metric.labels.iter().copied().zip(values.iter().copied()).collect();
        debug_assert_eq!(values.len(), self.metric.labels.len(), "{}", self.metric.name);
        self.written = std::mem::replace(&mut self.written, Ok(()))
            .and_then(|()| self.family.encode_family(&labels))
            .and_then(write);
    }
}
