//! How a cluster is entered: its credentials, its protocol and its connections, made on first use and made anew when the
//! credentials are refused.
//!
//! However many requests need it at once, it is made once; those who waited for a try that failed share its failure.
//! What was made is replaced as a whole: open watches keep the old connections until they end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::HeaderValue;

use super::Cluster;
use super::client::{Protocol, Recipe};
use super::credentials::SingleFlight;
use super::fault::CallError;
use super::load::load;
use super::pool::{Pool, Slot};
use crate::config;

/// The time for reading a kubeconfig and running its exec plugin.
const PREPARING: Duration = Duration::from_secs(30);

/// The way in, as it is now.
pub(super) struct Access {
    pub(super) recipe: Recipe,
    pub(super) unary: kube::Client,
    protocol: Protocol,
    pool: Arc<Pool>,
}

impl Access {
    fn new(recipe: Recipe, protocol: Protocol, settings: &config::Upstream) -> Result<Arc<Self>, CallError> {
        let unary = recipe.unary(protocol, settings)?;
        let most = match protocol {
            Protocol::Http2 => settings.watches_per_connection,
            // An HTTP/1.1 client opens a connection for each of them.
            Protocol::Http1 => usize::MAX,
        };
        Ok(Arc::new(Access { recipe, unary, protocol, pool: Pool::new(most) }))
    }

    /// A place for a watch.
    pub(super) fn slot(&self, settings: &config::Upstream) -> Result<Slot, CallError> {
        self.pool.take(|| self.recipe.watches(self.protocol, settings))
    }
}

/// What is made on first use.
#[derive(Default)]
pub(super) struct Door {
    current: ArcSwapOption<Access>,
    changing: tokio::sync::Mutex<Changing>,
    preparing: SingleFlight<Result<Recipe, CallError>>,
    protocol: Mutex<Option<Protocol>>,
}

#[derive(Default)]
struct Changing {
    failed: Option<(Instant, CallError)>,
    renewed: Option<Instant>,
}

impl Cluster {
    /// The way in, made now if need be.
    pub(super) async fn access(&self) -> Result<Arc<Access>, CallError> {
        if let Some(access) = self.door.current.load_full() {
            return Ok(access);
        }
        let asked = Instant::now();
        let mut changing = self.door.changing.lock().await;
        if let Some(access) = self.door.current.load_full() {
            return Ok(access);
        }
        if let Some((_, error)) = changing.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(error.clone());
        }
        match self.enter().await {
            Ok(access) => {
                changing.failed = None;
                self.door.current.store(Some(Arc::clone(&access)));
                Ok(access)
            }
            Err(error) => {
                changing.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// After a 401: reads the credentials anew, unless someone did since the refused ones were used, or a moment ago.
    /// True if it is worth another try.
    pub(super) async fn renew(&self, used: &Arc<Access>, header: Option<&HeaderValue>) -> bool {
        let mut changing = self.door.changing.lock().await;
        let Some(current) = self.door.current.load_full() else {
            return true;
        };
        if !Arc::ptr_eq(&current, used) {
            return true;
        }
        let now = current.recipe.login.header(self.settings.answer_timeout).await;
        if now.is_ok_and(|now| now.as_ref() != header) {
            return true;
        }
        // Many feeds are refused at once, and again after each wait: a plugin is not run for each of them.
        if changing.renewed.is_some_and(|at| at.elapsed() < self.settings.max_backoff / 2) {
            return false;
        }
        changing.renewed = Some(Instant::now());
        self.counters.renewals.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let renewed = self.prepare().await;
        match renewed.and_then(|recipe| Access::new(recipe, current.protocol, &self.settings)) {
            Ok(access) => {
                tracing::info!(cluster = %self.name, "cluster.credentials_renewed");
                self.door.current.store(Some(access));
                true
            }
            Err(error) => {
                tracing::warn!(cluster = %self.name, %error, "cluster.credentials_refused: and they cannot be read anew");
                false
            }
        }
    }

    async fn enter(&self) -> Result<Arc<Access>, CallError> {
        let recipe = self.prepare().await?;
        let protocol = self.protocol(&recipe).await?;
        Access::new(recipe, protocol, &self.settings)
    }

    async fn prepare(&self) -> Result<Recipe, CallError> {
        let start = || {
            let (spec, settings) = (Arc::clone(&self.spec), Arc::clone(&self.settings));
            let open = Arc::clone(&self.counters.connections);
            tokio::task::spawn_blocking(move || {
                let config = load(&spec).map_err(|error| CallError::Credentials(error.to_string()))?;
                Recipe::prepare(config, &settings, &open)
            })
        };
        let recipe =
            self.door.preparing.run("reading the kubeconfig and its credentials", PREPARING, start).await??;
        self.counters.certificate.set(recipe.certificate_ends);
        Ok(recipe)
    }

    /// What the peer speaks: found out once, by asking for `/version`; any answer will do.
    ///
    /// HTTP/1.1 is only believed where HTTP/2 fails both before and after it worked, so that an apiserver that just starts
    /// is not taken for one that knows no better.
    async fn protocol(&self, recipe: &Recipe) -> Result<Protocol, CallError> {
        let known = *self.door.protocol.lock().expect("no panic under this lock");
        if let Some(protocol) = known {
            return Ok(protocol);
        }
        let found = match self.speaks(recipe, Protocol::Http2).await {
            Ok(()) => Protocol::Http2,
            Err(error) if !error.may_be_a_mismatch => return Err(error.error),
            Err(first) => {
                self.speaks(recipe, Protocol::Http1).await.map_err(|_| first.error)?;
                match self.speaks(recipe, Protocol::Http2).await {
                    Ok(()) => Protocol::Http2,
                    Err(_) => Protocol::Http1,
                }
            }
        };
        if found == Protocol::Http1 {
            tracing::warn!(cluster = %self.name, "cluster.no_http2: each watch takes a connection of its own");
        }
        *self.door.protocol.lock().expect("no panic under this lock") = Some(found);
        Ok(found)
    }
}
