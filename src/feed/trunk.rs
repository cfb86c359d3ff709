//! A source and the feeds on it: what an apiserver is asked does not depend on how many kinds of row and selectors are in use.
//!
//! A line is decoded once, and each feed is given what it shows of it. A feed that joins needs a whole list first: where another has full rows of all objects it
//! begins as a part of these; else it waits, and one list is asked of the source for all that wait. For the feeds that are there already that list is one like any
//! other: what they knew is no news. Details of objects are decoded only while a feed needs them.
//!
//! Feeds that were restored have their rows, each as of when it was saved: the source goes on from the oldest of their versions, and what a younger one is told twice it
//! knows.
//!
//! Invariants: a feed is given changes only behind its first list, that of a process before among them; a source that has said anything has brought all feeds that are not
//! waiting to the same version.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::{Feed, FeedKey, Heard, State};
use crate::kind::{Change, Object, Rv};

/// A source's feeds.
pub struct Trunk {
    /// What names the source. See [`FeedKey::source`].
    pub key: FeedKey,
    /// What the source is asked beside following.
    pub asks: Asks,
    /// When the source last heard of its apiserver.
    pub heard: Arc<Heard>,
    outlets: Mutex<Outlets>,
}

/// What feeds ask of their source.
#[derive(Debug, Default)]
pub struct Asks {
    details: AtomicBool,
    list: AtomicBool,
    asked: Notify,
}

#[derive(Default)]
struct Outlets {
    /// Those that have had their first list.
    feeds: Vec<Arc<Feed>>,
    /// Those that have not.
    waiting: Vec<Arc<Feed>>,
    /// What was last said of the source.
    state: Option<State>,
}

impl Asks {
    /// Whether objects are to be decoded with their details from now on.
    #[must_use]
    pub fn details(&self) -> bool {
        self.details.load(SeqCst)
    }

    /// Whether a feed waits for a whole list.
    #[must_use]
    pub fn list(&self) -> bool {
        self.list.load(SeqCst)
    }

    /// Waits until a feed asks for a whole list. Returns at once where one did since this was last called.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }
}

impl Trunk {
    /// A source of this name, without a feed.
    #[must_use]
    pub fn new(key: &FeedKey) -> Arc<Self> {
        Arc::new(Trunk {
            key: key.source(),
            asks: Asks::default(),
            heard: Arc::default(),
            outlets: Mutex::default(),
        })
    }

    /// Puts a feed on the source that has its rows from before. Only before the source is started: afterwards it stands elsewhere.
    pub fn rejoin(&self, feed: Arc<Feed>) {
        let mut outlets = self.lock();
        outlets.feeds.push(feed);
        // So it is to whoever joins, whatever rows there are.
        outlets.state = Some(State::Syncing);
        self.ask(&outlets);
    }

    /// Puts a feed on the source that has no rows yet.
    pub fn join(&self, feed: Arc<Feed>) {
        let mut outlets = self.lock();
        let donated = outlets.feeds.iter().find_map(|donor| donor.donate(&feed.key));
        if let Some((rv, objects, incarnation)) = donated {
            feed.take_list(rv, objects, incarnation.as_deref());
            outlets.tell(&feed);
            outlets.feeds.push(feed);
        } else {
            outlets.tell(&feed);
            outlets.waiting.push(feed);
        }
        self.ask(&outlets);
        if self.asks.list() {
            self.asks.asked.notify_one();
        }
    }

    /// Takes a feed from the source.
    pub fn leave(&self, feed: &Arc<Feed>) {
        let mut outlets = self.lock();
        let Outlets { feeds, waiting, .. } = &mut *outlets;
        feeds.retain(|other| !Arc::ptr_eq(other, feed));
        waiting.retain(|other| !Arc::ptr_eq(other, feed));
        self.ask(&outlets);
    }

    /// Takes a whole list. See [`Feed::replace`].
    pub fn replace(&self, rv: Rv, objects: Vec<Object>, incarnation: Option<&str>) {
        let mut outlets = self.lock();
        let outlets = &mut *outlets;
        let is_detailed = objects.iter().all(|object| object.details.is_some());
        let served = |feed: &mut Arc<Feed>| is_detailed || !feed.key.needs_details();
        outlets.feeds.extend(outlets.waiting.extract_if(.., served));
        for feed in outlets.feeds.iter().filter(|feed| feed.key.needs_details()) {
            feed.replace(rv, feed.key.list_of(&objects), incarnation);
        }
        if let Some(plain) = outlets.plain() {
            plain.replace(rv, objects, incarnation);
        }
        self.ask(outlets);
    }

    /// Takes events in order. Empties the vector. See [`Feed::apply`].
    pub fn apply(&self, changes: &mut Vec<Change>) {
        let outlets = self.lock();
        for feed in outlets.feeds.iter().filter(|feed| feed.key.needs_details()) {
            feed.apply(&mut feed.key.changes_of(changes));
        }
        match outlets.plain() {
            Some(plain) => plain.apply(changes),
            None => changes.clear(),
        }
    }

    /// Says how following goes. See [`Feed::set_state`].
    pub fn set_state(&self, state: State) {
        let mut outlets = self.lock();
        for feed in outlets.feeds.iter().chain(&outlets.waiting) {
            feed.set_state(state.clone());
        }
        outlets.state = Some(state);
    }

    /// The version to go on from: the oldest at which a feed stands. `None` before the first list, and where feeds are of different incarnations of the cluster.
    #[must_use]
    pub fn cursor(&self) -> Option<Rv> {
        let outlets = self.lock();
        let incarnations: BTreeSet<String> = outlets.incarnations().collect();
        let is_one = incarnations.len() <= 1;
        outlets.feeds.iter().map(|feed| feed.cursor()).min().flatten().filter(|_| is_one)
    }

    /// The cluster's incarnation that this version is of, where it could be read.
    #[must_use]
    pub fn incarnation(&self) -> Option<String> {
        self.lock().incarnations().next()
    }

    fn ask(&self, outlets: &Outlets) {
        let needs = outlets.feeds.iter().chain(&outlets.waiting).any(|feed| feed.key.needs_details());
        self.asks.details.store(needs, SeqCst);
        self.asks.list.store(!outlets.waiting.is_empty(), SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Outlets> {
        self.outlets.lock().expect("nothing panics while it holds this lock")
    }
}

impl Outlets {
    /// What is known of the incarnation that rows are of.
    fn incarnations(&self) -> impl Iterator<Item = String> {
        self.feeds.iter().filter_map(|feed| feed.epoch())
    }

    /// The feed that shows everything as it was decoded.
    fn plain(&self) -> Option<&Arc<Feed>> {
        self.feeds.iter().find(|feed| !feed.key.needs_details())
    }

    /// Tells a feed that has come what the others were told.
    fn tell(&self, feed: &Feed) {
        if let Some(state) = &self.state {
            feed.set_state(state.clone());
        }
    }
}

#[cfg(test)]
mod tests;
