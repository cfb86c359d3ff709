//! The clusters of the registry as they are now, and the reflectors of their feeds.
//!
//! Read without a lock: cores ask whether a cluster is known for every request.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::reflector::{self, Sink};
use super::{Cluster, ClusterSpec, Counters};
use crate::config;
use crate::feed::Trunk;
use crate::feed::hub::{Running, Sources};

/// The clusters of the registry, as they are now.
pub struct Clusters {
    settings: Arc<config::Upstream>,
    known: ArcSwap<Known>,
    /// Held by whoever changes `known`: what clusters that are gone have counted, so that a sum over all never falls.
    changing: Mutex<Counters>,
}

#[derive(Clone, Default)]
struct Known {
    /// In the registry's order.
    specs: Vec<Arc<ClusterSpec>>,
    names: HashSet<Arc<str>>,
    /// Those that could be connected.
    clusters: HashMap<Arc<str>, Arc<Cluster>>,
}

impl Clusters {
    /// No cluster yet.
    #[must_use]
    pub fn new(settings: config::Upstream) -> Arc<Self> {
        Arc::new(Clusters {
            settings: Arc::new(settings),
            known: ArcSwap::default(),
            changing: Mutex::default(),
        })
    }

    /// What the registry says, in its order.
    #[must_use]
    pub fn specs(&self) -> Vec<Arc<ClusterSpec>> {
        self.known.load().specs.clone()
    }

    /// Every cluster that feeds can be started for.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Cluster>> {
        let known = self.known.load();
        known.specs.iter().filter_map(|spec| known.clusters.get(&spec.name).cloned()).collect()
    }

    /// Adds a cluster. One whose kubeconfig leads nowhere is known all the same, and is tried again when it is asked for.
    pub fn add(&self, spec: Arc<ClusterSpec>) {
        let connected = Cluster::connect(spec.clone(), self.settings.clone());
        if let Err(error) = &connected {
            tracing::error!(cluster = %spec.name, %error, "cluster.unusable");
        }
        self.change(|known| {
            if let Ok(cluster) = connected {
                known.clusters.insert(spec.name.clone(), cluster);
            }
            known.names.insert(spec.name.clone());
            known.specs.push(spec);
            None
        });
    }

    /// Forgets a cluster.
    pub fn remove(&self, name: &str) {
        self.change(|known| {
            known.specs.retain(|spec| &*spec.name != name);
            known.names.remove(name);
            known.clusters.remove(name)
        });
    }

    /// What was asked of all clusters, those that are gone among them.
    #[must_use]
    pub fn counts(&self) -> Counters {
        let past = self.changing.lock().expect("nothing panics while it holds this lock");
        let counts = Counters::default();
        counts.take_in(&past);
        for cluster in self.known.load().clusters.values() {
            counts.take_in(&cluster.counters);
        }
        counts
    }

    /// Puts the clusters in the registry's order.
    pub fn order(&self, specs: &[Arc<ClusterSpec>]) {
        let place = |name: &str| specs.iter().position(|spec| &*spec.name == name);
        self.change(|known| {
            known.specs.sort_by_key(|spec| place(&spec.name));
            None
        });
    }

    /// Keeps the sink equal to its kind in the cluster, until what is returned is dropped.
    pub fn follow(&self, cluster: Arc<Cluster>, sink: Arc<impl Sink>) -> Running {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(reflector::run(cluster, sink, self.settings.clone(), stopped));
        // Dropping the sender stops the reflector.
        Running(Box::new(stop))
    }

    /// Changes what is known; `change` returns a cluster that is to be forgotten.
    fn change(&self, change: impl FnOnce(&mut Known) -> Option<Arc<Cluster>>) {
        let past = self.changing.lock().expect("nothing panics while it holds this lock");
        let mut known = Known::clone(&self.known.load());
        if let Some(forgotten) = change(&mut known) {
            past.take_in(&forgotten.counters);
        }
        self.known.store(Arc::new(known));
    }

    /// The cluster; one that could not be connected is tried again, as its kubeconfig may have come since.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Cluster>> {
        let known = self.known.load();
        if let Some(cluster) = known.clusters.get(name) {
            return Some(cluster.clone());
        }
        let spec = known.specs.iter().find(|spec| &*spec.name == name)?;
        let cluster = Cluster::connect(spec.clone(), self.settings.clone()).ok()?;
        self.change(|known| {
            known.clusters.entry(cluster.name.clone()).or_insert_with(|| cluster.clone());
            None
        });
        self.known.load().clusters.get(name).cloned()
    }
}

impl Sources for Clusters {
    fn knows(&self, cluster: &str) -> bool {
        self.known.load().names.contains(cluster)
    }

    fn start(&self, trunk: Arc<Trunk>) -> Option<Running> {
        let cluster = self.get(&trunk.key.cluster)?;
        Some(self.follow(cluster, trunk))
    }
}
