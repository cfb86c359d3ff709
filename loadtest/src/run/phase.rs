//! One phase: what it changes, its window, and whether the tabs show in the end what the source holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::http::HttpError;
use super::server::{Subject, listed, metrics};
use super::source::{Source, is_comparable};
use super::{RunError, Show, Shown};
use crate::figures::{self, Asked, Counts, Figure};
use crate::result::{PhaseResult, Verdict};
use crate::sampler::{Sample, Taken};
use crate::scenario::{Phase, Scenario, Storm};
use crate::tabs::totals::Report;
use crate::tabs::{Fleet, State};

/// How long tabs may take to show something, and to show the same as the source once nothing changes any more.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(100);
/// How long the same list is held against what tabs show.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// All that takes part in a run.
pub struct Stage<'a> {
    pub scenario: &'a Scenario,
    pub source: Option<Arc<Source>>,
    pub server: &'a dyn Subject,
    pub fleet: Fleet,
    pub shown: Vec<Shown>,
    pub rss_before: u64,
    pub show: &'a Show,
}

/// What was counted at one end of a window.
struct Counted {
    sample: Sample,
    server: BTreeMap<String, f64>,
    source: super::source::Counted,
}

/// What was counted in a window.
struct Window {
    tabs: usize,
    report: Report,
    taken: Taken,
    server: BTreeMap<String, f64>,
    source: Asked,
}

impl Stage<'_> {
    /// Does a phase.
    pub async fn phase(&mut self, phase: &Phase) -> Result<PhaseResult, RunError> {
        let tabs = phase.tabs.unwrap_or(self.scenario.tabs.count);
        self.show.begin(phase, tabs);
        if !matches!(phase.storm, Storm::Connect) {
            self.open(tabs, self.scenario.tabs.per_second).await?;
        }
        self.stir(phase.rate, phase.noisy, phase.churn).await?;
        self.pass(Duration::from_secs_f64(phase.warm)).await?;
        let window = self.window(phase, tabs).await?;
        self.stir(0.0, 0.0, 0.0).await?;
        let unequal = self.settle(tabs).await?;
        Ok(self.result(phase, window, unequal))
    }

    async fn window(&mut self, phase: &Phase, tabs: usize) -> Result<Window, RunError> {
        self.fleet.report().await?;
        let before = self.counted().await?;
        match phase.storm {
            Storm::None => {}
            Storm::Connect => self.open(tabs, self.scenario.tabs.per_second).await?,
            Storm::Reconnect(tabs) => self.fleet.reopen(tabs, self.scenario.tabs.per_second).await?,
            Storm::Stall(tabs) => self.fleet.stall(tabs).await?,
            Storm::Relist => {
                if let Some(source) = &self.source {
                    source.relist_all().await?;
                }
            }
        }
        self.pass(Duration::from_secs_f64(phase.seconds)).await?;
        let report = self.fleet.report().await?;
        let after = self.counted().await?;
        if matches!(phase.storm, Storm::Stall(_)) {
            self.fleet.stall(0).await?;
        }
        let grown =
            |(name, now): (&String, &f64)| (name.clone(), now - before.server.get(name).unwrap_or(&0.0));
        Ok(Window {
            tabs: self.fleet.progress().await?.live,
            report,
            taken: after.sample.since(&before.sample),
            server: after.server.iter().map(grown).collect(),
            source: after.source.since(&before.source),
        })
    }

    /// Opens tabs, and waits until all of them show something.
    async fn open(&mut self, tabs: usize, per_second: f64) -> Result<(), RunError> {
        self.fleet.open(tabs, per_second).await?;
        let ramp = if per_second > 0.0 { tabs as f64 / per_second } else { 0.0 };
        let patience = PATIENCE + Duration::from_secs_f64(ramp);
        let until = Instant::now() + patience;
        loop {
            let progress = self.fleet.progress().await?;
            self.show.progress(&progress);
            if progress.live >= tabs {
                return Ok(());
            }
            if Instant::now() > until {
                let report = self.fleet.report().await?;
                return Err(RunError::NotLive {
                    live: progress.live,
                    wanted: tabs,
                    seconds: patience.as_secs(),
                    why: format!("{:?}", report.faults),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sets how much changes per second.
    ///
    /// # Errors
    /// When the source does not answer.
    pub async fn stir(&self, rate: f64, noisy: f64, churn: f64) -> Result<(), HttpError> {
        let Some(source) = &self.source else { return Ok(()) };
        source.pulse(rate, noisy).await?;
        source.churn(churn).await
    }

    async fn pass(&mut self, time: Duration) -> Result<(), RunError> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(Duration::from_millis(500))).await;
            let progress = self.fleet.progress().await?;
            self.show.progress(&progress);
        }
    }

    async fn counted(&self) -> Result<Counted, HttpError> {
        Ok(Counted {
            sample: Sample::of(&self.server.pids()),
            server: metrics(self.server).await?,
            source: match &self.source {
                Some(source) => source.counted().await?,
                None => super::source::Counted::default(),
            },
        })
    }

    /// Waits, once the run changes nothing any more, until every tab shows what the source holds; where the run has no source, until a moment comes
    /// at which every tab shows what the server lists. Says how many never do.
    ///
    /// # Errors
    /// When a process has ended.
    pub async fn settle(&mut self, tabs: usize) -> Result<usize, RunError> {
        let until = Instant::now() + PATIENCE;
        let mut wanted = self.wanted().await?;
        let mut asked = Instant::now();
        loop {
            // A write may have been under way, and clusters of a real deployment are never quiet.
            if asked.elapsed() > ASK_AGAIN {
                wanted = self.wanted().await?;
                asked = Instant::now();
            }
            let states = self.fleet.states().await?;
            let unequal = unequal(&states, &wanted, tabs * self.scenario.tabs.lanes.max(1));
            if unequal == 0 {
                return Ok(0);
            }
            if Instant::now() > until {
                self.show.say(&self.differing(&states, &wanted));
                return Ok(unequal);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn differing(&self, states: &[State], wanted: &BTreeMap<usize, u64>) -> String {
        let wrong =
            states.iter().filter(|state| wanted.get(&state.view).is_some_and(|hash| *hash != state.hash));
        let told: Vec<String> = wrong
            .take(5)
            .map(|state| format!("{} of {}", state.tabs, self.shown[state.view].path()))
            .collect();
        format!("tabs that show something else than the source holds: {}", told.join(", "))
    }

    /// What tabs of each view must show, where that can be said.
    async fn wanted(&self) -> Result<BTreeMap<usize, u64>, HttpError> {
        let mut wanted = BTreeMap::new();
        let Some(source) = &self.source else { return self.listed().await };
        let mut at = 0;
        while let Some(Shown { cluster, kind, .. }) = self.shown.get(at) {
            let same = |shown: &&Shown| shown.cluster == *cluster && shown.kind == *kind;
            let namespaces = self.shown[at..].iter().take_while(same);
            if is_comparable(kind) && at < self.scenario.shown_at_most() {
                let hashes = source.hashes(cluster, kind, self.scenario.tabs.lanes > 0).await?;
                let hash = |shown: &Shown| hashes.get(&shown.namespace).copied().unwrap_or(0);
                wanted.extend(namespaces.clone().enumerate().map(|(more, shown)| (at + more, hash(shown))));
            }
            at += namespaces.count();
        }
        Ok(wanted)
    }

    async fn listed(&self) -> Result<BTreeMap<usize, u64>, HttpError> {
        let mut wanted = BTreeMap::new();
        let shown = self.shown.iter().enumerate().take(self.scenario.shown_at_most());
        for (at, shown) in shown.filter(|(_, shown)| is_comparable(shown.kind)) {
            wanted.insert(
                at,
                listed(self.server, &shown.list(self.scenario.tabs.lanes > 0), shown.kind.wrapper).await?,
            );
        }
        Ok(wanted)
    }

    fn result(&self, phase: &Phase, window: Window, unequal: usize) -> PhaseResult {
        let Window { tabs, report, taken, server, source } = window;
        let rss_before = self.rss_before;
        let mut figures = figures::of(&Counts {
            tabs,
            report: &report,
            taken: &taken,
            rss_before,
            server: &server,
            source: &source,
            flush: self.server.figures().and_then(|_| self.scenario.flush_ms()),
        });
        figures.insert(Figure::Unequal, unequal as f64);
        let verdicts = Verdict::of(phase, &figures);
        PhaseResult { name: phase.name.clone(), figures, verdicts, report, taken, server, source }
    }
}

/// Tabs that do not show what is wanted, or nothing.
fn unequal(states: &[State], wanted: &BTreeMap<usize, u64>, tabs: usize) -> usize {
    let live: usize = states.iter().map(|state| state.tabs).sum();
    let wrong = states.iter().filter(|state| wanted.get(&state.view).is_some_and(|hash| *hash != state.hash));
    wrong.map(|state| state.tabs).sum::<usize>() + tabs.saturating_sub(live)
}
