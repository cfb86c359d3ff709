//! A feed: replica and journal of one (cluster, kind); all that exists of it, once per process.
//!
//! A *source* (today the reflector in `cluster`) calls [`Feed::replace`], [`Feed::apply`] and [`Feed::set_state`], from one task
//! at a time. What it says is compared with the replica, encoded once, and appended to the journal as an immutable block; cores
//! that follow the feed are told that it has grown, and read the block where it is.
//!
//! Invariants: a row that is unchanged is encoded for nobody; an encoded frame is never encoded again for another tab; every lock here is
//! held by the control plane only.

pub mod block;
mod counters;
pub mod hub;
pub mod journal;
pub mod ledger;
pub mod post;
mod replica;
pub mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use self::block::{Block, Content, Frame, Refused};
pub use self::counters::{Counter, Counters};
use self::journal::{Bounds, Journal, Tail};
use self::ledger::{Charge, Ledger, Thing};
use self::post::{CoreId, Following, Mail, Post, Specimen};
use self::replica::{Delta, Replica};
use self::snapshot::Snapshot;
use crate::config;
use crate::kind::{Change, Kind, Listing, Object, Rv};
use crate::wire::sse::{self, Op};

/// What a feed is a feed of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeedKey {
    /// The cluster's name in the registry.
    pub cluster: Arc<str>,
    /// The kind.
    pub kind: &'static Kind,
}

/// Which namespaces of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All of them (and the only scope of cluster-scoped kinds).
    All,
    /// One.
    Namespace(Arc<str>),
}

impl Scope {
    /// The namespace as the contract shows it: empty for all.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Scope::All => "",
            Scope::Namespace(namespace) => namespace,
        }
    }

    /// Whether an object of this namespace belongs to it.
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Namespace(mine) => &**mine == namespace,
        }
    }
}

/// How a feed's source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not synced yet.
    Syncing,
    /// Following the apiserver.
    Live,
    /// The apiserver cannot be reached (or answers nonsense); being retried.
    Away {
        /// For operators; never shown to a tab.
        why: String,
    },
    /// The apiserver refuses the list or watch to Foretop's own account; being retried slowly.
    Forbidden,
    /// The apiserver does not know this kind; being retried slowly.
    Absent,
    /// The credentials were refused even after they were read anew; being retried.
    Unauthenticated,
}

impl State {
    /// The word in `/debug/feeds` and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            State::Syncing => "syncing",
            State::Live => "ok",
            State::Away { .. } => "failed",
            State::Forbidden => "forbidden",
            State::Absent => "absent",
            State::Unauthenticated => "unauthenticated",
        }
    }

    fn refused(&self) -> Option<Refused> {
        match self {
            State::Forbidden => Some(Refused::Forbidden),
            State::Absent => Some(Refused::Absent),
            State::Unauthenticated => Some(Refused::Unauthenticated),
            State::Syncing | State::Live | State::Away { .. } => None,
        }
    }
}

/// A feed's state and since when.
#[derive(Clone, Debug)]
pub struct Status {
    /// How the source is doing.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Whether there are rows to show.
    pub synced: bool,
}

impl Status {
    /// Why rows cannot be shown, even those that there are. Credentials that are refused are Foretop's own trouble and take no right from
    /// its users.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        self.state.refused().filter(|why| !(self.synced && *why == Refused::Unauthenticated))
    }
}

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
    waiting: Vec<(CoreId, Scope)>,
    /// For rows that follow the clock, which are written out before they are framed.
    scratch: Vec<u8>,
}

impl Writer {
    fn tail(&self) -> Tail {
        self.journal.tail(matches!(self.away, Some((_, true))))
    }

    /// Whether a snapshot that was made earlier can be given to those who come now: the journal reaches back to it, and what came
    /// since is smaller than itself; or, where it has to be exact, nothing came since.
    fn still_serves(&self, known: &Snapshot, scope: &Scope, exact: bool) -> bool {
        if exact && known.clocked && known.made.elapsed() > CLOCK_EVERY {
            return false;
        }
        let allowed = if exact { 0 } else { known.frame().len() };
        self.journal.bytes_since(known.place, scope, allowed).is_some_and(|bytes| bytes <= allowed)
    }
}

/// Scopes whose snapshot can be waited for before the first sync; clients choose them, so there is a bound.
const MOST_WAITING: usize = 1024;

/// How often the version that resume ids name moves on where nothing else happens.
const HEAD_EVERY: Duration = Duration::from_secs(5);

/// How long a list may show a value that follows the clock.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

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

/// Frames being gathered for one block.
#[derive(Default)]
struct Batch {
    frames: Vec<Frame>,
    bytes: Vec<u8>,
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
        }
    }
}

impl Feed {
    /// A feed that knows nothing yet.
    #[must_use]
    pub fn new(key: FeedKey, shared: &Shared) -> Arc<Self> {
        let now = Instant::now();
        let origin = Arc::new(Block::new(0, Vec::new(), Vec::new(), (Rv(0), Rv(0)), Content::Events, now));
        let journal = Journal::new(origin, shared.ledger.charge(Thing::Journals, 0));
        let status = Status { state: State::Syncing, since: Timestamp::now(), synced: false };
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
                waiting: Vec::new(),
                scratch: Vec::new(),
            }),
            status: ArcSwap::from_pointee(status),
            following: shared.posts.iter().map(|_| Following::default()).collect(),
            posts: shared.posts.clone(),
            ledger: shared.ledger.clone(),
            bounds: Bounds { age: shared.journal.age, bytes: shared.journal.max_bytes },
            away_after: shared.away_after,
        })
    }

    /// The version that a watch continues from: the newest that was applied; `None` before the first sync.
    #[must_use]
    pub fn cursor(&self) -> Option<Rv> {
        let writer = self.lock();
        writer.synced.then_some(writer.head)
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

    /// Takes a whole list: the first sync, or a relist, which is repaired by diff.
    ///
    /// `epoch` names the cluster's incarnation (the uid of its kube-system namespace) where it could be read; another epoch
    /// than before, or a version that falls, begins a new journal. The state becomes [`State::Live`].
    pub fn replace(&self, rv: Rv, objects: Vec<Object>, epoch: Option<&str>) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return;
        }
        self.counters.lists.add(1);
        let other_epoch = matches!((&writer.epoch, epoch), (Some(old), Some(new)) if old != new);
        if let Some(epoch) = epoch {
            writer.epoch = Some(epoch.to_owned());
        }
        let deltas = writer.replica.replace(objects);
        // A difference without a newer version to name it is as good as a version that fell.
        let no_newer = rv < writer.head || (rv == writer.head && !deltas.is_empty());
        if !writer.synced || other_epoch || no_newer {
            if writer.synced {
                self.counters.resets.add(1);
                writer.journal.disown(writer.head);
            }
            writer.synced = true;
            writer.head = rv;
            self.publish(writer, Batch::default(), Content::Reset);
        } else {
            self.counters.diffed.add(deltas.len() as u64);
            self.publish_gap(writer, &deltas, rv);
        }
        self.arrived(writer);
    }

    /// Takes a batch of watch events, in order: [`Change::Put`], [`Change::Deleted`] and [`Change::Bookmark`]
    /// ([`Change::Error`] is the source's own business and is ignored here). Empties the vector. The state becomes [`State::Live`].
    pub fn apply(&self, changes: &mut Vec<Change>) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return changes.clear();
        }
        let now = Timestamp::now();
        let mut batch = Batch::default();
        let before = writer.head;
        for change in changes.drain(..) {
            let (rv, delta) = match change {
                // What is not newer than what was applied is the repetition of it.
                Change::Put(object) if object.rv > writer.head => (object.rv, writer.replica.put(object)),
                Change::Deleted(object) if object.rv > writer.head => {
                    (object.rv, writer.replica.delete(object))
                }
                Change::Bookmark { rv, .. } => {
                    self.counters.bookmarks.add(1);
                    writer.head = writer.head.max(rv);
                    continue;
                }
                Change::Put(_) | Change::Deleted(_) | Change::Error(_) => continue,
            };
            self.counters.events_in.add(1);
            writer.head = rv;
            match delta {
                None => self.counters.suppressed.add(1),
                Some(delta) => self.frame(&mut batch, &mut writer.scratch, &delta, (Some(rv), rv), now),
            }
        }
        // A version that moved without a frame can wait for the next tick: it only keeps resume ids young.
        let newest = writer.journal.newest();
        let urgent = !batch.frames.is_empty() || newest.at.elapsed() > HEAD_EVERY;
        if writer.head > before && urgent {
            self.publish(writer, batch, Content::Events);
        }
        self.arrived(writer);
    }

    /// Says how the source is doing.
    pub fn set_state(&self, state: State) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return;
        }
        if state == State::Live {
            self.arrived(writer);
            return;
        }
        let is_new = self.status.load().state != state;
        // First, so that whoever resumes while streams are told is told as well.
        self.set_status(state.clone(), writer.synced);
        if let Some(why) = state.refused() {
            for (core, scope) in std::mem::take(&mut writer.waiting) {
                self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Err(why)));
            }
        }
        match state.refused() {
            Some(why) if why != Refused::Unauthenticated => {
                writer.away = None;
                if is_new {
                    self.publish(writer, Batch::default(), Content::Refused(why));
                }
            }
            // Foretop's own trouble takes no right from its users: to them the source is away.
            _ if state != State::Syncing => {
                writer.away.get_or_insert((Instant::now(), false));
            }
            _ => {}
        }
    }

    /// The clock's turn: evicts what is too old, moves the version that resume ids name, and tells of a source that stays away.
    pub fn tick(&self, now: Instant) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return;
        }
        if let Some((since, told @ false)) = &mut writer.away
            && now.saturating_duration_since(*since) >= self.away_after
            && writer.synced
        {
            *told = true;
            self.publish(writer, Batch::default(), Content::Away);
        }
        let newest = writer.journal.newest();
        if writer.head > newest.head && now.saturating_duration_since(newest.at) > HEAD_EVERY {
            self.publish(writer, Batch::default(), Content::Events);
        }
        if writer.journal.evict(self.bounds, now) {
            self.tail.store(Arc::new(writer.tail()));
        }
    }

    /// Lets the journal retain no more than so many bytes, now.
    fn shrink(&self, bytes: usize, now: Instant) {
        let mut writer = self.lock();
        if writer.journal.evict(Bounds { bytes, ..self.bounds }, now) {
            self.tail.store(Arc::new(writer.tail()));
        }
    }

    /// Ends the feed for those who follow it. Nothing follows its end: its source may not have heard of it yet.
    pub fn end(&self) {
        let mut writer = self.lock();
        if std::mem::replace(&mut writer.ended, true) {
            return;
        }
        for (core, scope) in std::mem::take(&mut writer.waiting) {
            self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Err(Refused::Gone)));
        }
        self.publish(&mut writer, Batch::default(), Content::Refused(Refused::Gone));
    }

    /// Answers a core's wish for a snapshot: now, or when the first sync is there. `exact`: nothing may be missing from it (for
    /// lists); else an older one will do whose stream can catch up from the journal.
    pub fn send_snapshot(&self, core: CoreId, scope: Scope, exact: bool) {
        let mut writer = self.lock();
        let refused = if writer.ended { Some(Refused::Gone) } else { self.status.load().refused() };
        if let Some(why) = refused {
            return self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Err(why)));
        }
        if !writer.synced {
            let waiter = (core, scope);
            if writer.waiting.contains(&waiter) {
                return;
            }
            if writer.waiting.len() >= MOST_WAITING {
                return self
                    .post_self(core, |feed| Mail::Snapshot(feed, waiter.1, true, Err(Refused::Unavailable)));
            }
            writer.waiting.push(waiter);
            return;
        }
        let snapshot = self.snapshot(&mut writer, &scope, exact);
        self.post_self(core, |feed| Mail::Snapshot(feed, scope, exact, Ok(snapshot)));
    }

    /// Answers a core's wish for a row that changes nothing.
    pub fn send_specimen(&self, core: CoreId, scope: Scope) {
        let writer = self.lock();
        let row = writer.replica.specimen(&scope, self.key.kind.listing).map(|row| {
            let mut json = Vec::with_capacity(row.max_len());
            row.write(Timestamp::now(), &mut json);
            json.into_boxed_slice()
        });
        let specimen = Specimen { place: writer.journal.newest().end(), row };
        self.post_self(core, |feed| Mail::Specimen(feed, scope, specimen));
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

    /// The source works: rows are (again) what the apiserver shows.
    fn arrived(&self, writer: &mut Writer) {
        writer.replica_charge.set(writer.replica.memory());
        if let Some((_, told)) = writer.away.take()
            && told
        {
            self.publish(writer, Batch::default(), Content::Back);
        }
        for (core, scope) in std::mem::take(&mut writer.waiting) {
            if !writer.synced {
                writer.waiting.push((core, scope));
                continue;
            }
            let snapshot = self.snapshot(writer, &scope, true);
            self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Ok(snapshot)));
        }
        self.set_status(State::Live, writer.synced);
    }

    fn set_status(&self, state: State, synced: bool) {
        let state = if state == State::Live && !synced { State::Syncing } else { state };
        let known = self.status.load();
        if known.state == state && known.synced == synced {
            return;
        }
        let since = if known.state.word() == state.word() { known.since } else { Timestamp::now() };
        self.status.store(Arc::new(Status { state, since, synced }));
    }

    /// Encodes one delta into the batch. `versions`: what its id names (if it has one), and what is known of it.
    fn frame(
        &self,
        batch: &mut Batch,
        scratch: &mut Vec<u8>,
        delta: &Delta,
        versions: (Option<Rv>, Rv),
        now: Timestamp,
    ) {
        let upserts = matches!(self.key.kind.listing, Listing::NewestFirst { .. });
        let op = if upserts && delta.op == Op::Modified { Op::Added } else { delta.op };
        let row: &[u8] = if delta.row.clock.is_none() {
            &delta.row.json
        } else {
            scratch.clear();
            delta.row.write(now, scratch);
            scratch
        };
        let written = sse::write_delta(&mut batch.bytes, op, versions.0, row);
        self.counters.encodings.add(1);
        batch.frames.push(Frame {
            rv: versions.1,
            namespace: delta.namespace.clone(),
            object: delta.object,
            at: u32::try_from(written.start).expect("a block is far smaller than 4 GiB"),
            row: u16::try_from(written.row - written.start).expect("event and id lines are short"),
            op,
        });
    }

    fn publish_gap(&self, writer: &mut Writer, deltas: &[Delta], rv: Rv) {
        if rv == writer.head {
            return;
        }
        // Versions up to here are places; those inside the gap are not, even where there is no difference: who comes with one of them may
        // show what came and went.
        if writer.head > writer.journal.newest().head {
            self.publish(writer, Batch::default(), Content::Events);
        }
        writer.head = rv;
        let now = Timestamp::now();
        let mut batch = Batch::default();
        for (index, delta) in deltas.iter().enumerate() {
            let id = (index + 1 == deltas.len()).then_some(rv);
            self.frame(&mut batch, &mut writer.scratch, delta, (id, rv), now);
        }
        let sizes = writer.replica.list_sizes();
        self.publish(writer, batch, Content::Gap(sizes));
    }

    fn publish(&self, writer: &mut Writer, batch: Batch, content: Content) {
        let newest = writer.journal.newest();
        let versions = (newest.head, writer.head);
        let now = Instant::now();
        let begins_anew = matches!(content, Content::Reset);
        let place = newest.end() + u64::from(begins_anew);
        let block = Block::new(place, batch.frames, batch.bytes, versions, content, now);
        writer.journal.append(Arc::new(block));
        if begins_anew {
            writer.journal.begin_anew();
        }
        let limit = self.bounds.bytes + self.bounds.bytes / 16;
        if writer.journal.size().0 > limit {
            writer.journal.evict(self.bounds, now);
        }
        self.tail.store(Arc::new(writer.tail()));
        for (core, following) in self.following.iter().enumerate() {
            if following.grown() {
                self.post_self(core, Mail::Grown);
            }
        }
    }

    fn snapshot(&self, writer: &mut Writer, scope: &Scope, exact: bool) -> Arc<Snapshot> {
        if let Some(known) = writer.snapshots.get(scope).and_then(Weak::upgrade)
            && writer.still_serves(&known, scope, exact)
        {
            return known;
        }
        // A version that a snapshot names is one that the journal knows.
        if writer.head > writer.journal.newest().head {
            self.publish(writer, Batch::default(), Content::Events);
        }
        let at = (writer.journal.newest().end(), writer.head);
        let snapshot =
            Snapshot::encode(&writer.replica, self.key.kind, scope, at, Timestamp::now(), &self.ledger);
        let snapshot = Arc::new(snapshot);
        self.counters.snapshots.add(1);
        writer.snapshots.retain(|_, known| known.strong_count() > 0);
        writer.snapshots.insert(scope.clone(), Arc::downgrade(&snapshot));
        snapshot
    }
}
