//! What was asked of one simulated cluster, so that tests can prove how little it was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// A collection; each page of a LIST counts.
    List,
    /// A watch, `WatchList` included.
    Watch,
    /// One object.
    Get,
    /// An access review of any sort.
    Review,
}

impl Verb {
    /// The verb as authorization knows it.
    pub fn word(self) -> &'static str {
        match self {
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Get => "get",
            Verb::Review => "create",
        }
    }
}

/// The live counters of one simulated cluster.
#[derive(Default)]
pub struct Counters {
    requests: Mutex<BTreeMap<(Verb, String), u64>>,
    watches: Mutex<BTreeMap<String, u64>>,
    watches_opened: AtomicU64,
    impersonated: AtomicU64,
    connections: AtomicU64,
    bytes: AtomicU64,
    events: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Requests by verb (`list`, `watch`, `get`, `review`), then by resource (a plural).
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// Watches open now, by resource.
    pub watches_open: BTreeMap<String, u64>,
    /// Watches ever opened, of all resources: those that were answered with a stream.
    pub watches_opened: u64,
    /// Access reviews of all sorts.
    pub reviews: u64,
    /// Requests that impersonated somebody.
    pub impersonated: u64,
    /// Connections accepted; on a listener shared by a fleet, those on which this cluster was asked.
    pub connections: u64,
    /// Body bytes handed to the connection.
    pub bytes: u64,
    /// Watch events sent, of all watches (bookmarks and initial ones not counted).
    pub events: u64,
}

impl Counts {
    /// Requests of one verb for one resource.
    pub fn of(&self, verb: &str, resource: &str) -> u64 {
        self.requests.get(verb).and_then(|by| by.get(resource)).copied().unwrap_or(0)
    }

    /// Adds another cluster's.
    pub(super) fn add(&mut self, other: &Counts) {
        for (verb, by) in &other.requests {
            let own = self.requests.entry(verb.clone()).or_default();
            for (resource, count) in by {
                *own.entry(resource.clone()).or_default() += count;
            }
        }
        for (resource, open) in &other.watches_open {
            *self.watches_open.entry(resource.clone()).or_default() += open;
        }
        self.watches_opened += other.watches_opened;
        self.reviews += other.reviews;
        self.impersonated += other.impersonated;
        self.connections += other.connections;
        self.bytes += other.bytes;
        self.events += other.events;
    }

    /// Requests of one verb for all resources.
    pub fn all(&self, verb: &str) -> u64 {
        self.requests.get(verb).map_or(0, |by| by.values().sum())
    }

    /// Watches open now, of one resource.
    pub fn open(&self, resource: &str) -> u64 {
        self.watches_open.get(resource).copied().unwrap_or(0)
    }

    /// Watches open now, of all resources.
    pub fn open_in_all(&self) -> u64 {
        self.watches_open.values().sum()
    }
}

/// A watch that counts as open until this is dropped.
pub struct OpenWatch {
    counters: Arc<Counters>,
    resource: &'static str,
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        let mut watches = self.counters.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = watches.get_mut(self.resource) {
            *open -= 1;
        }
    }
}

impl Counters {
    /// Counts a request.
    pub fn request(&self, verb: Verb, resource: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((verb, resource.to_owned())).or_default() += 1;
    }

    /// Counts a watch as open.
    pub fn open_watch(self: &Arc<Self>, resource: &'static str) -> OpenWatch {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        *watches.entry(resource.to_owned()).or_default() += 1;
        self.watches_opened.fetch_add(1, Relaxed);
        OpenWatch { counters: self.clone(), resource }
    }

    /// Counts a request on somebody's behalf.
    pub fn impersonated(&self) {
        self.impersonated.fetch_add(1, Relaxed);
    }

    /// Counts a connection.
    pub fn connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// Counts body bytes.
    pub fn sent(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts a watch event.
    pub fn event(&self) {
        self.events.fetch_add(1, Relaxed);
    }

    /// The counters now.
    pub fn read(&self) -> Counts {
        let mut requests = BTreeMap::<String, BTreeMap<String, u64>>::new();
        let mut reviews = 0;
        for ((verb, resource), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let name = match verb {
                Verb::Review => "review",
                other => other.word(),
            };
            if *verb == Verb::Review {
                reviews += count;
            }
            requests.entry(name.to_owned()).or_default().insert(resource.clone(), *count);
        }
        let mut watches_open = self.watches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        watches_open.retain(|_, open| *open > 0);
        Counts {
            requests,
            watches_open,
            watches_opened: self.watches_opened.load(Relaxed),
            reviews,
            impersonated: self.impersonated.load(Relaxed),
            connections: self.connections.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            events: self.events.load(Relaxed),
        }
    }
}
