//! A soak: a server in a small cgroup under storms of reconnecting tabs and hostile clients, for as long as one likes.
//!
//! It is never killed, serves on, sheds in its order while memory is short, and in the end every tab shows what the clusters hold. A large cluster is there
//! for the hostile alone: each of their streams is of a view of its own and keeps a snapshot from being freed, which is the dearest thing that a client can ask for.

mod cgroup;
mod hostile;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::figures::quantile_of;
use crate::run::phase::Stage;
use crate::run::process::{Process, free_address};
use crate::run::server::{Foretop, Subject};
use crate::run::source::Source;
use crate::run::{self, RunError, Show, http};
use crate::sampler::Sample;
use crate::scenario::{self, Scenario};
use crate::tabs::Fleet;
use crate::tabs::totals::{Fault, Report};

use cgroup::Cgroup;
use hostile::{Crowd, Tally, Target};

/// How often the server is looked at.
const LOOK: Duration = Duration::from_millis(250);

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

/// What came of it.
pub struct Found {
    rows: Vec<(&'static str, String)>,
    /// What should not be.
    pub wrong: Vec<String>,
}

impl Found {
    /// A row for each figure, and what is wrong.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.rows {
            let _ = writeln!(text, "{name:width$}  {value}");
        }
        for wrong in &self.wrong {
            let _ = writeln!(text, "WRONG: {wrong}");
        }
        text
    }
}

/// What the run watches. Processes end before their cgroup goes.
struct Ground {
    large: Source,
    calm: Arc<Source>,
    server: Foretop,
    cgroup: Option<Cgroup>,
    /// Why there is none.
    without: Option<String>,
}

/// The most that was seen of what comes and goes.
#[derive(Default)]
struct Peaks {
    rss: u64,
    counted: u64,
    sockets: u64,
    streams: u64,
    /// Seconds at each level of shedding.
    levels: [f64; 4],
}

impl Soak {
    /// Soaks.
    ///
    /// # Errors
    /// When a process does not start or breaks off.
    pub async fn run(&self, show: &Show) -> Result<Found, RunError> {
        let folder = tempfile::tempdir()?;
        let foretop = run::beside(self.foretop.as_deref());
        let ground = self.prepare(&foretop, folder.path(), show).await?;
        if let Some(why) = &ground.without {
            show.say(&format!("no cgroup can be made here ({why}): `memory.limit` is set instead, and resident memory held against what the cgroup would have"));
        }
        let (alone, multiplexed) = (scenario(self.tabs, 0), scenario(self.tabs.div_ceil(4), 8));
        let mut stages = vec![stage(&alone, &ground, show).await?, stage(&multiplexed, &ground, show).await?];
        let mut peaks = Peaks::default();
        let tally = Arc::new(Tally::default());
        let began = Instant::now();
        let came = self.storm(&ground, &mut stages, &tally, &mut peaks, show).await;
        let took = began.elapsed();
        let mut wrong = Vec::new();
        let mut unequal = None;
        match came {
            Ok(()) => unequal = Some(settle(&ground, &mut stages, &mut peaks, show).await?),
            Err(error) => wrong.push(format!("the server does not serve on: {error}")),
        }
        self.found(&ground, stages, &peaks, &tally, took, unequal, wrong).await
    }

    async fn prepare(&self, foretop: &Path, folder: &Path, show: &Show) -> Result<Ground, RunError> {
        show.say("the clusters start");
        let (large_files, calm_files) = (folder.join("large"), folder.join("calm"));
        std::fs::create_dir(&large_files)?;
        std::fs::create_dir(&calm_files)?;
        let large =
            scenario::Source { pods: 1500, bare: true, node_name: 2000, ..scenario::Source::default() };
        let large = Source::start(foretop, &large_files, &large).await?;
        let calm = scenario::Source { clusters: 2, pods: 120, ..scenario::Source::default() };
        let calm = Arc::new(Source::start(foretop, &calm_files, &calm).await?);
        let (cgroup, without) = match Cgroup::make(self.mib << 20) {
            Ok(cgroup) => (Some(cgroup), None),
            Err(error) => (None, Some(error.to_string())),
        };
        show.say("the server starts, and syncs");
        let (address, managed) = (free_address()?, free_address()?);
        let clusters = folder.join("clusters.yaml");
        std::fs::write(&clusters, registry(&calm, &large))?;
        let config = folder.join("foretop.yaml");
        let mut settings = format!(
            "clustersFile: \"{}\"\n\
             server: {{listen: \"{address}\", cores: 2}}\n\
             manage: {{listen: \"{managed}\"}}\n\
             auth: {{mode: header, header: {{trustedPeers: [127.0.0.0/8]}}}}\n\
             authorization: {{mode: shared}}\n\
             watch: {{kinds: [{}], prewarm: [{}]}}\n\
             log: {{level: \"warn,foretop::serve=info,foretop::memory=info\"}}\n",
            clusters.display(),
            KINDS.join(", "),
            KINDS.map(|kind| format!("\"*/{kind}\"")).join(", "),
        );
        if cgroup.is_none() {
            let limit = self.mib / 5 * 4;
            let _ = write!(
                settings,
                "memory: {{limit: {limit}MiB}}\njournal: {{totalBytes: {}MiB}}\n",
                limit / 2
            );
        }
        std::fs::write(&config, settings)?;
        let arguments = vec!["serve".to_owned(), format!("--config={}", config.display())];
        let (program, arguments) = match &cgroup {
            Some(cgroup) => cgroup.command(foretop, arguments),
            None => (foretop.to_owned(), arguments),
        };
        let process = Process::start(&program, &arguments, &[])?;
        let server = Foretop::started(process, address, managed).await?;
        Ok(Ground { large, calm, server, cgroup, without })
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
        let (mut wave, mut round, mut next): (Option<JoinSet<()>>, _, _) = (None, 0, Instant::now());
        while Instant::now() < end {
            if Instant::now() >= next {
                // A third of each round is for the server to come to rest, so that levels are left too.
                wave = Some(hostile::wave(&target, CROWD, round, (next + length * 2 / 3).min(end)));
                for stage in stages.iter_mut() {
                    let half = stage.scenario.tabs.count / 2;
                    stage.fleet.reopen(half, AT_ONCE).await?;
                }
                (round, next) = (round + 1, next + length);
            }
            look(ground, peaks).await?;
            come_back(stages, show).await?;
            sleep(LOOK).await;
        }
        drop(wave);
        ground.large.pulse(0.0, 0.0).await?;
        ground.calm.pulse(0.0, 0.0).await?;
        ground.calm.churn(0.0).await?;
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "all that is known in the end")]
    async fn found(
        &self,
        ground: &Ground,
        mut stages: Vec<Stage<'_>>,
        peaks: &Peaks,
        tally: &Tally,
        took: Duration,
        unequal: Option<usize>,
        mut wrong: Vec<String>,
    ) -> Result<Found, RunError> {
        let mut report = Report::default();
        for stage in &mut stages {
            report.add(stage.fleet.report().await?);
        }
        let figures = figures(ground).await.unwrap_or_default();
        let of = |series: &str| figures.get(series).copied().unwrap_or(0.0);
        let sum = |name: &str| {
            let series = figures.iter().filter(|(series, _)| series.split('{').next() == Some(name));
            series.map(|(_, value)| value).sum::<f64>().abs()
        };
        let counted = ground.cgroup.as_ref().map(Cgroup::counted).unwrap_or_default();
        let entered = |level: &str| of(&format!("foretop_memory_sheddings_total{{level=\"{level}\"}}"));
        let most = self.mib << 20;
        for fault in [Fault::Malformed, Fault::IdBackwards, Fault::TwoFramesForOneId, Fault::SnapshotDiffers]
        {
            if let Some(count) = report.faults.get(&fault).filter(|count| **count > 0) {
                wrong.push(format!("{fault:?}, {count} times"));
            }
        }
        if counted.killed > 0 {
            wrong.push(format!("{} processes were killed for want of memory", counted.killed));
        }
        if unequal != Some(0) {
            wrong.push(format!("tabs unequal or not there in the end: {unequal:?}"));
        }
        if entered("refusing") == 0.0 {
            wrong.push("the limit was never felt, so this shows nothing".to_owned());
        }
        if ground.cgroup.is_none() && peaks.rss > most {
            wrong.push(format!("resident memory of {} MiB", peaks.rss >> 20));
        }
        let faults = |fault| report.faults.get(&fault).copied().unwrap_or(0);
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let milliseconds = |quantile| {
            let times = report.latency.first().and_then(|times| quantile_of(times, quantile));
            times.map_or_else(|| "not known".to_owned(), |milliseconds| format!("{milliseconds:.1} ms"))
        };
        let levels = ["nothing", "coalescing", "journals", "refusing"];
        let spent = levels.iter().zip(peaks.levels).map(|(name, seconds)| format!("{name} {seconds:.0} s"));
        let room = ground.cgroup.as_ref().map_or_else(
            || format!("none ({})", ground.without.as_deref().unwrap_or_default()),
            |cgroup| format!("{} ({})", mib(most), cgroup.version()),
        );
        let rows = vec![
            ("cgroup", room),
            ("time", format!("{:.0} s", took.as_secs_f64())),
            ("peak of the cgroup, file pages too", mib(counted.peak)),
            ("peak of resident memory", mib(peaks.rss)),
            (
                "peak of what is counted",
                format!("{} of {}", mib(peaks.counted), mib(of("foretop_memory_limit_bytes") as u64)),
            ),
            ("peak of sockets' buffers", mib(peaks.sockets)),
            ("killed for want of memory", counted.killed.to_string()),
            ("levels of shedding", spent.collect::<Vec<_>>().join(", ")),
            (
                "times that each was entered",
                levels[1..]
                    .iter()
                    .map(|level| format!("{level} {}", entered(level)))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            (
                "streams opened",
                format!("{} (at most {} at once)", sum("foretop_streams_opened_total"), peaks.streams),
            ),
            ("streams ended for memory", sum("foretop_streams_shed_total").to_string()),
            ("requests refused, full", of("foretop_requests_refused_total{code=\"full\"}").to_string()),
            (
                "hostile connections",
                format!(
                    "{} ({} answered, {} refused)",
                    tally.begun.load(Relaxed),
                    tally.served.load(Relaxed),
                    tally.refused.load(Relaxed)
                ),
            ),
            (
                "tabs that came (back) and showed something",
                report.first_row.iter().map(|(_, count)| count).sum::<u64>().to_string(),
            ),
            ("change to tab, p50", milliseconds(0.5)),
            ("change to tab, p99, what was missed while away too", milliseconds(0.99)),
            (
                "tabs that were refused, or cut",
                format!("{} and {}", faults(Fault::Refused), faults(Fault::Lost)),
            ),
            ("tabs unequal", unequal.map_or_else(|| "not known".to_owned(), |count| count.to_string())),
        ];
        Ok(Found { rows, wrong })
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
        look(ground, peaks).await?;
        sleep(LOOK).await;
    }
    let mut unequal = 0;
    for stage in stages {
        unequal += stage.settle(stage.scenario.tabs.count).await?;
    }
    Ok(unequal)
}

async fn look(ground: &Ground, peaks: &mut Peaks) -> Result<(), RunError> {
    let figures = figures(ground).await?;
    let sum = |name: &str| {
        let series = figures.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        series.map(|(_, value)| value).sum::<f64>()
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes and counts")]
    let (counted, streams, level) = (
        sum("foretop_memory_bytes") as u64,
        sum("foretop_streams") as u64,
        sum("foretop_memory_shedding") as usize,
    );
    peaks.counted = peaks.counted.max(counted);
    peaks.streams = peaks.streams.max(streams);
    peaks.levels[level.min(3)] += LOOK.as_secs_f64();
    peaks.rss = peaks.rss.max(Sample::of(&ground.server.pids()).rss);
    if let Some(cgroup) = &ground.cgroup {
        peaks.sockets = peaks.sockets.max(cgroup.counted().sockets);
    }
    Ok(())
}

/// The server's figures, by their series.
async fn figures(ground: &Ground) -> Result<BTreeMap<String, f64>, RunError> {
    let Some(address) = ground.server.figures() else { return Ok(BTreeMap::new()) };
    let text = http::get(address, "/metrics").await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(series, value)| Some((series.trim_end_matches("{}").to_owned(), value.parse().ok()?)))
        .collect())
}

fn registry(calm: &Source, large: &Source) -> String {
    let mut text = "clusters:\n".to_owned();
    for (name, source, context) in
        [("sim-1", calm, "sim-1"), ("sim-2", calm, "sim-2"), ("large", large, "sim-1")]
    {
        let path = source.kubeconfig.display();
        let _ = writeln!(
            text,
            "  - {{name: {name}, backend: kubeconfig, kubeconfigPath: \"{path}\", kubeconfigContext: {context}}}"
        );
    }
    text
}
