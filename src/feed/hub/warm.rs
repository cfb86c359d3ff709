//! Feeds that are there before anybody asks for them: kept, restored after a restart, or served by siblings.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use super::super::saved::Saved;
use super::super::{Feed, FeedKey, Trunk};
use super::Hub;

impl Hub {
    /// Starts these feeds, which never linger away until others are kept in their place.
    pub fn keep(&self, keys: &[FeedKey]) {
        *self.lock_kept() = keys.iter().cloned().collect();
        for key in keys {
            // Where that fails, the first who asks for it starts it.
            let _ = self.open(key);
        }
    }

    /// Has feeds of one source go on that were saved by the process before. They linger as any other. Returns those that do: for the others there is no room, or no way
    /// into their cluster, or their source runs already.
    pub fn restore(&self, saved: Vec<Saved>) -> Vec<FeedKey> {
        let mut feeds = self.lock();
        let Some(first) = saved.first() else { return Vec::new() };
        if feeds.sources.contains_key(&first.key.source()) {
            return Vec::new();
        }
        let trunk = Trunk::new(&first.key);
        if let Some(oldest) = saved.iter().filter_map(|saved| saved.heard_at).min() {
            trunk.heard.listed(oldest);
        }
        let mut restored: Vec<Arc<Feed>> = Vec::new();
        for saved in saved {
            let is_among =
                saved.key.source() == trunk.key && restored.iter().all(|feed| feed.key != saved.key);
            if is_among && self.has_room_for(&feeds, restored.len() + 1) {
                let feed = Feed::restored(saved, &self.shared, trunk.heard.clone());
                trunk.rejoin(feed.clone());
                restored.push(feed);
            }
        }
        if restored.is_empty() {
            return Vec::new();
        }
        let Ok(source) = self.run_source(&mut feeds, trunk) else { return Vec::new() };
        for feed in &restored {
            self.enter(&mut feeds, feed.clone(), source.clone(), None);
        }
        restored.iter().map(|feed| feed.key.clone()).collect()
    }

    /// Starts the feeds that siblings serve, and keeps them as long as they are among those of the newest call: a tab that moves here then
    /// finds a journal that reaches back to it.
    pub fn follow_siblings(&self, keys: HashSet<FeedKey>) {
        self.lock_siblings().clone_from(&keys);
        // As if it had idled for the whole linger time: siblings that follow one another must not keep a feed alive that nobody uses.
        let now = Instant::now();
        let idle_since = now.checked_sub(self.limits.linger).unwrap_or(now);
        let mut feeds = self.lock();
        // Full rows first: the list that is taken for them serves the plain ones too.
        let mut keys: Vec<FeedKey> = keys.into_iter().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.rows));
        for key in keys {
            if !feeds.entries.contains_key(&key) {
                // Where that fails, the first who asks for it starts it.
                let _ = self.start(&mut feeds, &key, Some(idle_since));
            }
        }
    }

    /// What is served here: feeds that are everybody's ([`FeedKey::is_everybodys`]), and are kept or were used within the linger time. Those that only siblings serve are
    /// not among them.
    #[must_use]
    pub fn views(&self) -> Vec<FeedKey> {
        let now = Instant::now();
        let kept = self.lock_kept().clone();
        let feeds = self.lock();
        let is_used = |key: &FeedKey, idle_since: Option<Instant>| {
            kept.contains(key)
                || idle_since.is_none_or(|since| now.saturating_duration_since(since) < self.limits.linger)
        };
        let used =
            feeds.entries.iter().filter(|(key, entry)| is_used(key, entry.idle_since)).map(|(key, _)| key);
        let mut views: Vec<FeedKey> = used.filter(|key| key.is_everybodys()).cloned().collect();
        views.sort_by(|one, other| {
            (&one.cluster, one.kind.name, one.rows).cmp(&(&other.cluster, other.kind.name, other.rows))
        });
        views
    }

    pub(super) fn lock_siblings(&self) -> MutexGuard<'_, HashSet<FeedKey>> {
        self.siblings.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Limits, Running, Sources};
    use super::*;
    use crate::feed::{Shared, Trunk};
    use crate::kind;

    /// Feeds that nothing comes to.
    struct Quiet;

    impl Sources for Quiet {
        fn knows(&self, _: &str) -> bool {
            true
        }

        fn start(&self, _: Arc<Trunk>) -> Option<Running> {
            Some(Running(Box::new(())))
        }
    }

    const LINGER: Duration = Duration::from_mins(1);

    fn hub() -> Arc<Hub> {
        let limits = Limits { linger: LINGER, feeds: 10, selectors: 10, journal_total: usize::MAX };
        Hub::new(Arc::new(Quiet), Shared::without_cores(), limits).0
    }

    fn key(kind: &str) -> FeedKey {
        FeedKey::own("east".into(), kind::by_name(kind).expect("a kind"))
    }

    fn kinds(hub: &Hub) -> Vec<&'static str> {
        hub.feeds().iter().map(|feed| feed.key.kind.name).collect()
    }

    fn views(hub: &Hub) -> Vec<&'static str> {
        hub.views().iter().map(|key| key.kind.name).collect()
    }

    #[test]
    fn what_only_siblings_serve_is_not_said_to_them() {
        let hub = hub();
        hub.keep(&[key("nodes")]);
        hub.open(&key("pods")).expect("a feed");
        hub.follow_siblings([key("jobs"), key("pods")].into());
        assert_eq!(kinds(&hub), ["jobs", "nodes", "pods"]);
        assert_eq!(views(&hub), ["nodes", "pods"]);
        hub.open(&key("jobs")).expect("the same feed");
        assert_eq!(views(&hub), ["jobs", "nodes", "pods"], "somebody here has asked for it");
    }

    #[test]
    fn what_siblings_serve_no_longer_ends_with_its_own_use() {
        let hub = hub();
        hub.follow_siblings([key("jobs")].into());
        hub.open(&key("pods")).expect("a feed");
        let now = Instant::now();
        hub.tick(now);
        hub.tick(now + LINGER);
        assert_eq!(kinds(&hub), ["jobs"], "pods were used by nobody for so long");
        hub.follow_siblings(HashSet::new());
        hub.tick(now + LINGER);
        assert!(kinds(&hub).is_empty());
    }

    #[test]
    fn what_is_kept_is_what_was_last_said() {
        let hub = hub();
        hub.keep(&[key("nodes"), key("pods")]);
        hub.keep(&[key("pods")]);
        let now = Instant::now();
        hub.tick(now);
        hub.tick(now + LINGER);
        assert_eq!(kinds(&hub), ["pods"]);
    }
}
