//! A client of a multiplexed stream: it reads strictly, and keeps what the protocol says of each of its views.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;

use super::body::{Block, Body};
use crate::core::line::adding::Undecided;
use crate::core::slot::SlotName;
use crate::feed::Scope;
use crate::wire::head::Version;

/// Rows by `namespace/name`.
pub type Rows = BTreeMap<String, String>;

/// A view as its client has it.
#[derive(Default)]
pub struct View {
    pub wanted: usize,
    /// What its user may see of it now.
    pub right: Option<Scope>,
    pub number: Option<u64>,
    pub rows: Rows,
    pub incoming: Option<(usize, Rows)>,
    pub position: Option<String>,
    pub is_synced: bool,
    pub is_live: bool,
    /// It was refused, or removed by the server.
    pub is_denied: bool,
}

/// A client with a multiplexed stream, or without one for the moment.
pub struct LineTab {
    pub version: Version,
    pub stream: Option<UnixStream>,
    pub line: Option<SlotName>,
    pub who: String,
    pub views: BTreeMap<String, View>,
    /// Which views each number is, or was, about.
    numbers: BTreeMap<u64, BTreeSet<String>>,
    body: Body,
    pub received: usize,
    /// What becomes another scope's behind so many bytes.
    pub rights: VecDeque<(usize, String, Option<Scope>)>,
    pub undecided: Vec<Undecided>,
    has_bye: bool,
    pub heard: Vec<String>,
    next_ref: usize,
}

impl LineTab {
    pub fn new(version: Version) -> Self {
        LineTab {
            version,
            stream: None,
            line: None,
            who: String::new(),
            views: BTreeMap::new(),
            numbers: BTreeMap::new(),
            body: Body::new(version),
            received: 0,
            rights: VecDeque::new(),
            undecided: Vec::new(),
            has_bye: false,
            heard: Vec::new(),
            next_ref: 0,
        }
    }

    /// Begins a connection, whose user is known by this name.
    pub fn connected(&mut self, stream: UnixStream, line: Option<SlotName>, who: String) {
        (self.stream, self.line, self.who) = (Some(stream), line, who);
        (self.has_bye, self.received) = (false, 0);
        self.body = Body::new(self.version);
        self.numbers.clear();
        self.heard.push("--- connects".into());
        for view in self.views.values_mut() {
            (view.number, view.incoming, view.is_live, view.is_synced) = (None, None, false, false);
            (view.is_denied, view.right) = (false, None);
        }
    }

    /// What the newest ruling lets another view show that wants the same: equal views are one, and stand on one decision.
    pub fn right_of_equal(&self, name: &str, is_equal: impl Fn(usize) -> bool) -> Option<Scope> {
        let mut others = self.views.iter().filter(|(other, view)| *other != name && is_equal(view.wanted));
        others.find_map(|(other, view)| {
            let later = self.rights.iter().rfind(|(_, of, _)| of == other).map(|(.., right)| right.clone());
            later.unwrap_or(view.right.clone()).filter(|_| !view.is_denied)
        })
    }

    /// A name for one more view.
    pub fn name(&mut self, scope: usize) -> String {
        self.next_ref += 1;
        let name = format!("view-{}", self.next_ref);
        self.views.insert(name.clone(), View { wanted: scope, ..View::default() });
        name
    }

    pub fn read(&mut self, most: usize) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let until = self.rights.front().map_or(usize::MAX, |(behind, ..)| behind - self.received);
        let mut buffer = vec![0; most.min(until)];
        match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => self.leave(),
            Ok(read) => {
                self.received += read;
                self.body.push(&buffer[..read], &self.heard);
                while let Some(block) = self.body.take_block() {
                    self.block(&block);
                }
                self.follow_rights();
            }
        }
        true
    }

    pub fn leave(&mut self) {
        self.stream = None;
        self.line = None;
        self.undecided.clear();
        self.rights.clear();
    }

    /// What is amid an event that is whole later is of the right that holds now: one that lost its right amid a row is reset.
    pub fn follow_rights(&mut self) {
        while let Some((_, name, right)) = self.rights.pop_front_if(|(behind, ..)| *behind == self.received) {
            if let Some(view) = self.views.get_mut(&name) {
                view.right = right;
            }
        }
    }

    fn block(&mut self, block: &str) {
        if block == ": ping" {
            return;
        }
        self.heard.push(block.chars().take(200).collect());
        assert!(!self.has_bye, "nothing follows bye; heard {:#?}", self.heard);
        let Block { event, id, data, has_retry } = Block::of(block, &self.heard);
        assert!(!has_retry, "{block}");
        let Some(event) = event else { return };
        match (event, id) {
            ("bye", None) => self.has_bye = true,
            ("denied", None) => {
                if let Some(view) = data["ref"].as_str().and_then(|name| self.views.get_mut(name)) {
                    (view.number, view.is_denied, view.is_synced) = (None, true, false);
                }
            }
            ("view", Some(id)) => {
                let number = id.parse().expect("a number");
                let name = data["ref"].as_str().expect("a ref");
                self.numbers.entry(number).or_default().insert(name.to_owned());
                let Some(view) = self.views.get_mut(name) else { return };
                view.number = Some(number);
                view.is_synced = false;
                view.is_live = false;
                if data["resumed"] == false {
                    view.position = None;
                }
            }
            (event, Some(id)) => self.of_view(event, id, &data),
            (event, None) => panic!("{event} is about no view; heard {:#?}", self.heard),
        }
    }

    fn of_view(&mut self, event: &str, id: &str, data: &serde_json::Value) {
        let (number, position) = id.split_once('/').map_or((id, None), |(number, at)| (number, Some(at)));
        let number: u64 = number.parse().expect("a number");
        let heard = &self.heard;
        let names = self.numbers.get(&number).unwrap_or_else(|| panic!("{number}; heard {heard:#?}"));
        for name in names {
            if let Some(view) = self.views.get_mut(name) {
                view.hear(event, (number, position), data, heard);
            }
        }
    }
}

impl View {
    fn hear(
        &mut self,
        event: &str,
        (number, position): (u64, Option<&str>),
        data: &serde_json::Value,
        heard: &[String],
    ) {
        let view = self;
        let right = view.right.clone();
        let row = |object: &serde_json::Value| {
            let text = |name: &str| object[name].as_str().expect("rows have names").to_owned();
            let key = format!("{}/{}", text("namespace"), text("name"));
            let may = right.as_ref().is_some_and(|right| right.holds(&text("namespace")));
            assert!(may, "{key} leaks; heard {heard:#?}");
            (key, object.to_string())
        };
        let is_current = view.number == Some(number);
        let rows: Rows = match event {
            "snapshot" => data["items"].as_array().expect("items").iter().map(row).collect(),
            "added" | "modified" | "deleted" => [row(&data["object"])].into(),
            _ => Rows::new(),
        };
        if !is_current {
            return;
        }
        match event {
            "begin" => {
                let count = data["count"].as_u64().expect("a count");
                view.incoming = Some((usize::try_from(count).expect("small"), Rows::new()));
                view.is_synced = false;
            }
            "snapshot" => {
                view.incoming
                    .as_mut()
                    .unwrap_or_else(|| panic!("begin comes first; heard {heard:#?}"))
                    .1
                    .extend(rows);
            }
            "synced" => {
                if data["resumed"] == false {
                    let (count, rows) = view.incoming.take().unwrap_or_else(|| panic!("heard {heard:#?}"));
                    assert_eq!(rows.len(), count, "heard {heard:#?}");
                    view.rows = rows;
                }
                view.is_synced = true;
            }
            "added" | "modified" => view.rows.extend(rows),
            "deleted" => view.rows.retain(|key, _| !rows.contains_key(key)),
            "gap" => assert!(position.is_none()),
            "reset" => (view.is_synced, view.position) = (false, None),
            "status" => view.is_live = data["state"] == "live",
            other => panic!("{other} is no event; heard {heard:#?}"),
        }
        if let Some(position) = position {
            view.position = Some(position.to_owned());
        }
    }
}
