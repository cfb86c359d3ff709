//! Very many tabs, each as cheap as can be: a socket and the bytes that came.
//!
//! What they show is worked out only when it is asked for, and once for all tabs that got the same bytes. A condition is a
//! text that the stream must have brought: tests write a marker, and wait until every tab has it.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use foretop::config::{AuthMode, Config};
use memchr::memmem::Finder;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, unconstrained};
use xxhash_rust::xxh3::xxh3_64;

use crate::house::{self, patient};
use crate::tab::Open;
use crate::tab::http::{Body, Head, Version};
use crate::tab::socket::Socket;
use crate::tab::sse::{Event, Item, Parser};
use crate::tab::state::{End, State};

/// Users among whom the tabs are shared out, so that every core has some.
const USERS: usize = 64;

/// Connections that are being opened at once, where it is no storm.
const AT_ONCE: usize = 256;

/// A TLS listener has no more handshakes than 128 under way with one address, from which all tabs of a test come.
const HANDSHAKES_AT_ONCE: usize = 100;

/// A server that lets a crowd in: its users come by a header, and may have as many tabs as they like.
pub fn config() -> Config {
    let mut config = house::config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block of addresses")];
    config.streams.per_user = 0;
    config
}

/// One tab of a crowd.
struct Light {
    open: Open,
    socket: Option<Box<dyn Socket>>,
    /// All that came on this connection.
    bytes: Vec<u8>,
    /// How far texts that were waited for have been looked for.
    looked: usize,
    /// What it showed when the connection before was lost.
    before: Arc<State>,
    closed: bool,
}

impl Light {
    async fn connect(&mut self) {
        let last_id = self.before.last_id.clone();
        let (mut socket, _) = self.open.send(&last_id).await.expect("the server accepts");
        if house::are_over_tls() {
            // For the server a handshake is over only once it has read what the client sent last.
            socket.read_buf(&mut self.bytes).await.expect("the beginning of an answer");
        }
        self.socket = Some(socket);
    }

    /// Reads until the text has come, which is looked for behind the last one.
    async fn until(&mut self, text: &Finder<'_>) -> bool {
        loop {
            if let Some(at) = text.find(&self.bytes[self.looked..]) {
                self.looked += at + text.needle().len();
                return true;
            }
            // What is looked for may have come in part.
            self.looked = self.bytes.len().saturating_sub(text.needle().len()).max(self.looked);
            let Some(socket) = &mut self.socket else { return false };
            match socket.read_buf(&mut self.bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => {
                    self.closed = true;
                    return text.find(&self.bytes[self.looked..]).is_some();
                }
            }
        }
    }

    /// Takes what is there.
    fn take(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let reading = pin!(unconstrained(socket.read_buf(&mut self.bytes)));
            match reading.poll(&mut context) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Pending => return,
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    /// What the stream has said on this connection, and whether it came to its proper end.
    fn said(&self) -> (Vec<Item>, bool) {
        let Some((head, length)) = Head::parse(&self.bytes).expect("a head") else {
            return (Vec::new(), false);
        };
        assert_eq!(head.status, 200, "{head:?}");
        let mut body = Body::of(&head, Version::Http11).expect("a body");
        let (mut events, mut items) = (Vec::new(), Vec::new());
        body.take(&self.bytes[length..], &mut events).expect("chunks");
        Parser::default().take(&events, &mut items);
        (items, body.is_done())
    }

    /// What it shows, from the bytes alone.
    fn state(&self) -> State {
        let mut state = State::clone(&self.before);
        state.lose();
        let (items, done) = self.said();
        items.into_iter().for_each(|item| state.apply(item));
        state.end = self.closed.then_some(if done { End::Closed } else { End::Cut });
        state
    }

    /// What tells its bytes from others': head and `retry:` are each tab's own.
    fn fingerprint(&self) -> (usize, u64, bool) {
        let own = memchr::memmem::find(&self.bytes, b"retry: ").unwrap_or(0);
        let shared = memchr::memchr(b'\n', &self.bytes[own..]).map_or(0, |end| own + end);
        (Arc::as_ptr(&self.before) as usize, xxh3_64(&self.bytes[shared..]), self.closed)
    }
}

/// Many tabs on one path.
pub struct Crowd {
    tabs: Vec<Light>,
}

impl Crowd {
    /// Opens so many tabs, and waits until each has its snapshot.
    pub async fn open(address: SocketAddr, cluster: &str, kind: &str, count: usize) -> Crowd {
        let fresh = Arc::new(State::new(kind));
        let tab = |number: usize| Light {
            open: Open::watch(address, cluster, kind, None)
                .header("X-Forwarded-User", &format!("user-{}", number % USERS)),
            socket: None,
            bytes: Vec::new(),
            looked: 0,
            before: fresh.clone(),
            closed: false,
        };
        let mut crowd = Crowd { tabs: (0..count).map(tab).collect() };
        crowd.connect(AT_ONCE).await;
        crowd.until("a snapshot", "event: snapshot").await;
        crowd
    }

    /// How many tabs there are.
    pub fn len(&self) -> usize {
        self.tabs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tabs.is_empty()
    }

    /// Every tab connects and sends its request, so many at a time.
    async fn connect(&mut self, at_once: usize) {
        let at_once = if house::are_over_tls() { at_once.min(HANDSHAKES_AT_ONCE) } else { at_once };
        let turns = Arc::new(Semaphore::new(at_once));
        self.each("a connection", move |mut tab| {
            let turns = turns.clone();
            async move {
                let _turn = turns.acquire_owned().await.expect("the semaphore is never closed");
                tab.connect().await;
                (tab, true)
            }
        })
        .await;
    }

    async fn each<W>(&mut self, what: &str, work: impl Fn(Light) -> W)
    where
        W: Future<Output = (Light, bool)> + Send + 'static,
    {
        let mut set = JoinSet::new();
        for tab in self.tabs.drain(..) {
            set.spawn(work(tab));
        }
        let done = patient(what, set.join_all()).await;
        let failed = done.iter().find(|(_, reached)| !reached).map(|(tab, _)| {
            let last =
                String::from_utf8_lossy(&tab.bytes[tab.bytes.len().saturating_sub(500)..]).into_owned();
            format!("{what}: a tab ended before, with {last:?}")
        });
        self.tabs = done.into_iter().map(|(tab, _)| tab).collect();
        assert_eq!(failed, None);
    }

    /// Waits until every tab was sent this text, behind the one that was waited for before.
    pub async fn until(&mut self, what: &str, text: &str) {
        let text = Arc::new(Finder::new(text.as_bytes()).into_owned());
        self.each(what, move |mut tab| {
            let text = text.clone();
            async move {
                let reached = tab.until(&text).await;
                (tab, reached)
            }
        })
        .await;
    }

    /// Closes every connection, as a proxy does that is restarted.
    pub fn disconnect(&mut self) {
        for (tab, state) in self.states_by_tab() {
            let tab = &mut self.tabs[tab];
            *tab = Light {
                open: tab.open.clone(),
                socket: None,
                bytes: Vec::new(),
                looked: 0,
                before: state,
                closed: false,
            };
        }
    }

    /// All connect at once, each with its newest id.
    pub async fn storm(&mut self) {
        let all = self.tabs.len();
        self.connect(all).await;
    }

    /// Bytes that have come so far, over all tabs.
    pub fn bytes(&mut self) -> usize {
        self.tabs
            .iter_mut()
            .map(|tab| {
                tab.take();
                tab.bytes.len()
            })
            .sum()
    }

    /// How often the text has come on the present connections, per tab.
    pub fn counts(&self, text: &str) -> Vec<usize> {
        let finder = Finder::new(text.as_bytes());
        self.tabs.iter().map(|tab| finder.find_iter(&tab.bytes).count()).collect()
    }

    /// The events of the present connections, bookmarks aside, each distinct history once.
    pub fn histories(&mut self) -> Vec<Vec<Event>> {
        let mut distinct = HashMap::new();
        for tab in &mut self.tabs {
            tab.take();
            distinct.entry(tab.fingerprint()).or_insert_with(|| events(tab.said().0));
        }
        distinct.into_values().collect()
    }

    /// What the tabs show, each distinct state once.
    pub fn states(&mut self) -> Vec<Arc<State>> {
        let mut distinct: Vec<Arc<State>> = Vec::new();
        for (_, state) in self.states_by_tab() {
            if !distinct.iter().any(|known| Arc::ptr_eq(known, &state)) {
                distinct.push(state);
            }
        }
        distinct
    }

    fn states_by_tab(&mut self) -> Vec<(usize, Arc<State>)> {
        let mut known = HashMap::new();
        let mut states = Vec::with_capacity(self.tabs.len());
        for (number, tab) in self.tabs.iter_mut().enumerate() {
            tab.take();
            let state = known.entry(tab.fingerprint()).or_insert_with(|| Arc::new(tab.state()));
            states.push((number, state.clone()));
        }
        states
    }
}

fn events(items: Vec<Item>) -> Vec<Event> {
    let event = |item| match item {
        Item::Event(event) if event.name != "bookmark" => Some(event),
        _ => None,
    };
    items.into_iter().filter_map(event).collect()
}
