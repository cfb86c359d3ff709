//! Puts the parts together: clusters, hub, cores and control plane; and takes them apart in order.

mod drain;
mod reload;
mod shed;
mod signals;
mod warm;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::access::Access;
use crate::access::rbac::Rbac;
use crate::api::console::files::{Console, ConsoleError};
use crate::api::{self, Api};
use crate::audit::Audit;
use crate::cluster::{Changes, ClusterSpec, Clusters, RegistryFile};
use crate::config::{Config, Drain, Mistakes};
use crate::core::listener::listen;
use crate::core::start::{Driver, prepare, start};
use crate::core::{Command, CoreHandle, Everywhere};
use crate::feed::Shared;
use crate::feed::hub::{Hub, Limits};
use crate::feed::ledger::Ledger;
use crate::feed::post::Post;
use crate::identity::origin::Origins;
use crate::identity::revocation::Hear;
use crate::identity::seal::KeyError;
use crate::identity::{AuthError, Authenticator, Revoked};
use crate::memory::Limit;
use crate::saved::Shelf;
use crate::tls::{Listening, TlsError};

pub use reload::{RELOADED, Settings};
pub use signals::{Signals, until_signalled};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// The management address cannot be listened on.
    #[error("cannot listen on {address} (`manage.listen`): {source}")]
    Manage {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// A core's thread or runtime cannot be made.
    #[error("core {core} cannot start: {source}")]
    Core {
        /// Its number.
        core: usize,
        /// What the kernel says.
        source: io::Error,
    },
    /// The registry file is bad at start-up, when there is no older registry to go on with.
    #[error("{0}")]
    Registry(Mistakes),
    /// Nobody could be identified as the settings say.
    #[error("{0}")]
    Auth(#[from] AuthError),
    /// Feeds cannot be sealed as the settings say.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The audit's file cannot be opened.
    #[error("cannot write the audit to `audit.file`: {0}")]
    Audit(#[source] io::Error),
    /// The front end cannot be served.
    #[error("console.dir: {0}")]
    Console(#[from] ConsoleError),
    /// The TLS listener cannot start.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// The process lacks something for its control plane.
    #[error("the control plane cannot start: {0}")]
    Control(#[from] io::Error),
}

/// A server that runs.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for TLS.
    pub tls_address: Option<SocketAddr>,
    /// Where it listens to those who run it.
    pub managed: Option<SocketAddr>,
    /// Its feeds.
    pub hub: Arc<Hub>,
    /// Its clusters.
    pub clusters: Arc<Clusters>,
    /// Its cores.
    pub cores: Arc<[CoreHandle]>,
    /// What its cores run on.
    pub driver: Driver,
    /// What users may see.
    pub access: Arc<Access>,
    api: Arc<Api>,
    tls: Option<Listening>,
    audit: Audit,
    shelf: Option<Arc<Shelf>>,
    drain: ArcSwap<Drain>,
    siblings: Mutex<Option<AbortHandle>>,
}

impl Server {
    /// Starts a server for these clusters. To be called inside a tokio runtime, which is its control plane.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn start(config: &Config, specs: Vec<ClusterSpec>) -> Result<Self, ServeError> {
        let count = match config.server.cores {
            0 => std::thread::available_parallelism().map_or(1, Into::into),
            count => count,
        };
        let (prepared, posts, handles) = prepare(count)?;
        let cores: Arc<[CoreHandle]> = handles.into();
        let limit = Limit::here(config.memory.limit);
        limit.tell();
        let ledger = Ledger::new(limit.bytes);
        tokio::spawn(shed::follow(ledger.clone(), limit.room.clone()));
        let clusters = Clusters::new(config.upstream.clone());
        for spec in specs {
            clusters.add(Arc::new(spec));
        }
        let mailboxes: Arc<[Post]> = posts.into();
        let shared = Shared {
            posts: mailboxes.clone(),
            ledger: ledger.clone(),
            journal: config.journal.clone(),
            away_after: config.feeds.away_after,
            lateness: Arc::default(),
        };
        let (hub, task) = Hub::new(clusters.clone(), shared, limits(config, &limit));
        tokio::spawn(task);
        let shelf = Shelf::new(config)?.map(Arc::new);
        // Before anybody can come: who comes back finds the journal that it knew.
        let restored = shelf.as_ref().map_or_else(Vec::new, |shelf| shelf.restore(&hub));
        let origins = Arc::new(Origins::new(&config.server, &config.cors));
        let authenticator = Arc::new(Authenticator::new(config)?);
        if let Some(bearer) = authenticator.bearer() {
            tokio::spawn(bearer.clone().follow_keys());
        }
        if let Some(sessions) = authenticator.sessions() {
            sessions.revocations().tell(TellCores(cores.clone()));
            tokio::spawn(sessions.clone().follow_provider());
        }
        let access = Access::new(config, clusters.clone(), hub.clone(), mailboxes);
        access.tenants.serve(&clusters.specs());
        if config.access.watch_rbac {
            Rbac::start(clusters.clone(), &access);
        }
        let console = Console::load(&config.console)?;
        let audit = Audit::start(&config.audit).map_err(ServeError::Audit)?;
        let runtime = tokio::runtime::Handle::current();
        let control = Arc::new(move |question| drop(runtime.spawn(question)));
        let (moved, to_serve) = mpsc::channel(api::WAITING);
        let elsewhere = Arc::new(move |connection| {
            // A control plane that does not keep up takes no more: the connection closes, and the client tries again.
            let _ = moved.try_send(connection);
        });
        let everywhere = Everywhere {
            streams: config.streams.clone(),
            server: config.server.clone(),
            wait: config.feeds.wait,
            kinds: config.watch.kinds.clone().into(),
            origins: origins.clone(),
            authenticator: authenticator.clone(),
            access: access.clone(),
            audit: audit.clone(),
            control,
            hub: hub.clone(),
            ledger: ledger.clone(),
            elsewhere,
        };
        let mut address = config.server.listen;
        let mut driver = Driver::Uring;
        for (core, prepared) in prepared.into_iter().enumerate() {
            let listener = listen(address).map_err(|source| ServeError::Listen { address, source })?;
            address = listener.local_addr()?.as_socket().unwrap_or(address);
            driver = start(prepared, listener, everywhere.clone(), cores.clone())
                .map_err(|source| ServeError::Core { core, source })?;
        }
        let manage = config.manage.listen.map(listen_to_managers).transpose()?;
        let managed = manage.as_ref().and_then(|listener| listener.local_addr().ok());
        let manage_at = managed.map_or_else(|| "off".into(), |address| address.to_string());
        tracing::info!(%address, manage = manage_at, cores = count, driver = driver.name(), "server.started");
        let api = Api::new(config, &everywhere, &clusters, &cores, origins, driver, console);
        tokio::spawn(api::serve(api.clone(), to_serve));
        if let Some(listener) = manage {
            tokio::spawn(api::manage::serve(api.clone(), listener));
        }
        let tls = Listening::start(config, &cores)?;
        api.shows_certificate(tls.as_ref().map(|tls| tls.ends.clone()));
        let tls_address = tls.as_ref().map(|tls| tls.address);
        let server = Server {
            address,
            tls_address,
            managed,
            hub,
            clusters,
            cores,
            driver,
            access,
            api,
            tls,
            audit,
            shelf,
            drain: ArcSwap::from_pointee(config.drain.clone()),
            siblings: Mutex::default(),
        };
        server.become_ready(config, restored);
        Ok(server)
    }

    /// Ends what there is of a cluster.
    fn end_cluster(&self, name: &str) {
        self.access.end_cluster(name);
        self.hub.end_cluster(name);
    }

    /// Takes what has changed in the registry.
    pub fn apply(&self, changes: Changes, order: &[Arc<ClusterSpec>], config: &Config) {
        // First: whoever comes back, when the streams of a cluster that is no longer theirs have ended, finds none.
        self.access.tenants.serve(order);
        for name in &changes.removed {
            tracing::info!(cluster = %name, "cluster.removed");
            self.clusters.remove(name);
            self.end_cluster(name);
        }
        for spec in changes.changed {
            tracing::info!(cluster = %spec.name, "cluster.changed");
            self.clusters.remove(&spec.name);
            self.clusters.add(spec.clone());
            self.end_cluster(&spec.name);
        }
        for spec in changes.added {
            tracing::info!(cluster = %spec.name, "cluster.added");
            self.clusters.add(spec);
        }
        self.clusters.order(order);
        self.prewarm(config);
    }
}

/// Has the cores end the streams of sessions that are ended.
struct TellCores(Arc<[CoreHandle]>);

impl Hear for TellCores {
    fn hear(&self, what: &Revoked) {
        let what = Arc::new(what.clone());
        for core in self.0.iter() {
            // Only a core that is gone does not hear it.
            let _ = core.tell(Command::Revoked(what.clone()));
        }
    }
}

fn limits(config: &Config, memory: &Limit) -> Limits {
    Limits {
        linger: config.feeds.linger,
        feeds: config.feeds.max,
        selectors: config.feeds.selectors_per_kind,
        journal_total: memory.journals(config.journal.total_bytes),
    }
}

fn listen_to_managers(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    listener.map_err(|source| ServeError::Manage { address, source })
}

/// Serves the clusters of the registry file until a signal ends it.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(config: Config, settings: Settings) -> Result<(), ServeError> {
    // First: whoever sends one while the server starts means no harm.
    let hangups = reload::hangups()?;
    let mut registry = None;
    let mut specs = Vec::new();
    if let Some(path) = config.clusters_file.clone() {
        let mut file = RegistryFile::new(path).for_tenants(config.tenants.clone());
        if let Some(Err(mistakes)) = file.look().await {
            return Err(ServeError::Registry(mistakes));
        }
        specs = file.registry().clusters.iter().map(|spec| ClusterSpec::clone(spec)).collect();
        registry = Some(file);
    } else {
        tracing::warn!("clusters.none: `clustersFile` is not set, so there is no cluster to serve");
    }
    let server = Server::start(&config, specs)?;
    tokio::select! {
        never = reload::follow(&server, registry, settings, config, hangups) => match never {},
        ended = until_signalled(&server) => ended,
    }
}
