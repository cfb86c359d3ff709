//! The hub: which feeds there are, and what cores want of them.
//!
//! A core finds a feed in the directory without a lock; what it does not find it asks for. Questions go to the hub's task on the
//! control plane through a channel that nobody waits on. The hub starts a source for each feed with demand, and ends feeds that
//! nobody has used for the linger time.

mod warm;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use super::post::{CoreId, Mail, Post};
use super::saved::Restores;
use super::{Feed, FeedKey, Scope, Shared};
use crate::wire::refusal::Refusal;

/// What feeds feeds: the reflectors, or whatever takes their place.
pub trait Sources: Send + Sync + 'static {
    /// Whether the cluster is in the registry.
    fn knows(&self, cluster: &str) -> bool;
    /// Starts a source for the feed. Dropping what is returned stops it.
    fn start(&self, feed: Arc<Feed>) -> Option<Running>;
}

/// A running source; dropping it stops the source.
pub struct Running(pub Box<dyn Send + Sync>);

/// A question of a core.
enum Ask {
    Open(CoreId, FeedKey),
    Snapshot(CoreId, Arc<Feed>, Scope, bool),
    Specimen(CoreId, Arc<Feed>, Scope),
}

/// The feeds as cores find them.
pub type Directory = HashMap<FeedKey, Arc<Feed>>;

/// Which feeds there are, and what cores want of them.
pub struct Hub {
    /// What came of restoring feeds that were saved.
    pub restores: Restores,
    directory: ArcSwap<Directory>,
    feeds: Mutex<HashMap<FeedKey, Entry>>,
    asks: mpsc::UnboundedSender<Ask>,
    sources: Arc<dyn Sources>,
    shared: Shared,
    limits: Limits,
    kept: Mutex<HashSet<FeedKey>>,
    /// What siblings serve, as they last said.
    siblings: Mutex<HashSet<FeedKey>>,
}

/// Bounds on feeds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a feed goes on after its last use.
    pub linger: Duration,
    /// Most feeds alive at once.
    pub feeds: usize,
    /// Bytes that all journals may retain.
    pub journal_total: usize,
}

struct Entry {
    feed: Arc<Feed>,
    _source: Option<Running>,
    idle_since: Option<Instant>,
    lists_seen: u64,
}

/// A count of uses that are no stream.
#[derive(Debug, Default)]
pub struct Uses(AtomicU64);

impl Uses {
    /// Notes one.
    pub fn note(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Hub {
    /// A hub, and its task. The task runs until the hub is dropped.
    pub fn new(
        sources: Arc<dyn Sources>,
        shared: Shared,
        limits: Limits,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (asks, received) = mpsc::unbounded_channel();
        let hub = Arc::new(Hub {
            restores: Restores::default(),
            directory: ArcSwap::default(),
            feeds: Mutex::default(),
            asks,
            sources,
            shared,
            limits,
            kept: Mutex::default(),
            siblings: Mutex::default(),
        });
        let task = run(Arc::downgrade(&hub), received);
        (hub, task)
    }

    /// The feed, where there is one. Takes no lock.
    #[must_use]
    pub fn find(&self, key: &FeedKey) -> Option<Arc<Feed>> {
        self.directory.load().get(key).cloned()
    }

    /// Whether the cluster is in the registry.
    #[must_use]
    pub fn knows(&self, cluster: &str) -> bool {
        self.sources.knows(cluster)
    }

    /// A core's mailbox.
    #[must_use]
    pub fn post(&self, core: CoreId) -> Post {
        self.shared.posts[core].clone()
    }

    /// Asks for a feed; the answer is [`Mail::Opened`].
    pub fn ask_feed(&self, core: CoreId, key: FeedKey) {
        self.ask(Ask::Open(core, key));
    }

    /// Asks for a snapshot; the answer is [`Mail::Snapshot`]. See [`Feed::send_snapshot`].
    pub fn ask_snapshot(&self, core: CoreId, feed: Arc<Feed>, scope: Scope, exact: bool) {
        self.ask(Ask::Snapshot(core, feed, scope, exact));
    }

    /// Asks for a row that changes nothing; the answer is [`Mail::Specimen`].
    pub fn ask_specimen(&self, core: CoreId, feed: Arc<Feed>, scope: Scope) {
        self.ask(Ask::Specimen(core, feed, scope));
    }

    /// The feed, started if need be.
    ///
    /// # Errors
    /// [`Refusal::Full`] at a ceiling; [`Refusal::Unavailable`] where the cluster is unknown or cannot be entered.
    pub fn open(&self, key: &FeedKey) -> Result<Arc<Feed>, Refusal> {
        let mut feeds = self.lock();
        if let Some(entry) = feeds.get_mut(key) {
            entry.idle_since = None;
            return Ok(entry.feed.clone());
        }
        self.start(&mut feeds, Feed::new(key.clone(), &self.shared), None)
    }

    /// Starts a feed that there is none of its key of yet.
    fn start(
        &self,
        feeds: &mut HashMap<FeedKey, Entry>,
        feed: Arc<Feed>,
        idle_since: Option<Instant>,
    ) -> Result<Arc<Feed>, Refusal> {
        if feeds.len() >= self.limits.feeds || self.shared.ledger.is_full() {
            return Err(Refusal::Full);
        }
        let source = self.sources.start(feed.clone()).ok_or(Refusal::Unavailable)?;
        tracing::info!(cluster = %feed.key.cluster, kind = feed.key.kind.name, "feed.started");
        let entry = Entry { feed: feed.clone(), _source: Some(source), idle_since, lists_seen: 0 };
        feeds.insert(feed.key.clone(), entry);
        self.publish(feeds);
        Ok(feed)
    }

    /// Ends every feed of a cluster that has left the registry, or whose settings have changed.
    pub fn end_cluster(&self, cluster: &str) {
        let mut feeds = self.lock();
        feeds.retain(|key, entry| {
            let stays = &*key.cluster != cluster;
            if !stays {
                entry.feed.end();
            }
            stays
        });
        self.lock_kept().retain(|key| &*key.cluster != cluster);
        self.lock_siblings().retain(|key| &*key.cluster != cluster);
        self.publish(&feeds);
    }

    /// Every feed.
    #[must_use]
    pub fn feeds(&self) -> Vec<Arc<Feed>> {
        let mut feeds: Vec<_> = self.directory.load().values().cloned().collect();
        feeds.sort_by(|a, b| (&a.key.cluster, a.key.kind.name).cmp(&(&b.key.cluster, b.key.kind.name)));
        feeds
    }

    /// How many feeds there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.directory.load().len()
    }

    fn ask(&self, ask: Ask) {
        // The task ends only with the hub.
        let _ = self.asks.send(ask);
    }

    fn answer(&self, ask: Ask) {
        match ask {
            Ask::Open(core, key) => {
                let feed = self.open(&key);
                self.shared.posts[core].send(Mail::Opened(key, feed));
            }
            // Encoding 50,000 rows takes a while; other cores' questions need not wait for it.
            Ask::Snapshot(core, feed, scope, exact) => {
                tokio::spawn(async move { feed.send_snapshot(core, scope, exact) });
            }
            Ask::Specimen(core, feed, scope) => {
                tokio::spawn(async move { feed.send_specimen(core, scope) });
            }
        }
    }

    /// The clock's turn, once a second: feeds tick, and those that nobody uses end.
    fn tick(&self, now: Instant) {
        for feed in self.feeds() {
            feed.tick(now);
        }
        self.shrink_journals(now);
        let mut feeds = self.lock();
        let before = feeds.len();
        let kept = self.lock_kept().clone();
        let siblings = self.lock_siblings().clone();
        feeds.retain(|key, entry| {
            let lists = entry.feed.uses.0.load(Relaxed);
            let used = kept.contains(key) || entry.feed.is_followed() || lists != entry.lists_seen;
            entry.lists_seen = lists;
            if used {
                entry.idle_since = None;
                return true;
            }
            let idle = now.saturating_duration_since(*entry.idle_since.get_or_insert(now));
            let stays = idle < self.limits.linger || siblings.contains(key);
            if !stays {
                // A core that took the feed from the directory a moment ago is told, and asks anew.
                entry.feed.end();
                tracing::info!(cluster = %key.cluster, kind = key.kind.name, "feed.ended");
            }
            stays
        });
        if feeds.len() != before {
            self.publish(&feeds);
        }
    }

    /// Holds all journals together to their total: the largest give first.
    fn shrink_journals(&self, now: Instant) {
        let ledger = &self.shared.ledger;
        if ledger.spent(super::Thing::Journals) <= self.limits.journal_total {
            return;
        }
        let mut feeds: Vec<_> =
            self.feeds().into_iter().map(|feed| (feed.figures().journal_bytes, feed)).collect();
        feeds.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, feed) in feeds {
            let excess = ledger.spent(super::Thing::Journals).saturating_sub(self.limits.journal_total);
            if excess == 0 {
                return;
            }
            feed.shrink(bytes.saturating_sub(excess.max(bytes / 4)), now);
        }
    }

    fn publish(&self, feeds: &HashMap<FeedKey, Entry>) {
        let directory = feeds.iter().map(|(key, entry)| (key.clone(), entry.feed.clone())).collect();
        self.directory.store(Arc::new(directory));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FeedKey, Entry>> {
        self.feeds.lock().expect("nothing panics while it holds the hub's lock")
    }

    fn lock_kept(&self) -> MutexGuard<'_, HashSet<FeedKey>> {
        self.kept.lock().expect("nothing panics while it holds this lock")
    }
}

async fn run(hub: std::sync::Weak<Hub>, mut asks: mpsc::UnboundedReceiver<Ask>) {
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let ask = tokio::select! {
            ask = asks.recv() => ask,
            _ = clock.tick() => {
                let Some(hub) = hub.upgrade() else { return };
                hub.tick(Instant::now());
                continue;
            }
        };
        let (Some(ask), Some(hub)) = (ask, hub.upgrade()) else { return };
        hub.answer(ask);
    }
}
