//! What a tab shows: the rows as the reference front end reduces them from the events, and what it noticed on the way.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::sse::{Event, Item};

/// The most rows of events that the reference front end keeps when one is appended.
const EVENT_ROWS: usize = 500;

/// The badge of a list page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badge {
    Connecting,
    Live,
    Reconnecting,
}

/// How a connection came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As HTTP has it: the last chunk, or the close of an HTTP/1.0 connection between two blocks.
    Closed,
    /// In the middle of the body.
    Cut,
    /// By an error of the socket.
    Reset(String),
    /// By bytes that are not what they should be.
    Malformed(String),
}

/// The rows of a tab.
#[derive(Clone, Debug)]
pub struct Rows {
    kind: String,
    /// Row identity to position and row.
    by_identity: HashMap<String, (u64, Value)>,
    /// Position to row identity: the order on the page.
    by_position: BTreeMap<u64, String>,
    next_position: u64,
}

impl Rows {
    /// No rows yet of this kind (by its token in the URL).
    pub fn new(kind: &str) -> Rows {
        Rows {
            kind: kind.to_owned(),
            by_identity: HashMap::new(),
            by_position: BTreeMap::new(),
            next_position: 0,
        }
    }

    /// The rows of a list's array.
    pub fn of_list(kind: &str, items: &[Value]) -> Rows {
        let mut rows = Rows::new(kind);
        for item in items {
            rows.put(item.clone());
        }
        rows
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_identity.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }

    /// The rows in the order of the page.
    pub fn items(&self) -> impl Iterator<Item = &Value> {
        self.by_position.values().map(|identity| &self.by_identity[identity].1)
    }

    /// The first row of this name, in any namespace.
    pub fn named(&self, name: &str) -> Option<&Value> {
        self.items().find(|row| row["name"] == name)
    }

    /// The rows by identity, without what follows the clock: what two equal lists have in common whatever their order.
    pub fn comparable(&self) -> BTreeMap<String, Value> {
        self.by_identity
            .iter()
            .map(|(identity, (_, row))| (identity.clone(), without_clock(&self.kind, row)))
            .collect()
    }

    /// A hash of [`Rows::comparable`].
    pub fn hash(&self) -> u64 {
        let mut text = String::new();
        for (identity, row) in self.comparable() {
            text.push_str(&identity);
            text.push('\n');
            text.push_str(&row.to_string());
            text.push('\n');
        }
        xxh3_64(text.as_bytes())
    }

    fn identity(&self, row: &Value) -> String {
        let text = |field: &str| row[field].as_str().unwrap_or("").to_owned();
        match row["uid"].as_str() {
            Some(uid) if self.kind == "events" => uid.to_owned(),
            _ => format!("{}|{}", text("name"), text("namespace")),
        }
    }

    /// Replaces the row of this identity in its place, or appends it.
    fn put(&mut self, row: Value) {
        let identity = self.identity(&row);
        if self.replace(&identity, &row) {
            return;
        }
        self.by_position.insert(self.next_position, identity.clone());
        self.by_identity.insert(identity, (self.next_position, row));
        self.next_position += 1;
    }

    fn replace(&mut self, identity: &str, row: &Value) -> bool {
        let Some((_, shown)) = self.by_identity.get_mut(identity) else { return false };
        shown.clone_from(row);
        true
    }

    fn remove(&mut self, identity: &str) -> bool {
        let Some((position, _)) = self.by_identity.remove(identity) else { return false };
        self.by_position.remove(&position);
        true
    }

    fn trim(&mut self) {
        while self.kind == "events" && self.len() > EVENT_ROWS {
            let Some((_, identity)) = self.by_position.pop_first() else { return };
            self.by_identity.remove(&identity);
        }
    }
}

/// A job's duration follows the clock until the job is complete.
fn without_clock(kind: &str, row: &Value) -> Value {
    let mut row = row.clone();
    if kind == "jobs" && row["status"] != "Complete" {
        row.as_object_mut().and_then(|fields| fields.remove("duration"));
    }
    row
}

/// All that a tab knows.
#[derive(Clone, Debug)]
pub struct State {
    pub rows: Rows,
    pub badge: Badge,
    /// What the next connect sends as `Last-Event-ID`; empty before the first id.
    pub last_id: String,
    /// The newest `retry:`, in milliseconds.
    pub retry: Option<u64>,
    /// Events so far, by name, over all connects.
    pub counts: BTreeMap<String, u64>,
    /// The data of every `relist` so far.
    pub relists: Vec<String>,
    /// Comments so far.
    pub pings: u64,
    /// Deltas that a page drops: any before the first snapshot, a `modified` or `deleted` of a row that it does not have.
    pub dropped: Vec<Event>,
    /// The newest event.
    pub last: Option<Event>,
    /// How the current connection ended; `None` while it is open.
    pub end: Option<End>,
    listed: bool,
}

impl State {
    /// A tab that has seen nothing, of this kind (by its token in the URL).
    pub fn new(kind: &str) -> State {
        State {
            rows: Rows::new(kind),
            badge: Badge::Connecting,
            last_id: String::new(),
            retry: None,
            counts: BTreeMap::new(),
            relists: Vec::new(),
            pings: 0,
            dropped: Vec::new(),
            last: None,
            end: None,
            listed: false,
        }
    }

    /// How many events of this name came.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// How many events came that change rows.
    pub fn deltas(&self) -> u64 {
        self.count("added") + self.count("modified") + self.count("deleted")
    }

    /// Forgets the connection, as a page does when its `EventSource` connects anew.
    pub fn lose(&mut self) {
        self.end = None;
        if self.badge == Badge::Live {
            self.badge = Badge::Reconnecting;
        }
    }

    /// Takes one item of the stream.
    pub fn apply(&mut self, item: Item) {
        match item {
            Item::Comment(_) => self.pings += 1,
            Item::Retry(milliseconds) => self.retry = Some(milliseconds),
            Item::BareId(id) => self.last_id = id,
            Item::Event(event) => self.apply_event(event),
        }
    }

    fn apply_event(&mut self, event: Event) {
        if let Some(id) = &event.id {
            self.last_id.clone_from(id);
        }
        *self.counts.entry(event.name.clone()).or_default() += 1;
        if event.name == "relist" {
            self.relists.push(event.data.clone());
        }
        match event.name.as_str() {
            "snapshot" => self.snapshot(&event),
            "added" | "modified" | "deleted" => self.delta(&event),
            "relist" | "error" | "backpressure" | "auth_expired" | "server_shutdown" => {
                self.badge = Badge::Reconnecting;
            }
            _ => {}
        }
        self.last = Some(event);
    }

    fn snapshot(&mut self, event: &Event) {
        let data = json(event);
        let Some(items) = data["items"].as_array() else {
            self.dropped.push(event.clone());
            return;
        };
        self.rows = Rows::of_list(&self.rows.kind, items);
        self.listed = true;
        self.badge = Badge::Live;
    }

    fn delta(&mut self, event: &Event) {
        let row = json(event)["object"].take();
        if !self.listed || !row["name"].is_string() {
            self.dropped.push(event.clone());
            return;
        }
        self.badge = Badge::Live;
        let identity = self.rows.identity(&row);
        let known = match event.name.as_str() {
            "added" => {
                self.rows.put(row);
                self.rows.trim();
                true
            }
            "modified" => self.rows.replace(&identity, &row),
            _ => self.rows.remove(&identity),
        };
        if !known {
            self.dropped.push(event.clone());
        }
    }
}

fn json(event: &Event) -> Value {
    serde_json::from_str(&event.data).unwrap_or_default()
}
