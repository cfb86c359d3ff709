use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::feed::{Rows, Selector};
use crate::kind::{Change, Object, Row, Rv, by_name};

/// Counts the sources that were started, and those that run.
#[derive(Default)]
struct Counting {
    started: AtomicUsize,
    running: Arc<()>,
}

impl Sources for Counting {
    fn knows(&self, _: &str) -> bool {
        true
    }

    fn start(&self, _: Arc<Trunk>) -> Option<Running> {
        self.started.fetch_add(1, Relaxed);
        Some(Running(Box::new(self.running.clone())))
    }
}

impl Counting {
    fn running(&self) -> usize {
        Arc::strong_count(&self.running) - 1
    }
}

const LINGER: Duration = Duration::from_mins(5);

fn hub() -> (Arc<Hub>, Arc<Counting>) {
    let sources = Arc::new(Counting::default());
    let limits = Limits { linger: LINGER, feeds: 100, selectors: 2, journal_total: usize::MAX };
    (Hub::new(sources.clone(), Shared::without_cores(), limits).0, sources)
}

fn key(kind: &str, rows: Rows, selector: &str) -> FeedKey {
    let kind = by_name(kind).expect("a kind");
    FeedKey::own("east".into(), kind).showing(rows, Selector::parse(selector).expect("a selector"))
}

#[test]
fn feeds_of_one_kind_share_a_source_which_ends_with_the_last() {
    let (hub, sources) = hub();
    for (rows, selector) in [(Rows::Full, ""), (Rows::Plain, ""), (Rows::Plain, "a"), (Rows::Full, "a")] {
        hub.open(&key("pods", rows, selector)).expect("a feed");
    }
    assert_eq!((hub.count(), sources.started.load(Relaxed), sources.running()), (4, 1, 1));
    hub.open(&key("services", Rows::Plain, "")).expect("a feed");
    assert_eq!(sources.running(), 2, "each kind has its own");
    let shown: Vec<_> = hub.feeds().iter().map(|feed| (feed.key.kind.name, feed.key.rows)).collect();
    assert_eq!(
        (shown[0], shown[1]),
        (("pods", Rows::Plain), ("pods", Rows::Full)),
        "the plain one comes first"
    );
    hub.publish(&mut hub.lock());
    let of_source = hub.find_of_source(&key("pods", Rows::Full, "b")).expect("it runs");
    assert_eq!(of_source.key.kind.name, "pods");

    let now = Instant::now();
    hub.keep(&[key("pods", Rows::Plain, "")]);
    hub.tick(now);
    hub.tick(now + LINGER);
    assert_eq!((hub.count(), sources.running()), (1, 1), "what is kept stays, and its source");
    hub.end_cluster("east");
    assert_eq!((hub.count(), sources.running()), (0, 0));
    hub.publish(&mut hub.lock());
    assert!(hub.find_of_source(&key("pods", Rows::Plain, "")).is_none());
    hub.open(&key("pods", Rows::Plain, "")).expect("a feed");
    assert_eq!((sources.started.load(Relaxed), sources.running()), (3, 1), "a new one");
}

#[test]
fn a_selector_that_nobody_uses_makes_room_for_another() {
    let (hub, _) = hub();
    let open = |selector: &str, rows: Rows| hub.open(&key("pods", rows, selector)).map(drop);
    assert_eq!(open("a", Rows::Plain), Ok(()));
    let now = Instant::now();
    hub.tick(now);
    assert_eq!(open("b", Rows::Plain), Ok(()));
    assert_eq!(open("b", Rows::Full), Ok(()), "it is the same selector");
    hub.tick(now + Duration::from_secs(1));
    assert_eq!(open("b", Rows::Full), Ok(()), "one of its feeds is in use");
    assert_eq!(open("c", Rows::Plain), Ok(()), "in the place of the one that was idle for longest");
    hub.publish(&mut hub.lock());
    assert!(hub.find(&key("pods", Rows::Plain, "a")).is_none());
    assert_eq!(open("d", Rows::Plain), Err(Refusal::TooManySelectors), "all are in use");
    assert_eq!(open("", Rows::Full), Ok(()), "which is no selector");
    hub.tick(now + Duration::from_secs(2));
    assert_eq!(open("d", Rows::Plain), Ok(()));
    assert_eq!(hub.count(), 3, "both feeds of a selector end with it");
}

#[tokio::test]
async fn the_directory_is_made_once_a_turn_however_many_feeds_come_and_go() {
    let sources = Arc::new(Counting::default());
    let limits = Limits { linger: LINGER, feeds: 10_000, selectors: 2, journal_total: usize::MAX };
    let (hub, task) = Hub::new(sources, Shared::without_cores(), limits);
    let of = |cluster: usize| FeedKey::own(format!("c{cluster}").into(), by_name("pods").expect("a kind"));
    let mut task = std::pin::pin!(task);
    let mut turns = || {
        let mut look = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(task.as_mut().poll(&mut look).is_pending());
    };
    let made = |before: &Arc<Directory>| usize::from(!Arc::ptr_eq(before, &hub.directory.load_full()));
    turns();
    let empty = hub.directory.load_full();
    for cluster in 0..1000 {
        hub.open(&of(cluster)).expect("a feed");
    }
    assert_eq!(
        (made(&empty), hub.find(&of(7)).is_some(), hub.count()),
        (0, false, 1000),
        "none by those who open"
    );
    turns();
    let full = hub.directory.load_full();
    assert!((0..1000).all(|cluster| hub.find(&of(cluster)).is_some()), "one turn shows all");
    hub.open(&of(7)).expect("the same feed");
    turns();
    assert_eq!(made(&full), 0, "where nothing is new, none");
    for cluster in 0..1000 {
        hub.end_cluster(&format!("c{cluster}"));
    }
    assert_eq!((made(&full), hub.count()), (0, 0));
    turns();
    assert_eq!(hub.find(&of(7)).map(|feed| feed.key.clone()), None);
}

#[test]
fn a_turn_answers_many_who_ask_for_feeds_and_shows_them_first() {
    let (post, received) = Post::new(crate::feed::post::Bell::new().expect("a descriptor"));
    let shared = Shared { posts: Arc::new([post]), ..Shared::without_cores() };
    let limits = Limits { linger: LINGER, feeds: 2, selectors: 2, journal_total: usize::MAX };
    let hub = Hub::new(Arc::new(Counting::default()), shared, limits).0;
    let kinds = ["pods", "services", "nodes"].map(|kind| key(kind, Rows::Plain, ""));
    let mut asks = kinds.iter().map(|key| Ask::Open(0, key.clone())).collect();
    hub.answer(&mut asks);
    assert!(asks.is_empty() && hub.find(&kinds[1]).is_some());
    let answers: Vec<bool> = received
        .try_iter()
        .map(|mail| match mail {
            Mail::Opened(_, feed) => feed.is_ok(),
            _ => panic!("another mail"),
        })
        .collect();
    assert_eq!(answers, [true, true, false], "each has its answer, in order; there is room for two");
}

#[test]
fn the_past_goes_before_anybody_is_refused() {
    let ledger = crate::feed::Ledger::new(1 << 20);
    let shared = Shared { ledger: ledger.clone(), ..Shared::without_cores() };
    let limits = Limits { linger: LINGER, feeds: 100, selectors: 2, journal_total: usize::MAX };
    let hub = Hub::new(Arc::new(Counting::default()), shared, limits).0;
    let feed = hub.open(&key("pods", Rows::Plain, "")).expect("a feed");
    feed.replace(Rv(1), Vec::new(), None);
    for rv in 2..4000 {
        let row = Row::fixed(format!(r#"{{"rv":{rv},"more":"{}"}}"#, "x".repeat(300)).into_bytes());
        let object = Object { namespace: "n".into(), name: "one".into(), rv: Rv(rv), row, details: None };
        feed.apply(&mut vec![Change::Put(object)]);
    }
    assert!(ledger.is_full());
    assert!(hub.open(&key("services", Rows::Plain, "")).is_err());
    hub.tick(Instant::now());
    assert!(!ledger.is_full() && feed.figures().journal_blocks > 1, "as much as has to, and no more");
    assert!(hub.open(&key("services", Rows::Plain, "")).is_ok());
}
