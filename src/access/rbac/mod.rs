//! Watching roles and bindings, with `access.watchRbac`: so that rights are asked for again as soon as they may have changed, and of a cluster's
//! namespaces only those that somebody's bindings name.
//!
//! ```text
//! four reflectors ─▶ watched (known, away, refused) ─▶ graph ─▶ touched: Access asks again
//!                                                        └───▶ candidates: what a union may be of
//! ```
//!
//! Foretop's own account watches, in each cluster of which a user's grant lives. Invariants: nothing here decides anything: a review does. Where roles and
//! bindings may not be watched, or are away, the clock holds and all namespaces are candidates.

mod graph;
#[cfg(test)]
mod tests;
pub(super) mod watched;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use self::watched::Watched;
use super::{Access, Candidates, clock};
use crate::cluster::{Cluster, Clusters};
use crate::feed::KubeUser;
use crate::feed::hub::Running;
use crate::kind::Kind;

/// How often it is looked which clusters there are grants of.
const LOOK: Duration = Duration::from_secs(1);

/// How long a cluster's roles and bindings are followed after the last grant.
const LINGER: Duration = Duration::from_mins(1);

/// The roles and bindings of every cluster with grants.
pub struct Rbac {
    clusters: Arc<Clusters>,
    access: Weak<Access>,
    watching: Mutex<HashMap<Arc<str>, Watching>>,
    wanted: Notify,
}

struct Watching {
    cluster: Arc<Cluster>,
    watched: Arc<Watched>,
    /// The reflectors, which end with it.
    _running: [Running; 4],
    idle_since: Option<Instant>,
}

impl Rbac {
    /// Watches for `access`, and names its candidates, as long as it lives.
    pub fn start(clusters: Arc<Clusters>, access: &Arc<Access>) {
        let rbac = Arc::new(Rbac {
            clusters,
            access: Arc::downgrade(access),
            watching: Mutex::default(),
            wanted: Notify::new(),
        });
        access.nominate(rbac.clone());
        tokio::spawn(rbac.run());
    }

    async fn run(self: Arc<Self>) {
        loop {
            let Some(access) = self.access.upgrade() else { return };
            self.look(&access.clusters(), clock::now());
            drop(access);
            // Waiting longer than until something is wanted would only be late.
            let _ = tokio::time::timeout(LOOK, self.wanted.notified()).await;
        }
    }

    /// Begins to watch clusters that have grants now, and ends where there have been none for a while or the cluster is another.
    fn look(&self, with_grants: &[Arc<str>], now: Instant) {
        let mut watching = self.lock();
        watching.retain(|name, one| {
            let is_the_same =
                self.clusters.get(name).is_some_and(|cluster| Arc::ptr_eq(&cluster, &one.cluster));
            if with_grants.contains(name) {
                one.idle_since = None;
                return is_the_same;
            }
            let since = *one.idle_since.get_or_insert(now);
            is_the_same && now.saturating_duration_since(since) < LINGER
        });
        for name in with_grants {
            if !watching.contains_key(name)
                && let Some(cluster) = self.clusters.get(name)
            {
                watching.insert(name.clone(), self.watch(cluster));
            }
        }
    }

    fn watch(&self, cluster: Arc<Cluster>) -> Watching {
        let (watched, parts) = Watched::new(&cluster.name, self.access.clone());
        let running = parts.map(|part| self.clusters.follow(cluster.clone(), part));
        Watching { cluster, watched, _running: running, idle_since: None }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Watching>> {
        self.watching.lock().expect("nothing panics while it holds this lock")
    }
}

impl Candidates for Rbac {
    fn namespaces(&self, cluster: &str, user: &KubeUser, kind: &'static Kind) -> Option<Vec<Arc<str>>> {
        let watched = self.lock().get(cluster).map(|watching| watching.watched.clone());
        let Some(watched) = watched else {
            self.wanted.notify_one();
            return None;
        };
        watched.candidates(user, kind, clock::now())
    }
}
