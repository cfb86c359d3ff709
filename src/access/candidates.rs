//! The namespaces that a union may be of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::feed::hub::Hub;
use crate::feed::{FeedKey, KubeUser};
use crate::kind::{self, Kind};

/// How often a cluster's namespaces are looked at while somebody's union is made of them.
const LOOK: Duration = Duration::from_millis(250);

/// Names namespaces in which a user may have rights. A review decides whether they have.
pub trait Candidates: Send + Sync + 'static {
    /// The namespaces in which this user may have rights to this kind; `None`: not known, so that any may be one.
    fn namespaces(&self, cluster: &str, user: &KubeUser, kind: &'static Kind) -> Option<Vec<Arc<str>>>;
}

/// The names of a cluster's namespaces; `None` before they are known.
pub type Known = Option<Arc<[Arc<str>]>>;

/// The namespaces of all clusters, each looked at while somebody needs it.
pub struct AllNamespaces {
    hub: Arc<Hub>,
    clusters: Mutex<HashMap<Arc<str>, watch::Sender<Known>>>,
    nominated: OnceLock<Arc<dyn Candidates>>,
}

impl AllNamespaces {
    /// Of the clusters of this hub.
    pub fn new(hub: Arc<Hub>) -> Arc<Self> {
        Arc::new(AllNamespaces { hub, clusters: Mutex::default(), nominated: OnceLock::new() })
    }

    /// From now on these name the candidates; only the first that is given counts.
    pub fn nominate(&self, candidates: Arc<dyn Candidates>) {
        let _ = self.nominated.set(candidates);
    }

    /// The namespaces that were named for this user.
    pub fn nominated(&self, cluster: &str, user: &KubeUser, kind: &'static Kind) -> Option<Vec<Arc<str>>> {
        self.nominated.get()?.namespaces(cluster, user, kind)
    }

    /// All namespaces of a cluster, as they come and go.
    pub fn of(self: &Arc<Self>, cluster: &Arc<str>) -> watch::Receiver<Known> {
        let mut clusters = self.clusters.lock().expect("nothing panics while it holds this lock");
        if let Some(names) = clusters.get(cluster) {
            return names.subscribe();
        }
        let (names, receiver) = watch::channel(None);
        clusters.insert(cluster.clone(), names.clone());
        tokio::spawn(self.clone().look(cluster.clone(), names));
        receiver
    }

    async fn look(self: Arc<Self>, cluster: Arc<str>, names: watch::Sender<Known>) {
        let kind = kind::by_name("namespaces").expect("a kind of ours");
        let key = FeedKey::own(cluster.clone(), kind);
        let (mut seen, mut is_refused) = (None, false);
        while self.is_needed(&cluster, &names) {
            // A feed that cannot be had now may be had later; until then what was known stays.
            if let Ok(feed) = self.hub.open(&key) {
                feed.uses.note();
                let refused = feed.status().refused().is_some();
                if refused && !std::mem::replace(&mut is_refused, refused) {
                    tracing::warn!(%cluster, "access.no_namespaces: who names no namespace and may not see all waits in vain");
                }
                is_refused = refused;
                let cursor = feed.cursor();
                if cursor.is_some() && cursor != seen {
                    let now: Arc<[Arc<str>]> = feed.names().into();
                    seen = cursor;
                    names.send_if_modified(|known| {
                        let is_news = known.as_ref() != Some(&now);
                        *known = Some(now);
                        is_news
                    });
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_needed(&self, cluster: &str, names: &watch::Sender<Known>) -> bool {
        let mut clusters = self.clusters.lock().expect("nothing panics while it holds this lock");
        if names.receiver_count() > 0 {
            return true;
        }
        clusters.remove(cluster);
        false
    }
}
