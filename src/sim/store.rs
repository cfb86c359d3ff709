//! What one simulated cluster holds: the objects of every resource, and the recent past of each.
//!
//! Invariants: the version counts every write of the cluster, whatever its resource, as etcd's does; a resource's past
//! is contiguous from `evicted` on, so that the state at any later version can be told by undoing events; `floor` is
//! the oldest version that a request may name.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::object::Object;
use super::resource::{RESOURCES, Resource};

/// What a write did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was there before.
    Modified,
    /// It is gone.
    Deleted,
}

impl Change {
    /// The word in a watch line.
    pub fn word(self) -> &'static str {
        match self {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        }
    }
}

/// One write.
#[derive(Debug)]
pub struct Event {
    /// What it did.
    pub change: Change,
    /// The object's key.
    pub key: Arc<str>,
    /// The object as written; of a delete, its last text at the delete's version.
    pub object: Object,
    /// The object before.
    pub previous: Option<Object>,
    /// When.
    pub written: Instant,
}

/// A resource's events ran out of the ring before they were read, or the version was compacted.
#[derive(Debug, PartialEq, Eq)]
pub struct TooOld {
    /// The oldest version that can be named.
    pub floor: u64,
}

/// A page of a LIST.
pub struct Page {
    /// The items, in the order of their keys.
    pub items: Vec<(Arc<str>, Object)>,
    /// The version at which they were read.
    pub rv: u64,
    /// The key of the last item and the number of items after it, if there are more.
    pub rest: Option<(Arc<str>, usize)>,
}

/// What a LIST asks of the store.
#[derive(Default)]
pub struct Range<'a> {
    /// Only this namespace, if not empty.
    pub namespace: &'a str,
    /// Only keys after this one.
    pub after: Option<&'a str>,
    /// At most so many items; 0 is no limit.
    pub limit: usize,
    /// The state at this version, not the latest.
    pub at: Option<u64>,
}

struct Shelf {
    objects: BTreeMap<Arc<str>, Object>,
    ring: VecDeque<Arc<Event>>,
    evicted: u64,
    floor: u64,
}

struct State {
    rv: u64,
    shelves: Vec<Shelf>,
}

/// The objects of one simulated cluster.
pub struct Store {
    state: Mutex<State>,
    moved: Vec<watch::Sender<u64>>,
    history: usize,
}

impl Store {
    /// An empty store that keeps the last `history` events of each resource.
    pub fn new(history: usize) -> Self {
        let empty = || Shelf { objects: BTreeMap::new(), ring: VecDeque::new(), evicted: 0, floor: 0 };
        Store {
            state: Mutex::new(State { rv: 1, shelves: RESOURCES.iter().map(|_| empty()).collect() }),
            moved: RESOURCES.iter().map(|_| watch::Sender::new(0)).collect(),
            history,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster's latest version.
    pub fn rv(&self) -> u64 {
        self.state().rv
    }

    /// Writes an object, new or not, and returns its version.
    pub fn put(&self, resource: &Resource, key: &str, object: &Object) -> u64 {
        self.write(resource, key, |previous| {
            let change = if previous.is_some() { Change::Modified } else { Change::Added };
            Some((change, object.clone()))
        })
        .expect("a put always writes")
    }

    /// Deletes an object and returns the delete's version; `None` if there is none.
    pub fn delete(&self, resource: &Resource, key: &str) -> Option<u64> {
        self.write(resource, key, |previous| Some((Change::Deleted, previous?.clone())))
    }

    fn write(
        &self,
        resource: &Resource,
        key: &str,
        decide: impl FnOnce(Option<&Object>) -> Option<(Change, Object)>,
    ) -> Option<u64> {
        let mut state = self.state();
        let kept = &state.shelves[resource.index];
        let existing = kept.objects.get_key_value(key).map(|(key, object)| (key.clone(), object.clone()));
        let (change, object) = decide(existing.as_ref().map(|(_, object)| object))?;
        state.rv += 1;
        let rv = state.rv;
        let object = object.at(rv);
        let (key, previous) = match existing {
            Some((key, previous)) => (key, Some(previous)),
            None => (Arc::from(key), None),
        };
        let kept = &mut state.shelves[resource.index];
        match change {
            Change::Deleted => drop(kept.objects.remove(&key)),
            Change::Added | Change::Modified => drop(kept.objects.insert(key.clone(), object.clone())),
        }
        kept.ring.push_back(Arc::new(Event { change, key, object, previous, written: Instant::now() }));
        kept.trim(self.history);
        drop(state);
        self.moved[resource.index].send_replace(rv);
        Some(rv)
    }

    /// One object.
    pub fn get(&self, resource: &Resource, key: &str) -> Option<Object> {
        self.state().shelves[resource.index].objects.get(key).cloned()
    }

    /// How many objects a resource has.
    pub fn count(&self, resource: &Resource) -> usize {
        self.state().shelves[resource.index].objects.len()
    }

    /// A page of a resource's objects.
    pub fn list(&self, resource: &Resource, range: &Range<'_>) -> Result<Page, TooOld> {
        let state = self.state();
        let kept = &state.shelves[resource.index];
        let at = range.at.unwrap_or(state.rv);
        if at < kept.floor.max(kept.evicted) {
            return Err(TooOld { floor: kept.floor });
        }
        let prefix = if range.namespace.is_empty() { String::new() } else { format!("{}/", range.namespace) };
        let after = range.after.filter(|after| *after >= prefix.as_str());
        let wanted = |key: &str| key.starts_with(&prefix) && after.is_none_or(|after| key > after);
        let undone = kept.undone(at);
        if undone.is_empty() {
            let start = after.map_or(Bound::Included(prefix.as_str()), Bound::Excluded);
            let found =
                kept.objects.range::<str, _>((start, Bound::Unbounded)).take_while(|(key, _)| wanted(key));
            return Ok(page(found, range.limit, at));
        }
        let mut past: BTreeMap<&Arc<str>, &Object> = kept.objects.iter().collect();
        for (key, object) in &undone {
            match object {
                Some(object) => past.insert(key, object),
                None => past.remove(key),
            };
        }
        let found = past.into_iter().filter(|(key, _)| wanted(key));
        Ok(page(found, range.limit, at))
    }

    /// The events of a resource after a version, at most `max`, and the version up to which that is all there was
    /// (the cluster's latest, if the events are fewer than `max`).
    pub fn events_after(
        &self,
        resource: &Resource,
        rv: u64,
        max: usize,
    ) -> Result<(Vec<Arc<Event>>, u64), TooOld> {
        let state = self.state();
        let kept = &state.shelves[resource.index];
        if rv < kept.evicted {
            return Err(TooOld { floor: kept.evicted });
        }
        let from = kept.ring.partition_point(|event| event.object.rv <= rv);
        Ok((kept.ring.range(from..).take(max).cloned().collect(), state.rv))
    }

    /// Whether a watch may begin at a version: not below the floor.
    pub fn may_watch_from(&self, resource: &Resource, rv: u64) -> Result<(), TooOld> {
        let state = self.state();
        let kept = &state.shelves[resource.index];
        let floor = kept.floor.max(kept.evicted);
        if rv < floor { Err(TooOld { floor }) } else { Ok(()) }
    }

    /// The version of the last write to the resource; 0 where there was none.
    pub fn version_of(&self, resource: &Resource) -> u64 {
        *self.moved[resource.index].borrow()
    }

    /// A receiver that changes with each write to the resource, and when the store is rewound.
    pub fn moved(&self, resource: &Resource) -> watch::Receiver<u64> {
        self.moved[resource.index].subscribe()
    }

    /// Makes every older version too old to be named; watches that are open go on.
    pub fn compact(&self) {
        let mut state = self.state();
        let rv = state.rv;
        for kept in &mut state.shelves {
            kept.floor = rv;
        }
    }

    /// Forgets the past of every resource too, as a starting apiserver has none.
    pub fn forget_past(&self) {
        let mut state = self.state();
        let rv = state.rv;
        for kept in &mut state.shelves {
            kept.floor = rv;
            kept.evicted = rv;
            kept.ring.clear();
        }
    }

    /// Goes back by `by` versions, as far as the past reaches, like an etcd restored from a backup: the objects are
    /// what they were then, and new writes count on from there. Returns the version reached.
    pub fn rewind(&self, by: u64) -> u64 {
        let mut state = self.state();
        let oldest = state.shelves.iter().map(|kept| kept.evicted).max().unwrap_or(0);
        let to = state.rv.saturating_sub(by).max(oldest);
        for kept in &mut state.shelves {
            for (key, object) in kept.undone(to) {
                match object {
                    Some(object) => drop(kept.objects.insert(key, object)),
                    None => drop(kept.objects.remove(&key)),
                }
            }
            kept.ring.clear();
            kept.floor = to;
            kept.evicted = to;
        }
        state.rv = to;
        drop(state);
        for moved in &self.moved {
            moved.send_replace(to);
        }
        to
    }
}

impl Shelf {
    fn trim(&mut self, history: usize) {
        while self.ring.len() > history {
            if let Some(event) = self.ring.pop_front() {
                self.evicted = event.object.rv;
            }
        }
    }

    /// For each key that changed after `at`: what it was at `at`.
    fn undone(&self, at: u64) -> BTreeMap<Arc<str>, Option<Object>> {
        let newer = self.ring.iter().rev().take_while(|event| event.object.rv > at);
        newer.map(|event| (event.key.clone(), event.previous.clone())).collect()
    }
}

fn page<'a>(found: impl Iterator<Item = (&'a Arc<str>, &'a Object)>, limit: usize, rv: u64) -> Page {
    let mut found = found.peekable();
    let mut items = Vec::new();
    let mut last = None;
    while limit == 0 || items.len() < limit {
        let Some((key, object)) = found.next() else { break };
        last = Some(key.clone());
        items.push((key.clone(), object.clone()));
    }
    let remaining = found.count();
    let rest = last.filter(|_| remaining > 0).map(|key| (key, remaining));
    Page { items, rv, rest }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
