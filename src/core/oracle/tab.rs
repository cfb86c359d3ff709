//! A tab as the reference front end is one: it reads a stream, strictly, and applies its reducers.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;

use super::body::{Block, Body};
use super::world::CAP;
use crate::feed::Scope;
use crate::kind::Rv;
use crate::wire::head::Version;

/// Rows by `namespace/name`: what is shown, and what it is sorted by.
pub type Rows = BTreeMap<String, (String, u64)>;

/// A tab, with or without an open stream.
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own about a connection")]
pub struct Tab {
    pub scope: Scope,
    pub version: Version,
    pub stream: Option<UnixStream>,
    pub rows: Rows,
    /// What it sends as `Last-Event-ID`.
    pub id: Option<String>,
    /// Rows that are older than this may be missing: the snapshot did not hold them.
    pub oldest: u64,
    /// Whether its badge says that rows are as they are upstream.
    pub live: bool,
    /// Whether it ever had rows.
    pub loaded: bool,
    /// The newest id of this connection; nothing older may follow.
    floor: Option<u128>,
    relisted: bool,
    /// What has come of its head; `None` behind that.
    coming_head: Option<Vec<u8>>,
    body: Body,
    /// Bytes that it has read of this connection.
    pub received: usize,
    /// How many of them its head took.
    head: usize,
    /// Whether it went away by itself.
    pub disconnected: bool,
    /// By what name its connection is known.
    pub who: String,
    /// What this connection may show now: what comes behind so many bytes is another scope's.
    right: Scope,
    rights: VecDeque<(usize, Scope)>,
    /// What it could show when the event began that it gets.
    began_by: Scope,
    /// What this connection could show at any time.
    scopes: Vec<Scope>,
    /// It lost a namespace amid an event; so many bytes came since that it no longer had a right to.
    torn: Option<usize>,
    /// It was closed then.
    cut_off: bool,
    /// What it got, for a failure's message.
    pub heard: Vec<String>,
}

impl Tab {
    pub fn new(scope: Scope, version: Version) -> Self {
        Tab {
            who: String::new(),
            head: 0,
            right: scope.clone(),
            rights: VecDeque::new(),
            began_by: scope.clone(),
            scopes: Vec::new(),
            torn: None,
            cut_off: false,
            scope,
            version,
            stream: None,
            rows: Rows::new(),
            id: None,
            oldest: 0,
            live: false,
            loaded: false,
            floor: None,
            relisted: false,
            coming_head: Some(Vec::new()),
            body: Body::new(version),
            received: 0,
            disconnected: false,
            heard: Vec::new(),
        }
    }

    /// Begins a connection.
    pub fn connected(&mut self, stream: UnixStream) {
        stream.set_nonblocking(true).expect("a socket can be made so");
        self.stream = Some(stream);
        self.live = false;
        self.floor = None;
        // A server that has no rows yet cannot know what the tab has missed.
        self.relisted = true;
        self.coming_head = Some(Vec::new());
        self.body = Body::new(self.version);
        self.received = 0;
        self.disconnected = false;
        self.right = self.scope.clone();
        self.rights.clear();
        self.began_by = self.scope.clone();
        self.scopes = vec![self.scope.clone()];
        self.torn = None;
        self.cut_off = false;
        self.heard.push(format!("--- connects with {:?} to {:?}", self.id, self.scope));
    }

    /// Reads the head, which is sent before anything else.
    pub fn read_head(&mut self) {
        self.read(65_536);
        self.head = self.received;
    }

    /// Its user may see another scope from now on. So many bytes were sent behind the head; `None`: all that ever will be.
    pub fn rescoped(&mut self, scope: Scope, sent: Option<usize>) {
        self.scope = scope.clone();
        let Some(sent) = sent else { return };
        self.heard.push(format!("--- rescoped to {scope:?} after {sent} bytes"));
        self.scopes.push(scope.clone());
        self.rights.push_back((self.head + sent, scope));
        self.follow_rights();
    }

    /// Comes to the right that holds behind what was received.
    fn follow_rights(&mut self) {
        while let Some((_, scope)) = self.rights.pop_front_if(|(behind, _)| *behind == self.received) {
            if self.body.is_amid_event() && !scope.covers(&self.right) {
                self.torn = Some(0);
            }
            self.right = scope;
        }
        if !self.body.is_amid_event() {
            self.began_by = self.right.clone();
        }
    }

    /// Whether its stream ended as streams do: with a last event, unless it lost a namespace amid another.
    pub fn is_whole(&self) -> bool {
        if self.cut_off {
            return true;
        }
        let last = self.heard.last().is_some_and(|last| {
            let rotated = last.starts_with("retry: ") && !last.contains("event: ");
            rotated || ["server_shutdown", "error", "auth_expired"].iter().any(|event| last.contains(event))
        });
        last && self.body.is_whole()
    }

    /// Closes its end.
    pub fn disconnect(&mut self) {
        self.stream = None;
        self.disconnected = true;
    }

    /// Reads at most so many bytes. Returns whether there were any.
    pub fn read(&mut self, most: usize) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let until = self.rights.front().map_or(usize::MAX, |(behind, _)| behind - self.received);
        let mut buffer = vec![0; most.min(until)];
        match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => {
                let leaked = self.torn.filter(|bytes| *bytes > 0);
                assert!(leaked.is_none(), "{leaked:?} bytes of a lost row came; heard {:#?}", self.heard);
                self.cut_off = self.torn.is_some();
                self.stream = None;
            }
            Ok(read) => {
                self.received += read;
                // What it gained and lost again amid the event is nothing that the event was sent by.
                let is_lost = !self.right.covers(&self.began_by);
                self.torn = self.torn.map(|bytes| if is_lost { bytes + read } else { bytes });
                self.digest(&buffer[..read]);
                self.follow_rights();
            }
        }
        true
    }

    fn digest(&mut self, bytes: &[u8]) {
        match &mut self.coming_head {
            None => self.body.push(bytes, &self.heard),
            Some(head) => {
                head.extend_from_slice(bytes);
                let Some(end) = memchr::memmem::find(head, b"\r\n\r\n") else { return };
                assert!(head.starts_with(b"HTTP/1."), "a head comes first");
                self.body.push(&head[end + 4..], &self.heard);
                self.coming_head = None;
            }
        }
        while let Some(block) = self.body.take_block() {
            self.block(&block);
        }
    }

    fn block(&mut self, block: &str) {
        let short: String = block.chars().take(160).collect();
        self.heard.push(short);
        self.torn = None;
        self.began_by = self.right.clone();
        let Block { event, id, data, .. } = Block::of(block, &self.heard);
        let Some(event) = event else { return };
        self.event(event, id, &data);
        if let Some(id) = id {
            self.id = Some(id.to_owned());
        }
    }

    fn event(&mut self, event: &str, id: Option<&str>, data: &serde_json::Value) {
        let number = id.map(|id| self.version_of(id));
        match event {
            "snapshot" => self.snapshot(number.expect("a snapshot has an id"), data),
            "added" | "modified" | "deleted" => self.delta(event, number, &data["object"]),
            "bookmark" => self.raise_floor(number.expect("a bookmark has an id")),
            "relist" => {
                self.live = false;
                if data["reason"] != "upstream_away" {
                    self.relisted = true;
                    self.floor = None;
                }
            }
            "error" | "server_shutdown" | "auth_expired" => self.live = false,
            other => panic!("{other:?} is no event"),
        }
    }

    /// The version in an id, which names the set that it is a version of.
    fn version_of(&self, id: &str) -> u128 {
        let (version, mark) = id.split_once('.').map_or((id, None), |(version, mark)| (version, Some(mark)));
        let is_own = |scope: &Scope| scope.mark().map(|mark| mark.to_string()).as_deref() == mark;
        assert!(self.scopes.iter().any(is_own), "{id} is of no set of the tab's; heard {:#?}", self.heard);
        version.parse::<Rv>().expect("an id is a version").0
    }

    fn raise_floor(&mut self, number: u128) {
        assert!(
            self.floor.is_none_or(|floor| floor <= number),
            "ids fall to {number}; heard {:#?}",
            self.heard
        );
        self.floor = Some(number);
    }

    fn snapshot(&mut self, number: u128, data: &serde_json::Value) {
        let items = data["items"].as_array().expect("a snapshot has items");
        let rows: Rows = items.iter().map(|object| self.row(object)).collect();
        assert_eq!(rows.len(), items.len(), "each object is listed once");
        assert!(
            self.relisted || (rows.is_empty() && self.rows.is_empty()),
            "a tab with rows is told first; heard {:#?}",
            self.heard
        );
        self.raise_floor(number);
        self.relisted = false;
        self.oldest =
            if rows.len() == CAP { rows.values().map(|(_, order)| *order).min().unwrap_or(0) } else { 0 };
        self.rows = rows;
        self.live = true;
        self.loaded = true;
    }

    fn row(&self, object: &serde_json::Value) -> (String, (String, u64)) {
        let text = |name: &str| object[name].as_str().expect("rows have names").to_owned();
        let key = format!("{}/{}", text("namespace"), text("name"));
        let order = object["order"].as_u64().expect("rows have an order");
        assert!(self.right.holds(&text("namespace")), "{key} leaks; heard {:#?}", self.heard);
        (key, (object.to_string(), order))
    }

    fn delta(&mut self, event: &str, number: Option<u128>, object: &serde_json::Value) {
        self.relisted = false;
        let (key, row) = self.row(object);
        if let Some(number) = number {
            if self.floor == Some(number) {
                assert_eq!(
                    self.rows.get(&key),
                    Some(&row),
                    "an id is repeated only by what changes nothing: {key}; heard {:#?}",
                    self.heard
                );
            }
            self.raise_floor(number);
        }
        self.live = true;
        match event {
            "deleted" => drop(self.rows.remove(&key)),
            "modified" if !self.rows.contains_key(&key) => {}
            _ => drop(self.rows.insert(key, row)),
        }
    }
}
