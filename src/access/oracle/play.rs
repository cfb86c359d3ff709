//! One play: what happens, when who is told of it, and what must be so.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::court::{Court, Failure};
use super::law::{Binding, Place, Rule, Subject, Write, allow};
use super::{access_before, decided};
use crate::access::clock::held;
use crate::access::rbac::watched::{Part, Watched};
use crate::access::{Access, Asker, Candidates, Grant, GrantKey, Ruling, Wanted, clock};
use crate::cluster::reflector::Sink;
use crate::config::Config;
use crate::feed::{KubeUser, Namespaces, Scope, State};
use crate::kind::{self, Kind, Rv};
use crate::sim::Cluster;

const NAMESPACES: [&str; 8] = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"];
const ROLES: [&str; 5] = ["r0", "r1", "r2", "r3", "r4"];
const BINDINGS: [&str; 6] = ["b0", "b1", "b2", "b3", "b4", "b5"];
const KINDS: [&str; 4] = ["pods", "services", "deployments", "nodes"];
const USERS: [(&str, &[&str]); 12] = [
    ("ann", &["dev"]),
    ("ann", &["dev", "ops"]),
    ("bob", &["dev", "ops"]),
    ("cid", &["ops"]),
    ("dan", &[]),
    ("dan", &["web"]),
    ("eve", &["web"]),
    ("fay", &[]),
    ("gil", &["dev", "ops", "web"]),
    ("hal", &["qa"]),
    ("ida", &["qa", "web"]),
    ("jon", &[]),
];
const NAMED: [&str; 10] = ["ann", "bob", "cid", "dan", "eve", "fay", "gil", "hal", "ida", "jon"];
const GROUPS: [&str; 5] = ["dev", "ops", "web", "qa", "system:authenticated"];
const PAGES: usize = 60;

/// It is looked at every grant so often, and whenever something changes.
const LOOK: Duration = Duration::from_millis(200);

/// What is promised for a change of rights where roles and bindings are watched, and authorizers lag behind by up to ten seconds.
const BOUND: Duration = Duration::from_secs(12);

/// What happens where the authorizer does not lag.
const AT_ONCE: Duration = Duration::from_secs(3);

/// How grants learn of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Watched,
    Clock,
}

/// How much was played.
#[derive(Debug, Default)]
pub struct Counts {
    /// Reviews answered.
    pub reviews: u64,
    /// Rulings held against the law when all was quiet.
    pub compared: u64,
    /// Namespaces of rulings held against the bound.
    pub looked: u64,
    /// Changes of roles and bindings.
    pub writes: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.reviews += other.reviews;
        self.compared += other.compared;
        self.looked += other.looked;
        self.writes += other.writes;
    }
}

/// A user, a kind, and a namespace or (`None`) the whole cluster.
type Right = (usize, &'static Kind, Option<&'static str>);

struct Page {
    user: usize,
    key: GrantKey,
    grant: Option<Arc<Grant>>,
}

enum Effect {
    /// The authorizer obeys it.
    Obeyed(Write),
    /// The watch of roles and bindings brings it.
    Told(Write),
    /// The authorizer, or the watch, fails or works again.
    Fails(Option<Failure>),
    Watches(bool),
}

type Existing = Arc<Mutex<BTreeSet<&'static str>>>;

pub struct Play {
    way: Way,
    random: Rng,
    access: Arc<Access>,
    court: Arc<Court>,
    parts: [Arc<Part>; 4],
    users: Vec<Arc<KubeUser>>,
    namespaces: Existing,
    /// What the cluster holds, and who has not heard of it yet.
    written: BTreeMap<usize, BTreeMap<Place, Write>>,
    coming: BTreeMap<(Instant, u64), Effect>,
    watching: bool,
    lag: Duration,
    number: u64,
    /// The rights that are, and when the others last were.
    rights: HashSet<Right>,
    last: HashMap<Right, Instant>,
    /// From when to when the authorizer or the watch failed.
    failures: Vec<(Instant, Instant)>,
    pages: Vec<Page>,
    counts: Counts,
}

/// Names the candidates of a play.
struct Nominee(Way, Arc<Watched>, Existing);

impl Candidates for Nominee {
    fn namespaces(&self, _cluster: &str, user: &KubeUser, kind: &'static Kind) -> Option<Vec<Arc<str>>> {
        let all =
            || self.2.lock().expect("no panic under this lock").iter().map(|name| (*name).into()).collect();
        match self.0 {
            Way::Watched => self.1.candidates(user, kind, clock::now()).or_else(|| Some(all())),
            Way::Clock => Some(all()),
        }
    }
}

impl Play {
    pub fn begin(way: Way, sim: Cluster, mut random: Rng) -> Play {
        let mut config = Config::default();
        config.access.reviews_per_second = 20_000;
        config.access.allowed_life = Duration::from_secs(random.u64(0..=2));
        config.access.denied_life = config.access.allowed_life.min(Duration::from_secs(1));
        let court = Arc::new(Court::new(sim, random.fork()));
        let access = access_before(&court, &config);
        let (watched, parts) = Watched::new(&"east".into(), Arc::downgrade(&access));
        let namespaces: Existing = Arc::default();
        access.nominate(Arc::new(Nominee(way, watched, namespaces.clone())));
        let user = |(name, groups): (&str, &[&str])| {
            Arc::new(KubeUser {
                name: name.into(),
                groups: groups.iter().map(|group| (*group).into()).collect(),
            })
        };
        Play {
            way,
            random,
            access,
            court,
            parts,
            users: USERS.map(user).into(),
            namespaces,
            written: BTreeMap::new(),
            coming: BTreeMap::new(),
            watching: true,
            lag: Duration::ZERO,
            number: 0,
            rights: HashSet::new(),
            last: HashMap::new(),
            failures: Vec::new(),
            pages: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Plays so many rounds: things happen, then all is quiet.
    pub async fn run(mut self, rounds: usize) -> Counts {
        self.set_the_stage().await;
        for round in 0..rounds {
            let lags = [0, 0, 100, 700, 2500, 9000];
            self.lag = Duration::from_millis(self.any(&lags));
            for _ in 0..self.random.usize(1..25) {
                self.act().await;
                let ms = self.any(&[0, 0, 10, 100, 1000, 10_000]);
                let ms = self.random.u64(0..=ms);
                self.pass(Duration::from_millis(ms)).await;
            }
            self.be_quiet(round).await;
        }
        self.counts.reviews = self.court.state().answered;
        self.counts
    }

    async fn set_the_stage(&mut self) {
        self.namespaces.lock().expect("no panic under this lock").extend(NAMESPACES);
        for part in &self.parts {
            part.replace(Rv(0), Vec::new(), None);
            part.set_state(State::Live);
        }
        for _ in 0..30 {
            self.write_role();
            self.write_binding();
        }
        self.pass(Duration::from_secs(1)).await;
        for _ in 0..PAGES {
            let page = self.new_page();
            self.pages.push(page);
        }
    }

    fn any<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.usize(..from.len())]
    }

    fn new_page(&mut self) -> Page {
        let (user, kind) = (self.random.usize(..USERS.len()), self.any(&KINDS));
        let kind = kind::by_name(kind).expect("a kind of the registry");
        let count = self.random.usize(1..4);
        let named = self.random.choose_multiple(NAMESPACES, count);
        let named = Namespaces::new(named.into_iter().map(Into::into)).expect("some names");
        let everything = !kind.namespaced || self.random.u8(..3) > 0;
        let wanted = if everything { Wanted::Everything } else { Wanted::Namespaces(named) };
        let asker = Asker::User(self.users[user].clone());
        Page { user, key: GrantKey { cluster: "east".into(), kind, asker, wanted }, grant: None }
    }

    /// Something happens.
    async fn act(&mut self) {
        match self.random.u8(..100) {
            0..24 => self.write_binding(),
            24..46 => self.remove(2),
            46..56 => self.write_role(),
            56..59 => self.remove(0),
            59..65 => self.appear_or_vanish(),
            65..67 => self.fail(),
            67..69 => self.lose_sight(),
            69..80 => {
                let page = self.random.usize(..PAGES);
                self.pages[page] = self.new_page();
            }
            _ => self.open().await,
        }
    }

    /// A page connects, again or for the first time: it gets a grant, and may be told at once that it has none.
    async fn open(&mut self) {
        let page = self.random.usize(..PAGES);
        let key = self.pages[page].key.clone();
        let deciding = tokio::spawn(decided(self.access.clone(), key));
        while !deciding.is_finished() {
            self.pass(Duration::from_millis(5)).await;
        }
        self.pages[page].grant = Some(deciding.await.expect("it does not panic"));
        self.look();
    }

    fn write_role(&mut self) {
        let verbs: [&[&str]; 7] = [
            &["list", "watch"],
            &["list", "watch"],
            &["list", "watch", "get"],
            &["*"],
            &["list"],
            &["watch"],
            &["get"],
        ];
        let groups: [&[&str]; 4] = [&[""], &["", "apps"], &["*"], &["apps"]];
        let resources: [&[&str]; 8] = [
            &["pods"],
            &["services", "pods"],
            &["deployments"],
            &["*"],
            &["nodes"],
            &["pods/log", "services"],
            &["secrets"],
            &[],
        ];
        let names: [&[&str]; 6] = [&[], &[], &[], &[], &[], &["web"]];
        let rule = |play: &mut Play| Rule {
            verbs: play.any(&verbs),
            groups: play.any(&groups),
            resources: play.any(&resources),
            names: play.any(&names),
        };
        let rules = (0..self.random.usize(0..3)).map(|_| rule(self)).collect();
        let namespace = if self.random.bool() { None } else { Some(self.any(&NAMESPACES)) };
        let name = self.any(&ROLES);
        self.write(Write::Role((namespace, name), Some(rules)));
    }

    fn write_binding(&mut self) {
        let namespace = if self.random.u8(..8) == 0 { None } else { Some(self.any(&NAMESPACES)) };
        let subject = |play: &mut Play| match play.random.u8(..10) {
            0..6 => Subject::User(play.any(&NAMED)),
            6..9 => Subject::Group(play.any(&GROUPS)),
            _ => Subject::Account(play.any(&NAMED)),
        };
        let subjects = (0..self.random.usize(0..3)).map(|_| subject(self)).collect();
        let of_cluster = namespace.is_none() || self.random.u8(..4) > 0;
        let binding = Binding { of_cluster, role: self.any(&ROLES), subjects };
        let name = self.any(&BINDINGS);
        self.write(Write::Binding((namespace, name), Some(binding)));
    }

    /// Something of these parts, or of the next, is gone.
    fn remove(&mut self, part: usize) {
        let part = part + self.random.usize(..2);
        let there: Vec<Write> =
            self.written.get(&part).into_iter().flat_map(BTreeMap::values).cloned().collect();
        if let Some(write) = self.random.choice(there) {
            self.write(gone(&write));
        }
    }

    fn appear_or_vanish(&mut self) {
        let namespace = self.any(&NAMESPACES);
        let vanishes = !self.namespaces.lock().expect("no panic under this lock").insert(namespace);
        if !vanishes {
            return;
        }
        let all = self.written.values().flat_map(BTreeMap::values);
        let held: Vec<Write> = all.filter(|write| write.place().0 == Some(namespace)).map(gone).collect();
        for write in held {
            self.write(write);
        }
        self.namespaces.lock().expect("no panic under this lock").remove(namespace);
    }

    /// It is written now; the authorizer and the watch hear of it when they do.
    fn write(&mut self, write: Write) {
        if let Some(namespace) = write.place().0.filter(|_| write.is_there())
            && !self.namespaces.lock().expect("no panic under this lock").contains(namespace)
        {
            return;
        }
        let part = self.written.entry(write.part()).or_default();
        if write.is_there() {
            part.insert(*write.place(), write.clone());
        } else {
            part.remove(write.place());
        }
        self.counts.writes += 1;
        let now = clock::now();
        let watch = self.any(&[0, 5, 50]);
        self.comes(now + self.lag, Effect::Obeyed(write.clone()));
        let told = self.newest_told(now + Duration::from_millis(watch));
        self.comes(told, Effect::Told(write));
    }

    /// A watch brings events in their order.
    fn newest_told(&self, at: Instant) -> Instant {
        let told = self.coming.iter().filter(|(_, effect)| matches!(effect, Effect::Told(_)));
        told.map(|((at, _), _)| *at).fold(at, Instant::max)
    }

    fn comes(&mut self, at: Instant, effect: Effect) {
        self.number += 1;
        self.coming.insert((at, self.number), effect);
    }

    fn fail(&mut self) {
        let failure = self.any(&[Failure::Unreached, Failure::Busy, Failure::Unclear]);
        let (now, time) = (clock::now(), Duration::from_millis(self.random.u64(100..8000)));
        self.comes(now, Effect::Fails(Some(failure)));
        self.comes(now + time, Effect::Fails(None));
        self.failures.push((now, now + time));
    }

    fn lose_sight(&mut self) {
        let (now, time) = (clock::now(), Duration::from_millis(self.random.u64(100..40_000)));
        self.comes(now, Effect::Watches(false));
        self.comes(now + time, Effect::Watches(true));
        self.failures.push((now, now + time));
    }

    /// So much time passes, with whatever comes in it.
    async fn pass(&mut self, time: Duration) {
        let until = clock::now() + time;
        loop {
            let next = self.coming.first_key_value().map_or(until, |((at, _), _)| *at);
            let next = next.min(until).min(clock::now() + LOOK);
            held::pass_until(next).await;
            while let Some(coming) = self.coming.first_entry().filter(|entry| entry.key().0 <= clock::now()) {
                let effect = coming.remove();
                self.take(effect);
            }
            self.look();
            if clock::now() >= until {
                return;
            }
        }
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Obeyed(write) => {
                let now = clock::now();
                self.last.extend(self.rights.iter().map(|right| (*right, now)));
                self.court.obey(write);
                self.note_rights();
            }
            Effect::Told(write) if self.watching => self.tell(&write),
            Effect::Told(_) => {}
            Effect::Fails(failure) => self.court.state().failure = failure,
            Effect::Watches(true) => self.see_again(),
            Effect::Watches(false) => {
                self.watching = false;
                self.parts.iter().for_each(|part| part.set_state(State::Away { why: "gone".into() }));
            }
        }
    }

    fn tell(&mut self, write: &Write) {
        if self.way == Way::Clock {
            return;
        }
        self.number += 1;
        let event = if write.is_there() { "MODIFIED" } else { "DELETED" };
        let line = serde_json::json!({"type": event, "object": write.json(self.number.into())}).to_string();
        let part = &self.parts[write.part()];
        let change = (part.key().kind.decode_line)(line.as_bytes()).expect("a line of a watch");
        part.apply(&mut vec![change]);
    }

    /// The watch is back, and lists what is there.
    fn see_again(&mut self) {
        self.watching = true;
        if self.way == Way::Clock {
            return;
        }
        for (number, part) in self.parts.iter().enumerate() {
            self.number += 1;
            let written = self.written.get(&number).into_iter().flat_map(BTreeMap::values);
            let items: Vec<_> = written.map(|write| write.json(self.number.into())).collect();
            let version = self.number.to_string();
            let list =
                serde_json::json!({"metadata": {"resourceVersion": version}, "items": items}).to_string();
            let page = (part.key().kind.decode_page)(list.as_bytes()).expect("a list");
            part.replace(Rv(self.number.into()), page.items, None);
            part.set_state(State::Live);
        }
    }

    fn note_rights(&mut self) {
        let state = self.court.state();
        self.rights.clear();
        for (user, who) in self.users.iter().enumerate() {
            let rules = state.law.rules_of(who);
            for kind in KINDS.map(|kind| kind::by_name(kind).expect("a kind of the registry")) {
                let namespaces = NAMESPACES.iter().copied().map(Some).chain([None]);
                let may = |verb, at| allow(&rules, verb, (kind.api.group, kind.api.plural), at);
                let allowed = namespaces.filter(|at| may("list", *at) && may("watch", *at));
                self.rights.extend(allowed.map(|at| (user, kind, at)));
            }
        }
    }

    /// How long ago a right may have ended by which a grant still allows something.
    fn bound(&self) -> Duration {
        let now = clock::now();
        let settings = &self.access.settings;
        let bound = match self.way {
            Way::Clock => settings.review_every + settings.allowed_life + AT_ONCE,
            Way::Watched if self.lag.is_zero() => AT_ONCE.max(settings.allowed_life + LOOK),
            Way::Watched => BOUND,
        };
        // What failed a minute ago has no effect any more.
        let recent = self.failures.iter().filter(|(_, until)| *until + Duration::from_mins(1) > now);
        // Questions are asked again some seconds after a failure.
        recent.fold(bound, |bound, (since, until)| bound + (*until - *since) + Duration::from_secs(6))
    }

    /// No grant allows what its user had no right to within the bound.
    fn look(&mut self) {
        let (now, bound) = (clock::now(), self.bound() + LOOK);
        for page in &self.pages {
            let Some(grant) = &page.grant else { continue };
            let Ruling::Allowed(scope) = &grant.ruling().0 else { continue };
            for at in places(scope) {
                self.counts.looked += 1;
                let right = (page.user, page.key.kind, at);
                let ago = self.last.get(&right).map(|last| now - *last);
                let is_theirs = self.rights.contains(&right) || ago.is_some_and(|ago| ago <= bound);
                let age = now - grant.ruling().1;
                assert!(
                    is_theirs,
                    "{:?}: {scope:?}, asked {age:?} ago: {at:?} was a right {ago:?} ago, bound {bound:?}, lag {:?}",
                    page.key, self.lag
                );
            }
        }
    }

    /// Nothing happens until everybody must have heard of everything: now each grant allows what the law allows.
    async fn be_quiet(&mut self, round: usize) {
        while !self.coming.is_empty() {
            self.pass(LOOK).await;
        }
        let settled = match self.way {
            Way::Watched if self.failures.is_empty() => BOUND,
            // What came and went while the watch was away is noticed by the clock alone.
            _ => 2 * self.access.settings.review_every + AT_ONCE,
        };
        self.pass(settled).await;
        for number in 0..self.pages.len() {
            let held = self.pages[number].grant.as_ref().map(|grant| grant.ruling().0.clone());
            if !matches!(held, Some(Ruling::Allowed(_))) {
                let key = self.pages[number].key.clone();
                self.pages[number].grant = Some(held::done(decided(self.access.clone(), key)).await);
            }
        }
        // Who was denied may be shown a part of what they have gained before all of it.
        self.pass(Duration::from_secs(1)).await;
        (0..self.pages.len()).for_each(|number| self.compare(number, round));
        self.failures.clear();
        // Some close, so that their grants are forgotten.
        for page in 0..self.random.usize(0..PAGES / 2) {
            self.pages[page] = self.new_page();
        }
        let away = self.any(&[0, 0, 45]);
        self.pass(Duration::from_secs(away)).await;
    }

    fn compare(&mut self, number: usize, round: usize) {
        let page = &self.pages[number];
        let ruling = page.grant.as_ref().expect("it was decided").ruling().0.clone();
        let has = |at: Option<&'static str>| self.rights.contains(&(page.user, page.key.kind, at));
        let expected = match &page.key.wanted {
            Wanted::Everything if has(None) => Ruling::Allowed(Scope::All),
            Wanted::Everything => {
                let existing = self.namespaces.lock().expect("no panic under this lock");
                let union = existing.iter().filter(|at| page.key.kind.namespaced && has(Some(at)));
                let union = Namespaces::new(union.map(|at| (*at).into()));
                union.map_or(Ruling::Denied { namespace: None }, |set| Ruling::Allowed(Scope::Set(set)))
            }
            Wanted::Namespaces(set) => {
                let refused = set.names().iter().find(|name| !has(Some(known(name))));
                match refused {
                    Some(name) => Ruling::Denied { namespace: Some(name.clone()) },
                    None => Ruling::Allowed(page.key.wanted.as_shared()),
                }
            }
        };
        assert_eq!(ruling, expected, "round {round}, lag {:?}: {:?}", self.lag, page.key);
        self.counts.compared += 1;
    }
}

fn gone(write: &Write) -> Write {
    match write {
        Write::Role(place, _) => Write::Role(*place, None),
        Write::Binding(place, _) => Write::Binding(*place, None),
    }
}

fn known(name: &str) -> &'static str {
    NAMESPACES.iter().find(|known| **known == name).expect("one of the play's")
}

fn places(scope: &Scope) -> Vec<Option<&'static str>> {
    match scope {
        Scope::All => vec![None],
        Scope::Namespace(name) => vec![Some(known(name))],
        Scope::Set(set) => set.names().iter().map(|name| Some(known(name))).collect(),
    }
}
