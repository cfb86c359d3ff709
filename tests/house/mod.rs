//! A whole Foretop in the test's process: simulated clusters, and a server before them, over real sockets.
//!
//! Each [`House`] has its own listener, cores and clusters, so that tests of one file run side by side. It needs a
//! multi-thread tokio runtime, which is the server's control plane and the clusters' too:
//! `#[tokio::test(flavor = "multi_thread", worker_threads = 2)]`. A test that has this module has the module `tab` too.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

pub mod process;
pub mod tls;
pub mod wire;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use foretop::cluster::ClusterSpec;
use foretop::config::Config;
use foretop::core::Command;
use foretop::serve::Server;
use foretop::sim::{Cluster, Options};
use serde_json::{Value, json};

use crate::tab::socket::{is_gone, speaks_tls};
use tls::Authority;

/// How long anything that must happen may take before the test fails: far more than it ever should.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The first cluster's name where a test says nothing else.
pub const EAST: &str = "east";

/// The second cluster's.
pub const WEST: &str = "west";

/// The group of admins.
pub const OPERATORS: &str = "operators";

/// A server and the clusters that it serves.
pub struct House {
    pub server: Server,
    /// In the order in which they were asked for.
    pub clusters: Vec<Cluster>,
    /// Whose certificate it has, where every test speaks TLS.
    authority: Option<Authority>,
}

/// Whether a test is about cleartext alone and `FORETOP_TEST_TLS` has the tests speak TLS: it says why.
pub fn is_of_cleartext(why: &str) -> bool {
    let is_skipped = are_over_tls();
    if is_skipped {
        println!("skipped over TLS: {why}");
    }
    is_skipped
}

/// Whether tests speak TLS to their houses.
pub fn are_over_tls() -> bool {
    std::env::var_os("FORETOP_TEST_TLS").is_some()
}

/// The defaults, on a free port, with two cores: a user's home is then as often another core as the accepting one.
pub fn config() -> Config {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.server.cores = 2;
    config.manage.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    config.access.admin_groups = vec![OPERATORS.into()];
    // Whether somebody has built the console makes no difference to a test.
    config.console.built_in = false;
    config
}

/// A quiet simulated cluster of this name and so many pods.
pub fn cluster(name: &str, pods: usize) -> Options {
    Options { clusters: vec![name.to_owned()], pods, ..Options::default() }
}

impl House {
    /// A server with these settings, before these clusters (each the first that its options name).
    pub async fn start(config: &Config, clusters: Vec<Options>) -> House {
        let mut running = Vec::new();
        for options in clusters {
            running.push(Cluster::start(options).await.expect("a simulated cluster starts"));
        }
        let specs = running.iter().map(|cluster| ClusterSpec::from_url(cluster.name(), &cluster.url()));
        House::of(config, specs.collect(), running)
    }

    /// A server with these settings before these clusters, which may be told of in another way.
    pub fn of(config: &Config, specs: Vec<ClusterSpec>, clusters: Vec<Cluster>) -> House {
        let (mut config, mut authority) = (config.clone(), None);
        if are_over_tls() && config.server.tls.listen.is_none() {
            authority.insert(Authority::new()).serves(&mut config);
        }
        let server = Server::start(&config, specs).expect("the server starts");
        let house = House { server, clusters, authority };
        if let Some(authority) = &house.authority {
            speaks_tls(house.address(), authority.client(None));
        }
        house
    }

    /// A server with these settings before something that is no simulated cluster, [`EAST`].
    pub fn before(config: &Config, east: ClusterSpec) -> House {
        House::of(config, vec![east], Vec::new())
    }

    /// A server with these settings before one quiet cluster, [`EAST`].
    pub async fn with(config: &Config, pods: usize) -> House {
        House::start(config, vec![cluster(EAST, pods)]).await
    }

    /// A server with these settings before one quiet cluster, [`EAST`], of a few pods.
    pub async fn small_with(config: &Config) -> House {
        House::with(config, 20).await
    }

    /// A server as tests mostly want it before one quiet cluster, [`EAST`].
    pub async fn small() -> House {
        House::small_with(&config()).await
    }

    /// Has the first cluster's feed of a kind synced before a test begins with it.
    pub async fn warm(&self, kind: &str) {
        let answer = crate::tab::get(self.address(), &list(kind), &[]).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
    }

    /// The lines of `/debug/streams`.
    pub async fn streams(&self) -> Vec<Value> {
        let answer = crate::tab::get(self.address(), "/debug/streams", &[]).await;
        answer.json().as_array().expect("an array").clone()
    }

    /// Waits until so many streams are open.
    pub async fn has_streams(&self, count: usize) {
        eventually(&format!("{count} streams"), async || self.streams().await.len() == count).await;
    }

    /// Where the server listens, for the clients of this test.
    pub fn address(&self) -> SocketAddr {
        let over_tls = self.authority.as_ref().and(self.server.tls_address);
        over_tls.unwrap_or(self.server.address)
    }

    /// Where it tells its figures.
    pub fn managed(&self) -> SocketAddr {
        self.server.managed.expect("the house has a management listener")
    }

    /// The first cluster.
    pub fn east(&self) -> &Cluster {
        &self.clusters[0]
    }

    /// The second cluster.
    pub fn west(&self) -> &Cluster {
        &self.clusters[1]
    }
}

impl Drop for House {
    /// Closes the listener and every stream; the cores' threads stay, and have nothing to do.
    fn drop(&mut self) {
        is_gone(self.address());
        for core in self.server.cores.iter() {
            let _ = core.tell(Command::Drain(Instant::now()));
        }
    }
}

/// Waits until it is so, looking again and again. Fails the test where it does not come to that.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    patient(what, looking).await;
}

/// Awaits what must happen. Fails the test where it does not.
pub async fn patient<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("{what}: did not happen within {PATIENCE:?}"))
}

/// A pod with as little as its row needs.
pub fn pod(namespace: &str, name: &str, phase: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-05-01T12:00:00Z"},
        "spec": {"containers": [{"name": "main", "image": "app"}]},
        "status": {"phase": phase},
    })
}

/// The row of such a pod.
pub fn pod_row(namespace: &str, name: &str, phase: &str) -> String {
    format!(
        r#"{{"name":"{name}","namespace":"{namespace}","phase":"{phase}","ready":"0/1","restarts":0,"createdAt":"2026-05-01T12:00:00Z"}}"#
    )
}

/// The path of a kind's stream in [`EAST`], in all namespaces.
pub fn watch(kind: &str) -> String {
    format!("/api/clusters/{EAST}/{kind}/watch")
}

/// The path of a kind's list in [`EAST`], in all namespaces.
pub fn list(kind: &str) -> String {
    format!("/api/clusters/{EAST}/{kind}")
}
