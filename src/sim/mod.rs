//! Simulated apiservers: the world that the demo, the tests and load runs stand on.
//!
//! Each [`Cluster`] is a store with a history, a listener that speaks Kubernetes' list and watch over plain HTTP/1.1 and
//! HTTP/2, a churn that looks like deployments rolling, and faults on command. It is independent of the code under
//! test: it knows full Kubernetes JSON and nothing of rows, feeds or cores.
//!
//! ```text
//! model ─ objects (JSON templates) ─▶ store ─▶ list, watch ─▶ answer ─▶ server
//!   ▲ churn                           ▲ put, delete            ▲ faults, access, counters
//! ```
//!
//! Invariants: a watch skips nothing silently; what a slow client holds is bounded; equal seeds make equal clusters.

mod access;
mod answer;
mod body;
mod churn;
mod clock;
mod cluster;
mod control;
mod counters;
mod discovery;
mod faults;
mod kubeconfig;
mod list;
mod model;
mod object;
mod objects;
mod pulse;
mod rbac;
mod request;
mod resource;
mod review;
mod selector;
mod server;
mod status;
mod store;
mod watch;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub use access::{Rule as AccessRule, Table as AccessTable};
pub use cluster::Cluster;
pub use counters::Counts;
pub use faults::{Command, Fault, Faults, Rule as FaultRule};
pub use world::Tuning;

use server::{Listener, Routes};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The clusters' names, distinct; in a fleet each is also a path segment. Default `sim-1`.
    pub clusters: Vec<String>,
    /// Pods per cluster at the start, from 0 to some 100,000. Default 500.
    pub pods: usize,
    /// Whether there is little but pods, so that thousands of clusters fit in memory: no workloads, services and events until the churn writes
    /// them. Default no.
    pub bare: bool,
    /// Bytes of a node's name, which each of its pods' rows shows: rows as large as wanted. Default 0: no more than needed.
    pub node_name: usize,
    /// Writes per second and cluster. Default 0.
    pub churn: f64,
    /// What the clusters are made of; the n-th cluster adds n. Default 1.
    pub seed: u64,
    /// Where to listen. Default a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// Where [`serve`] writes the kubeconfig, if anywhere.
    pub kubeconfig_out: Option<PathBuf>,
    /// The bearer token that requests must carry, if any.
    pub token: Option<String>,
    /// The time at the start in Unix seconds, which then passes with the churn alone; the wall's time without it.
    pub time: Option<i64>,
    /// Whether the cluster's roles and bindings decide who may do what, and not the [`AccessTable`]. Default no.
    pub rbac: bool,
    /// Times and sizes.
    pub tuning: Tuning,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            clusters: vec!["sim-1".to_owned()],
            pods: 500,
            bare: false,
            node_name: 0,
            churn: 0.0,
            seed: 1,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            kubeconfig_out: None,
            token: None,
            time: None,
            rbac: false,
            tuning: Tuning::default(),
        }
    }
}

/// Why a simulation does not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The kubeconfig cannot be written.
    #[error("cannot write the kubeconfig {path:?}: {source}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not a name that can be a path segment, or named twice, or no name at all.
    #[error("the clusters' names must be distinct DNS labels: {0:?}")]
    Names(Vec<String>),
    /// Not one that it serves.
    #[error("the simulation has no resource {0:?}")]
    UnknownResource(String),
    /// There is no such object.
    #[error("there is no {key:?} among the {resource}")]
    NoSuchObject {
        /// The plural.
        resource: String,
        /// `namespace/name`.
        key: String,
    },
    /// The JSON is no object of the resource.
    #[error("{0}")]
    NotAnObject(String),
}

/// A running fleet of simulated clusters on one listener. Dropping it ends their churn and closes the listener.
pub struct Running {
    clusters: Vec<Cluster>,
    listener: Listener,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listener.close();
    }
}

impl Running {
    /// The clusters, in the order of their names in the options.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Where the fleet listens.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// The kubeconfig of the fleet.
    pub fn kubeconfig(&self) -> String {
        Cluster::kubeconfig(&self.clusters.iter().collect::<Vec<_>>())
    }

    /// Closes the listener and every connection.
    pub async fn stop(&self) {
        self.listener.stop().await;
    }
}

/// Builds the clusters and serves them on one listener, each below `/clusters/{name}`; writes the kubeconfig if asked to.
///
/// # Errors
///
/// When the names cannot be path segments, the address cannot be listened on, or the file cannot be written.
pub async fn serve(options: Options) -> Result<Running, SimError> {
    check_names(&options.clusters)?;
    let worlds: Vec<_> = (0..options.clusters.len()).map(|index| cluster::world(&options, index)).collect();
    let listener = cluster::bind(options.listen, Routes::Fleet(worlds.clone().into())).await?;
    let over = |world: std::sync::Arc<world::World>| {
        let prefix = format!("/clusters/{}", world.name);
        Cluster::over(world, listener.clone(), prefix)
    };
    let running = Running { clusters: worlds.into_iter().map(over).collect(), listener: listener.clone() };
    if let Some(path) = options.kubeconfig_out {
        let text = running.kubeconfig();
        let written = tokio::fs::write(&path, text).await;
        written.map_err(|source| SimError::Kubeconfig { path, source })?;
    }
    Ok(running)
}

fn check_names(names: &[String]) -> Result<(), SimError> {
    let is_label = |name: &String| {
        !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    if names.is_empty() || distinct.len() != names.len() || !names.iter().all(is_label) {
        return Err(SimError::Names(names.to_vec()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_path_segments() {
        let check =
            |names: &[&str]| check_names(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert!(check(&["sim-1", "sim-2"]).is_ok());
        for bad in [&["a", "a"][..], &[], &["a/b"], &[""], &["A"]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
