//! What the tabs of one view share: each frame is looked into once, for whoever it comes to first; of the others only the bytes are
//! compared.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::event::Event;
use super::recording::Recording;
use super::rows::{self, Index, Shown};

/// Frames remembered per view; what a tab gets later than that is looked into again.
const REMEMBERED: usize = 1024;
const SNAPSHOTS_REMEMBERED: usize = 4;

/// A change of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The row's number in the view's index.
    pub number: u32,
    /// A hash of its bytes; 0 where it is deleted.
    pub bytes: u32,
    /// When its object was to be written.
    pub stamp: Option<u32>,
}

/// A whole list.
pub struct Snapshot {
    hash: u64,
    /// What it shows.
    pub shown: Shown,
}

/// What a frame means to a tab.
pub enum Meaning {
    /// A row changed.
    Delta(Delta),
    /// The whole list.
    Snapshot(Rc<Snapshot>),
    /// Nothing that is shown.
    Nothing,
    /// It cannot be read.
    Malformed,
}

#[derive(Clone, Copy)]
struct Known {
    id: u64,
    hash: u64,
    delta: Delta,
}

/// The frames of one view.
#[derive(Default)]
pub struct Feed {
    /// The rows ever shown.
    pub index: Index,
    known: Vec<Option<Known>>,
    snapshots: VecDeque<Rc<Snapshot>>,
    recordings: VecDeque<Rc<RefCell<Recording>>>,
}

#[derive(Deserialize)]
struct DeltaData<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct ListData<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

impl Feed {
    /// What a frame means, and whether another frame came with its id before that meant something else.
    pub fn read(&mut self, event: &Event<'_>) -> (Meaning, bool) {
        match event.name {
            b"modified" | b"added" | b"deleted" => self.read_delta(event),
            b"snapshot" => (self.read_snapshot(event), false),
            _ => (Meaning::Nothing, false),
        }
    }

    fn read_delta(&mut self, event: &Event<'_>) -> (Meaning, bool) {
        let hash = xxh3_64(event.shared);
        let id = event.id.unwrap_or(0);
        if self.known.is_empty() {
            self.known = vec![None; REMEMBERED];
        }
        let place = usize::try_from(id % REMEMBERED as u64).expect("a small number");
        let before = self.known[place].filter(|known| known.id == id && id != 0);
        if let Some(known) = before.filter(|known| known.hash == hash) {
            return (Meaning::Delta(known.delta), false);
        }
        let Some(delta) = self.parse(event) else { return (Meaning::Malformed, false) };
        self.known[place] = Some(Known { id, hash, delta });
        (Meaning::Delta(delta), before.is_some_and(|known| known.delta != delta))
    }

    fn parse(&mut self, event: &Event<'_>) -> Option<Delta> {
        let data: DeltaData = serde_json::from_slice(event.data).ok()?;
        let row = rows::read(data.object.get().as_bytes()).ok()?;
        let number = self.index.number(row.key);
        if event.name == b"deleted" {
            // Its row is the last one known, with the stamp of that.
            return Some(Delta { number, bytes: 0, stamp: None });
        }
        Some(Delta { number, bytes: row.bytes, stamp: row.stamp })
    }

    fn read_snapshot(&mut self, event: &Event<'_>) -> Meaning {
        let hash = xxh3_64(event.shared);
        if let Some(known) = self.snapshots.iter().find(|snapshot| snapshot.hash == hash) {
            return Meaning::Snapshot(known.clone());
        }
        let Some(shown) = self.list(event.data) else { return Meaning::Malformed };
        let snapshot = Rc::new(Snapshot { hash, shown });
        self.snapshots.truncate(SNAPSHOTS_REMEMBERED - 1);
        self.snapshots.push_front(snapshot.clone());
        Meaning::Snapshot(snapshot)
    }

    fn list(&mut self, data: &[u8]) -> Option<Shown> {
        let list: ListData = serde_json::from_slice(data).ok()?;
        let mut shown = Shown::default();
        for item in list.items {
            let row = rows::read(item.get().as_bytes()).ok()?;
            let number = self.index.number(row.key);
            shown.set(&self.index, number, row.bytes);
        }
        Some(shown)
    }

    /// The recording of the long block that begins with these bytes: the one that other tabs are following, or a new one.
    pub fn recording(&mut self, beginning: &[u8]) -> Rc<RefCell<Recording>> {
        let same = |recording: &&Rc<RefCell<Recording>>| recording.borrow().begins_with(beginning);
        if let Some(known) = self.recordings.iter().find(same) {
            return known.clone();
        }
        let new = Rc::new(RefCell::new(Recording::new(beginning)));
        self.recordings.truncate(SNAPSHOTS_REMEMBERED - 1);
        self.recordings.push_front(new.clone());
        new
    }
}
