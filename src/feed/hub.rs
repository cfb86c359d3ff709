//! The hub: which feeds there are, and what cores want of them.
//!
//! A core finds a feed in the directory without a lock; what it does not find it asks for. Questions go to the hub's task on the
//! control plane through a channel that nobody waits on. The hub starts a source where the first feed of it is in demand, puts further
//! feeds on it, and ends feeds that nobody has used for the linger time.

mod selectors;
mod warm;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use super::post::{CoreId, Mail, Post};
use super::saved::Restores;
use super::{Counters, Feed, FeedKey, Heard, Histogram, Scope, Shared, Trunk};
use crate::wire::refusal::Refusal;

/// What feeds feeds: the reflectors, or whatever takes their place.
pub trait Sources: Send + Sync + 'static {
    /// Whether the cluster is in the registry.
    fn knows(&self, cluster: &str) -> bool;
    /// Starts a source for these feeds. Dropping what is returned stops it.
    fn start(&self, trunk: Arc<Trunk>) -> Option<Running>;
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
#[derive(Default)]
struct Directory {
    feeds: HashMap<FeedKey, Arc<Feed>>,
    /// Of each source one of its feeds.
    sources: HashMap<FeedKey, Arc<Feed>>,
}

/// Which feeds there are, and what cores want of them.
pub struct Hub {
    /// What came of restoring feeds that were saved.
    pub restores: Restores,
    directory: ArcSwap<Directory>,
    feeds: Mutex<Feeds>,
    asks: mpsc::UnboundedSender<Ask>,
    sources: Arc<dyn Sources>,
    shared: Shared,
    limits: Limits,
    kept: Mutex<HashSet<FeedKey>>,
    /// What siblings serve, as they last said.
    siblings: Mutex<HashSet<FeedKey>>,
    /// What feeds that have ended have counted: a sum over all feeds never falls. Locked after `feeds`.
    past: Mutex<BTreeMap<Shown, Counters>>,
}

/// What feeds show that are counted together, in words of ours: few, whatever the number of clusters and selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// The kind's name.
    pub kind: &'static str,
    /// [`super::Rows::word`].
    pub rows: &'static str,
    /// `some` where a selector narrows them, else `none`.
    pub selector: &'static str,
}

impl Shown {
    /// Of feeds with such a key.
    #[must_use]
    pub fn of(key: &FeedKey) -> Self {
        let selector = if key.selector.is_some() { "some" } else { "none" };
        Shown { kind: key.kind.name, rows: key.rows.word(), selector }
    }
}

/// Bounds on feeds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a feed goes on after its last use.
    pub linger: Duration,
    /// Most feeds alive at once.
    pub feeds: usize,
    /// Most selectors in use at once on a kind of a cluster.
    pub selectors: usize,
    /// Bytes that all journals may retain.
    pub journal_total: usize,
}

/// The feeds that there are.
#[derive(Default)]
struct Feeds {
    entries: HashMap<FeedKey, Entry>,
    /// The sources on which they stand, which end with their last feed.
    sources: HashMap<FeedKey, Weak<Source>>,
}

struct Entry {
    feed: Arc<Feed>,
    source: Arc<Source>,
    idle_since: Option<Instant>,
    lists_seen: u64,
}

/// A source that runs.
struct Source {
    trunk: Arc<Trunk>,
    _running: Running,
}

impl Entry {
    /// Ends the feed. A core that took it from the directory a moment ago is told, and asks anew.
    fn end(&self) {
        self.feed.end();
        self.source.trunk.leave(&self.feed);
    }
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
            past: Mutex::default(),
        });
        let task = run(Arc::downgrade(&hub), received);
        (hub, task)
    }

    /// The feed, where there is one. Takes no lock.
    #[must_use]
    pub fn find(&self, key: &FeedKey) -> Option<Arc<Feed>> {
        self.directory.load().feeds.get(key).cloned()
    }

    /// Some feed of the source that a feed of this key would have, where the source runs. Takes no lock.
    #[must_use]
    pub fn find_of_source(&self, key: &FeedKey) -> Option<Arc<Feed>> {
        self.directory.load().sources.get(&key.source()).cloned()
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
    /// [`Refusal::Full`] at a ceiling; [`Refusal::TooManySelectors`] where no further selector is taken; [`Refusal::Unavailable`] where
    /// the cluster is unknown or cannot be entered.
    pub fn open(&self, key: &FeedKey) -> Result<Arc<Feed>, Refusal> {
        let mut feeds = self.lock();
        if let Some(entry) = feeds.entries.get_mut(key) {
            entry.idle_since = None;
            return Ok(entry.feed.clone());
        }
        self.start(&mut feeds, key, None, |heard| Feed::of_source(key.clone(), &self.shared, heard))
    }

    /// Puts a feed, of which there is none yet, on its source, which is started if need be.
    fn start(
        &self,
        feeds: &mut Feeds,
        key: &FeedKey,
        idle_since: Option<Instant>,
        make: impl FnOnce(Arc<Heard>) -> Arc<Feed>,
    ) -> Result<Arc<Feed>, Refusal> {
        if feeds.entries.len() >= self.limits.feeds || self.shared.ledger.is_full() {
            return Err(Refusal::Full);
        }
        if !feeds.make_room_for(key, self.limits.selectors) {
            return Err(Refusal::TooManySelectors);
        }
        let runs = feeds.sources.get(&key.source()).and_then(Weak::upgrade);
        let trunk = runs.as_ref().map_or_else(|| Trunk::new(key), |source| source.trunk.clone());
        let feed = make(trunk.heard.clone());
        trunk.join(feed.clone());
        let source = if let Some(source) = runs {
            source
        } else {
            let running = self.sources.start(trunk.clone()).ok_or(Refusal::Unavailable)?;
            let source = Arc::new(Source { trunk, _running: running });
            feeds.sources.insert(key.source(), Arc::downgrade(&source));
            source
        };
        tracing::info!(cluster = %key.cluster, kind = key.kind.name, shows = key.rows.word(), "feed.started");
        let entry = Entry { feed: feed.clone(), source, idle_since, lists_seen: 0 };
        feeds.entries.insert(key.clone(), entry);
        self.publish(feeds);
        Ok(feed)
    }

    /// Ends every feed of a cluster that has left the registry, or whose settings have changed.
    pub fn end_cluster(&self, cluster: &str) {
        let mut feeds = self.lock();
        feeds.entries.retain(|key, entry| {
            let stays = &*key.cluster != cluster;
            if !stays {
                entry.end();
                self.remember(&entry.feed);
            }
            stays
        });
        self.lock_kept().retain(|key| &*key.cluster != cluster);
        self.lock_siblings().retain(|key| &*key.cluster != cluster);
        self.publish(&feeds);
    }

    /// Every feed, by cluster and kind; of a source the plain one first.
    #[must_use]
    pub fn feeds(&self) -> Vec<Arc<Feed>> {
        fn order(feed: &Feed) -> impl Ord {
            let FeedKey { cluster, kind, selector, rows, .. } = &feed.key;
            (cluster, kind.name, selector, rows)
        }
        let mut feeds: Vec<_> = self.directory.load().feeds.values().cloned().collect();
        feeds.sort_by(|one, other| order(one).cmp(&order(other)));
        feeds
    }

    /// How many feeds there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.directory.load().feeds.len()
    }

    /// What all feeds have counted, those that have ended among them, by what they show.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Shown, Counters> {
        let feeds = self.lock();
        let mut counts: BTreeMap<Shown, Counters> = BTreeMap::new();
        for (shown, past) in self.lock_past().iter() {
            counts.entry(*shown).or_default().take_in(past);
        }
        for entry in feeds.entries.values() {
            counts.entry(Shown::of(&entry.feed.key)).or_default().take_in(&entry.feed.counters);
        }
        counts
    }

    /// The feed is about to be forgotten.
    fn remember(&self, feed: &Feed) {
        self.lock_past().entry(Shown::of(&feed.key)).or_default().take_in(&feed.counters);
    }

    /// How late what apiservers told of new objects came, measured by the objects' own time of creation.
    #[must_use]
    pub fn lateness(&self) -> &Histogram {
        &self.shared.lateness
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
        let before = feeds.entries.len();
        let kept = self.lock_kept().clone();
        let siblings = self.lock_siblings().clone();
        feeds.entries.retain(|key, entry| {
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
                entry.end();
                self.remember(&entry.feed);
                tracing::info!(cluster = %key.cluster, kind = key.kind.name, shows = key.rows.word(), "feed.ended");
            }
            stays
        });
        if feeds.entries.len() != before {
            feeds.sources.retain(|_, source| source.strong_count() > 0);
            self.publish(&feeds);
        }
    }

    /// Holds all journals together to their total, and to less where memory is short: the past goes before anybody is refused. The largest
    /// give first.
    fn shrink_journals(&self, now: Instant) {
        let ledger = &self.shared.ledger;
        let excess = || {
            let journals = ledger.spent(super::Thing::Journals);
            journals.saturating_sub(self.limits.journal_total).max(ledger.short_by().min(journals))
        };
        if excess() == 0 {
            return;
        }
        let mut feeds: Vec<_> =
            self.feeds().into_iter().map(|feed| (feed.figures().journal_bytes, feed)).collect();
        feeds.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, feed) in feeds {
            let excess = excess();
            if excess == 0 {
                return;
            }
            feed.shrink(bytes.saturating_sub(excess.max(bytes / 4)), now);
        }
    }

    fn publish(&self, feeds: &Feeds) {
        let all = || feeds.entries.iter().map(|(key, entry)| (key, entry.feed.clone()));
        self.directory.store(Arc::new(Directory {
            feeds: all().map(|(key, feed)| (key.clone(), feed)).collect(),
            sources: all().map(|(key, feed)| (key.source(), feed)).collect(),
        }));
    }

    fn lock(&self) -> MutexGuard<'_, Feeds> {
        self.feeds.lock().expect("nothing panics while it holds the hub's lock")
    }

    fn lock_past(&self) -> MutexGuard<'_, BTreeMap<Shown, Counters>> {
        self.past.lock().expect("nothing panics while it holds this lock")
    }

    fn lock_kept(&self) -> MutexGuard<'_, HashSet<FeedKey>> {
        self.kept.lock().expect("nothing panics while it holds this lock")
    }
}

async fn run(hub: Weak<Hub>, mut asks: mpsc::UnboundedReceiver<Ask>) {
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

#[cfg(test)]
mod tests;
