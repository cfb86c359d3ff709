//! What is warm before a server says that it is ready: feeds that are kept, were restored, or are served by siblings.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Server;
use crate::config::Config;
use crate::feed::hub::Hub;
use crate::feed::{FeedKey, State};
use crate::siblings::Siblings;

/// How often it is looked whether feeds are there.
const LOOK: Duration = Duration::from_millis(50);

/// Feeds that the log names where they are not there in time.
const MOST_NAMED: usize = 10;

impl Server {
    /// Says ready once all that is to be warm is so, or was tried for `feeds.readyAfter`; and stays ready.
    pub(super) fn become_ready(&self, config: &Config, restored: Vec<FeedKey>) {
        let mut warm: HashSet<FeedKey> = restored.into_iter().chain(self.prewarm(config)).collect();
        let first = self.follow_siblings(config);
        let (api, hub, longest) = (self.api.clone(), self.hub.clone(), config.feeds.ready_after);
        tokio::spawn(async move {
            let in_time = tokio::time::timeout(longest, async {
                if let Some(first) = first {
                    warm.extend(first.await.unwrap_or_default());
                }
                while warm.iter().any(|key| !is_warm(&hub, key)) {
                    tokio::time::sleep(LOOK).await;
                }
            });
            if in_time.await.is_err() {
                let cold: Vec<String> = warm.iter().filter(|key| !is_warm(&hub, key)).map(shown).collect();
                let (count, first) = (cold.len(), cold[..cold.len().min(MOST_NAMED)].join(", "));
                tracing::warn!(
                    feeds = count,
                    first,
                    "server.ready_unsynced: some feeds that are kept warm are not there yet"
                );
            }
            api.set_ready();
        });
    }

    /// Follows what the siblings of the settings serve, in place of those before. Returns what they say first; `None`: there are none.
    pub(super) fn follow_siblings(&self, config: &Config) -> Option<oneshot::Receiver<HashSet<FeedKey>>> {
        let mut following = self.siblings.lock().expect("nothing panics while it holds this lock");
        if let Some(before) = following.take() {
            before.abort();
        }
        let Some(siblings) = Siblings::new(config, self.hub.clone()) else {
            self.hub.follow_siblings(HashSet::new());
            return None;
        };
        let (tell, told) = oneshot::channel();
        *following = Some(tokio::spawn(siblings.follow(tell)).abort_handle());
        Some(told)
    }

    /// Keeps the feeds that the settings name, of the clusters that there are.
    pub(super) fn prewarm(&self, config: &Config) -> Vec<FeedKey> {
        let specs = self.clusters.specs();
        let keys: Vec<FeedKey> = config
            .watch
            .prewarm
            .iter()
            .flat_map(|(cluster, kind)| {
                let matching = specs.iter().filter(move |spec| cluster == "*" || **cluster == *spec.name);
                matching.map(move |spec| FeedKey::own(spec.name.clone(), kind))
            })
            .collect();
        self.hub.keep(&keys);
        keys
    }
}

/// Whether a feed shows what its apiserver shows; or will not, however long one waits.
fn is_warm(hub: &Arc<Hub>, key: &FeedKey) -> bool {
    hub.find(key).is_some_and(|feed| {
        let status = feed.status();
        status.state == State::Live || status.refused().is_some()
    })
}

fn shown(key: &FeedKey) -> String {
    format!("{}/{} ({})", key.cluster, key.kind.name, key.rows.word())
}
