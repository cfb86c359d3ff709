//! A soak: a server in a small cgroup under storms of reconnecting tabs and hostile clients, for as long as one likes.
//!
//! It is never killed, serves on, sheds in its order while memory is short, and in the end every tab shows what the clusters hold. A large cluster is there
//! for the hostile alone: each of their streams is of a view of its own and keeps a snapshot from being freed, which is the dearest thing that a client can ask for.

mod cgroup;
mod found;
mod ground;
mod hostile;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::run::phase::Stage;
use crate::run::server::Subject;
use crate::run::{self, RunError, Show};
use crate::scenario::{self, Scenario};
use crate::tabs::Fleet;
use crate::tabs::totals::Report;

use found::{Found, Peaks, Seen};
use ground::Ground;
use hostile::{Crowd, Tally, Target};

/// How often the server is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Who was refused tries again after so many of these.
const LOOKS: u32 = 4;

/// How long tabs may take in the end to be live and equal: the levels of shedding are left one by one.
const PATIENCE: Duration = Duration::from_secs(90);

/// What to do.
#[derive(Debug, clap::Args)]
pub struct Soak {
    /// For how long clients come and go, in seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// The memory of the server's cgroup, in MiB.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// Tabs with a stream of their own; a quarter as many have a multiplexed one.
    #[arg(long, default_value_t = 400)]
    tabs: usize,
    /// The binary of Foretop [default: the one beside this].
    #[arg(long, value_name = "PATH")]
    foretop: Option<PathBuf>,
}

impl Soak {
    /// Soaks.
    ///
    /// # Errors
    /// When a process does not start or breaks off.
    pub async fn run(&self, show: &Show) -> Result<Found, RunError> {
        let folder = tempfile::tempdir()?;
        show.say("the clusters and the server start");
        let ground = Ground::prepare(&run::beside(self.foretop.as_deref()), folder.path(), self.mib).await?;
        if let Err(why) = &ground.cgroup {
            show.say(&format!(
                "no cgroup can be made here ({why}): `memory.limit` is set instead, and resident memory held against what the cgroup would have"
            ));
        }
        let (alone, multiplexed) = (scenario(self.tabs, 0), scenario(self.tabs.div_ceil(4), 8));
        let mut stages = vec![stage(&alone, &ground, show).await?, stage(&multiplexed, &ground, show).await?];
        let (mut peaks, tally, began) = (Peaks::default(), Arc::<Tally>::default(), Instant::now());
        let unequal = match self.storm(&ground, &mut stages, &tally, &mut peaks, show).await {
            Ok(()) => settle(&ground, &mut stages, &mut peaks, show).await,
            Err(error) => Err(error),
        };
        let mut report = Report::default();
        for stage in &mut stages {
            report.add(stage.fleet.report().await?);
        }
        let took = began.elapsed();
        let seen = Seen { mib: self.mib, ground: &ground, peaks, tally: &tally, report, took, unequal };
        Ok(seen.found().await)
    }

    /// Tabs come and go, and so do the hostile, until the time is over.
    async fn storm(
        &self,
        ground: &Ground,
        stages: &mut [Stage<'_>],
        tally: &Arc<Tally>,
        peaks: &mut Peaks,
        show: &Show,
    ) -> Result<(), RunError> {
        let target = Target {
            address: ground.server.address(),
            cluster: "large".into(),
            namespaces: ground.large.namespaces("sim-1").await?.into(),
            tally: tally.clone(),
        };
        ground.calm.pulse(40.0, 0.0).await?;
        ground.calm.churn(20.0).await?;
        ground.large.pulse(100.0, 0.0).await?;
        let end = Instant::now() + Duration::from_secs(self.seconds);
        let length =
            Duration::from_secs(self.seconds / 3).clamp(Duration::from_secs(6), Duration::from_secs(30));
        let (mut wave, mut round, mut next) = (None, 0, Instant::now());
        for look in 0u32.. {
            if Instant::now() >= end {
                break;
            }
            if Instant::now() >= next {
                // A third of each round is for the server to come to rest, so that levels are left too.
                wave = Some(hostile::wave(&target, CROWD, round, (next + length * 2 / 3).min(end)));
                for stage in stages.iter_mut() {
                    let half = stage.scenario.tabs.count / 2;
                    stage.fleet.reopen(half, AT_ONCE).await?;
                }
                (round, next) = (round + 1, next + length);
            }
            peaks.look(ground).await?;
            if look.is_multiple_of(LOOKS) {
                come_back(stages, show).await?;
            }
            sleep(LOOK).await;
        }
        drop(wave);
        ground.large.pulse(0.0, 0.0).await?;
        ground.calm.pulse(0.0, 0.0).await?;
        ground.calm.churn(0.0).await?;
        Ok(())
    }
}

/// What tabs show.
const KINDS: [&str; 4] = ["pods", "deployments", "services", "nodes"];

/// Tabs that come back in a second.
const AT_ONCE: f64 = 400.0;

/// A wave's crowd. The hoarders alone would take some 800 MB.
const CROWD: Crowd = Crowd { hoarders: 240, slow: 20, lists: 20, heads: 150, garbage: 20, flood: 100 };

fn scenario(tabs: usize, lanes: usize) -> Scenario {
    Scenario {
        name: "soak".into(),
        about: String::new(),
        source: scenario::Source { clusters: 2, ..scenario::Source::default() },
        tabs: scenario::Tabs {
            count: tabs,
            users: Some(tabs / 2),
            kinds: KINDS.map(str::to_owned).to_vec(),
            namespaces: Vec::new(),
            per_second: AT_ONCE,
            processes: 1,
            cpus: Vec::new(),
            lanes,
        },
        server: scenario::Server::default(),
        phases: Vec::new(),
        repetitions: 1,
    }
}

async fn stage<'a>(
    scenario: &'a Scenario,
    ground: &'a Ground,
    show: &'a Show,
) -> Result<Stage<'a>, RunError> {
    let shown = run::shown(scenario);
    let fleet = Fleet::start(&run::plan(scenario, &ground.server, &shown), 1).await?;
    let source = Some(ground.calm.clone());
    Ok(Stage { scenario, source, server: &ground.server, fleet, shown, rss_before: 0, show })
}

/// Tabs that were refused, or have lost their connection, are opened again.
async fn come_back(stages: &mut [Stage<'_>], show: &Show) -> Result<usize, RunError> {
    let mut missing = 0;
    for stage in stages {
        let progress = stage.fleet.progress().await?;
        show.progress(&progress);
        let all = stage.scenario.tabs.count;
        missing += all - progress.live.min(all);
        if progress.open < all {
            stage.fleet.open(all, AT_ONCE).await?;
        }
    }
    Ok(missing)
}

/// Waits until all tabs are there and show what the clusters hold. Returns how many never do.
async fn settle(
    ground: &Ground,
    stages: &mut [Stage<'_>],
    peaks: &mut Peaks,
    show: &Show,
) -> Result<usize, RunError> {
    let until = Instant::now() + PATIENCE;
    while come_back(stages, show).await? > 0 && Instant::now() < until {
        peaks.look(ground).await?;
        sleep(LOOK).await;
    }
    let mut unequal = 0;
    for stage in stages {
        unequal += stage.settle(stage.scenario.tabs.count).await?;
    }
    Ok(unequal)
}
