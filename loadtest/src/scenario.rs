//! What a run does, as a YAML file says it.
//!
//! A scenario is a world (clusters, kinds, tabs) and a sequence of phases, each of which is measured for itself: more tabs, another rate, a storm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use foretop::kind;
use serde::{Deserialize, Serialize};

use crate::figures::Figure;

/// What a run does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// Its name, in tables and reports.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub about: String,
    /// The simulated clusters.
    #[serde(default)]
    pub source: Source,
    /// The tabs.
    pub tabs: Tabs,
    /// The server.
    #[serde(default)]
    pub server: Server,
    /// What happens, in this order.
    pub phases: Vec<Phase>,
    /// How often all of it is done, each time with new processes. Default 1.
    #[serde(default = "one")]
    pub repetitions: usize,
}

/// The simulated clusters, `sim-1` and so on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Source {
    /// Clusters. Default 1.
    pub clusters: usize,
    /// Pods per cluster. Default 500.
    pub pods: usize,
    /// Whether they hold little but pods. Default no.
    pub bare: bool,
    /// Bytes of the nodes' names, which pods' rows show. Default 0: short ones.
    pub node_name: usize,
    /// Events that each cluster keeps per resource. Default 8192.
    pub history: usize,
}

impl Default for Source {
    fn default() -> Self {
        Source { clusters: 1, pods: 500, bare: false, node_name: 0, history: 8192 }
    }
}

/// The tabs. What they show is each kind of each cluster, in all namespaces or in each of those named.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tabs {
    /// How many there are.
    pub count: usize,
    /// Users among whom they are shared out. Default as many as tabs.
    pub users: Option<usize>,
    /// Kinds, by their names in routes. Default `pods`.
    #[serde(default = "pods")]
    pub kinds: Vec<String>,
    /// Namespaces. Default: none named, every tab shows all of them.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Connections begun per second; 0: all at once. Default 2000.
    #[serde(default = "ramp")]
    pub per_second: f64,
    /// Processes that they are in, at least. Default 1.
    #[serde(default = "one")]
    pub processes: usize,
    /// CPUs that these processes use. Default: any.
    #[serde(default)]
    pub cpus: Vec<usize>,
    /// Views of each tab, on one multiplexed stream. Default 0: each tab has one view, on a stream of its own.
    #[serde(default)]
    pub lanes: usize,
}

/// The server under test, where the run starts it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Server {
    /// Cores. Default 1.
    pub cores: usize,
    /// Whether every feed that tabs will show is synced before the first of them. Default yes.
    pub prewarm: bool,
    /// Other settings, by their keys: `streams.window: 5ms`.
    pub settings: BTreeMap<String, String>,
}

impl Default for Server {
    fn default() -> Self {
        Server { cores: 1, prewarm: true, settings: BTreeMap::new() }
    }
}

/// A part of a run that is measured for itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Tabs that are open in it. Default all; a phase never closes any.
    pub tabs: Option<usize>,
    /// Changes of rows per second, over all clusters; stamped, so that latency is known. Default 0.
    #[serde(default)]
    pub rate: f64,
    /// Changes of rows per second of the first cluster beside that, whose tabs' latency is then told apart. Default 0.
    #[serde(default)]
    pub noisy: f64,
    /// Writes per second and cluster as deployments roll, jobs run and nodes beat; not stamped. Default 0.
    #[serde(default)]
    pub churn: f64,
    /// What befalls the tabs or the clusters.
    #[serde(default)]
    pub storm: Storm,
    /// Seconds that pass before the window. Default 2.
    #[serde(default = "warm")]
    pub warm: f64,
    /// The window's length in seconds.
    pub seconds: f64,
    /// What a figure may be at most, or the run fails.
    #[serde(default)]
    pub most: BTreeMap<Figure, f64>,
    /// What a figure must be at least, or the run fails.
    #[serde(default)]
    pub least: BTreeMap<Figure, f64>,
}

/// What befalls the tabs or the clusters at the beginning of a window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Storm {
    /// Nothing.
    #[default]
    None,
    /// The phase's tabs connect in the window, and not before it; which ends when all of them show something.
    Connect,
    /// So many tabs lose their connection, and come back.
    Reconnect(usize),
    /// So many tabs read nothing until the window ends.
    Stall(usize),
    /// Every watch ends, and no version before now can be named any more: all feeds have to list anew.
    Relist,
}

fn one() -> usize {
    1
}

fn pods() -> Vec<String> {
    vec!["pods".to_owned()]
}

fn ramp() -> f64 {
    2000.0
}

fn warm() -> f64 {
    2.0
}

/// Why a file is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no YAML, or says what no scenario says.
    #[error("{path:?}: {source}")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What, and in which line.
        source: Box<serde_saphyr::Error>,
    },
    /// It contradicts itself.
    #[error("{path:?}: {what}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        what: String,
    },
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no scenario.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        let scenario: Scenario = serde_saphyr::from_str(&text)
            .map_err(|source| ScenarioError::Yaml { path: path.to_owned(), source: Box::new(source) })?;
        match scenario.mistake() {
            None => Ok(scenario),
            Some(what) => Err(ScenarioError::Wrong { path: path.to_owned(), what }),
        }
    }

    fn mistake(&self) -> Option<String> {
        if let Some(kind) = self.tabs.kinds.iter().find(|name| kind::by_name(name).is_none()) {
            return Some(format!("tabs.kinds: there is no kind {kind:?}; right would be one such as `pods`"));
        }
        let nothing = [
            ("tabs.count", self.tabs.count),
            ("tabs.kinds", self.tabs.kinds.len()),
            ("phases", self.phases.len()),
            ("source.clusters", self.source.clusters),
            ("repetitions", self.repetitions),
        ];
        if let Some((key, _)) = nothing.iter().find(|(_, count)| *count == 0) {
            return Some(format!("{key}: needs at least one"));
        }
        self.phases.iter().find_map(|phase| phase.mistake(self.tabs.count))
    }

    /// The server's flush window in milliseconds; `None` where it is set in other units than `ms` and `s`.
    pub fn flush_ms(&self) -> Option<f64> {
        let Some(set) = self.server.settings.get("streams.window") else {
            return Some(foretop::config::Streams::default().window.as_secs_f64() * 1e3);
        };
        match set.strip_suffix("ms") {
            Some(milliseconds) => milliseconds.parse().ok(),
            None => Some(set.strip_suffix('s')?.parse::<f64>().ok()? * 1e3),
        }
    }

    /// Views that the tabs can show between them, at the most.
    pub fn shown_at_most(&self) -> usize {
        self.tabs.count.saturating_mul(self.tabs.lanes.max(1))
    }

    /// Users of the tabs.
    pub fn users(&self) -> usize {
        self.tabs.users.unwrap_or(self.tabs.count)
    }
}

impl Phase {
    fn mistake(&self, count: usize) -> Option<String> {
        let name = &self.name;
        if self.tabs.is_some_and(|tabs| tabs > count) {
            return Some(format!("phase {name:?}: tabs: there are only {count} (tabs.count)"));
        }
        let affected = match self.storm {
            Storm::Reconnect(tabs) | Storm::Stall(tabs) => tabs,
            Storm::None | Storm::Connect | Storm::Relist => 0,
        };
        if affected > self.tabs.unwrap_or(count) {
            return Some(format!("phase {name:?}: storm: it befalls more tabs than the phase has"));
        }
        let negative = [self.rate, self.noisy, self.churn, self.warm, self.seconds];
        negative
            .iter()
            .any(|value| !value.is_finite() || *value < 0.0)
            .then(|| format!("phase {name:?}: rate, noisy, churn, warm and seconds are not negative"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scenario, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.yaml");
        std::fs::write(&path, text).unwrap();
        Scenario::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let scenario = read("name: a\ntabs: {count: 5}\nphases: [{name: x, seconds: 1}]\n").unwrap();
        assert_eq!((scenario.users(), scenario.source.pods, scenario.tabs.kinds.len()), (5, 500, 1));
        assert!(matches!(scenario.phases[0].storm, Storm::None));
    }

    #[test]
    fn the_window_is_known_in_milliseconds() {
        let flush = |set: &str| {
            let settings = if set.is_empty() { String::new() } else { format!("streams.window: {set}") };
            let text = format!(
                "name: a\ntabs: {{count: 5}}\nserver: {{settings: {{{settings}}}}}\nphases: [{{name: x, seconds: 1}}]\n"
            );
            read(&text).unwrap().flush_ms()
        };
        assert_eq!(["", "5ms", "0s", "1.5s"].map(flush), [20.0, 5.0, 0.0, 1500.0].map(Some));
        assert_eq!(flush("1m"), None);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let unknown = read("name: a\ntabs:\n  count: 5\n  cuont: 5\nphases: []\n").unwrap_err();
        assert!(unknown.contains("cuont") && unknown.contains('4'), "{unknown}");
        let kind =
            read("name: a\ntabs: {count: 5, kinds: [pod]}\nphases: [{name: x, seconds: 1}]\n").unwrap_err();
        assert!(kind.contains("\"pod\""), "{kind}");
        let more = read("name: a\ntabs: {count: 5}\nphases: [{name: x, seconds: 1, storm: {stall: 6}}]\n");
        assert!(more.unwrap_err().contains("storm"));
        let figure = read("name: a\ntabs: {count: 5}\nphases: [{name: x, seconds: 1, most: {p98: 6}}]\n");
        assert!(figure.unwrap_err().contains("p98"));
    }

    #[test]
    fn every_scenario_of_the_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            Scenario::read(&path).unwrap_or_else(|error| panic!("{error}"));
            count += 1;
        }
        assert!(count > 5);
    }
}
