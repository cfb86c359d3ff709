//! From a block to a stream's next send, and from a head to a stream.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use foretop::core::dispatch::dispatch;
use foretop::core::limiter::Limiter;
use foretop::core::log::{Cursor, Log};
use foretop::core::request::{self, Longest, Parsed};
use foretop::core::view::{FollowedFeed, View, ViewId, ViewKey};
use foretop::feed::block::{Block, Place};
use foretop::feed::journal::Mirror;
use foretop::feed::{Feed, FeedKey, Scope, Shared};
use foretop::kind::{self, Rv};
use foretop::wire::sse::Framing;

use super::feed::block;

/// A feed that is followed, and the views of it: one of each namespace, each with one stream in its log.
struct Followed {
    feed: FollowedFeed,
    views: Vec<Option<View>>,
}

impl Followed {
    fn with_views(namespaces: &[Arc<str>]) -> Self {
        let kind = kind::by_name("pods").expect("a kind");
        let feed = Feed::new(FeedKey::own("east".into(), kind), &Shared::without_cores());
        let mirror = Mirror::new(&feed.tail());
        let mut feed =
            FollowedFeed { feed, mirror, all: Vec::new(), by_namespace: HashMap::new(), away: false };
        let mut views = Vec::new();
        for (id, namespace) in (0 as ViewId..).zip(namespaces) {
            let scope = Scope::Namespace(namespace.clone());
            feed.add(&scope, id);
            let key = ViewKey { feed: 0, scope, framing: Framing::Chunked, lanes: None };
            let mut view = View::new(key, None, u64::from(id), 0, Rv(0));
            view.log.enter(0).expect("an empty log reaches everywhere");
            views.push(Some(view));
        }
        Followed { feed, views }
    }

    /// Takes a block, and lets the one stream of the first view have it.
    fn take(&mut self, block: &Block, cursor: Cursor) -> Cursor {
        for id in dispatch(block, &self.feed, &mut self.views, |_| false).touched {
            self.views[id as usize].as_mut().expect("it was touched").touched = false;
        }
        read(&mut self.views[0].as_mut().expect("the first view").log, cursor)
    }
}

/// Lets a stream have all that it has not seen.
fn read(log: &mut Log, cursor: Cursor) -> Cursor {
    match black_box(log.unseen(cursor)).len() {
        0 => cursor,
        unseen => log.advance(cursor, unseen),
    }
}

fn dispatched(others: usize, namespace: &str) -> Box<dyn FnMut()> {
    let namespaces: Vec<Arc<str>> = (0..=others).map(|number| format!("team-{number}").into()).collect();
    let mut followed = Followed::with_views(&namespaces);
    let namespace: Arc<str> = namespace.into();
    let mut cursor = Cursor { segment: 0, offset: 0 };
    let mut block = block(0, &namespace);
    Box::new(move || {
        cursor = followed.take(black_box(&block), cursor);
        block.place += 1;
    })
}

pub fn dispatch_alone() -> Box<dyn FnMut()> {
    dispatched(0, "team-0")
}

pub fn dispatch_among_100() -> Box<dyn FnMut()> {
    dispatched(100, "team-0")
}

pub fn dispatch_among_10_000() -> Box<dyn FnMut()> {
    dispatched(10_000, "team-0")
}

pub fn dispatch_unwatched() -> Box<dyn FnMut()> {
    dispatched(100, "nobody")
}

/// A frame comes into a log, and each of its streams gets it.
fn lap(streams: usize) -> Box<dyn FnMut()> {
    let (mut log, mut place) = (Log::new(0), 0 as Place);
    let mut cursors: Vec<Cursor> = (0..streams).map(|_| log.enter(0).expect("an empty log")).collect();
    let frame = vec![b'x'; 250];
    Box::new(move || {
        log.append(black_box(&frame), place);
        place += 1;
        for cursor in &mut cursors {
            *cursor = read(&mut log, *cursor);
        }
    })
}

pub fn lap_of_100() -> Box<dyn FnMut()> {
    lap(100)
}

pub fn lap_of_10_000() -> Box<dyn FnMut()> {
    lap(10_000)
}

/// What Firefox sends when it opens a stream behind a proxy that signs people in.
const HEAD: &[u8] = b"GET /api/clusters/east/pods/watch?namespace=search HTTP/1.1\r\nHost: foretop.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0\r\nAccept: text/event-stream\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://foretop.example/\r\n\
    Connection: keep-alive\r\nCookie: __Host-foretop=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n\
    Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nLast-Event-ID: 1234567\r\n\
    Cache-Control: no-cache\r\nX-Forwarded-For: 192.0.2.7\r\nX-Request-Id: 7f3c9a52\r\n\r\n";

pub fn head() -> Box<dyn FnMut()> {
    let longest = Longest { head: 16 * 1024, target: 8 * 1024 };
    Box::new(move || {
        let mut headers = request::no_headers();
        let Parsed::Whole(head) = request::parse(black_box(HEAD), longest, &mut headers) else {
            panic!("a whole head")
        };
        black_box((head.route(), head.resume_id(), head.namespaces().count()));
    })
}

pub fn limit() -> Box<dyn FnMut()> {
    let names: Vec<Arc<str>> =
        (0..10_000).map(|number| format!("user-{number}@foretop.example").into()).collect();
    let mut limiter = Limiter::new(60, 240);
    for name in &names {
        limiter.acquire(name).expect("the first of sixty");
    }
    let mut next = 0;
    Box::new(move || {
        next = (next + 4099) % names.len();
        let user = limiter.acquire(black_box(&names[next])).expect("the second of sixty");
        limiter.release(user);
    })
}
