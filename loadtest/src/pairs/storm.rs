//! A storm of connections, on Foretop and on the bare loop in turn: all tabs connect at once, each is sent the same bytes (on the bare loop the
//! beginning of a stream of Foretop's), and once all of them show it they are gone again.
//!
//! Foretop runs from beginning to end; the bare loop, which does not notice who goes, begins anew for each storm.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Figures, Found, Pairs, PairsError, RECORDED};
use crate::baseline::Baseline;
use crate::baseline::recording::Recording;
use crate::baseline::rival::Rival;
use crate::figures::{self, Asked, Counts};
use crate::result::Machine;
use crate::run::server::{Foretop, Subject, metrics};
use crate::run::{RunError, Show};
use crate::sampler::{Sample, pin};
use crate::scenario::Scenario;
use crate::tabs::{Fleet, Plan};

/// How long a storm may take, and how long Foretop may take to notice that it is over.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);

impl Pairs {
    /// Does the storms.
    pub(super) async fn storms(
        &self,
        scenario: &Scenario,
        server: &Foretop,
        plan: &Plan,
        folder: &Path,
        show: &Show,
    ) -> Result<Found, PairsError> {
        let greeting = folder.join("greeting.json");
        Recording::of(server.address(), &plan.views[0].path, RECORDED).await?.save(&greeting)?;
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            let by_foretop = async {
                show.say(&format!("round {round}: foretop"));
                let figures = storm(plan, scenario, Some(server), &server.pids()).await?;
                gone(server).await?;
                Ok::<_, PairsError>(figures)
            };
            let by_raw = async {
                show.say(&format!("round {round}: raw"));
                pin(None, &[self.server_cpu])?;
                let raw = Rival::start(Baseline::Raw, folder, Some(&greeting)).await;
                pin(None, &[self.other_cpu])?;
                let raw = raw?;
                let plan = Plan { address: raw.address(), host: raw.address().to_string(), ..plan.clone() };
                storm(&plan, scenario, None, &raw.pids()).await
            };
            rounds.push(if round % 2 == 0 {
                let foretop = by_foretop.await?;
                vec![foretop, by_raw.await?]
            } else {
                let raw = by_raw.await?;
                vec![by_foretop.await?, raw]
            });
        }
        let subjects = vec![server.name().to_owned(), Baseline::Raw.name().to_owned()];
        Ok(Found { scenario: scenario.clone(), machine: Machine::this(), subjects, rounds })
    }
}

/// All tabs connect, and each shows something.
async fn storm(
    plan: &Plan,
    scenario: &Scenario,
    counts: Option<&Foretop>,
    pids: &[u32],
) -> Result<Figures, PairsError> {
    let mut fleet = Fleet::start(plan, scenario.tabs.processes).await?;
    fleet.report().await?;
    let counted_before = counted(counts).await?;
    let before = Sample::of(pids);
    fleet.open(plan.tabs, scenario.tabs.per_second).await?;
    let until = Instant::now() + PATIENCE;
    let mut live = 0;
    while live < plan.tabs {
        if Instant::now() > until {
            let (wanted, seconds) = (plan.tabs, PATIENCE.as_secs());
            let why = format!("{:?}", fleet.report().await?.faults);
            return Err(RunError::NotLive { live, wanted, seconds, why }.into());
        }
        tokio::time::sleep(LOOK).await;
        live = fleet.progress().await?.live;
    }
    let taken = Sample::of(pids).since(&before);
    let report = fleet.report().await?;
    let grown = |(name, now): (String, f64)| {
        let before = counted_before.get(&name).copied().unwrap_or(0.0);
        (name, now - before)
    };
    Ok(figures::of(&Counts {
        tabs: plan.tabs,
        report: &report,
        taken: &taken,
        rss_before: before.rss,
        server: &counted(counts).await?.into_iter().map(grown).collect(),
        source: &Asked::default(),
        flush: None,
    }))
}

async fn counted(server: Option<&Foretop>) -> Result<BTreeMap<String, f64>, PairsError> {
    let Some(server) = server else { return Ok(BTreeMap::new()) };
    Ok(metrics(server).await.map_err(RunError::from)?)
}

/// Waits until the server has noticed that its tabs are gone.
async fn gone(server: &Foretop) -> Result<(), PairsError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let open = counted(Some(server)).await?.get("foretop_streams").copied().unwrap_or(0.0);
        if open < 1.0 {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(PairsError::Lingering(open));
        }
        tokio::time::sleep(LOOK).await;
    }
}
