//! What the tabs of one view share: each frame is looked into once, for whoever it comes to first; of the others only the bytes are
//! compared.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

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
    /// The last stamp of each row.
    stamps: Vec<u32>,
    snapshots: VecDeque<Rc<Snapshot>>,
    recordings: VecDeque<Rc<RefCell<Recording>>>,
}

impl Feed {
    /// What a frame means, and whether another frame came with its id before that meant something else. The first frame of a tab that has come back
    /// may repeat any row under the newest id, and says nothing of other frames.
    pub fn read(&mut self, event: &Event<'_>, has_come_back: bool) -> (Meaning, bool) {
        match event.name {
            b"modified" | b"added" | b"deleted" if has_come_back => {
                (self.parse(event).map_or(Meaning::Malformed, Meaning::Delta), false)
            }
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
        // Whoever catches up may get as `added` what others got as `modified`.
        let is_other = |known: Known| (known.delta.number, known.delta.bytes) != (delta.number, delta.bytes);
        (Meaning::Delta(delta), before.is_some_and(is_other))
    }

    fn parse(&mut self, event: &Event<'_>) -> Option<Delta> {
        let object = event.data.strip_prefix(b"{\"object\":")?.strip_suffix(b"}")?;
        let row = rows::read(object).ok()?;
        let number = self.index.number(row.key);
        let stamp = self.new_stamp(number, row.stamp);
        if event.name == b"deleted" {
            // Its row is the last one known, with the stamp of that.
            return Some(Delta { number, bytes: 0, stamp: None });
        }
        Some(Delta { number, bytes: row.bytes, stamp })
    }

    /// A row's stamp, unless the row has had it before: then its object was written for another reason.
    fn new_stamp(&mut self, number: u32, stamp: Option<u32>) -> Option<u32> {
        let stamp = stamp?;
        let at = number as usize;
        if at >= self.stamps.len() {
            self.stamps.resize(at + 1, 0);
        }
        let before = std::mem::replace(&mut self.stamps[at], stamp);
        // A container that crashes beside the pulse adds one.
        Some(stamp).filter(|stamp| stamp.abs_diff(before) > 16)
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
        let mut shown = Shown::default();
        for item in rows::items(data, "items")? {
            let row = rows::read(item).ok()?;
            let number = self.index.number(row.key);
            self.new_stamp(number, row.stamp);
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
