//! A whole small world on one thread: a cluster with a history, a feed, the hub, one core and its tabs. Noitem happens by itself, so
//! that every order of items can be tried.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::super::join::{Bearer, Opening};
use super::super::pass::Pass;
use super::super::start::{self, Driver};
use super::super::{Core, Everywhere, list, listener, turn};
use super::tab::{Rows, Tab};
use crate::access::{Access, Asker, Grant, GrantKey, Ruling, Wanted};
use crate::audit::{Audit, Origin};
use crate::cluster::Clusters;
use crate::config;
use crate::feed::hub::{Hub, Limits, Running, Sources};
use crate::feed::ledger::{Ledger, Thing};
use crate::feed::post::Post;
use crate::feed::{Feed, FeedKey, KubeUser, Namespaces, Rows as Shown, Scope, Shared, State, Trunk};
use crate::identity::origin::Origins;
use crate::identity::{Authenticator, Identity, SessionRef};
use crate::kind::{self, Change, Kind, Listing, Object, Row, Rv};
use crate::wire::head::{self, Version};
use crate::wire::id::ResumeId;
use crate::wire::sse;

/// Rows of an events list.
pub const CAP: usize = 3;

static FEW_EVENTS: LazyLock<Kind> = LazyLock::new(|| {
    let events = kind::by_name("events").expect("a kind");
    Kind {
        name: events.name,
        group: events.group,
        api: events.api,
        wrapper: events.wrapper,
        namespaced: true,
        listing: Listing::NewestFirst { cap: CAP },
        decode_line: events.decode_line,
        decode_page: events.decode_page,
        detail_line: events.detail_line,
        detail_page: events.detail_page,
        own_owner: events.own_owner,
        row_version: events.row_version,
    }
});

struct NoSources;

impl Sources for NoSources {
    fn knows(&self, _: &str) -> bool {
        true
    }

    fn start(&self, _: Arc<Trunk>) -> Option<Running> {
        Some(Running(Box::new(())))
    }
}

/// An object as the cluster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    value: u8,
    pad: usize,
    /// When it last changed what it shows.
    changed: u64,
}

pub type Items = BTreeMap<(&'static str, &'static str), Item>;

/// A small world.
pub struct World {
    runtime: tokio::runtime::Runtime,
    hub: Arc<Hub>,
    pub core: Core,
    scratch: turn::Scratch,
    pub feed: Arc<Feed>,
    ledger: Arc<Ledger>,
    kind: &'static Kind,
    pub items: Items,
    rv: u128,
    epoch: u32,
    restored: bool,
    /// Every version of this epoch, as other replicas may have shown it.
    history: BTreeMap<u128, Items>,
    /// What the watch has still to say.
    unsaid: VecDeque<Change>,
    pub tabs: Vec<Tab>,
    ahead: Duration,
    feed_time: Duration,
    connections: usize,
}

pub const NAMESPACES: [&str; 3] = ["a", "a-b", "b"];
pub const NAMES: [&str; 3] = ["x", "y", "z"];
const USERS: [&str; 2] = ["u", "v"];
const PADS: [usize; 6] = [0, 30, 700, 3000, 20_000, 500_000];

impl World {
    pub fn new(events: bool, lag: usize, journal_bytes: usize) -> Self {
        World::with(&config::Config::default(), events, Shown::Plain, lag, journal_bytes)
    }

    /// Of the rows that multiplexed streams show.
    pub fn with_full_rows(lag: usize, journal_bytes: usize) -> Self {
        World::with(&config::Config::default(), false, Shown::Full, lag, journal_bytes)
    }

    /// Where every second tab is of another tenant, and each tenant's streams are sent so many bytes per second, of which the first has none yet.
    pub fn with_quota(bytes_per_second: usize, lag: usize, journal_bytes: usize) -> Self {
        let rule = |number: usize| config::TenantRule {
            name: USERS[number].into(),
            subjects: vec![USERS[number].into()],
            ..config::TenantRule::default()
        };
        let tenants =
            config::Tenants { rules: vec![rule(0), rule(1)], bytes_per_second, ..config::Tenants::default() };
        let config = config::Config { tenants, ..config::Config::default() };
        let world = World::with(&config, false, Shown::Plain, lag, journal_bytes);
        let first = world.core.everywhere.access.tenants.all().swap_remove(0);
        first.bytes.as_ref().expect("a quota").take(Instant::now(), bytes_per_second);
        world
    }

    fn with(config: &config::Config, events: bool, shown: Shown, lag: usize, journal_bytes: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (mut prepared, posts, handles) = start::prepare(1).expect("ends of a core");
        let ledger = Ledger::new(usize::MAX);
        let journal = config::Journal { max_bytes: journal_bytes, ..config::Journal::default() };
        let away_after = Duration::from_secs(15);
        let posts: Arc<[Post]> = posts.into();
        let shared = Shared {
            posts: posts.clone(),
            ledger: ledger.clone(),
            journal,
            away_after,
            lateness: Arc::default(),
        };
        let limits =
            Limits { linger: Duration::from_hours(1), feeds: 10, selectors: 0, journal_total: usize::MAX };
        let (hub, task) = Hub::new(Arc::new(NoSources), shared, limits);
        runtime.spawn(task);
        let streams = config::Streams {
            lag,
            window: Duration::ZERO,
            per_user: 0,
            stall: Duration::from_secs(1 << 30),
            ..config::Streams::default()
        };
        let kind: &'static Kind = if events { &FEW_EVENTS } else { kind::by_name("pods").expect("a kind") };
        let everywhere = Everywhere {
            streams,
            server: config::Server::default(),
            wait: Duration::from_hours(1),
            kinds: Arc::from([kind]),
            origins: Arc::new(Origins::new(&config::Server::default(), &config::Cors::default())),
            authenticator: Arc::new(
                Authenticator::new(&config::Config::default()).expect("dev needs nothing"),
            ),
            hub: hub.clone(),
            ledger: ledger.clone(),
            access: Access::new(config, Clusters::new(config::Upstream::default()), hub.clone(), posts),
            audit: Audit::off(),
            control: Arc::new(drop),
            elsewhere: Arc::new(|_| {}),
        };
        let socket = listener::listen(([127, 0, 0, 1], 0).into()).expect("a listener");
        let core =
            Core::new(prepared.remove(0), socket, everywhere, handles.into(), Driver::Epoll).expect("a core");
        let key = FeedKey::own("c".into(), kind).showing(shown, None);
        let feed = hub.open(&key).expect("a feed");
        let mut world = World {
            runtime,
            hub,
            core,
            scratch: turn::Scratch::default(),
            feed,
            ledger,
            kind,
            items: Items::new(),
            rv: 100,
            epoch: 0,
            restored: false,
            history: BTreeMap::new(),
            unsaid: VecDeque::new(),
            tabs: Vec::new(),
            ahead: Duration::ZERO,
            feed_time: Duration::ZERO,
            connections: 0,
        };
        world.remember();
        // What was opened is in the directory.
        world.answer();
        world
    }

    fn remember(&mut self) {
        self.history.insert(self.rv, self.items.clone());
    }

    fn object(namespace: &str, name: &str, item: &Item, rv: u128) -> Object {
        let pad = "p".repeat(item.pad);
        let Item { value, changed, .. } = item;
        let json = format!(
            r#"{{"namespace":"{namespace}","name":"{name}","value":{value},"order":{changed},"pad":"{pad}"}}"#
        );
        let order = i64::try_from(*changed).expect("small");
        let row = Row { order, ..Row::fixed(json.into_bytes()) };
        Object { namespace: namespace.into(), name: name.into(), rv: Rv(rv), row, details: None }
    }

    /// An object changes in the cluster, or is written without a change that shows.
    pub fn put(&mut self, namespace: usize, name: usize, value: u8, pad: usize) {
        let key = (NAMESPACES[namespace % NAMESPACES.len()], NAMES[name % NAMES.len()]);
        self.rv += 1;
        let pad = PADS[pad % PADS.len()];
        let mut item = Item { value, pad, changed: u64::try_from(self.rv).expect("small") };
        if let Some(known) = self.items.get(&key)
            && (known.value, known.pad) == (value, pad)
        {
            item.changed = known.changed;
        }
        self.unsaid.push_back(Change::Put(Self::object(key.0, key.1, &item, self.rv)));
        self.items.insert(key, item);
        self.remember();
    }

    pub fn delete(&mut self, namespace: usize, name: usize) {
        let key = (NAMESPACES[namespace % NAMESPACES.len()], NAMES[name % NAMES.len()]);
        let Some(item) = self.items.remove(&key) else { return };
        self.rv += 1;
        self.unsaid.push_back(Change::Deleted(Self::object(key.0, key.1, &item, self.rv)));
        self.remember();
    }

    /// Someitem that is no object of this kind moves the version; the watch says so.
    pub fn bookmark(&mut self) {
        self.rv += 3;
        self.unsaid.push_back(Change::Bookmark { rv: Rv(self.rv), initial_events_end: false });
        self.remember();
    }

    /// The watch says some of what it has to say, in one batch.
    pub fn deliver(&mut self, most: usize) {
        if self.feed.cursor().is_none() {
            return;
        }
        let mut batch: Vec<_> = self.unsaid.drain(..most.min(self.unsaid.len())).collect();
        self.feed.apply(&mut batch);
    }

    /// The reflector lists anew.
    pub fn relist(&mut self) {
        self.unsaid.clear();
        let objects =
            self.items.iter().map(|(key, item)| Self::object(key.0, key.1, item, self.rv)).collect();
        self.feed.replace(Rv(self.rv), objects, Some(&format!("epoch-{}", self.epoch)));
    }

    /// The cluster is restored from a backup: versions fall, or begin anew. The feed has seen all that was before: of ids that it never
    /// knew it cannot tell from which of the two they come.
    pub fn restore(&mut self, falls_by: u128, same_epoch: bool) {
        self.relist();
        self.restored = true;
        self.rv = self.rv.saturating_sub(falls_by).max(1);
        if !same_epoch {
            self.epoch += 1;
        }
        let old = self.history.range(..=self.rv).next_back().map(|(_, items)| items.clone());
        self.items = old.unwrap_or_default();
        self.history.clear();
        self.remember();
        self.relist();
    }

    /// The apiserver cannot be reached for so many seconds.
    pub fn away(&mut self, seconds: u64) {
        self.feed.set_state(State::Away { why: "test".into() });
        self.tick(seconds);
    }

    pub fn forbid(&mut self) {
        self.feed.set_state(State::Forbidden);
    }

    /// Time passes for the feed.
    pub fn tick(&mut self, seconds: u64) {
        self.feed_time += Duration::from_secs(seconds);
        self.feed.tick(Instant::now() + self.feed_time);
    }

    /// The cluster is taken out of the registry and put in again.
    pub fn replace_feed(&mut self) {
        if self.restored {
            return;
        }
        self.hub.end_cluster("c");
        self.feed = self.hub.open(&self.feed.key.clone()).expect("a feed");
        self.answer();
    }

    /// There is no feed until somebody asks for one.
    pub fn remove_feed(&mut self) {
        self.hub.end_cluster("c");
    }

    /// The hub answers what it was asked.
    pub fn answer(&mut self) {
        self.runtime.block_on(async {
            for _ in 0..6 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// A turn of the core.
    pub fn turn(&mut self) {
        self.core.take_events(&mut self.scratch, &|_| {});
        self.core.send_batch(&mut self.scratch);
    }

    /// Every view beats, before anything else is due.
    pub fn heartbeat(&mut self) {
        let views: Vec<_> = (0u32..)
            .zip(&self.core.views)
            .filter_map(|(id, view)| Some((id, view.as_ref()?.serial)))
            .collect();
        for (id, serial) in views {
            self.core.heartbeat(id, serial, Instant::now());
        }
    }

    /// Time passes for the core.
    pub fn pass(&mut self, time: Duration) {
        self.ahead += time;
        self.core.beat_at(Instant::now() + self.ahead);
    }

    /// A heartbeat of every view, now.
    pub fn ping(&mut self) {
        let views: Vec<_> =
            (0..).zip(&self.core.views).filter(|(_, view)| view.is_some()).map(|(id, _)| id).collect();
        for view in views {
            self.core.ping_waiting(view);
        }
    }

    /// A tab opens, with an id that another replica gave it or without one.
    pub fn open(&mut self, scope: usize, http10: bool, elsewhere: Option<usize>) {
        let scope = scope_of(scope);
        let version = if http10 { Version::Http10 } else { Version::Http11 };
        let mut tab = Tab::new(scope, version);
        if let Some(which) = elsewhere {
            let (rv, items) = self.history.iter().nth(which % self.history.len()).expect("never empty");
            tab.rows = rows(items, &tab.scope, self.kind.listing);
            tab.oldest = oldest(&tab.rows, self.kind.listing);
            tab.id = Some(id_of(*rv, &tab.scope));
            tab.loaded = true;
        }
        self.tabs.push(tab);
        self.connect(self.tabs.len() - 1);
    }

    /// A tab without a stream opens one.
    pub fn connect(&mut self, index: usize) {
        if self.tabs[index].stream.is_some() {
            return;
        }
        self.connections += 1;
        self.tabs[index].who = format!("connection-{}", self.connections);
        let pass = self.right(index);
        let tab = &mut self.tabs[index];
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        socket2::SockRef::from(&ours).set_send_buffer_size(4096).expect("a small buffer");
        tab.connected(theirs);
        let opening = Opening {
            bearer: Bearer::Socket(ours.into()),
            pass,
            version: tab.version,
            resume: tab.id.as_deref().and_then(|id| ResumeId::parse(id.as_bytes())),
            from: Origin::unknown(),
        };
        let mut first = head::stream(tab.version, "-", &[], &[]).into_bytes();
        match tab.version {
            Version::Http11 => sse::write_retry(&mut first, 2000),
            Version::Http10 => first.extend_from_slice(b"retry: 2000\n"),
        }
        self.core.open(self.feed.key.clone(), opening, &first);
        self.tabs[index].read_head();
    }

    /// What a tab's user may see is another set of namespaces now, or all of them.
    pub fn rescope(&mut self, index: usize, number: usize) {
        let scope = if number == 0 { Scope::All } else { set_of(number) };
        let tab = &self.tabs[index];
        if matches!(tab.scope, Scope::Namespace(_)) || tab.stream.is_none() {
            return;
        }
        let key = self.question(index);
        let sent = self.sent_by(&key);
        self.tabs[index].rescoped(scope.clone(), sent);
        self.core.ruled(Arc::new(Grant::new(key, Ruling::Allowed(scope))));
        self.core.carry_out_rulings();
    }

    /// Bytes that a connection was sent behind its head. `None`: it is closed.
    fn sent_by(&self, key: &GrantKey) -> Option<usize> {
        let is_by = |pass| self.core.passes.grant_of(pass).is_some_and(|grant| grant.key == *key);
        if self.core.opening.values().flatten().any(|opening| is_by(opening.pass)) {
            return Some(0);
        }
        let (_, slot) = self.core.slots.iter().find(|(_, slot)| is_by(slot.pass))?;
        Some(usize::try_from(slot.sent).expect("small"))
    }

    /// Whose tab it is.
    pub fn who(index: usize) -> Identity {
        Identity {
            subject: USERS[index % 2].into(),
            email: "".into(),
            groups: Arc::default(),
            session: Some(SessionRef { id: 7, began: 100, until: u64::MAX / 1000, provider: None }),
            until: Some(u64::MAX / 1000),
        }
    }

    /// What is asked for a tab's connection. Each is a user of its own to the cluster, so that their rights change one by one.
    pub fn question(&self, index: usize) -> GrantKey {
        let tab = &self.tabs[index];
        let user = KubeUser { name: tab.who.as_str().into(), groups: Box::default() };
        let wanted = match &tab.scope {
            Scope::All | Scope::Set(_) => Wanted::Everything,
            Scope::Namespace(name) => Wanted::Namespaces(Namespaces::new([name.clone()]).expect("one name")),
        };
        GrantKey { cluster: "c".into(), kind: self.kind, asker: Asker::User(Arc::new(user)), wanted }
    }

    /// The right by which a tab's connection is open.
    fn right(&mut self, index: usize) -> Pass {
        let who = Self::who(index);
        let user = self.core.limiter.acquire(&who.subject).expect("no limit");
        let tenant = self.core.everywhere.access.tenants.of(&who).cloned().expect("there is one of everyone");
        tenant.open(0).expect("no quota");
        let grant = Grant::new(self.question(index), Ruling::Allowed(self.tabs[index].scope.clone()));
        self.core.passes.acquire(user, tenant, &who, Arc::new(grant))
    }

    /// Every stream is told that the server goes, and every tab listens to the end.
    pub fn shut_down(&mut self) {
        let names: Vec<_> = self.core.slots.iter().map(|(id, _)| self.core.slots.name(id)).collect();
        for name in names {
            self.core.drain_stream(name);
        }
        let mut quiet = 0;
        while quiet < 3 {
            self.turn();
            let read = self.tabs.iter_mut().fold(false, |read, tab| tab.read(1 << 16) | read);
            quiet = if read { 0 } else { quiet + 1 };
        }
        for tab in &self.tabs {
            assert!(tab.stream.is_none(), "it is closed");
            assert!(tab.disconnected || tab.is_whole(), "it ends between two events; heard {:#?}", tab.heard);
        }
    }

    /// Bytes that the core's logs and segments take.
    pub fn logs(&self) -> usize {
        self.ledger.spent(Thing::Logs)
    }

    /// What a list of all namespaces answers, once it is here.
    pub fn list(&mut self) -> Rc<RefCell<list::Answer>> {
        let answer = Rc::default();
        self.core.ask_list(self.feed.key.clone(), Scope::All, Rc::clone(&answer));
        answer
    }

    /// Everyitem that was begun is brought to its end.
    pub fn settle(&mut self) {
        if self.feed.state() == State::Live {
            self.deliver(usize::MAX);
        } else {
            self.relist();
        }
        self.drain();
        for index in 0..self.tabs.len() {
            self.connect(index);
        }
        self.drain();
        self.pass(Duration::from_secs(100));
        self.drain();
    }

    pub fn drain(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            self.answer();
            self.turn();
            self.pass(Duration::from_millis(200));
            let mut read = false;
            for tab in &mut self.tabs {
                while tab.read(65536) {
                    read = true;
                }
            }
            quiet = if read { 0 } else { quiet + 1 };
        }
    }

    /// Every open tab shows what a list would show.
    pub fn check(&self) {
        for (index, tab) in self.tabs.iter().enumerate() {
            let all = rows(&self.items, &tab.scope, Listing::ByKey);
            let told = || format!("tab {index} ({:?}) heard {:#?}", tab.scope, tab.heard);
            assert!(tab.stream.is_some(), "it is open; {}", told());
            assert!(tab.live, "its badge is live; {}", told());
            for (key, row) in &tab.rows {
                assert_eq!(all.get(key), Some(row), "{key} is no row, or not its newest; {}", told());
            }
            let due = all
                .iter()
                .filter(|(_, (_, order))| *order >= tab.oldest || self.kind.listing == Listing::ByKey);
            for (key, _) in due {
                assert!(tab.rows.contains_key(key), "{key} is missing; {}", told());
            }
        }
    }

    /// When the last tab is gone noitem is left of it.
    pub fn close(mut self) {
        for tab in &mut self.tabs {
            tab.disconnect();
        }
        self.drain();
        assert_eq!(self.core.slots.len(), 0);
        assert_eq!(self.core.prefixes.len(), 0, "no segment is left");
        assert!(self.core.view_ids.is_empty() && self.core.feed_ids.is_empty());
        assert!(!self.feed.is_followed());
        assert_eq!(self.feed.subscribers(), 0);
        assert_eq!(self.ledger.spent(Thing::Logs), 0);
        assert_eq!(self.ledger.spent(Thing::Snapshots), 0);
    }
}

/// What a user may see that rights come and go for: all namespaces, or a set of them.
pub const UNIONS: usize = 1 << NAMESPACES.len();

/// Scopes by number: all namespaces, each one, each set.
pub const SCOPES: usize = 1 + NAMESPACES.len() + (1 << NAMESPACES.len()) - 1;

pub fn scope_of(number: usize) -> Scope {
    match number % SCOPES {
        0 => Scope::All,
        n if n <= NAMESPACES.len() => Scope::Namespace(NAMESPACES[n - 1].into()),
        n => set_of(n - NAMESPACES.len()),
    }
}

/// The set of the namespaces whose bits are set.
pub fn set_of(bits: usize) -> Scope {
    let names = NAMESPACES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    Scope::Set(Namespaces::new(names.map(|(_, name)| Arc::from(*name))).expect("one bit is set"))
}

fn id_of(rv: u128, scope: &Scope) -> String {
    scope.mark().map_or_else(|| rv.to_string(), |mark| format!("{rv}.{mark}"))
}

/// What a list shows.
pub fn rows(items: &Items, scope: &Scope, listing: Listing) -> Rows {
    let mut rows: Vec<_> = items
        .iter()
        .filter(|(key, _)| scope.holds(key.0))
        .map(|(key, item)| {
            let object = World::object(key.0, key.1, item, 0);
            let json: serde_json::Value = serde_json::from_slice(&object.row.json).expect("a row");
            (format!("{}/{}", key.0, key.1), (json.to_string(), item.changed))
        })
        .collect();
    if let Listing::NewestFirst { cap } = listing {
        rows.sort_by_key(|(_, (_, order))| std::cmp::Reverse(*order));
        rows.truncate(cap);
    }
    rows.into_iter().collect()
}

fn oldest(rows: &Rows, listing: Listing) -> u64 {
    match listing {
        Listing::ByKey => 0,
        Listing::NewestFirst { cap } if rows.len() < cap => 0,
        Listing::NewestFirst { .. } => rows.values().map(|(_, order)| *order).min().unwrap_or(0),
    }
}
