//! Foretop and baselines in turn, a short window each: what else the machine does, and how warm it is, falls on all of them alike.
//!
//! All servers run from beginning to end with all of their tabs; in each window only one of them has something to send. Foretop's window is a phase of
//! the scenario, its tabs compared with the source behind it. A baseline is given the frames that a tab of Foretop's received, at the
//! same moments. (Where the phase is a storm of connections, tabs come and go in each window: [`storm`].)

mod storm;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::baseline::recording::{Recording, RecordingError};
use crate::baseline::rival::Rival;
use crate::baseline::{Baseline, BaselineError};
use crate::figures::Figure;
use crate::report::table::{median, short};
use crate::result::Machine;
use crate::run::phase::Stage;
use crate::run::process::ProcessError;
use crate::run::server::{Foretop, Subject as _};
use crate::run::source::Source;
use crate::run::{self, RunError, Show};
use crate::sampler::{Sample, pin};
use crate::scenario::{Scenario, Storm};
use crate::tabs::{Fleet, FleetError};

/// How long a tab is recorded.
const RECORDED: Duration = Duration::from_secs(4);

/// How Foretop is paired.
#[derive(Debug, Args)]
pub struct Pairs {
    /// The scenario; its last phase is what each window holds.
    pub scenario: PathBuf,
    /// With which baselines; one that is not installed is left out.
    #[arg(long, value_delimiter = ',', default_value = "raw")]
    pub baseline: Vec<Baseline>,
    /// How many windows each server has.
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub rounds: usize,
    /// The CPU that the servers are kept to.
    #[arg(long, value_name = "CPU", default_value_t = 0)]
    pub server_cpu: usize,
    /// The CPU that all else is kept to.
    #[arg(long, value_name = "CPU", default_value_t = 1)]
    pub other_cpu: usize,
    /// The binary of Foretop [default: the one beside this].
    #[arg(long, value_name = "PATH")]
    pub foretop: Option<PathBuf>,
    /// Where to write all that was found.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// A server's figures in one window.
pub type Figures = BTreeMap<Figure, f64>;

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// What was done.
    pub scenario: Scenario,
    /// Where.
    pub machine: Machine,
    /// The servers' names; Foretop is the first.
    pub subjects: Vec<String>,
    /// Of each round, each server's figures, in the same order.
    pub rounds: Vec<Vec<Figures>>,
}

/// Why there are no pairs.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// Foretop's windows.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Foretop, or the source.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Tabs.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A baseline.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// The frames.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A folder, or a CPU.
    #[error("cannot prepare: {0}")]
    Prepare(#[from] std::io::Error),
    /// Nothing was recorded.
    #[error("a tab received no change while it was recorded: the scenario's last phase needs a rate")]
    Silence,
    /// Streams that do not end with their tabs.
    #[error("{0} streams are open a minute after their tabs have gone")]
    Lingering(f64),
}

impl Pairs {
    /// Does the rounds.
    ///
    /// # Errors
    /// When a process does not start, or breaks off.
    pub async fn run(&self, scenario: &Scenario, show: &Show) -> Result<Found, PairsError> {
        let foretop = run::beside(self.foretop.as_deref());
        let folder = tempfile::tempdir()?;
        pin(None, &[self.other_cpu])?;
        let source = Source::start(&foretop, folder.path(), &scenario.source).await?;
        let server = {
            // A process begins on the CPUs of the thread that starts it.
            pin(None, &[self.server_cpu])?;
            Foretop::start(&foretop, folder.path(), &source, scenario).await?
        };
        pin(None, &[self.other_cpu])?;
        let shown = run::shown(scenario);
        let plan = run::plan(scenario, &server, &shown);
        let phase = scenario.phases.last().expect("a scenario has a phase");
        if matches!(phase.storm, Storm::Connect) {
            return self.storms(scenario, &server, &plan, folder.path(), show).await;
        }
        let rss_before = Sample::of(&server.pids()).rss;
        let fleet = Fleet::start(&plan, scenario.tabs.processes).await?;
        let mut stage = Stage {
            scenario,
            source: Some(Arc::new(source)),
            server: &server,
            fleet,
            shown,
            rss_before,
            show,
        };
        let recording = record(&stage, &plan.views[0].path).await?;
        let mut rivals = Vec::new();
        for baseline in &self.baseline {
            pin(None, &[self.server_cpu])?;
            let rival = Rival::start(*baseline, folder.path(), None).await;
            pin(None, &[self.other_cpu])?;
            match rival {
                Err(BaselineError::NotInstalled(what)) => {
                    show.say(&format!("left out: {what} is not installed"));
                }
                rival => rivals.push(rival?.fill(&plan, scenario, &recording).await?),
            }
        }
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            let mut figures = vec![Figures::new(); rivals.len() + 1];
            let forth = 0..=rivals.len();
            // A B B A: whatever goes slowly up or down falls on both alike.
            let order: Vec<usize> = if round % 2 == 0 { forth.collect() } else { forth.rev().collect() };
            for index in order {
                figures[index] = match index.checked_sub(1) {
                    None => stage.phase(phase).await?.figures,
                    Some(rival) => rivals[rival].window(phase, &recording, show).await?,
                };
            }
            rounds.push(figures);
        }
        let mut subjects = vec![server.name().to_owned()];
        subjects.extend(rivals.iter().map(|rival| rival.name().to_owned()));
        Ok(Found { scenario: scenario.clone(), machine: Machine::this(), subjects, rounds })
    }
}

/// What one tab receives of the phase.
async fn record(stage: &Stage<'_>, path: &str) -> Result<Recording, PairsError> {
    let phase = stage.scenario.phases.last().expect("a scenario has a phase");
    stage.stir(phase.rate, phase.noisy, phase.churn).await.map_err(RunError::from)?;
    let recording = Recording::of(stage.server.address(), path, RECORDED).await?;
    stage.stir(0.0, 0.0, 0.0).await.map_err(RunError::from)?;
    if recording.frames.is_empty() { Err(PairsError::Silence) } else { Ok(recording) }
}

/// The figures that are compared.
const COMPARED: [(Figure, &str); 13] = [
    (Figure::FramesPerSecond, "frames/s"),
    (Figure::FramesPerSend, "frames per send"),
    (Figure::SendsPerTab, "sends per tab and s"),
    (Figure::CpuPerSend, "CPU µs per send"),
    (Figure::UserPerSend, "  of it user"),
    (Figure::CpuPerFrame, "CPU µs per frame"),
    (Figure::CpuPerTab, "CPU ms per connect"),
    (Figure::UserPerTab, "  of it user"),
    (Figure::FirstRowP50, "first row p50 ms"),
    (Figure::FirstRowP99, "first row p99 ms"),
    (Figure::SnapshotsEncoded, "snapshots encoded"),
    (Figure::RssPerTab, "RSS B per tab"),
    (Figure::Unequal, "tabs unequal"),
];

impl Found {
    /// The summary: each figure's median for each server, and how many times a baseline's Foretop's is, round by round.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}, {} rounds\n", self.scenario.name, self.rounds.len());
        for (index, subject) in self.subjects.iter().enumerate() {
            let _ = writeln!(text, "{subject}");
            for (figure, unit) in COMPARED {
                let Some(middle) = median(&self.values(index, figure)) else { continue };
                let _ = write!(text, "  {unit:<22} {:>10}", short(middle));
                let ratios = self.ratios(index, figure);
                if let (1.., Some(ratio)) = (index, median(&ratios)) {
                    let (low, high) = interval(&ratios);
                    let (first, last) = (ratios[0], ratios[ratios.len() - 1]);
                    let _ = write!(
                        text,
                        "   foretop {ratio:.3} × of it, 90 % in {low:.3}–{high:.3}, all in {first:.3}–{last:.3}"
                    );
                }
                text.push('\n');
            }
        }
        text
    }

    fn values(&self, subject: usize, figure: Figure) -> Vec<f64> {
        sorted(self.rounds.iter().filter_map(|round| round[subject].get(&figure).copied()))
    }

    /// Foretop's figure over a baseline's, by round.
    #[must_use]
    pub fn ratios(&self, subject: usize, figure: Figure) -> Vec<f64> {
        let ratio = |round: &Vec<Figures>| Some(round[0].get(&figure)? / round[subject].get(&figure)?);
        sorted(self.rounds.iter().filter_map(ratio).filter(|ratio| ratio.is_finite()))
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The values between which the median of all possible rounds lies with at least 90 %, whatever their distribution: the sign test's interval. Of
/// fewer than five, all of them.
fn interval(sorted: &[f64]) -> (f64, f64) {
    let count = sorted.len();
    let mut outside = 0;
    // What lies beyond the k-th value on both sides: 2 × (the chances of fewer than k+1 heads in `count` throws).
    let (mut chance, mut beyond) = (0.5f64.powi(i32::try_from(count).unwrap_or(i32::MAX)), 0.0);
    for heads in 0..count / 2 {
        beyond += 2.0 * chance;
        if beyond > 0.1 {
            break;
        }
        outside = heads;
        #[allow(clippy::cast_precision_loss, reason = "there are few rounds")]
        let next = (count - heads) as f64 / (heads + 1) as f64;
        chance *= next;
    }
    (sorted[outside], sorted[count - 1 - outside])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_median_of_nine_with_ninety_percent() {
        let values: Vec<f64> = (1..=9).map(f64::from).collect();
        // Beyond the second value on both sides lie 2 × (1 + 9) / 512 = 3.9 %; beyond the third 18 %.
        assert_eq!(interval(&values), (2.0, 8.0));
        assert_eq!(interval(&values[..5]), (1.0, 5.0));
        assert_eq!(interval(&values[..1]), (1.0, 1.0));
    }
}
