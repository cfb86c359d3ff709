//! A feed: replica and journal of one (cluster, kind); all that exists of it, once per process.
//!
//! A *source* (today the reflector in `cluster`) calls [`Feed::replace`], [`Feed::apply`] and [`Feed::set_state`], from one task
//! at a time. What it says is compared with the replica, encoded once, and appended to the journal as an immutable block; cores
//! that follow the feed are told that it has grown, and read the block where it is.
//!
//! Invariants: a row that is unchanged is encoded for nobody; an encoded frame is never encoded again for another tab; every lock here is
//! held by the control plane only.

mod answers;
pub mod block;
mod counters;
pub mod heard;
mod histogram;
pub mod hub;
pub mod journal;
mod key;
pub mod ledger;
pub mod post;
mod replica;
pub mod saved;
mod scope;
mod showing;
pub mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod trunk;
mod writing;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use self::block::{Block, Content};
pub use self::counters::{Counter, Counters};
pub use self::heard::Heard;
pub use self::histogram::Histogram;
use self::journal::{Bounds, Journal, Tail};
pub use self::key::{Eyes, FeedKey, KubeUser, Rows};
use self::ledger::{Charge, Ledger, Thing};
use self::post::{CoreId, Following, Mail, Post};
use self::replica::Replica;
pub use self::scope::{Namespaces, Scope};
use self::snapshot::Snapshot;
pub use self::state::{Standing, State, Status};
pub use self::trunk::{Asks, Trunk};
use crate::config;
use crate::kind::Rv;
pub use crate::wire::selector::{Selector, SelectorError};

/// All that exists of one (cluster, kind).
pub struct Feed {
    /// What it is a feed of.
    pub key: FeedKey,
    /// What it has counted.
    pub counters: Counters,
    /// Uses that are no stream, which keep it alive.
    pub uses: hub::Uses,
    /// Itself, as mail carries it.
    me: Weak<Feed>,
    writer: Mutex<Writer>,
    tail: ArcSwap<Tail>,
    status: ArcSwap<Status>,
    following: Box<[Following]>,
    posts: Arc<[Post]>,
    ledger: Arc<Ledger>,
    bounds: Bounds,
    away_after: Duration,
    lateness: Arc<Histogram>,
    /// Shared with all feeds of its source.
    heard: Arc<Heard>,
}

/// What only the feed's writer and the snapshot makers touch.
struct Writer {
    replica: Replica,
    replica_charge: Charge,
    journal: Journal,
    /// The version of all that was applied.
    head: Rv,
    synced: bool,
    /// Nobody is to follow it any more.
    ended: bool,
    epoch: Option<String>,
    /// Since when the source has been away, and whether streams were told.
    away: Option<(Instant, bool)>,
    snapshots: HashMap<Scope, Weak<Snapshot>>,
    /// Who is to be sent a snapshot of what, once the first sync is there.
    waiting: BTreeSet<(CoreId, Scope)>,
    /// For rows that follow the clock, which are written out before they are framed.
    scratch: Vec<u8>,
}

impl Writer {
    fn tail(&self) -> Tail {
        self.journal.tail(matches!(self.away, Some((_, true))))
    }
}

/// What `/debug/feeds` shows of a feed beside its counters.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Rows held.
    pub rows: usize,
    /// The version of all that was applied.
    pub rv: Rv,
    /// Memory of the replica, bytes.
    pub replica_bytes: usize,
    /// Memory of the journal, bytes.
    pub journal_bytes: usize,
    /// Blocks retained.
    pub journal_blocks: usize,
    /// The cluster's incarnation, where it could be read.
    pub epoch: Option<String>,
}

/// What every feed of a process shares.
#[derive(Clone)]
pub struct Shared {
    /// The mailboxes of the cores.
    pub posts: Arc<[Post]>,
    /// The account of memory.
    pub ledger: Arc<Ledger>,
    /// How much of the past is retained.
    pub journal: config::Journal,
    /// After how long without upstream each stream is told.
    pub away_after: Duration,
    /// How late watches told of new objects, over all feeds.
    pub lateness: Arc<Histogram>,
}

impl Shared {
    /// For a feed that no core follows: its rows and figures are all there is of it.
    #[must_use]
    pub fn without_cores() -> Self {
        let feeds = config::Feeds::default();
        Shared {
            posts: Arc::new([]),
            ledger: Ledger::new(usize::MAX),
            journal: config::Journal::default(),
            away_after: feeds.away_after,
            lateness: Arc::default(),
        }
    }
}

impl Feed {
    /// A feed that knows nothing yet, and has a source of its own.
    #[must_use]
    pub fn new(key: FeedKey, shared: &Shared) -> Arc<Self> {
        Feed::of_source(key, shared, Arc::default())
    }

    /// A feed that knows nothing yet, of a source that has heard this of its apiserver.
    #[must_use]
    pub fn of_source(key: FeedKey, shared: &Shared, heard: Arc<Heard>) -> Arc<Self> {
        let now = Instant::now();
        let origin = Arc::new(Block::new(0, Vec::new(), Vec::new(), (Rv(0), Rv(0)), Content::Events, now));
        let journal = Journal::new(origin, shared.ledger.charge(Thing::Journals, 0));
        let status =
            Status { state: State::Syncing, since: Timestamp::now(), synced: false, last_refused: None };
        Arc::new_cyclic(|me| Feed {
            me: me.clone(),
            key,
            counters: Counters::default(),
            uses: hub::Uses::default(),
            tail: ArcSwap::from_pointee(journal.tail(false)),
            writer: Mutex::new(Writer {
                replica: Replica::new(),
                replica_charge: shared.ledger.charge(Thing::Replicas, 0),
                journal,
                head: Rv(0),
                synced: false,
                ended: false,
                epoch: None,
                away: None,
                snapshots: HashMap::new(),
                waiting: BTreeSet::new(),
                scratch: Vec::new(),
            }),
            status: ArcSwap::from_pointee(status),
            following: shared.posts.iter().map(|_| Following::default()).collect(),
            posts: shared.posts.clone(),
            ledger: shared.ledger.clone(),
            bounds: Bounds { age: shared.journal.age, bytes: shared.journal.max_bytes },
            away_after: shared.away_after,
            lateness: shared.lateness.clone(),
            heard,
        })
    }

    /// The version that a watch continues from: the newest that was applied; `None` before the first sync.
    #[must_use]
    pub fn cursor(&self) -> Option<Rv> {
        let writer = self.lock();
        writer.synced.then_some(writer.head)
    }

    /// The names of its objects, in order: of a cluster-scoped kind.
    #[must_use]
    pub fn names(&self) -> Vec<Arc<str>> {
        self.lock().replica.names().map(Arc::from).collect()
    }

    /// How the source is doing.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// How the source is doing, as it last said.
    #[must_use]
    pub fn state(&self) -> State {
        self.status().state.clone()
    }

    /// As of when its rows are: when the apiserver was last heard of on the source's watch. `None` before the first sync. Never falls. For cores: takes no lock.
    #[must_use]
    pub fn as_of(&self) -> Option<Instant> {
        if self.status.load().synced { self.heard.at() } else { None }
    }

    /// What may be said of its rows. For cores: takes no lock.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.status.load().standing()
    }

    /// Where the retained chain begins. For cores: takes no lock.
    #[must_use]
    pub fn tail(&self) -> Arc<Tail> {
        self.tail.load_full()
    }

    /// Whether, and since which of its blocks, a core follows.
    #[must_use]
    pub fn following(&self, core: CoreId) -> &Following {
        &self.following[core]
    }

    /// How many streams all cores hold of it, as of their last count.
    #[must_use]
    pub fn subscribers(&self) -> u64 {
        self.following.iter().map(Following::streams).sum()
    }

    /// How many cores follow.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.following.iter().filter(|following| following.is_on()).count()
    }

    /// Whether any core follows.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.following.iter().any(Following::is_on)
    }

    /// What `/debug/feeds` shows beside the counters.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let writer = self.lock();
        let (journal_bytes, journal_blocks) = writer.journal.size();
        Figures {
            rows: writer.replica.len(),
            rv: writer.head,
            replica_bytes: writer.replica.memory(),
            journal_bytes,
            journal_blocks,
            epoch: writer.epoch.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().expect("nothing panics while it holds a feed's lock")
    }

    fn post_self(&self, core: CoreId, mail: impl FnOnce(Arc<Feed>) -> Mail) {
        if let Some(feed) = self.me.upgrade() {
            self.posts[core].send(mail(feed));
        }
    }
}
