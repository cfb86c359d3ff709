//! What a soak stands on: two calm clusters for the tabs, a large one for the hostile, and the server in its cgroup.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::KINDS;
use super::cgroup::Cgroup;
use crate::run::process::{Process, free_address};
use crate::run::server::{Foretop, Subject};
use crate::run::source::Source;
use crate::run::{RunError, http};
use crate::scenario;

/// What the run watches. Processes end before their cgroup goes.
pub struct Ground {
    /// The cluster of which a list is large.
    pub large: Source,
    /// The clusters that tabs show.
    pub calm: Arc<Source>,
    /// The server.
    pub server: Foretop,
    /// Where it runs, or why there is none.
    pub cgroup: Result<Cgroup, String>,
}

impl Ground {
    /// Starts all of it; `folder` holds the files.
    ///
    /// # Errors
    /// When a process does not start.
    pub async fn prepare(foretop: &Path, folder: &Path, mib: u64) -> Result<Self, RunError> {
        let (large_files, calm_files) = (folder.join("large"), folder.join("calm"));
        std::fs::create_dir(&large_files)?;
        std::fs::create_dir(&calm_files)?;
        let large =
            scenario::Source { pods: 1500, bare: true, node_name: 2000, ..scenario::Source::default() };
        let large = Source::start(foretop, &large_files, &large).await?;
        let calm = scenario::Source { clusters: 2, pods: 120, ..scenario::Source::default() };
        let calm = Arc::new(Source::start(foretop, &calm_files, &calm).await?);
        let cgroup = Cgroup::make(mib << 20).map_err(|error| error.to_string());
        let clusters = folder.join("clusters.yaml");
        std::fs::write(&clusters, registry(&calm, &large))?;
        let (address, managed) = (free_address()?, free_address()?);
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
        if cgroup.is_err() {
            let limit = mib / 5 * 4;
            let _ = write!(
                settings,
                "memory: {{limit: {limit}MiB}}\njournal: {{totalBytes: {}MiB}}\n",
                limit / 2
            );
        }
        let config = folder.join("foretop.yaml");
        std::fs::write(&config, settings)?;
        let arguments = vec!["serve".to_owned(), format!("--config={}", config.display())];
        let (program, arguments) = match &cgroup {
            Ok(cgroup) => cgroup.command(foretop, arguments),
            Err(_) => (foretop.to_owned(), arguments),
        };
        let process = Process::start(&program, &arguments, &[])?;
        let server = Foretop::started(process, address, managed).await?;
        Ok(Ground { large, calm, server, cgroup })
    }

    /// What the server tells of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn figures(&self) -> Result<Figures, RunError> {
        let Some(address) = self.server.figures() else { return Ok(Figures::default()) };
        let text = http::get(address, "/metrics").await?;
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| line.rsplit_once(' '));
        let read = |(series, value): (&str, &str)| {
            Some((series.trim_end_matches("{}").to_owned(), value.parse::<f64>().ok()?))
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes and counts")]
        let whole = |(series, value)| (series, value as u64);
        Ok(Figures(series.filter_map(read).map(whole).collect()))
    }
}

/// A server's figures, in whole numbers, by their series.
#[derive(Default)]
pub struct Figures(BTreeMap<String, u64>);

impl Figures {
    /// Of one series, `NAME{label="value"}`; 0 where it is not told.
    pub fn of(&self, series: &str) -> u64 {
        self.0.get(series).copied().unwrap_or(0)
    }

    /// Summed over the labels.
    pub fn sum(&self, name: &str) -> u64 {
        let series = self.0.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        series.map(|(_, value)| value).sum()
    }
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
