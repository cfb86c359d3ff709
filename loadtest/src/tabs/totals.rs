//! What a process of tabs has counted since it was last asked, and the faults that it has found since it began.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock;

/// What no tab should ever see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Bytes that are no answer, no chunk, or no event that can be read.
    Malformed,
    /// Another status than 200.
    Refused,
    /// An id smaller than the one before.
    IdBackwards,
    /// Two frames of one view with one id that do not say the same.
    TwoFramesForOneId,
    /// A snapshot that began like another's, and went on otherwise.
    SnapshotDiffers,
    /// The server closed the connection.
    Lost,
}

/// Times, as pairs of microseconds and how often.
pub type Times = Vec<(u64, u64)>;

/// What was counted in one window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The window's length in seconds.
    pub seconds: f64,
    /// Events (comments are none).
    pub frames: u64,
    /// Bytes, heads and framing included.
    pub bytes: u64,
    /// Reads that brought something.
    pub reads: u64,
    /// Events by their names; a comment has none.
    pub events: BTreeMap<String, u64>,
    /// From the time when a change was due to its frame's arrival in a tab, in microseconds, by the group of its view.
    pub latency: Vec<Times>,
    /// From the beginning of a connection to the first row, in microseconds.
    pub first_row: Times,
    /// The faults since the process began, by sort.
    pub faults: BTreeMap<Fault, u64>,
    /// The first faults: sort, view, and the tab's last id.
    pub examples: Vec<(Fault, usize, u64)>,
    /// Processor time that this process of tabs took in the window, in seconds.
    pub cpu: f64,
}

impl Report {
    /// Adds what another process counted in the same window.
    pub fn add(&mut self, other: Report) {
        self.seconds = self.seconds.max(other.seconds);
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.reads += other.reads;
        self.cpu += other.cpu;
        for (name, count) in other.events {
            *self.events.entry(name).or_default() += count;
        }
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.examples.extend(other.examples);
        let most = self.latency.len().max(other.latency.len());
        self.latency.resize(most, Times::new());
        for (own, times) in self.latency.iter_mut().zip(&other.latency) {
            merge(own, times);
        }
        merge(&mut self.first_row, &other.first_row);
    }
}

fn merge(own: &mut Times, other: &Times) {
    let mut sum = histogram();
    add(&mut sum, own);
    add(&mut sum, other);
    *own = times(&sum);
}

/// A histogram of microseconds up to ten minutes, to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are valid")
}

/// A histogram's times.
pub fn times(histogram: &Histogram<u64>) -> Times {
    histogram.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())).collect()
}

/// Adds times to a histogram.
pub fn add(histogram: &mut Histogram<u64>, times: &Times) {
    for (microseconds, count) in times {
        histogram.saturating_record_n(*microseconds, *count);
    }
}

/// The counts of a process.
pub struct Totals {
    /// Whether frames are looked into.
    pub checks: bool,
    since: u64,
    cpu_before: f64,
    frames: u64,
    /// See [`Report::bytes`].
    pub bytes: u64,
    /// See [`Report::reads`].
    pub reads: u64,
    deltas: [u64; 3],
    events: BTreeMap<Vec<u8>, u64>,
    /// Of each view, the group whose latency it counts for.
    groups: Vec<usize>,
    latency: Vec<Histogram<u64>>,
    first_row: Histogram<u64>,
    faults: BTreeMap<Fault, u64>,
    examples: Vec<(Fault, usize, u64)>,
}

const DELTAS: [&[u8]; 3] = [b"modified", b"added", b"deleted"];
const EXAMPLES: usize = 5;

impl Totals {
    /// Counts from now on, of views that belong to these groups.
    pub fn new(checks: bool, groups: Vec<usize>) -> Self {
        let most = groups.iter().copied().max().unwrap_or(0);
        Totals {
            checks,
            since: clock::now(),
            cpu_before: own_cpu(),
            frames: 0,
            bytes: 0,
            reads: 0,
            deltas: [0; 3],
            events: BTreeMap::new(),
            groups,
            latency: (0..=most).map(|_| histogram()).collect(),
            first_row: histogram(),
            faults: BTreeMap::new(),
            examples: Vec::new(),
        }
    }

    /// Counts an event by its name.
    pub fn event(&mut self, name: &[u8]) {
        if !name.is_empty() {
            self.frames += 1;
        }
        if let Some(at) = DELTAS.iter().position(|delta| *delta == name) {
            self.deltas[at] += 1;
        } else if let Some(count) = self.events.get_mut(name) {
            *count += 1;
        } else {
            self.events.insert(name.to_vec(), 1);
        }
    }

    /// Events since the last report.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Counts how late a change came.
    pub fn delta(&mut self, view: usize, stamp: u32, now: u64) {
        if let Some(passed) = clock::since(stamp, now) {
            self.latency[self.groups[view]].saturating_record(passed);
        }
    }

    /// Counts how long a tab showed nothing.
    pub fn first_row(&mut self, microseconds: u64) {
        self.first_row.saturating_record(microseconds);
    }

    /// Counts a fault.
    pub fn fault(&mut self, fault: Fault, view: usize, last_id: u64) {
        *self.faults.entry(fault).or_default() += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push((fault, view, last_id));
        }
    }

    /// What was counted since the last report; faults go on being counted.
    pub fn report(&mut self) -> Report {
        let now = clock::now();
        let cpu = own_cpu();
        let names = DELTAS.iter().zip(self.deltas).filter(|(_, count)| *count > 0);
        let names = names.map(|(name, count)| (name.to_vec(), count)).chain(std::mem::take(&mut self.events));
        let seconds = (now - self.since) as f64 / 1e6;
        let report = Report {
            seconds,
            frames: std::mem::take(&mut self.frames),
            bytes: std::mem::take(&mut self.bytes),
            reads: std::mem::take(&mut self.reads),
            events: names.map(|(name, count)| (String::from_utf8_lossy(&name).into_owned(), count)).collect(),
            latency: self.latency.iter().map(times).collect(),
            first_row: times(&self.first_row),
            faults: self.faults.clone(),
            examples: self.examples.clone(),
            cpu: cpu - self.cpu_before,
        };
        self.deltas = [0; 3];
        self.latency.iter_mut().for_each(Histogram::reset);
        self.first_row.reset();
        (self.since, self.cpu_before) = (now, cpu);
        report
    }
}

/// Processor time that this process has taken, in seconds.
fn own_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);

    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
