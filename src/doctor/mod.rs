//! Looks for what is wrong with a deployment, from where it runs and through its public URL, and says what would mend it.
//!
//! One check a file; each asks one question of one thing, within a deadline of its own, and gives its [`Finding`]s. Invariants: nothing is changed
//! anywhere; no finding holds a secret, nor anything that a peer said unescaped; a check that does not come to its end is a finding itself.

mod certificate;
mod clock;
mod descriptors;
mod finding;
mod identity;
mod memory;
mod plugins;
mod public;
mod reach;
mod registry;
mod rights;
mod stream;
mod uring;
mod watching;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::header::{HeaderName, HeaderValue};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use self::finding::{Finding, Report, Verdict};

use crate::cluster::{Cluster, ClusterSpec};
use crate::config::Config;

/// Time for one check that says nothing else.
const TIME: Duration = Duration::from_secs(20);

/// Checks that are under way at once.
const AT_ONCE: usize = 32;

/// What is examined.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The settings.
    pub config: Arc<Config>,
    /// The clusters of the registry.
    pub clusters: Vec<Arc<ClusterSpec>>,
    /// Where clients reach the deployment, if that is to be tried.
    pub url: Option<Uri>,
    /// Header fields of requests there, such as a session's cookie. Never told.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who signed the certificate there, in PEM; `None`: whom the system trusts.
    pub authorities: Option<PathBuf>,
}

/// A check that is about to be made.
struct Check {
    name: &'static str,
    /// Of what.
    of: String,
    limit: Duration,
    work: Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>,
}

impl Check {
    fn new(
        name: &'static str,
        of: impl Into<String>,
        work: impl Future<Output = Vec<Finding>> + Send + 'static,
    ) -> Self {
        Check { name, of: of.into(), limit: TIME, work: Box::pin(work) }
    }

    fn within(self, limit: Duration) -> Self {
        Check { limit, ..self }
    }

    async fn make(self) -> Vec<Finding> {
        let made = tokio::time::timeout(self.limit, self.work).await.unwrap_or_else(|_| {
            let what = format!("did not come to its end within {:?}", self.limit);
            vec![Finding::broken(what, "find out what it waits for, and run this again")]
        });
        made.into_iter().map(|finding| finding.of(self.name, &self.of)).collect()
    }
}

/// Makes every check that makes sense for these settings; many at once, so that what does not answer costs its own time alone.
pub async fn examine(visit: &Visit) -> Report {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for (number, check) in checks(visit).into_iter().enumerate() {
        let places = places.clone();
        under_way.spawn(async move {
            let _place = places.acquire_owned().await;
            (number, check.make().await)
        });
    }
    let mut made = under_way.join_all().await;
    made.sort_by_key(|(number, _)| *number);
    Report::new(made.into_iter().flat_map(|(_, findings)| findings).collect())
}

fn checks(visit: &Visit) -> Vec<Check> {
    let config = &visit.config;
    let mut checks = vec![
        Check::new(
            "registry",
            "the registry of clusters",
            std::future::ready(registry::check(&visit.clusters, config)),
        ),
        Check::new("io_uring", "this machine", std::future::ready(uring::check())),
        Check::new("descriptors", "this process", std::future::ready(descriptors::check(config))),
        Check::new("memory", "this machine", std::future::ready(memory::check(config))),
    ];
    for spec in &visit.clusters {
        checks.extend(of_cluster(visit, spec));
    }
    if let Some(path) = &config.server.tls.cert_file {
        let path = path.clone();
        checks.push(Check::new("certificate", path.display().to_string(), async move {
            certificate::of_file(&path)
        }));
    }
    checks.extend(identity::checks(config));
    if let Some(url) = &visit.url {
        checks.extend(public::checks(visit, url));
        checks.extend(stream::checks(visit, url));
    }
    checks
}

/// The checks of one cluster. One that cannot be entered at all gets one finding, not one of each check.
fn of_cluster(visit: &Visit, spec: &Arc<ClusterSpec>) -> Vec<Check> {
    let config = &visit.config;
    let of = format!("cluster {}", spec.name);
    let missing = plugins::missing(spec);
    if !missing.is_empty() {
        return vec![Check::new("exec plugin", of, std::future::ready(missing))];
    }
    let cluster = match Cluster::connect(spec.clone(), Arc::new(config.upstream.clone())) {
        Ok(cluster) => cluster,
        Err(error) => {
            return vec![Check::new("apiserver", of, std::future::ready(vec![reach::unusable(&error)]))];
        }
    };
    vec![Check::new("apiserver", of, reach::check(cluster, config.clone()))]
}
