//! The registry of clusters, pooled clients, and the reflector: everything that speaks to an apiserver.
//!
//! Stands at the beginning of an event's way: a [`reflector`] lists and watches one kind of one cluster and hands what it
//! decoded to its feed. Everything here runs on the control plane's tokio runtime, off the cores. Invariants: every wait has
//! a limit and every retry a jittered backoff; what an apiserver sends may not panic, grow without bound or reach a log
//! unescaped; what a cluster is asked depends on its feeds, never on tabs.

mod backoff;
mod call;
mod client;
mod counters;
mod credentials;
mod dial;
mod door;
mod eyes;
mod fault;
mod known;
mod kubeconfigs;
mod lines;
mod load;
mod pool;
mod proxy;
pub mod reflector;
pub mod registry;
pub mod reload;
pub mod spec;
mod status;
mod step;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

pub use call::Answer;
pub use counters::{Counters, Verb};
pub use eyes::impersonating;
pub use fault::{CallError, plain};
pub use known::Clusters;
pub use lines::{Lines, TooLong};
pub use load::ClusterError;
pub use registry::{Changes, Registry};
pub use reload::RegistryFile;
pub use spec::{Backend, ClusterSpec};

use self::step::Outcome;
use crate::config;
use crate::kind::Kind;

/// One cluster, and all connections to it.
pub struct Cluster {
    /// Its name in the registry.
    pub name: Arc<str>,
    /// What the registry says of it.
    pub spec: Arc<ClusterSpec>,
    /// What it was asked and how it answered.
    pub counters: Counters,
    settings: Arc<config::Upstream>,
    door: door::Door,
    /// Unary calls in flight.
    calls: Semaphore,
    /// Lists and initial events being taken.
    relists: Arc<Semaphore>,
    backoff: backoff::Backoff,
    watch_list: Mutex<WatchListMemory>,
    epoch: Mutex<Option<Arc<str>>>,
}

/// The kinds for which this apiserver, in this version, refused to send initial events.
#[derive(Debug, Default)]
struct WatchListMemory {
    version: Option<String>,
    refused: HashSet<&'static str>,
}

impl Cluster {
    /// A cluster that can be asked. Reads its kubeconfig, but opens no connection and runs no exec plugin: the first
    /// request does.
    ///
    /// # Errors
    /// A kubeconfig or service account that cannot be read or leads nowhere.
    pub fn connect(
        spec: Arc<ClusterSpec>,
        settings: Arc<config::Upstream>,
    ) -> Result<Arc<Self>, ClusterError> {
        load::load(&spec)?;
        Ok(Arc::new(Cluster {
            name: Arc::clone(&spec.name),
            spec,
            counters: Counters::default(),
            door: door::Door::default(),
            calls: Semaphore::new(settings.calls_in_flight.max(1)),
            relists: Arc::new(Semaphore::new(settings.relists_at_once.max(1))),
            backoff: backoff::Backoff::default(),
            watch_list: Mutex::default(),
            epoch: Mutex::default(),
            settings,
        }))
    }

    /// The apiserver's version, such as `v1.33.2`, asked for now.
    ///
    /// # Errors
    /// No answer; an answer that is no version is `None`.
    pub async fn server_version(&self) -> Result<Option<String>, CallError> {
        let answer = self.get_raw("/version").await?;
        let version = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
        let version = version.as_ref().and_then(|version| version.get("gitVersion")?.as_str());
        Ok(version.filter(|_| answer.status == 200).map(fault::plain))
    }

    /// The cluster's incarnation: the uid of its `kube-system` namespace. `None` where that may not be read; what was last
    /// known where it cannot be read just now.
    async fn incarnation(&self) -> Option<Arc<str>> {
        let known = || self.epoch.lock().expect("no panic under this lock").clone();
        self.read_incarnation().await.unwrap_or_else(|_| known())
    }

    /// The same; where it cannot be read just now, why.
    async fn read_incarnation(&self) -> Result<Option<Arc<str>>, Outcome> {
        let answer = self.get_raw("/api/v1/namespaces/kube-system").await?;
        match answer.status {
            200 => {}
            403 | 404 => return Ok(None),
            _ => return Err(status::outcome(&status::read(&answer))),
        }
        let namespace = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
        let uid = namespace.as_ref().and_then(|namespace| namespace.get("metadata")?.get("uid")?.as_str());
        let uid: Arc<str> = uid.ok_or_else(|| Outcome::Garbage("a namespace without a uid".into()))?.into();
        *self.epoch.lock().expect("no panic under this lock") = Some(Arc::clone(&uid));
        Ok(Some(uid))
    }

    /// Whether to ask for initial events of this kind: not where they were refused, unless the apiserver is another version
    /// since.
    async fn sends_initial_events(&self, kind: &'static Kind) -> bool {
        if !self.watch_list().refused.contains(kind.name) {
            return true;
        }
        let Ok(Some(version)) = self.server_version().await else {
            return false;
        };
        let mut memory = self.watch_list();
        if memory.version.as_ref() == Some(&version) {
            return false;
        }
        // The first look after a refusal only notes which version it was.
        let is_other = memory.version.replace(version).is_some();
        if is_other {
            memory.refused.clear();
        }
        is_other
    }

    /// Remembers that this apiserver sends no initial events of this kind.
    async fn refused_initial_events(&self, kind: &'static Kind) {
        let is_first = self.watch_list().version.is_none();
        let version = if is_first { self.server_version().await.ok().flatten() } else { None };
        let mut memory = self.watch_list();
        memory.refused.insert(kind.name);
        if memory.version.is_none() {
            memory.version = version;
        }
    }

    fn watch_list(&self) -> std::sync::MutexGuard<'_, WatchListMemory> {
        self.watch_list.lock().expect("no panic under this lock")
    }
}
