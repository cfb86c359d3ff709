//! Random histories of a cluster told to a source with feeds of every sort, against an oracle that lists and filters: what each feed's list shows, and what its
//! frames add up to, is what it would be if each had asked the cluster by itself.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::feed::block::{Block, Content};
use crate::feed::saved::{Moment, Saved};
use crate::feed::{Rows, Scope, Selector, Shared};
use crate::kind::by_name;
use crate::wire::sse::{self, Op};

/// A pod as the cluster has it: its label `app`, its phase, and what no row shows.
#[derive(Clone, Debug, PartialEq)]
struct Pod {
    app: Option<&'static str>,
    phase: u8,
    hidden: u8,
}

type Place = (&'static str, &'static str);

const NAMESPACES: [&str; 2] = ["a", "b"];
const NAMES: [&str; 3] = ["x", "y", "z"];
const APPS: [Option<&str>; 3] = [None, Some("web"), Some("db")];

/// Rows and selector of feeds that come and go.
const SHOWN: [(Rows, &str); 6] = [
    (Rows::Plain, ""),
    (Rows::Full, ""),
    (Rows::Plain, "app=web"),
    (Rows::Full, "app=web"),
    (Rows::Full, "app in (db,web)"),
    (Rows::Plain, "!app"),
];

#[derive(Clone, Debug)]
enum Act {
    Put(usize, usize, Pod),
    Delete(usize, usize),
    /// What is unsaid is said, in one batch.
    Say,
    /// What is unsaid is lost, and found by a whole list.
    Relist,
    Bookmark,
    Join(usize),
    Leave(usize),
    /// The process ends and another begins. Feeds are saved and restored in this order; meanwhile the source goes on.
    Restart([usize; 2]),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let pod = (prop::sample::select(&APPS[..]), 0u8..2, 0u8..3).prop_map(|(app, phase, hidden)| Pod {
        app,
        phase,
        hidden,
    });
    let act = prop_oneof![
        8 => (0..NAMESPACES.len(), 0..NAMES.len(), pod).prop_map(|(a, b, pod)| Act::Put(a, b, pod)),
        3 => (0..NAMESPACES.len(), 0..NAMES.len()).prop_map(|(a, b)| Act::Delete(a, b)),
        4 => Just(Act::Say),
        1 => Just(Act::Relist),
        1 => Just(Act::Bookmark),
        3 => (0..SHOWN.len()).prop_map(Act::Join),
        1 => (0..SHOWN.len()).prop_map(Act::Leave),
        1 => any::<bool>().prop_map(|plain_first| Act::Restart(if plain_first { [0, 1] } else { [1, 0] })),
    ];
    prop::collection::vec(act, 1..60)
}

/// What the watch has to say of a pod.
#[derive(Clone)]
struct Said {
    is_gone: bool,
    place: Place,
    pod: Pod,
    rv: u128,
}

/// A feed, and what a client shows that takes its first list and then its frames.
struct Seen {
    feed: Arc<Feed>,
    /// The newest block that the client has.
    block: Option<Arc<Block>>,
    /// The newest version that it was shown.
    at: Rv,
    rows: BTreeMap<String, Value>,
}

/// A cluster, and a source of its pods.
struct World {
    trunk: Arc<Trunk>,
    pods: BTreeMap<Place, Pod>,
    rv: u128,
    unsaid: Vec<Said>,
    /// All that a watch from an older version has to say.
    history: Vec<Said>,
    seen: BTreeMap<usize, Seen>,
    lists: usize,
}

/// The feed as the next process has it.
fn saved(feed: &Feed) -> Arc<Feed> {
    let now = Moment::now();
    let saved = Saved::read(&feed.save(now).expect("it is synced"), now).expect("as it was written");
    Feed::restored(saved, &Shared::without_cores(), Arc::default())
}

fn key(shown: usize) -> FeedKey {
    let (rows, text) = SHOWN[shown];
    let selector = Selector::parse(text).expect("a selector");
    FeedKey::own("east".into(), by_name("pods").expect("a kind")).showing(rows, selector)
}

fn object((namespace, name): Place, pod: &Pod, rv: u128) -> Value {
    let labels = pod.app.map(|app| json!({ "app": app }));
    json!({
        "metadata": {
            "namespace": namespace, "name": name, "uid": format!("{namespace}/{name}"), "labels": labels,
            "resourceVersion": rv.to_string(), "annotations": {"hidden": pod.hidden.to_string()},
        },
        "status": {"phase": pod.phase.to_string()},
    })
}

fn read(row: &[u8]) -> Value {
    serde_json::from_slice(row).expect("a row is JSON")
}

fn name_of(row: &Value) -> String {
    format!("{}/{}", row["namespace"], row["name"])
}

impl World {
    fn new() -> Self {
        let trunk = Trunk::new(&key(0));
        World {
            trunk,
            pods: BTreeMap::new(),
            rv: 100,
            unsaid: Vec::new(),
            history: Vec::new(),
            seen: BTreeMap::new(),
            lists: 0,
        }
    }

    fn decoded(&self, said: &Said) -> Change {
        let kind = self.trunk.key.kind;
        let decode = if self.trunk.asks.details() { kind.detail_line } else { kind.decode_line };
        let kind_of_event = if said.is_gone { "DELETED" } else { "MODIFIED" };
        let line = json!({ "type": kind_of_event, "object": object(said.place, &said.pod, said.rv) });
        decode(line.to_string().as_bytes()).expect("a line")
    }

    fn say(&mut self) {
        if self.trunk.cursor().is_none() {
            return;
        }
        let unsaid = std::mem::take(&mut self.unsaid);
        self.history.extend(unsaid.iter().cloned());
        let mut changes: Vec<_> = unsaid.iter().map(|said| self.decoded(said)).collect();
        self.trunk.apply(&mut changes);
        assert!(changes.is_empty());
    }

    fn relist(&mut self) {
        self.history.append(&mut self.unsaid);
        self.lists += 1;
        let kind = self.trunk.key.kind;
        let decode = if self.trunk.asks.details() { kind.detail_page } else { kind.decode_page };
        let items: Vec<Value> = self.pods.iter().map(|(place, pod)| object(*place, pod, self.rv)).collect();
        let page = json!({ "metadata": {"resourceVersion": self.rv.to_string()}, "items": items });
        let page = decode(page.to_string().as_bytes()).expect("a page");
        self.trunk.replace(page.rv, page.items, None);
    }

    /// As the reflector does it: whoever asks for a list gets one.
    fn serve(&mut self) {
        if self.trunk.asks.list() {
            self.relist();
        }
        assert!(!self.trunk.asks.list(), "all that waited were served");
    }

    fn bookmark(&mut self) {
        self.say();
        if self.trunk.cursor().is_some() {
            self.rv += 5;
            self.trunk.apply(&mut vec![Change::Bookmark { rv: Rv(self.rv), initial_events_end: false }]);
        }
    }

    fn join(&mut self, shown: usize) {
        if self.seen.contains_key(&shown) {
            return;
        }
        let feed = Feed::of_source(key(shown), &Shared::without_cores(), self.trunk.heard.clone());
        self.trunk.join(feed.clone());
        self.seen.insert(shown, Seen { feed, block: None, at: Rv(0), rows: BTreeMap::new() });
    }

    /// Feeds that can be saved go on in another process, their clients from where they were, and the source from the version that it finds.
    fn restart(&mut self, order: [usize; 2]) {
        let mut restored = Vec::new();
        for shown in order {
            if let Some(seen) = self.seen.get_mut(&shown).filter(|seen| seen.feed.cursor().is_some()) {
                seen.follow();
                restored.push((shown, saved(&seen.feed)));
            }
            self.say();
        }
        self.trunk = Trunk::new(&key(0));
        let mut before = std::mem::take(&mut self.seen);
        for (shown, feed) in restored {
            let seen = before.remove(&shown).expect("it was saved");
            self.trunk.rejoin(feed.clone());
            let block = seen.block.is_some().then(|| feed.tail().oldest.clone());
            let mut seen = Seen { feed, block: None, ..seen };
            if let Some(oldest) = block {
                seen.take(&oldest);
                seen.block = Some(oldest);
            }
            self.seen.insert(shown, seen);
        }
        let Some(cursor) = self.trunk.cursor() else { return };
        let newer = self.history.iter().filter(|said| Rv(said.rv) > cursor);
        let mut changes: Vec<_> = newer.map(|said| self.decoded(said)).collect();
        if !changes.is_empty() {
            self.trunk.apply(&mut changes);
        }
    }

    fn leave(&mut self, shown: usize) {
        if let Some(seen) = self.seen.remove(&shown) {
            seen.feed.end();
            self.trunk.leave(&seen.feed);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Put(namespace, name, pod) => {
                let place = (NAMESPACES[namespace], NAMES[name]);
                self.rv += 1;
                self.unsaid.push(Said { is_gone: false, place, pod: pod.clone(), rv: self.rv });
                self.pods.insert(place, pod);
            }
            Act::Delete(namespace, name) => {
                let place = (NAMESPACES[namespace], NAMES[name]);
                let Some(pod) = self.pods.remove(&place) else { return };
                self.rv += 1;
                self.unsaid.push(Said { is_gone: true, place, pod, rv: self.rv });
            }
            Act::Say => self.say(),
            Act::Relist => self.relist(),
            Act::Bookmark => self.bookmark(),
            Act::Join(shown) => {
                self.join(shown);
                self.serve();
            }
            Act::Leave(shown) => self.leave(shown),
            Act::Restart(order) => self.restart(order),
        }
        self.seen.values_mut().for_each(Seen::follow);
    }

    /// The rows that a list of its own would show a feed.
    fn wanted(&self, (rows, text): (Rows, &str)) -> Vec<Value> {
        let selects = |pod: &Pod| match text {
            "" => true,
            "!app" => pod.app.is_none(),
            "app=web" => pod.app == Some("web"),
            _ => pod.app.is_some(),
        };
        let row = |(place, pod): (&Place, &Pod)| {
            let line = json!({ "type": "ADDED", "object": object(*place, pod, 1) }).to_string();
            let change = (self.trunk.key.kind.decode_line)(line.as_bytes());
            let Ok(Change::Put(object)) = change else { panic!("{line}") };
            let mut row = read(&object.row.json);
            if rows == Rows::Full {
                row["uid"] = json!(format!("{}/{}", place.0, place.1));
                row["labels"] = pod.app.map_or(json!({}), |app| json!({ "app": app }));
                row["owner"] = Value::Null;
            }
            row
        };
        self.pods.iter().filter(|(_, pod)| selects(pod)).map(row).collect()
    }

    /// Once all is said, each feed shows what it should, in its list and in what its frames add up to.
    fn check(&mut self) {
        self.say();
        if self.trunk.cursor().is_none() {
            return;
        }
        for (shown, seen) in &mut self.seen {
            seen.follow();
            let snapshot = seen.feed.list(&Scope::All).expect("not refused").expect("synced");
            let listed: BTreeMap<String, Value> =
                snapshot.rows().map(read).map(|row| (name_of(&row), row)).collect();
            assert_eq!(seen.rows, listed, "the frames of {:?}", SHOWN[*shown]);
        }
        for (shown, seen) in &self.seen {
            let snapshot = seen.feed.list(&Scope::All).expect("not refused").expect("synced");
            let listed: Vec<Value> = snapshot.rows().map(read).collect();
            assert_eq!(listed, self.wanted(SHOWN[*shown]), "the list of {:?}", SHOWN[*shown]);
        }
    }
}

impl Seen {
    /// Takes the first list when it is there, and then each frame that came.
    fn follow(&mut self) {
        let Some(block) = &mut self.block else { return self.begin() };
        let mut newest = block.clone();
        while let Some(next) = newest.next() {
            assert!(!matches!(next.content, Content::Reset), "no version falls here");
            self.take(&next);
            newest = next;
        }
        self.block = Some(newest);
    }

    /// Takes what it was not shown yet of a block.
    fn take(&mut self, block: &Block) {
        for (index, frame) in block.frames.iter().enumerate().filter(|(_, frame)| frame.rv > self.at) {
            let row = read(sse::row_of(block.frame_bytes(index), frame.row.into()));
            let had = self.rows.remove(&name_of(&row));
            assert_eq!(had.is_some(), frame.op != Op::Added, "{:?} of {row}", frame.op);
            if frame.op != Op::Deleted {
                assert_ne!(had.as_ref(), Some(&row), "what shows nothing new is told to nobody");
                self.rows.insert(name_of(&row), row);
            }
        }
        self.at = self.at.max(block.head);
    }

    fn begin(&mut self) {
        let Ok(Some(snapshot)) = self.feed.list(&Scope::All) else { return };
        self.rows = snapshot.rows().map(read).map(|row| (name_of(&row), row)).collect();
        let mut newest = self.feed.tail().oldest.clone();
        while let Some(next) = newest.next() {
            newest = next;
        }
        self.at = self.feed.cursor().expect("it is synced");
        self.block = Some(newest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_feed_shows_what_a_list_of_its_own_would(first in 0..SHOWN.len(), acts in acts()) {
        let mut world = World::new();
        world.join(first);
        for act in acts {
            world.act(act);
        }
        world.serve();
        world.check();
    }
}

fn pod(app: &'static str) -> Pod {
    Pod { app: Some(app), phase: 0, hidden: 0 }
}

/// A world of two pods whose source has had its first list.
fn world_with(shown: &[usize]) -> World {
    let mut world = World::new();
    world.pods.insert(("a", "x"), pod("web"));
    world.pods.insert(("a", "y"), pod("db"));
    for shown in shown {
        world.join(*shown);
    }
    world.serve();
    world
}

#[test]
fn feeds_that_come_before_the_first_list_share_it_and_further_selectors_need_none() {
    let mut world = world_with(&[0, 1, 2]);
    assert_eq!(world.lists, 1);
    world.join(3);
    world.join(4);
    world.join(5);
    assert!(!world.trunk.asks.list(), "full rows of all objects hold all that is wanted");
    world.check();
}

#[test]
fn what_needs_details_waits_for_one_list_that_is_no_news_to_the_others() {
    let mut world = world_with(&[0]);
    assert!(!world.trunk.asks.details(), "nobody needs them");
    world.act(Act::Put(0, 0, pod("db")));
    world.say();
    let plain = world.seen[&0].feed.clone();
    let encoded = plain.counters.encodings.get();
    world.join(2);
    world.join(1);
    assert!(world.trunk.asks.details() && world.trunk.asks.list());
    world.act(Act::Say);
    assert_eq!(world.seen[&1].feed.cursor(), None, "it is given nothing before its first list");
    world.serve();
    assert_eq!(world.lists, 2, "both share one");
    assert_eq!((plain.counters.encodings.get(), plain.counters.diffed.get()), (encoded, 0));
    world.check();
    world.leave(1);
    world.leave(2);
    assert!(!world.trunk.asks.details(), "nobody needs them any more");
    world.act(Act::Put(0, 1, pod("web")));
    world.check();
}

#[test]
fn a_list_that_was_decoded_without_details_does_not_serve_who_needs_them() {
    let mut world = World::new();
    world.join(0);
    world.pods.insert(("a", "x"), pod("web"));
    let line = json!({ "type": "ADDED", "object": object(("a", "x"), &pod("web"), 100) }).to_string();
    let Ok(Change::Put(plain)) = (world.trunk.key.kind.decode_line)(line.as_bytes()) else {
        panic!("{line}")
    };
    world.join(1);
    world.trunk.replace(Rv(100), vec![plain], None);
    assert!(world.trunk.asks.list(), "one more is asked for");
    assert_eq!((world.seen[&0].feed.cursor(), world.seen[&1].feed.cursor()), (Some(Rv(100)), None));
    world.serve();
    world.check();
}

#[test]
fn a_label_that_moves_an_object_is_news_where_it_matters_alone() {
    let mut world = world_with(&[0, 1, 2, 5]);
    let ops = |world: &World, shown: usize| {
        let mut ops = Vec::new();
        let mut block = Some(world.seen[&shown].feed.tail().oldest.clone());
        while let Some(this) = block {
            ops.extend(this.frames.iter().map(|frame| frame.op));
            block = this.next();
        }
        ops
    };
    world.act(Act::Put(0, 0, pod("db")));
    world.act(Act::Say);
    world.act(Act::Put(0, 0, Pod { app: None, ..pod("") }));
    world.act(Act::Say);
    world.act(Act::Put(0, 0, pod("web")));
    world.act(Act::Say);
    assert_eq!(ops(&world, 0), [], "plain rows show no labels");
    assert_eq!(ops(&world, 1), [Op::Modified, Op::Modified, Op::Modified]);
    assert_eq!(ops(&world, 2), [Op::Deleted, Op::Added]);
    assert_eq!(ops(&world, 5), [Op::Added, Op::Deleted]);
    world.check();
}

#[test]
fn who_comes_while_the_source_is_refused_is_told() {
    let world = &mut world_with(&[1]);
    world.trunk.set_state(State::Forbidden);
    world.join(0);
    assert_eq!(world.seen[&0].feed.state(), State::Forbidden);
    assert!(world.seen[&0].feed.list(&Scope::All).is_err());
}

#[test]
fn replicasets_plain_rows_are_listed_for_since_full_ones_do_not_hold_them() {
    let key = FeedKey::own("east".into(), by_name("replicasets").expect("a kind"));
    let trunk = Trunk::new(&key);
    let join = |key: FeedKey| {
        let feed = Feed::of_source(key, &Shared::without_cores(), trunk.heard.clone());
        trunk.join(feed);
        trunk.asks.list()
    };
    assert!(join(key.clone().showing(Rows::Full, None)));
    trunk.replace(Rv(7), Vec::new(), None);
    assert!(!join(key.clone().showing(Rows::Full, Selector::parse("a").expect("a selector"))));
    assert!(join(key));
}

#[test]
fn feeds_with_rows_of_before_go_on_from_the_oldest_of_their_versions() {
    for order in [[0, 1], [1, 0]] {
        let mut world = world_with(&[0, 1]);
        world.act(Act::Restart(order));
        assert_eq!(world.trunk.cursor(), Some(Rv(100)));
        assert!(world.trunk.asks.details() && !world.trunk.asks.list());
        world.act(Act::Put(0, 0, pod("db")));
        // One is saved before the cluster has said this, and one behind it.
        world.act(Act::Restart(order));
        assert_eq!((world.trunk.cursor(), world.lists), (Some(Rv(101)), 1), "what was between is told now");
        world.check();
    }
}

#[test]
fn feeds_of_two_clusters_behind_one_name_have_no_version_to_go_on_from() {
    let restored = |shown: usize, incarnation: &str| {
        let feed = Feed::new(key(shown), &Shared::without_cores());
        feed.replace(Rv(7), Vec::new(), Some(incarnation));
        saved(&feed)
    };
    let trunk = Trunk::new(&key(0));
    trunk.rejoin(restored(0, "old"));
    assert_eq!((trunk.cursor(), trunk.incarnation().as_deref()), (Some(Rv(7)), Some("old")));
    trunk.rejoin(restored(1, "new"));
    assert_eq!(trunk.cursor(), None, "the source begins with a list");
    trunk.replace(Rv(9), Vec::new(), Some("new"));
    assert_eq!(trunk.cursor(), Some(Rv(9)));
}

#[test]
fn who_joins_restored_feeds_shows_what_they_do_and_is_live_with_the_source() {
    for first in [0, 1] {
        let mut world = world_with(&[first]);
        world.act(Act::Restart([0, 1]));
        let other = 1 - first;
        world.join(other);
        assert_eq!(world.trunk.asks.list(), other == 1, "plain rows are part of full ones");
        let state = |world: &World, shown: usize| world.seen[&shown].feed.state();
        assert_eq!((state(&world, first), state(&world, other)), (State::Syncing, State::Syncing));
        world.trunk.set_state(State::Live);
        assert_eq!(state(&world, first), State::Live);
        world.serve();
        assert_eq!((state(&world, first), state(&world, other)), (State::Live, State::Live));
        world.act(Act::Put(0, 0, pod("db")));
        world.check();
    }
}
