//! Whatever becomes of roles, bindings and namespaces: in the end every tab shows exactly what the apiserver lists to its user, and on the way no frame
//! reaches a tab with a row of a namespace that its user could not list within the bound before. Likewise what is counted, found and read by its name.
//!
//! A seed decides what happens; a failure names it, and `FORETOP_ORACLE_SEED` plays it again (as far as threads allow). `FORETOP_LONG=1` plays far longer.

mod fresh;
mod glances;
mod house;
mod lines;
mod rights;
mod tab;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use fastrand::Rng;
use foretop::kind;
use foretop::sim::Cluster;
use glances::{Glances, difference_of_page};
use house::{House, pod};
use rights::{User, bind, cluster_role, group, user};
use serde_json::{Value, json};
use tab::sse::Event;
use tab::state::{Rows, State};
use tab::{Following, Tab, get};

const USERS: [User; 6] = [
    User { name: "ann", groups: &["dev"] },
    User { name: "bob", groups: &["dev", "ops"] },
    User { name: "cid", groups: &["ops"] },
    User { name: "dan", groups: &[] },
    User { name: "eve", groups: &["web"] },
    User { name: "fay", groups: &[] },
];
const GROUPS: [&str; 4] = ["dev", "ops", "web", "system:authenticated"];
const NAMESPACES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
const ROLES: [&str; 4] = ["r0", "r1", "r2", "r3"];
const KINDS: [&str; 2] = ["pods", "services"];
const TABS: usize = 30;

/// What is promised for a change of rights, with some for a machine that is busy with other tests.
const BOUND: Duration = Duration::from_secs(12 + 8);

/// One page: whose, of what, and its stream.
struct Page {
    who: User,
    kind: &'static str,
    namespace: Option<&'static str>,
    tab: Option<Following>,
}

/// A browser with one connection for several pages.
struct Desk {
    who: User,
    /// A kind, and a namespace or all; by the views' refs.
    views: BTreeMap<String, (&'static str, Option<&'static str>)>,
    line: Option<lines::Following>,
}

/// Who may list and watch a kind in a namespace.
type Right = (&'static str, &'static str, String);

/// What every frame is held against as it comes in.
#[derive(Default)]
struct Rights {
    /// Until when each right was there; `None`: it still is.
    until: HashMap<Right, Option<Instant>>,
    /// Rows that came in.
    seen: u64,
    leaks: Vec<String>,
}

impl Rights {
    /// How long ago a right ended; `None`: it never was.
    fn ago(&self, right: &Right) -> Option<Duration> {
        self.until.get(right).map(|until| until.map_or(Duration::ZERO, |until| until.elapsed()))
    }

    /// A frame reaches somebody's tab.
    fn see(&mut self, who: &'static str, kind: &'static str, event: &Event) {
        for namespace in shown(event) {
            self.seen += 1;
            let ago = self.ago(&(who, kind, namespace.clone()));
            if ago.is_none_or(|ago| ago >= BOUND) {
                let name = &event.name;
                self.leaks
                    .push(format!("{who} is sent `{name}` of {kind} of {namespace}; allowed {ago:?} ago"));
            }
        }
    }
}

/// The namespace of each row that a frame shows.
fn shown(event: &Event) -> Vec<String> {
    let data: Value = match event.name.as_str() {
        "snapshot" | "added" | "modified" | "deleted" => serde_json::from_str(&event.data).expect("JSON"),
        _ => return Vec::new(),
    };
    let items = data["items"].as_array().into_iter().flatten();
    let rows = items.chain(data.get("object"));
    rows.map(|row| row["namespace"].as_str().expect("a row's namespace").to_owned()).collect()
}

struct Play {
    house: House,
    random: Rng,
    pages: Vec<Page>,
    desks: Vec<Desk>,
    rights: Arc<Mutex<Rights>>,
    named: u64,
    compared: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tab_shows_what_its_user_may_list() {
    let set = std::env::var("FORETOP_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = set.unwrap_or_else(|| fastrand::u64(..));
    let rounds = if std::env::var_os("FORETOP_LONG").is_some() { 1000 } else { 40 };
    println!("FORETOP_ORACLE_SEED={seed}");
    let mut play = Play::begin(Rng::with_seed(seed)).await;
    for round in 0..rounds {
        for _ in 0..play.random.usize(1..30) {
            play.act().await;
        }
        play.settle(&format!("seed {seed}, round {round}")).await;
    }
    let (reviews, seen) = (play.house.east().counters().reviews, play.rights().seen);
    println!(
        "{rounds} rounds, {reviews} decisions, {} pages compared, {seen} rows seen, no leak",
        play.compared
    );
    assert!(reviews > 1000, "{reviews} decisions are too few to say anything");
}

impl Play {
    async fn begin(random: Rng) -> Play {
        let mut config = rights::config();
        config.streams.per_user = 0;
        config.access.reviews_per_second = 5000;
        config.access.denied_life = Duration::from_millis(300);
        config.authorization.can_i_life = Duration::from_millis(300);
        let house = House::start(&config, vec![rights::cluster()]).await;
        let pages = Vec::new();
        let desks = Vec::new();
        let mut play = Play { house, random, pages, desks, rights: Arc::default(), named: 0, compared: 0 };
        for role in ROLES {
            play.write_role(role);
        }
        for namespace in NAMESPACES {
            play.appear(namespace);
        }
        for _ in 0..12 {
            play.write_binding();
        }
        play.note_rights(&mut play.rights());
        for _ in 0..TABS {
            let who = play.any(&USERS);
            let kind = play.any(&KINDS);
            let namespace = if play.random.bool() { Some(play.any(&NAMESPACES)) } else { None };
            let mut page = Page { who, kind, namespace, tab: None };
            page.open(&play.house, &play.rights).await;
            play.pages.push(page);
        }
        for who in USERS {
            let mut desk = Desk { who, views: BTreeMap::new(), line: None };
            for kind in KINDS {
                for namespace in [None, Some(play.any(&NAMESPACES)), Some(play.any(&NAMESPACES))] {
                    let name = format!("{kind}/{}", namespace.unwrap_or_default());
                    desk.views.insert(name, (kind, namespace));
                }
            }
            desk.open(&play.house, &play.rights).await;
            play.desks.push(desk);
        }
        play
    }

    fn any<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.usize(..from.len())]
    }

    fn east(&self) -> &Cluster {
        self.house.east()
    }

    fn rights(&self) -> MutexGuard<'_, Rights> {
        self.rights.lock().expect("nothing panics while it holds this lock")
    }

    /// Something happens.
    async fn act(&mut self) {
        let what = self.random.u8(..100);
        if what >= 83 {
            let page = self.random.usize(..self.pages.len());
            return self.pages[page].resume(&self.house, &self.rights).await;
        }
        // Until it is noted who may what by now, no frame is judged.
        let held = self.rights.clone();
        let mut rights = held.lock().expect("nothing panics while it holds this lock");
        match what {
            0..25 => self.write_binding(),
            25..45 => self.remove_binding(),
            45..53 => {
                let role = self.any(&ROLES);
                self.write_role(role);
            }
            53..75 => self.write_object(),
            _ => self.appear_or_vanish(),
        }
        self.note_rights(&mut rights);
    }

    fn write_role(&mut self, name: &str) {
        let verbs = [&["list", "watch"][..], &["list", "watch"], &["*"], &["list"], &["watch"], &["get"]];
        let verbs = self.any(&verbs);
        let resources = [&["pods"][..], &["services"], &["pods", "services"], &["*"], &["pods/log"], &[]];
        let resources = self.any(&resources);
        let names = if self.random.u8(..8) == 0 { json!(["web"]) } else { json!([]) };
        let rule = json!({"verbs": verbs, "apiGroups": [""], "resources": resources, "resourceNames": names});
        cluster_role(self.east(), name, &json!([rule]));
    }

    fn write_binding(&mut self) {
        let (role, who) = (self.any(&ROLES), self.any(&USERS));
        let to_group = self.random.u8(..3) == 0;
        let subject = if to_group { group(self.any(&GROUPS)) } else { user(who.name) };
        let namespace = self.any(&NAMESPACES);
        let is_there = self.east().get("namespaces", "", namespace).is_some();
        let cluster_wide = self.random.u8(..8) == 0;
        self.named += 1;
        let name = format!("b{}", self.named);
        if cluster_wide {
            bind(self.east(), None, &name, role, &subject);
        } else if is_there {
            bind(self.east(), Some(namespace), &name, role, &subject);
        }
    }

    fn remove_binding(&mut self) {
        let plural = if self.random.u8(..4) == 0 { "clusterrolebindings" } else { "rolebindings" };
        let names = self.east().names(plural).expect("a resource");
        if names.is_empty() {
            return;
        }
        let (namespace, name) = &names[self.random.usize(..names.len())];
        self.east().delete(plural, namespace, name).expect("it is there");
    }

    fn write_object(&mut self) {
        let namespace = self.any(&NAMESPACES);
        if self.east().get("namespaces", "", namespace).is_none() {
            return;
        }
        let name = format!("o{}", self.random.u8(..6));
        let kind = self.any(&KINDS);
        if self.random.u8(..3) == 0 {
            // There may be none of this name.
            let _ = self.east().delete(kind, namespace, &name);
            return;
        }
        let phase = self.any(&["Pending", "Running", "Failed"]);
        let object = match kind {
            "pods" => pod(namespace, &name, phase),
            _ => {
                json!({"metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-05-01T12:00:00Z"},
                "spec": {"type": phase, "clusterIP": "10.0.0.1"}})
            }
        };
        self.east().put(kind, object).expect("an object");
    }

    fn appear(&mut self, namespace: &str) {
        rights::add_namespace(self.east(), namespace);
    }

    fn appear_or_vanish(&mut self) {
        let namespace = self.any(&NAMESPACES);
        if self.east().get("namespaces", "", namespace).is_some() {
            self.east().delete_namespace(namespace).expect("it is there");
        } else {
            self.appear(namespace);
        }
    }

    /// Notes who may see what now.
    fn note_rights(&self, rights: &mut Rights) {
        let now = Instant::now();
        let there = self.house.east().names("namespaces").expect("a resource");
        // Also those that have vanished: whoever may list the whole cluster may see the last of them.
        let mut namespaces: BTreeSet<String> = there.into_iter().map(|(_, namespace)| namespace).collect();
        namespaces.extend(NAMESPACES.map(str::to_owned));
        for who in USERS {
            for (kind, namespace) in
                KINDS.iter().flat_map(|kind| namespaces.iter().map(|namespace| (*kind, namespace)))
            {
                let right = (who.name, kind, namespace.clone());
                if may(self.house.east(), who, kind, namespace) {
                    rights.until.insert(right, None);
                } else if let Some(until) = rights.until.get_mut(&right) {
                    until.get_or_insert(now);
                }
            }
        }
    }

    /// Waits until every page shows what the apiserver lists to its user.
    async fn settle(&mut self, when: &str) {
        let began = Instant::now();
        for number in 0..self.pages.len() {
            let page = &self.pages[number];
            let truth = truth(self.house.east(), page.who, page.kind, page.namespace).await;
            loop {
                let page = &mut self.pages[number];
                if page.is(truth.as_ref()) {
                    break;
                }
                assert!(began.elapsed() < BOUND, "{when}: {}", page.describe(truth.as_ref()));
                if page.shown().is_none() {
                    page.resume(&self.house, &self.rights).await;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.compared += 1;
        }
        self.settle_desks(when, began).await;
        let who = self.any(&USERS);
        self.settle_glances(who, when, began).await;
        let leaks = &self.rights().leaks;
        assert!(leaks.is_empty(), "{when}: {leaks:#?}");
    }

    /// Waits until every view of every multiplexed stream shows what the apiserver lists to its user.
    async fn settle_desks(&mut self, when: &str, began: Instant) {
        for number in 0..self.desks.len() {
            let views = self.desks[number].views.clone();
            for (name, (kind, namespace)) in views {
                let truth = truth(self.house.east(), self.desks[number].who, kind, namespace).await;
                loop {
                    let desk = &mut self.desks[number];
                    if desk.is(&name, truth.as_ref()) {
                        break;
                    }
                    let described = || format!("{} of {name}: {:?}", desk.who.name, desk.shown(&name));
                    assert!(began.elapsed() < BOUND, "{when}: {}, and may {truth:?}", described());
                    desk.ask_again(&self.house, &self.rights, &name).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                self.compared += 1;
            }
        }
    }

    /// Waits until a user is told at a glance what the apiserver lists to them, and is told no more on the way.
    async fn settle_glances(&mut self, who: User, when: &str, began: Instant) {
        let east = self.house.east();
        let pods = rows(truth(east, who, "pods", None).await);
        let services = rows(truth(east, who, "services", None).await);
        let namespace = self.any(&NAMESPACES);
        loop {
            let glances = Glances::of(&self.house, who).await;
            for (kind, namespace) in &glances.named {
                let kind = *KINDS.iter().find(|known| **known == kind.as_str()).expect("a kind of the play");
                let ago = self.rights().ago(&(who.name, kind, namespace.clone()));
                assert!(ago.is_some_and(|ago| ago < BOUND), "{} is told of {kind} in {namespace}", who.name);
            }
            let told = glances.difference(pods.as_deref(), services.as_deref());
            let page = difference_of_page(&self.house, self.house.east(), who, namespace).await;
            let Some(difference) = told.or(page) else { return };
            assert!(began.elapsed() < BOUND, "{when}: {}: {difference}", who.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn rows(truth: Option<Rows>) -> Option<Vec<Value>> {
    truth.map(|rows| rows.items().cloned().collect())
}

impl Page {
    async fn open(&mut self, house: &House, rights: &Arc<Mutex<Rights>>) {
        let (who, kind, rights) = (self.who.name, self.kind, rights.clone());
        let sees =
            move |event: &Event| rights.lock().expect("no panic under this lock").see(who, kind, event);
        let open = self.who.watch(house, self.kind, self.namespace).witness(sees);
        self.tab = Some(Tab::open(open).await.follow());
    }

    /// Connects again, with the newest id and the rows that it has.
    async fn resume(&mut self, house: &House, rights: &Arc<Mutex<Rights>>) {
        let Some(tab) = self.tab.take() else { return self.open(house, rights).await };
        let mut tab = tab.stop().await;
        tab.reconnect().await;
        self.tab = Some(tab.follow());
    }

    /// What it shows, while it is connected.
    fn shown(&self) -> Option<State> {
        self.tab.as_ref().map(Following::state).filter(|state| state.end.is_none())
    }

    fn is(&self, truth: Option<&Rows>) -> bool {
        match (truth, self.shown()) {
            (None, None) => true,
            (Some(truth), Some(state)) => state.rows.comparable() == truth.comparable(),
            _ => false,
        }
    }

    fn describe(&self, truth: Option<&Rows>) -> String {
        let Page { who, kind, namespace, .. } = self;
        let differs = match (truth, self.shown()) {
            (Some(truth), Some(state)) => fresh::difference(&state.rows, truth),
            (None, Some(state)) => format!("shows {:?}, and may not", namespaces(&state.rows)),
            (_, None) => "shows nothing, and may".to_owned(),
        };
        format!("{} of {kind} in {namespace:?}: {differs}", who.name)
    }
}

impl Desk {
    fn body_of(&self, name: &str) -> Value {
        let (kind, namespace) = self.views[name];
        match namespace {
            Some(namespace) => lines::view_of(name, house::EAST, kind, &[namespace]),
            None => lines::view(name, house::EAST, kind),
        }
    }

    async fn open(&mut self, house: &House, rights: &Arc<Mutex<Rights>>) {
        let (who, views, rights) = (self.who.name, self.views.clone(), rights.clone());
        let sees = move |name: &str, event: &Event| {
            rights.lock().expect("no panic under this lock").see(who, views[name].0, event);
        };
        let header =
            format!("X-Forwarded-User: {who}\r\nX-Forwarded-Groups: {}\r\n", self.who.groups.join(","));
        let bodies: Vec<Value> = self.views.keys().map(|name| self.body_of(name)).collect();
        let line = lines::Line::open(house.address(), &header, &bodies).await;
        self.line = Some(line.follow(Box::new(sees)));
    }

    /// What a view shows, without what only full rows have.
    fn shown(&self, name: &str) -> Option<Rows> {
        let seen = self.line.as_ref()?.seen();
        let shown = seen.view(name).filter(|shown| shown.synced && !seen.is_over)?;
        let plain = |row: &Value| {
            let mut row = row.clone();
            let fields = row.as_object_mut().expect("a row");
            for field in ["uid", "labels", "owner"] {
                fields.remove(field);
            }
            row
        };
        let rows: Vec<Value> = shown.rows.values().map(plain).collect();
        Some(Rows::of_list(self.views[name].0, &rows))
    }

    fn is(&self, name: &str, truth: Option<&Rows>) -> bool {
        match (truth, self.shown(name)) {
            (None, None) => true,
            (Some(truth), Some(rows)) => rows.comparable() == truth.comparable(),
            _ => false,
        }
    }

    /// What was denied is asked for again, as a client does from time to time; a stream that was reset is opened anew.
    async fn ask_again(&mut self, house: &House, rights: &Arc<Mutex<Rights>>, name: &str) {
        let Some(line) = self.line.as_ref().filter(|line| !line.seen().is_over) else {
            return self.open(house, rights).await;
        };
        if line.seen().denied.contains_key(name) {
            line.change(&[self.body_of(name)], &[name]).await;
        }
    }
}

fn namespaces(rows: &Rows) -> BTreeSet<String> {
    rows.items().filter_map(|row| row["namespace"].as_str().map(str::to_owned)).collect()
}

fn may(east: &Cluster, who: User, kind: &str, namespace: &str) -> bool {
    let groups = [who.groups, &["system:authenticated"]].concat();
    let may = |verb| east.may(who.name, &groups, verb, kind, namespace).expect("a resource");
    may("list") && may("watch")
}

/// What the apiserver lists to this user; `None` where it lists nothing to them.
async fn truth(east: &Cluster, who: User, kind: &str, namespace: Option<&str>) -> Option<Rows> {
    if let Some(namespace) = namespace {
        return listed(east, who, kind, Some(namespace)).await.map(|rows| Rows::of_list(kind, &rows));
    }
    if let Some(rows) = listed(east, who, kind, None).await {
        return Some(Rows::of_list(kind, &rows));
    }
    let mut union = BTreeMap::new();
    for (_, namespace) in east.names("namespaces").expect("a resource") {
        if let Some(rows) = listed(east, who, kind, Some(&namespace)).await {
            union.insert(namespace, rows);
        }
    }
    let rows: Vec<Value> = union.values().flatten().cloned().collect();
    (!union.is_empty()).then(|| Rows::of_list(kind, &rows))
}

/// An impersonated LIST, by somebody who may watch too.
async fn listed(east: &Cluster, who: User, kind: &str, namespace: Option<&str>) -> Option<Vec<Value>> {
    let known = kind::by_name(kind).expect("a kind of the registry");
    let mut headers = vec![("Impersonate-User", who.name)];
    headers.extend(who.groups.iter().map(|group| ("Impersonate-Group", *group)));
    let answer = get(east.addr(), &known.api.path(namespace), &headers).await;
    let groups = [who.groups, &["system:authenticated"]].concat();
    let may_watch = east.may(who.name, &groups, "watch", kind, namespace.unwrap_or("")).expect("a resource");
    if answer.head.status == 403 || !may_watch {
        return None;
    }
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let page = (known.decode_page)(&answer.body).expect("a list");
    let rows = page.items.iter().map(|object| {
        let mut json = Vec::new();
        object.row.write(jiff::Timestamp::now(), &mut json);
        serde_json::from_slice(&json).expect("a row is JSON")
    });
    Some(rows.collect())
}
