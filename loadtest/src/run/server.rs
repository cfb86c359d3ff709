//! The server that a run measures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::http::{self, HttpError};
use super::process::{self, Process, ProcessError, free_address};
use super::source::Source;
use crate::scenario::Scenario;
use crate::tabs::rows;

const LOOK: Duration = Duration::from_millis(50);

/// A server that streams the clusters' lists.
pub trait Subject {
    /// Its name in tables.
    fn name(&self) -> &str;
    /// Where it listens.
    fn address(&self) -> SocketAddr;
    /// The `Host` that it answers to.
    fn host(&self) -> String;
    /// The processes whose time and memory are its own; none for one that runs elsewhere.
    fn pids(&self) -> Vec<u32>;
    /// Where it tells its figures in Prometheus' format, if it does.
    fn figures(&self) -> Option<SocketAddr>;
}

/// A Foretop that the run has started.
pub struct Foretop {
    process: Process,
    address: SocketAddr,
    managed: SocketAddr,
}

impl Foretop {
    /// Starts it on the source's clusters, and waits until it has synced what tabs will show; `folder` holds its files.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start(
        foretop: &Path,
        folder: &Path,
        source: &Source,
        scenario: &Scenario,
    ) -> Result<Self, ProcessError> {
        let (address, managed) = (free_address()?, free_address()?);
        let clusters = folder.join("clusters.yaml");
        std::fs::write(&clusters, registry(source, scenario.source.clusters))?;
        let config = folder.join("foretop.yaml");
        std::fs::write(&config, settings(&clusters, address, managed, scenario))?;
        let environment: Vec<_> =
            scenario.server.settings.iter().map(|(key, value)| (variable(key), value.clone())).collect();
        let arguments = ["serve".to_owned(), format!("--config={}", config.display())];
        Foretop::started(Process::start(foretop, &arguments, &environment)?, address, managed).await
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn started(
        mut process: Process,
        address: SocketAddr,
        managed: SocketAddr,
    ) -> Result<Self, ProcessError> {
        process.says("server.started").await?;
        let server = Foretop { process, address, managed };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&self) -> Result<(), ProcessError> {
        let patience = Instant::now() + process::PATIENCE;
        while let Err(error) = http::get(self.managed, "/readyz").await {
            if Instant::now() > patience {
                return Err(ProcessError::NotReady { program: "foretop".into(), said: error.to_string() });
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Subject for Foretop {
    fn name(&self) -> &'static str {
        "foretop"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn host(&self) -> String {
        self.address.to_string()
    }

    fn pids(&self) -> Vec<u32> {
        self.process.pid().into_iter().collect()
    }

    fn figures(&self) -> Option<SocketAddr> {
        Some(self.managed)
    }
}

/// A server that somebody else runs.
pub struct Elsewhere {
    /// Its address.
    pub address: SocketAddr,
    /// The `Host` that it answers to.
    pub host: String,
}

impl Subject for Elsewhere {
    fn name(&self) -> &'static str {
        "elsewhere"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    fn pids(&self) -> Vec<u32> {
        Vec::new()
    }

    fn figures(&self) -> Option<SocketAddr> {
        None
    }
}

/// What a server has counted, summed over labels.
///
/// # Errors
/// When it does not answer.
pub async fn metrics(server: &dyn Subject) -> Result<BTreeMap<String, f64>, HttpError> {
    let Some(address) = server.figures() else { return Ok(BTreeMap::new()) };
    let text = http::get(address, "/metrics").await?;
    let mut sums = BTreeMap::<String, f64>::new();
    for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        *sums.entry(metric(series)).or_default() += value.parse().unwrap_or(0.0);
    }
    Ok(sums)
}

/// A series' name without its labels; of a histogram's bucket, with its bound: `NAME_bucket 0.005`.
fn metric(series: &str) -> String {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    match labels.split_once("le=\"").and_then(|(_, bound)| bound.split_once('"')) {
        Some((bound, _)) => format!("{name} {bound}"),
        None => name.to_owned(),
    }
}

/// The hash of a list as the server itself shows it now.
///
/// # Errors
/// When it does not answer, or with something that is no list of this wrapper.
pub async fn listed(server: &dyn Subject, path: &str, wrapper: &str) -> Result<u64, HttpError> {
    let body = http::get_from(server.address(), &server.host(), path).await?;
    let broken = || HttpError::Status(server.address(), path.to_owned(), 200);
    let rows: Result<Vec<_>, _> = rows::items(&body, wrapper).ok_or_else(broken)?.map(rows::read).collect();
    Ok(rows::hash(rows.map_err(|_| broken())?))
}

fn registry(source: &Source, clusters: usize) -> String {
    let entry = |number: usize| {
        format!(
            "  - {{name: sim-{number}, backend: kubeconfig, kubeconfigPath: \"{}\", kubeconfigContext: sim-{number}}}\n",
            source.kubeconfig.display()
        )
    };
    (1..=clusters).map(entry).fold("clusters:\n".to_owned(), |text, line| text + &line)
}

fn settings(clusters: &Path, address: SocketAddr, managed: SocketAddr, scenario: &Scenario) -> String {
    let kinds = &scenario.tabs.kinds;
    let prewarm = if scenario.server.prewarm {
        kinds.iter().map(|kind| format!("\"*/{kind}\"")).collect::<Vec<_>>().join(", ")
    } else {
        String::new()
    };
    format!(
        "clustersFile: \"{}\"\n\
         server: {{listen: \"{address}\", cores: {}, connectionsPerCore: 100000}}\n\
         manage: {{listen: \"{managed}\"}}\n\
         auth: {{mode: header, header: {{trustedPeers: [127.0.0.0/8]}}}}\n\
         authorization: {{mode: shared}}\n\
         streams: {{perUser: 0, perCore: 100000}}\n\
         watch: {{kinds: [{}], prewarm: [{prewarm}]}}\n",
        clusters.display(),
        scenario.server.cores,
        kinds.join(", "),
    )
}

/// The environment variable of a setting: `streams.perUser` is `FORETOP_STREAMS_PER_USER`.
fn variable(key: &str) -> String {
    let mut name = "FORETOP_".to_owned();
    for character in key.chars() {
        if character == '.' || character.is_ascii_uppercase() {
            name.push('_');
        }
        if character != '.' {
            name.push(character.to_ascii_uppercase());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{metric, variable};

    #[test]
    fn a_bucket_is_known_by_its_bound() {
        assert_eq!(metric("foretop_sends_total{core=\"0\"}"), "foretop_sends_total");
        assert_eq!(metric("foretop_feeds"), "foretop_feeds");
        assert_eq!(metric("a_seconds_bucket{core=\"0\",le=\"0.005\"}"), "a_seconds_bucket 0.005");
    }

    #[test]
    fn a_setting_has_its_variable() {
        assert_eq!(variable("streams.perUser"), "FORETOP_STREAMS_PER_USER");
        assert_eq!(variable("journal.totalBytes"), "FORETOP_JOURNAL_TOTAL_BYTES");
    }
}
