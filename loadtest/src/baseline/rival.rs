//! A baseline as a rival in a run: its process, its tabs, and the way on which it is given frames.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::feed::{Publisher, replay};
use super::recording::Recording;
use super::{Baseline, BaselineError};
use crate::figures::{self, Asked, Counts, Figure};
use crate::run::Show;
use crate::run::process::{Process, free_address};
use crate::sampler::Sample;
use crate::scenario::{Phase, Scenario};
use crate::tabs::{Fleet, Plan, View};

/// How long it may take until every tab has received something.
const PATIENCE: Duration = Duration::from_mins(1);

/// A baseline's process.
pub struct Started {
    baseline: Baseline,
    process: Process,
    address: SocketAddr,
    feed: PathBuf,
}

/// A baseline with its tabs.
pub struct Rival {
    baseline: Baseline,
    process: Process,
    fleet: Fleet,
    tabs: usize,
    publisher: Publisher,
    rss_before: u64,
}

impl Rival {
    /// Starts a baseline's process on the CPUs of this thread; each of its tabs is greeted with what begins the recording in this file, if one is given.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub async fn start(
        baseline: Baseline,
        folder: &Path,
        greeting: Option<&Path>,
    ) -> Result<Started, BaselineError> {
        baseline.is_installed()?;
        let address = free_address().map_err(BaselineError::io("a port"))?;
        let feed = folder.join(format!("{}-{}.sock", baseline.name(), address.port()));
        let own = std::env::current_exe().map_err(BaselineError::io("this program"))?;
        let mut arguments = vec![
            "baseline".to_owned(),
            baseline.name().to_owned(),
            format!("--listen={address}"),
            format!("--feed={}", feed.display()),
        ];
        arguments.extend(greeting.map(|file| format!("--greeting={}", file.display())));
        let process = Process::start(&own, &arguments, &[])?;
        let until = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if Instant::now() > until {
                return Err(BaselineError::NotLive(baseline.name()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Started { baseline, process, address, feed })
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.baseline.name()
    }

    /// Gives it the recording's frames as the phase does, and measures.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn window(
        &mut self,
        phase: &Phase,
        recording: &Recording,
        show: &Show,
    ) -> Result<BTreeMap<Figure, f64>, BaselineError> {
        show.say(&format!("{}: {}", phase.name, self.name()));
        let warm = Duration::from_secs_f64(phase.warm);
        let span = Duration::from_secs_f64(phase.seconds);
        replay(recording, &mut self.publisher, warm).await.map_err(BaselineError::io("publishing"))?;
        self.fleet.report().await?;
        let pids: Vec<u32> = self.process.pid().into_iter().collect();
        let before = Sample::of(&pids);
        let published =
            replay(recording, &mut self.publisher, span).await.map_err(BaselineError::io("publishing"))?;
        let report = self.fleet.report().await?;
        let taken = Sample::of(&pids).since(&before);
        Ok(figures::of(&Counts {
            tabs: self.tabs,
            report: &report,
            taken: &taken,
            rss_before: self.rss_before,
            server: &BTreeMap::new(),
            source: &Asked { changes: published, ..Asked::default() },
            flush: None,
        }))
    }

    async fn are_live(&mut self, recording: &Recording) -> Result<(), BaselineError> {
        let until = Instant::now() + PATIENCE;
        while self.fleet.progress().await?.live < self.tabs {
            if Instant::now() > until {
                return Err(BaselineError::NotLive(self.name()));
            }
            replay(recording, &mut self.publisher, Duration::from_millis(500))
                .await
                .map_err(BaselineError::io("publishing"))?;
        }
        Ok(())
    }
}

impl Started {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.process.pid().into_iter().collect()
    }

    /// Opens as many tabs on it as the plan has, and waits until each has received something.
    ///
    /// # Errors
    /// When they do not.
    pub async fn fill(
        self,
        plan: &Plan,
        scenario: &Scenario,
        recording: &Recording,
    ) -> Result<Rival, BaselineError> {
        let Started { baseline, process, address, feed } = self;
        let publisher =
            Publisher::connect(baseline, &feed).await.map_err(BaselineError::io("the baseline's feed"))?;
        let pids: Vec<u32> = process.pid().into_iter().collect();
        let rss_before = Sample::of(&pids).rss;
        let views = vec![View { path: "/stream".to_owned(), ..View::default() }];
        let plan =
            Plan { address, host: address.to_string(), views, checks: false, lanes: 0, ..plan.clone() };
        let mut fleet = Fleet::start(&plan, scenario.tabs.processes).await?;
        fleet.open(plan.tabs, scenario.tabs.per_second).await?;
        let mut rival = Rival { baseline, process, fleet, tabs: plan.tabs, publisher, rss_before };
        rival.are_live(recording).await?;
        Ok(rival)
    }
}
