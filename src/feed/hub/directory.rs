//! The feeds as cores find them, without a lock.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Ask, Feeds, Hub};
use crate::feed::{Feed, FeedKey};

/// Which feeds there were when it was last published.
#[derive(Default)]
pub(super) struct Directory {
    feeds: HashMap<FeedKey, Arc<Feed>>,
    /// Of each source one of its feeds.
    sources: HashMap<FeedKey, Arc<Feed>>,
}

impl Hub {
    /// The feed, where the directory has it. Takes no lock.
    #[must_use]
    pub fn find(&self, key: &FeedKey) -> Option<Arc<Feed>> {
        self.directory.load().feeds.get(key).cloned()
    }

    /// Some feed of the source that a feed of this key would have, where the directory has one. Takes no lock.
    #[must_use]
    pub fn find_of_source(&self, key: &FeedKey) -> Option<Arc<Feed>> {
        self.directory.load().sources.get(&key.source()).cloned()
    }

    /// Feeds have come or gone: the task publishes it.
    pub(super) fn changed(&self, feeds: &mut Feeds) {
        if !std::mem::replace(&mut feeds.is_unpublished, true) {
            self.ask(Ask::Publish);
        }
    }

    /// Makes the directory anew, where it is not as it should be.
    pub(super) fn publish(&self, feeds: &mut Feeds) {
        if !std::mem::take(&mut feeds.is_unpublished) {
            return;
        }
        let all = || feeds.entries.iter().map(|(key, entry)| (key, entry.feed.clone()));
        self.directory.store(Arc::new(Directory {
            feeds: all().map(|(key, feed)| (key.clone(), feed)).collect(),
            sources: all().map(|(key, feed)| (key.source(), feed)).collect(),
        }));
    }
}
