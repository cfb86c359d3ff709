//! The figures of a phase: what the counts of tabs, server and source come to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sampler::Taken;
use crate::tabs::totals::{self, Report, Times};

/// A figure's name, as in thresholds and reports. Which is better depends on the figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Figure {
    /// Tabs that showed something at the end of the window.
    Tabs,
    /// Frames that tabs received per second.
    FramesPerSecond,
    /// Bytes that tabs received per second.
    BytesPerSecond,
    /// Sends per second, by the server's counter; by the kernel's of segments where the server has none.
    SendsPerSecond,
    /// Frames per send.
    FramesPerSend,
    /// Sends per tab and second.
    SendsPerTab,
    /// How long a lap over a view's tabs took on average, in milliseconds.
    LapMs,
    /// Sends per tab, as a multiple of the least that there are where each tab gets one per lap and window.
    SendsOfBound,
    /// The server's processor time, in CPUs, softirq threads included.
    Cpus,
    /// Microseconds of it per frame: seconds per million frames.
    CpuPerFrame,
    /// Microseconds of it per send: seconds per million sends.
    CpuPerSend,
    /// Of this, in user space.
    UserPerSend,
    /// Microseconds of it per change at the source.
    CpuPerEvent,
    /// Milliseconds of processor time per tab: of a storm of connections.
    CpuPerTab,
    /// Of this, in user space.
    UserPerTab,
    /// The server's resident memory, in MB.
    RssMb,
    /// Bytes of it per tab, beyond what there was before the first.
    RssPerTab,
    /// Changes per second that the source made.
    EventsPerSecond,
    /// How late the source made a change at most, in milliseconds.
    SourceLate,
    /// Frames that the server encoded per change that it let through.
    EncodingsPerEvent,
    /// Requests that the clusters were asked in the window.
    UpstreamRequests,
    /// Snapshots that the server encoded in the window.
    SnapshotsEncoded,
    /// Half of the frames came later than this after their change was due, in milliseconds.
    LatencyP50,
    /// One in a hundred.
    LatencyP99,
    /// One in a thousand.
    LatencyP999,
    /// The last one.
    LatencyMax,
    /// Half of the sends carried nothing that the server had had for longer than this, in milliseconds.
    EventToSocketP50,
    /// All but one in a hundred.
    EventToSocketP99,
    /// The noisy cluster's tabs alone: one in a hundred.
    NoisyP99,
    /// Half of the tabs that connected showed something later than this, in milliseconds.
    FirstRowP50,
    /// One in a hundred.
    FirstRowP99,
    /// Faults that tabs found.
    Faults,
    /// Tabs that did not show what the source holds, once all was quiet.
    Unequal,
}

/// What is known of a window.
pub struct Counts<'a> {
    /// Tabs that were live at its end.
    pub tabs: usize,
    /// What the tabs counted.
    pub report: &'a Report,
    /// What the server took.
    pub taken: &'a Taken,
    /// The server's resident memory before the first tab.
    pub rss_before: u64,
    /// What the server counted in the window, by metric.
    pub server: &'a BTreeMap<String, f64>,
    /// What the source counted in the window.
    pub source: &'a Asked,
    /// The server's flush window in milliseconds, where it has one.
    pub flush: Option<f64>,
}

/// What the source counted in a window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Requests of all sorts.
    pub requests: u64,
    /// Stamped changes made.
    pub changes: u64,
    /// How late one was made at most, in milliseconds.
    pub late: f64,
}

/// The figures of a window; what cannot be told is left out.
pub fn of(counts: &Counts<'_>) -> BTreeMap<Figure, f64> {
    let Counts { report, taken, server, source, .. } = *counts;
    let seconds = report.seconds.max(1e-9);
    let (frames, tabs) = (report.frames as f64, counts.tabs as f64);
    let sends = server.get("foretop_sends_total").copied().unwrap_or(taken.segments as f64);
    let cpu = taken.cpu + taken.softirq;
    let mut figures = BTreeMap::from([
        (Figure::Tabs, tabs),
        (Figure::FramesPerSecond, frames / seconds),
        (Figure::BytesPerSecond, report.bytes as f64 / seconds),
        (Figure::SendsPerSecond, sends / seconds),
        (Figure::Cpus, cpu / taken.seconds.max(1e-9)),
        (Figure::RssMb, taken.rss as f64 / 1e6),
        (Figure::EventsPerSecond, source.changes as f64 / seconds),
        (Figure::SourceLate, source.late),
        (Figure::UpstreamRequests, source.requests as f64),
        (Figure::Faults, report.faults.values().sum::<u64>() as f64),
    ]);
    let mut ratio = |figure: Figure, value: f64, by: f64| {
        if by > 0.0 && value.is_finite() {
            figures.insert(figure, value / by);
        }
    };
    ratio(Figure::FramesPerSend, frames, sends);
    ratio(Figure::SendsPerTab, sends / seconds, tabs);
    ratio(Figure::CpuPerFrame, cpu * 1e6, frames);
    ratio(Figure::CpuPerSend, cpu * 1e6, sends);
    ratio(Figure::UserPerSend, taken.user * 1e6, sends);
    ratio(Figure::CpuPerEvent, cpu * 1e6, source.changes as f64);
    ratio(Figure::RssPerTab, taken.rss as f64 - counts.rss_before as f64, tabs);
    if let (Some(laps @ 1.0..), Some(took), Some(flush)) =
        (server.get("foretop_laps_total"), server.get("foretop_lap_seconds_total"), counts.flush)
    {
        let lap = took / laps * 1e3;
        ratio(Figure::LapMs, lap, 1.0);
        ratio(Figure::SendsOfBound, sends / seconds * (lap + flush) / 1e3, tabs);
    }
    let let_through = server.get("foretop_feed_events_total").copied().unwrap_or(0.0)
        - server.get("foretop_feed_events_suppressed_total").copied().unwrap_or(0.0)
        + server.get("foretop_feed_diffed_total").copied().unwrap_or(0.0);
    ratio(
        Figure::EncodingsPerEvent,
        server.get("foretop_feed_encodings_total").copied().unwrap_or(0.0),
        let_through,
    );
    for (figure, quantile) in [(Figure::EventToSocketP50, 0.5), (Figure::EventToSocketP99, 0.99)] {
        if let Some(seconds) = quantile_of_buckets(server, "foretop_event_to_socket_seconds", quantile) {
            figures.insert(figure, seconds * 1e3);
        }
    }
    if let Some(snapshots) = server.get("foretop_feed_snapshots_total") {
        figures.insert(Figure::SnapshotsEncoded, *snapshots);
    }
    let connected: u64 = report.first_row.iter().map(|(_, count)| count).sum();
    if connected > 0 {
        figures.insert(Figure::CpuPerTab, cpu * 1e3 / connected as f64);
        figures.insert(Figure::UserPerTab, taken.user * 1e3 / connected as f64);
    }
    let quiet = report.latency.first();
    for (figure, times, quantile) in [
        (Figure::LatencyP50, quiet, 0.5),
        (Figure::LatencyP99, quiet, 0.99),
        (Figure::LatencyP999, quiet, 0.999),
        (Figure::LatencyMax, quiet, 1.0),
        (Figure::NoisyP99, report.latency.get(1), 0.99),
        (Figure::FirstRowP50, Some(&report.first_row), 0.5),
        (Figure::FirstRowP99, Some(&report.first_row), 0.99),
    ] {
        if let Some(milliseconds) = times.and_then(|times| quantile_of(times, quantile)) {
            figures.insert(figure, milliseconds);
        }
    }
    figures
}

/// A quantile of times in milliseconds; `None` where there are none.
pub fn quantile_of(times: &Times, quantile: f64) -> Option<f64> {
    let mut histogram = totals::histogram();
    totals::add(&mut histogram, times);
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile) as f64 / 1000.0)
}

/// A quantile of a histogram's buckets, as far as these tell it: as if what is in a bucket were spread evenly over it.
fn quantile_of_buckets(counted: &BTreeMap<String, f64>, name: &str, quantile: f64) -> Option<f64> {
    let prefix = format!("{name}_bucket ");
    let bucket =
        |(key, count): (&String, &f64)| Some((key.strip_prefix(&prefix)?.parse::<f64>().ok()?, *count));
    let mut buckets: Vec<(f64, f64)> = counted.iter().filter_map(bucket).collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    let wanted = buckets.last().map(|(_, all)| all * quantile).filter(|wanted| *wanted > 0.0)?;
    let mut below = (0.0, 0.0);
    for (bound, count) in buckets {
        if count >= wanted {
            let part = (wanted - below.1) / (count - below.1);
            return Some(if bound.is_finite() { below.0 + (bound - below.0) * part } else { below.0 });
        }
        below = (bound, count);
    }
    None
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = serde_json::to_value(self).ok();
        f.write_str(name.as_ref().and_then(|name| name.as_str()).unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_of_buckets_lies_in_its_bucket() {
        let counts = [("0.001", 50.0), ("0.01", 98.0), ("0.1", 99.0), ("+Inf", 100.0)];
        let counted = counts.map(|(bound, count)| (format!("a_bucket {bound}"), count)).into();
        let of = |quantile| quantile_of_buckets(&counted, "a", quantile).unwrap();
        for (quantile, expected) in [(0.25, 0.0005), (0.5, 0.001), (0.74, 0.0055), (0.99, 0.1), (1.0, 0.1)] {
            assert!((of(quantile) - expected).abs() < 1e-9, "{quantile}: {}", of(quantile));
        }
        assert_eq!(quantile_of_buckets(&counted, "b", 0.5), None);
    }

    #[test]
    fn figures_are_ratios_of_counts() {
        let report = Report {
            seconds: 2.0,
            frames: 1000,
            latency: vec![vec![(1000, 99), (50_000, 1)]],
            ..Report::default()
        };
        let taken = Taken { seconds: 2.0, cpu: 0.004, softirq: 0.001, rss: 2_000_000, ..Taken::default() };
        let server = [("sends", 500.0), ("laps", 100.0), ("lap_seconds", 0.3)];
        let server = server.map(|(name, value)| (format!("foretop_{name}_total"), value)).into();
        let source = Asked { changes: 100, ..Asked::default() };
        let figures = of(&Counts {
            tabs: 10,
            report: &report,
            taken: &taken,
            rss_before: 1_000_000,
            server: &server,
            source: &source,
            flush: Some(5.0),
        });
        for (figure, value) in [
            (Figure::FramesPerSecond, 500.0),
            (Figure::FramesPerSend, 2.0),
            (Figure::CpuPerSend, 10.0),
            (Figure::SendsPerTab, 25.0),
            (Figure::LapMs, 3.0),
            (Figure::SendsOfBound, 0.2),
            (Figure::RssPerTab, 100_000.0),
        ] {
            assert!((figures[&figure] - value).abs() < 1e-6, "{figure}: {}", figures[&figure]);
        }
        assert!((figures[&Figure::LatencyP50] - 1.0).abs() < 0.01);
        assert!((figures[&Figure::LatencyMax] - 50.0).abs() < 0.1);
        assert!(
            !figures.contains_key(&Figure::FirstRowP50) && !figures.contains_key(&Figure::EncodingsPerEvent)
        );
        assert_eq!(Figure::CpuPerSend.to_string(), "cpuPerSend");
    }
}
