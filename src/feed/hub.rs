//! The hub: which feeds there are, and what cores want of them.
//!
//! A core finds a feed in the directory without a lock; what it does not find it asks for. Questions go to the hub's task on the
//! control plane through a channel that nobody waits on. The hub starts a source where the first feed of it is in demand, puts further
//! feeds on it, and ends feeds that nobody has used for the linger time.
//!
//! The directory is a copy, made anew once in a turn of the task whatever the number of feeds that came and went: who finds nothing in an older one asks, and who finds a
//! feed that has ended is told so by the feed.

mod clock;
mod directory;
mod past;
mod selectors;
mod warm;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use super::post::{CoreId, Mail, Post};
use super::saved::Restores;
use super::{Counters, Feed, FeedKey, Histogram, Scope, Shared, Trunk};
use crate::wire::refusal::Refusal;
use directory::Directory;
pub use past::{Shown, Uses};

/// Questions that are answered in one turn, at the end of which the directory is published: the more is asked, the less often it is.
const MOST_A_TURN: usize = 256;

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
    /// Feeds have come or gone: the turn's end shows it.
    Publish,
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
    /// What feeds that have ended have counted. Locked after `feeds`.
    past: Mutex<BTreeMap<Shown, Counters>>,
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
    /// The directory does not show them as they are.
    is_unpublished: bool,
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
        self.open_among(&mut self.lock(), key)
    }

    fn open_among(&self, feeds: &mut Feeds, key: &FeedKey) -> Result<Arc<Feed>, Refusal> {
        if let Some(entry) = feeds.entries.get_mut(key) {
            entry.idle_since = None;
            return Ok(entry.feed.clone());
        }
        self.start(feeds, key, None)
    }

    /// Puts a feed, of which there is none yet, on its source, which is started if need be.
    fn start(
        &self,
        feeds: &mut Feeds,
        key: &FeedKey,
        idle_since: Option<Instant>,
    ) -> Result<Arc<Feed>, Refusal> {
        if !self.has_room_for(feeds, 1) {
            return Err(Refusal::Full);
        }
        if !feeds.make_room_for(key, self.limits.selectors) {
            return Err(Refusal::TooManySelectors);
        }
        let runs = feeds.sources.get(&key.source()).and_then(Weak::upgrade);
        let trunk = runs.as_ref().map_or_else(|| Trunk::new(key), |source| source.trunk.clone());
        let feed = Feed::of_source(key.clone(), &self.shared, trunk.heard.clone());
        trunk.join(feed.clone());
        let source = match runs {
            Some(source) => source,
            None => self.run_source(feeds, trunk)?,
        };
        self.enter(feeds, feed.clone(), source, idle_since);
        Ok(feed)
    }

    fn has_room_for(&self, feeds: &Feeds, more: usize) -> bool {
        feeds.entries.len() + more <= self.limits.feeds && !self.shared.ledger.is_full()
    }

    fn run_source(&self, feeds: &mut Feeds, trunk: Arc<Trunk>) -> Result<Arc<Source>, Refusal> {
        let running = self.sources.start(trunk.clone()).ok_or(Refusal::Unavailable)?;
        let key = trunk.key.clone();
        let source = Arc::new(Source { trunk, _running: running });
        feeds.sources.insert(key, Arc::downgrade(&source));
        Ok(source)
    }

    fn enter(&self, feeds: &mut Feeds, feed: Arc<Feed>, source: Arc<Source>, idle_since: Option<Instant>) {
        let key = feed.key.clone();
        tracing::info!(cluster = %key.cluster, kind = key.kind.name, shows = key.rows.word(), "feed.started");
        feeds.entries.insert(key, Entry { feed, source, idle_since, lists_seen: 0 });
        self.changed(feeds);
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
        self.changed(&mut feeds);
    }

    /// Every feed, by cluster and kind; of a source the plain one first.
    #[must_use]
    pub fn feeds(&self) -> Vec<Arc<Feed>> {
        fn order(feed: &Feed) -> impl Ord {
            let FeedKey { cluster, kind, selector, rows, .. } = &feed.key;
            (cluster, kind.name, selector, rows)
        }
        let mut feeds: Vec<_> = self.lock().entries.values().map(|entry| entry.feed.clone()).collect();
        feeds.sort_by(|one, other| order(one).cmp(&order(other)));
        feeds
    }

    /// How many feeds there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().entries.len()
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

    /// Answers what was asked, in one turn: whatever comes of it is published once. Empties the vector.
    fn answer(&self, asks: &mut Vec<Ask>) {
        let mut opened = Vec::new();
        let mut feeds = self.lock();
        for ask in asks.drain(..) {
            match ask {
                Ask::Open(core, key) => opened.push((core, self.open_among(&mut feeds, &key), key)),
                // Encoding 50,000 rows takes a while; other cores' questions need not wait for it.
                Ask::Snapshot(core, feed, scope, exact) => {
                    tokio::spawn(async move { feed.send_snapshot(core, scope, exact) });
                }
                Ask::Specimen(core, feed, scope) => {
                    tokio::spawn(async move { feed.send_specimen(core, scope) });
                }
                Ask::Publish => {}
            }
        }
        self.publish(&mut feeds);
        drop(feeds);
        for (core, feed, key) in opened {
            self.shared.posts[core].send(Mail::Opened(key, feed));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Feeds> {
        self.feeds.lock().expect("nothing panics while it holds the hub's lock")
    }

    fn lock_kept(&self) -> MutexGuard<'_, HashSet<FeedKey>> {
        self.kept.lock().expect("nothing panics while it holds this lock")
    }
}

async fn run(hub: Weak<Hub>, mut received: mpsc::UnboundedReceiver<Ask>) {
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asks = Vec::new();
    loop {
        let count = tokio::select! {
            count = received.recv_many(&mut asks, MOST_A_TURN) => Some(count),
            _ = clock.tick() => None,
        };
        let Some(hub) = hub.upgrade() else { return };
        match count {
            None => hub.tick(Instant::now()),
            Some(0) => return,
            Some(_) => hub.answer(&mut asks),
        }
    }
}

#[cfg(test)]
mod tests;
