//! One run: starts what a scenario needs, does its phases one after another, and measures each.

pub mod http;
pub mod phase;
pub mod process;
pub mod server;
mod show;
pub mod source;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretop::kind;

use crate::result::{Machine, PhaseResult, Repetition, RunResult};
use crate::sampler::Sample;
use crate::scenario::Scenario;
use crate::tabs::{Fleet, FleetError, Plan, View};

use http::HttpError;
use phase::Stage;
use process::ProcessError;
use server::{Elsewhere, Foretop, Subject};
use source::Source;

pub use show::Show;

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The tabs.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A request.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A folder of its own.
    #[error("cannot prepare a run: {0}")]
    Prepare(#[from] std::io::Error),
    /// `--url` is none.
    #[error("{0:?} is no URL of the form http://HOST:PORT")]
    Url(String),
    /// Tabs that never show anything.
    #[error("{live} of {wanted} tabs show something after {seconds} s; the others: {why}")]
    NotLive {
        /// Tabs that do.
        live: usize,
        /// Tabs that should.
        wanted: usize,
        /// How long it was waited.
        seconds: u64,
        /// The faults that tabs found.
        why: String,
    },
}

/// Where and how a run is made.
pub struct Options {
    /// The binary of Foretop: the source, and unless `url` is given what is measured.
    pub foretop: PathBuf,
    /// A server that runs already, and streams clusters named as the scenario's.
    pub url: Option<String>,
}

/// What a tab of a run shows.
pub struct Shown {
    cluster: String,
    kind: &'static kind::Kind,
    namespace: String,
}

/// Does a scenario.
///
/// # Errors
/// When a process does not start or breaks off. Thresholds that are not met are no errors: they stand in the result.
pub async fn run(scenario: &Scenario, options: &Options, show: &Show) -> Result<RunResult, RunError> {
    let mut repetitions = Vec::new();
    for number in 0..scenario.repetitions {
        show.say(&format!("repetition {} of {}", number + 1, scenario.repetitions));
        repetitions.push(repeat(scenario, options, show).await?);
    }
    Ok(RunResult { scenario: scenario.clone(), machine: Machine::this(), repetitions })
}

async fn repeat(scenario: &Scenario, options: &Options, show: &Show) -> Result<Repetition, RunError> {
    let folder = tempfile::tempdir()?;
    let (source, server): (Option<Source>, Box<dyn Subject>) = if let Some(url) = &options.url {
        (None, Box::new(elsewhere(url)?))
    } else {
        show.say("the clusters start");
        let source = Source::start(&options.foretop, folder.path(), &scenario.source).await?;
        show.say("the server starts, and syncs");
        let server = Foretop::start(&options.foretop, folder.path(), &source, scenario).await?;
        (Some(source), Box::new(server))
    };
    measure(scenario, source, server.as_ref(), show).await
}

async fn measure(
    scenario: &Scenario,
    source: Option<Source>,
    server: &dyn Subject,
    show: &Show,
) -> Result<Repetition, RunError> {
    let shown = shown(scenario);
    let plan = plan(scenario, server, &shown);
    let before = Sample::of(&server.pids());
    let fleet = Fleet::start(&plan, scenario.tabs.processes).await?;
    let source = source.map(Arc::new);
    let mut stage = Stage { scenario, source, server, fleet, shown, rss_before: before.rss, show };
    let mut phases: Vec<PhaseResult> = Vec::new();
    for phase in &scenario.phases {
        phases.push(stage.phase(phase).await?);
    }
    Ok(Repetition { subject: server.name().to_owned(), rss_before: before.rss, phases })
}

/// What the tabs of a scenario show, in the order of their plan's views.
#[must_use]
pub fn shown(scenario: &Scenario) -> Vec<Shown> {
    let every = [String::new()];
    let namespaces = if scenario.tabs.namespaces.is_empty() { &every[..] } else { &scenario.tabs.namespaces };
    let mut shown = Vec::new();
    for cluster in 1..=scenario.source.clusters {
        for kind in scenario.tabs.kinds.iter().filter_map(|name| kind::by_name(name)) {
            for namespace in namespaces {
                shown.push(Shown { cluster: format!("sim-{cluster}"), kind, namespace: namespace.clone() });
            }
        }
    }
    shown
}

/// What the tabs of a scenario do with a server.
#[must_use]
pub fn plan(scenario: &Scenario, server: &dyn Subject, shown: &[Shown]) -> Plan {
    let noisy = scenario.phases.iter().any(|phase| phase.noisy > 0.0);
    let view = |shown: &Shown| View {
        path: shown.path(),
        group: usize::from(noisy && shown.cluster == "sim-1"),
        cluster: shown.cluster.clone(),
        kind: shown.kind.name.to_owned(),
        namespace: shown.namespace.clone(),
    };
    Plan {
        address: server.address(),
        host: server.host(),
        views: shown.iter().map(view).collect(),
        first: 0,
        tabs: scenario.tabs.count,
        users: scenario.users(),
        headers: Vec::new(),
        checks: true,
        cpus: scenario.tabs.cpus.clone(),
        lanes: scenario.tabs.lanes,
    }
}

impl Shown {
    /// The target of its stream.
    fn path(&self) -> String {
        self.path_of("/watch")
    }

    /// The target of its list, of full rows or plain ones.
    fn list(&self, full: bool) -> String {
        let path = self.path_of("");
        match full {
            true if path.contains('?') => path + "&rows=full",
            true => path + "?rows=full",
            false => path,
        }
    }

    fn path_of(&self, verb: &str) -> String {
        let of =
            if self.namespace.is_empty() { String::new() } else { format!("?namespace={}", self.namespace) };
        format!("/api/clusters/{}/{}{verb}{of}", self.cluster, self.kind.name)
    }
}

fn elsewhere(url: &str) -> Result<Elsewhere, RunError> {
    use std::net::ToSocketAddrs;
    let wrong = || RunError::Url(url.to_owned());
    let host = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let address: SocketAddr = with_port.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)?;
    Ok(Elsewhere { address, host: host.to_owned() })
}

/// The binary that stands beside this one, unless another is named.
pub fn beside(named: Option<&Path>) -> PathBuf {
    named.map_or_else(
        || std::env::current_exe().map_or_else(|_| "foretop".into(), |own| own.with_file_name("foretop")),
        Path::to_owned,
    )
}
