//! From a line to a block, and from an id to a place.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use foretop::feed::block::{Block, Content, Frame, Place};
use foretop::feed::journal::{Bounds, Journal, Mirror};
use foretop::feed::ledger::{Ledger, Thing};
use foretop::feed::post::{Bell, Post};
use foretop::feed::{Feed, FeedKey, Scope, Shared};
use foretop::kind::{self, Change, Kind, Object, Row, Rv};
use foretop::wire::sse::{self, Op};

use super::lines;

fn pods() -> &'static Kind {
    kind::by_name("pods").expect("a kind")
}

fn decode(line: Vec<u8>) -> Box<dyn FnMut()> {
    Box::new(move || {
        black_box((pods().decode_line)(black_box(&line)).expect("a line"));
    })
}

pub fn decode_pod() -> Box<dyn FnMut()> {
    decode(lines::POD.to_vec())
}

pub fn decode_recorded() -> Box<dyn FnMut()> {
    decode(lines::recorded(pods()))
}

pub fn project_pod() -> Box<dyn FnMut()> {
    decode(lines::BARE_POD.to_vec())
}

/// A feed of pods that has had its first list.
fn feed(shared: &Shared) -> Arc<Feed> {
    let feed = Feed::new(FeedKey::own("east".into(), pods()), shared);
    feed.replace(Rv(1), Vec::new(), None);
    feed
}

fn put(line: &[u8], version: u128) -> Object {
    match (pods().decode_line)(line).expect("a line") {
        Change::Put(object) => Object { rv: Rv(version), ..object },
        other => panic!("{other:?}"),
    }
}

/// Decodes one of two lines in turn and gives it to a feed.
fn lines_to(feed: Arc<Feed>, lines: [Vec<u8>; 2]) -> Box<dyn FnMut()> {
    let (mut version, mut changes) = (1, Vec::new());
    Box::new(move || {
        version += 1;
        let line = &lines[usize::from(version % 2 == 0)];
        changes.push(Change::Put(put(black_box(line), version)));
        feed.apply(&mut changes);
    })
}

/// A pod line, and in turn the same with another row, decoded and put into a feed: a frame in its journal each.
pub fn to_frame(line: &[u8]) -> Box<dyn FnMut()> {
    let text = std::str::from_utf8(line).expect("a line is text");
    let other = text.replace("\"restartCount\":", "\"restartCount\":1");
    assert_ne!(text, other, "the two lines have different rows");
    lines_to(feed(&Shared::without_cores()), [text.into(), other.into()])
}

pub fn line_to_frame() -> Box<dyn FnMut()> {
    to_frame(lines::POD)
}

pub fn suppressed() -> Box<dyn FnMut()> {
    lines_to(feed(&Shared::without_cores()), [lines::POD.to_vec(), lines::POD.to_vec()])
}

pub fn encode() -> Box<dyn FnMut()> {
    let (row, mut out) = (vec![b'x'; 250], Vec::new());
    let mut version = 1_000_000;
    Box::new(move || {
        version += 1;
        out.clear();
        black_box(sse::write_delta(&mut out, Op::Modified, Some(Rv(version)), black_box(&row)));
    })
}

/// The block of one frame that has this place.
pub fn block(place: Place, namespace: &Arc<str>) -> Block {
    let mut bytes = Vec::new();
    let rv = Rv(u128::from(place) + 1);
    let written = sse::write_delta(&mut bytes, Op::Modified, Some(rv), &[b'x'; 250]);
    let row = u16::try_from(written.row).expect("the lines before the row are short");
    let frame = Frame { rv, namespace: namespace.clone(), object: place % 500, at: 0, row, op: Op::Modified };
    Block::new(place, vec![frame], bytes, (Rv(u128::from(place)), rv), Content::Events, Instant::now())
}

pub fn append() -> Box<dyn FnMut()> {
    let namespace: Arc<str> = "search".into();
    let charge = Ledger::new(usize::MAX).charge(Thing::Journals, 0);
    let mut journal = Journal::new(Arc::new(block(0, &namespace)), charge);
    let mut place = 0;
    Box::new(move || {
        place += 1;
        journal.append(Arc::new(block(place, &namespace)));
    })
}

/// Rows that differ in turn, given to a feed of so many cores of which none follows.
fn rows_to(cores: usize) -> Box<dyn FnMut()> {
    // Nobody reads this mail: there is none.
    let post = |_| Post::new(Bell::new().expect("a descriptor")).0;
    let shared = Shared { posts: (0..cores).map(post).collect(), ..Shared::without_cores() };
    let feed = feed(&shared);
    let (mut version, mut changes) = (1, Vec::new());
    Box::new(move || {
        version += 1;
        let row = Row::fixed(vec![if version % 2 == 0 { b'x' } else { b'y' }; 250]);
        let object =
            Object { namespace: "search".into(), name: "api-0".into(), rv: Rv(version), row, details: None };
        changes.push(Change::Put(object));
        feed.apply(&mut changes);
    })
}

pub fn no_cores() -> Box<dyn FnMut()> {
    rows_to(0)
}

pub fn idle_cores() -> Box<dyn FnMut()> {
    rows_to(64)
}

pub fn resume() -> Box<dyn FnMut()> {
    const FRAMES: Place = 10_000;
    let namespaces: Vec<Arc<str>> = (0..100).map(|number| format!("team-{number}").into()).collect();
    let charge = Ledger::new(usize::MAX).charge(Thing::Journals, 0);
    let of = |place: Place| Arc::new(block(place, &namespaces[place as usize % namespaces.len()]));
    let mut journal = Journal::new(of(0), charge);
    (1..FRAMES).for_each(|place| journal.append(of(place)));
    // As after a while: something was evicted of every namespace.
    journal
        .evict(Bounds { age: std::time::Duration::MAX, bytes: journal.size().0 - 100_000 }, Instant::now());
    let tail = journal.tail(false);
    let mirror = Mirror::new(&tail);
    let scope = Scope::Namespace(namespaces[7].clone());
    let mut version = 0;
    Box::new(move || {
        version = (version + 4099) % u128::from(FRAMES);
        // The journal is only there to be kept.
        black_box((mirror.find(&tail, black_box(&scope), Rv(version)), &journal));
    })
}
