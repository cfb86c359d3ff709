//! What a run found: what `--json` writes, and `compare` reads.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::figures::{Asked, Figure};
use crate::sampler::Taken;
use crate::scenario::{Phase, Scenario};
use crate::tabs::totals::Report;

/// What a run found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// What was done.
    pub scenario: Scenario,
    /// Where.
    pub machine: Machine,
    /// Each time that it was done.
    pub repetitions: Vec<Repetition>,
}

/// The machine of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// CPUs that the run could use.
    pub cpus: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The load average when the run ended: others' work makes times worse.
    pub load: f64,
}

/// One time that a scenario was done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repetition {
    /// The server's name.
    pub subject: String,
    /// Its resident memory before the first tab, in bytes.
    pub rss_before: u64,
    /// Its phases.
    pub phases: Vec<PhaseResult>,
}

/// What one phase found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseResult {
    /// Its name.
    pub name: String,
    /// Its figures.
    pub figures: BTreeMap<Figure, f64>,
    /// Its thresholds, and whether they were kept.
    pub verdicts: Vec<Verdict>,
    /// What the tabs counted.
    pub report: Report,
    /// What the server took.
    pub taken: Taken,
    /// What the server counted in the window, by metric.
    pub server: BTreeMap<String, f64>,
    /// What the source counted in the window.
    pub source: Asked,
}

/// A threshold, and what was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The figure.
    pub figure: Figure,
    /// In words: `at most 3`.
    pub wanted: String,
    /// What it is; none where it cannot be told.
    pub found: Option<f64>,
    /// Whether that is as wanted.
    pub kept: bool,
}

impl Verdict {
    /// The thresholds of a phase, and two that every phase has: no faults, and no tab that shows something else than the source holds.
    pub fn of(phase: &Phase, figures: &BTreeMap<Figure, f64>) -> Vec<Self> {
        let always = [Figure::Faults, Figure::Unequal].map(|figure| (figure, 0.0));
        let most = always.iter().filter(|(figure, _)| !phase.most.contains_key(figure));
        let most = most.map(|(figure, value)| (figure, value)).chain(&phase.most);
        let most = most.map(|(figure, most)| {
            Verdict::at(*figure, format!("at most {most}"), figures, |found| found <= *most)
        });
        let least = phase.least.iter();
        let least = least.map(|(figure, least)| {
            Verdict::at(*figure, format!("at least {least}"), figures, |found| found >= *least)
        });
        most.chain(least).collect()
    }

    fn at(
        figure: Figure,
        wanted: String,
        figures: &BTreeMap<Figure, f64>,
        is_kept: impl Fn(f64) -> bool,
    ) -> Self {
        let found = figures.get(&figure).copied();
        Verdict { figure, wanted, found, kept: found.is_some_and(is_kept) }
    }
}

impl RunResult {
    /// The thresholds that were not kept, each with its phase.
    pub fn broken(&self) -> impl Iterator<Item = (&str, &Verdict)> {
        let phases = self.repetitions.iter().flat_map(|repetition| &repetition.phases);
        phases.flat_map(|phase| {
            phase
                .verdicts
                .iter()
                .filter(|verdict| !verdict.kept)
                .map(|verdict| (phase.name.as_str(), verdict))
        })
    }

    /// A figure of a phase in each repetition, in ascending order.
    pub fn values(&self, phase: usize, figure: Figure) -> Vec<f64> {
        let phases = self.repetitions.iter().filter_map(|repetition| repetition.phases.get(phase));
        let mut values: Vec<f64> = phases.filter_map(|phase| phase.figures.get(&figure).copied()).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Machine {
            processor: processor.map(|(_, name)| name.trim().to_owned()).unwrap_or_default(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }
}
