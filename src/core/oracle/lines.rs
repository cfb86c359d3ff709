//! Multiplexed streams among the tabs: whatever comes and goes, each view ends with the rows that a list would show, every byte is what the protocol
//! says, and nothing is left of it.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::line_tab::{LineTab, Rows};
use super::world::{NAMESPACES, SCOPES, UNIONS, World, rows, scope_of, set_of};
use super::{Act, act, perform};
use crate::access::{Asker, Grant, GrantKey, Ruling, Wanted};
use crate::audit::Origin;
use crate::core::line::adding::Client;
use crate::core::line::asked::AskedView;
use crate::core::plan::Manner;
use crate::feed::{KubeUser, Namespaces, Scope};
use crate::identity::Peer;
use crate::kind::Listing;
use crate::wire::head::Version;
use crate::wire::id::ResumeId;
use crate::wire::line::LineName;

/// A world, and its clients of multiplexed streams.
pub struct Lines {
    pub world: World,
    pub tabs: Vec<LineTab>,
    connections: usize,
}

#[derive(Clone, Debug)]
enum Of {
    World(Act),
    Open(Vec<usize>, bool),
    Connect(usize),
    Disconnect(usize),
    Read(usize, usize),
    Add(usize, usize),
    Remove(usize, usize),
    Decide(usize),
    Rescope(usize, usize, usize),
    Lose(usize, usize),
    Pause(u64),
    Expire,
}

fn of() -> impl Strategy<Value = Of> {
    prop_oneof![
        20 => act().prop_map(Of::World),
        3 => (prop::collection::vec(0usize..SCOPES, 0..4), prop::bool::weighted(0.2)).prop_map(|(a, b)| Of::Open(a, b)),
        3 => (0usize..2).prop_map(Of::Connect),
        1 => (0usize..2).prop_map(Of::Disconnect),
        8 => (0usize..2, prop_oneof![Just(65_536usize), 1usize..3000]).prop_map(|(a, b)| Of::Read(a, b)),
        3 => (0usize..2, 0usize..SCOPES).prop_map(|(a, b)| Of::Add(a, b)),
        2 => (0usize..2, 0usize..5).prop_map(|(a, b)| Of::Remove(a, b)),
        6 => (0usize..2).prop_map(Of::Decide),
        3 => (0usize..2, 0usize..5, 0usize..UNIONS).prop_map(|(a, b, c)| Of::Rescope(a, b, c)),
        1 => (0usize..2, 0usize..5).prop_map(|(a, b)| Of::Lose(a, b)),
        1 => (1u64..20).prop_map(Of::Pause),
        1 => Just(Of::Expire),
    ]
}

impl Lines {
    pub fn new(lag: usize, journal: usize) -> Self {
        Lines { world: World::with_full_rows(lag, journal), tabs: Vec::new(), connections: 0 }
    }

    fn perform(&mut self, of: &Of) {
        let tabs = self.tabs.len();
        match of {
            Of::World(act) => perform(&mut self.world, act),
            Of::Open(scopes, http10) if tabs < 2 => self.open(scopes, *http10),
            Of::Connect(tab) if *tab < tabs => self.connect(*tab),
            Of::Disconnect(tab) if *tab < tabs => self.tabs[*tab].leave(),
            Of::Read(tab, most) if *tab < tabs => drop(self.tabs[*tab].read(*most)),
            Of::Add(tab, scope) if *tab < tabs && self.tabs[*tab].views.len() < 5 => self.add(*tab, *scope),
            Of::Remove(tab, view) if *tab < tabs => self.remove(*tab, *view),
            Of::Decide(tab) if *tab < tabs => self.decide(*tab),
            Of::Rescope(tab, view, scope) if *tab < tabs => self.rescope(*tab, *view, *scope),
            Of::Lose(tab, view) if *tab < tabs => self.lose(*tab, *view),
            Of::Pause(seconds) => {
                let later = Instant::now() + Duration::from_secs(*seconds);
                self.world.core.ping_lines(later);
            }
            Of::Expire => self.world.core.expire_passes(u64::MAX),
            _ => {}
        }
    }

    pub fn open(&mut self, scopes: &[usize], http10: bool) {
        let version = if http10 { Version::Http10 } else { Version::Http11 };
        self.tabs.push(LineTab::new(version));
        let tab = self.tabs.len() - 1;
        for scope in scopes {
            self.tabs[tab].name(*scope);
        }
        self.connect(tab);
    }

    pub fn connect(&mut self, index: usize) {
        if self.tabs[index].stream.is_some() {
            return;
        }
        self.connections += 1;
        let core = &mut self.world.core;
        let tab = &mut self.tabs[index];
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        socket2::SockRef::from(&ours).set_send_buffer_size(4096).expect("a small buffer");
        theirs.set_nonblocking(true).expect("a socket can be made so");
        let who = World::who(index);
        let place = core.admit(&who).expect("no limit");
        let manner =
            Manner { version: tab.version, ..Manner::unparsed(&Peer::cleartext(([127, 0, 0, 1], 1).into())) };
        let name = LineName { replica: 1, secret: self.connections as u128 };
        let line = core.open_line(ours.into(), place, &who, &manner, name);
        tab.connected(theirs, line, format!("line-{}", self.connections));
        let names: Vec<String> = tab.views.keys().cloned().collect();
        for name in names {
            self.ask(index, &name);
        }
    }

    fn client(&self, index: usize) -> Client {
        let user = KubeUser { name: self.tabs[index].who.as_str().into(), groups: Box::default() };
        let asker = Asker::User(Arc::new(user));
        Client { identity: World::who(index), asker, from: Origin::unknown() }
    }

    /// Asks for a view, from its position if it has one.
    fn ask(&mut self, index: usize, name: &str) {
        let client = self.client(index);
        let tab = &mut self.tabs[index];
        let (Some(line), Some(wanted_by)) = (tab.line, tab.views.get(name).map(|view| view.wanted)) else {
            return;
        };
        let right = tab.right_of_equal(name, |number| wanted(number) == wanted(wanted_by));
        let Some(view) = tab.views.get_mut(name) else { return };
        view.right = Some(right.unwrap_or_else(|| scope_of(wanted_by)));
        let asked = AskedView {
            name: name.into(),
            cluster: "c".into(),
            kind: "pods".into(),
            wanted: wanted(view.wanted),
            selector: None,
            resume: view.position.as_deref().and_then(|position| ResumeId::parse(position.as_bytes())),
        };
        let undecided = self.world.core.add_view(line, asked, &client);
        self.tabs[index].undecided.extend(undecided);
    }

    fn add(&mut self, index: usize, scope: usize) {
        let name = self.tabs[index].name(scope);
        self.ask(index, &name);
    }

    pub fn remove(&mut self, index: usize, which: usize) {
        let tab = &mut self.tabs[index];
        let Some(name) = tab.views.keys().nth(which).cloned() else { return };
        tab.views.remove(&name);
        if let Some(line) = tab.line {
            self.world.core.remove_views(line, &[name.as_str().into()]);
        }
    }

    /// What its views' rights are is decided, as it was when they were asked for.
    pub fn decide(&mut self, index: usize) {
        let client = self.client(index);
        for undecided in std::mem::take(&mut self.tabs[index].undecided) {
            let tab = &self.tabs[index];
            let asked = tab.views.iter().find(|(_, view)| wanted(view.wanted) == undecided.key.wanted);
            // The newest ruling stands, whether or not its client has come to it.
            let newest = asked.and_then(|(name, view)| {
                let later = tab.rights.iter().rfind(|(_, of, _)| of == name).map(|(.., right)| right.clone());
                later.unwrap_or(view.right.clone())
            });
            let ruling = newest.map_or(Ruling::Denied { namespace: None }, Ruling::Allowed);
            let grant = Arc::new(Grant::new(undecided.key.clone(), ruling));
            self.world.core.decided(undecided, &grant, &client);
        }
    }

    fn key(&self, index: usize, number: usize) -> GrantKey {
        let kind = crate::kind::by_name("pods").expect("a kind");
        GrantKey { cluster: "c".into(), kind, asker: self.client(index).asker, wanted: wanted(number) }
    }

    /// What a view's user may see is another set now.
    fn rescope(&mut self, index: usize, which: usize, number: usize) {
        let tab = &self.tabs[index];
        let Some((_, view)) = tab.views.iter().nth(which) else { return };
        let (wanted_by, line) = (view.wanted, tab.line);
        if wanted(wanted_by) != Wanted::Everything || line.is_none() {
            return;
        }
        let scope = if number == 0 { Scope::All } else { set_of(number) };
        self.right_is(index, wanted_by, Some(&scope));
        let grant = Grant::new(self.key(index, wanted_by), Ruling::Allowed(scope));
        self.world.core.ruled(Arc::new(grant));
        self.world.core.carry_out_rulings();
    }

    /// From here on all views that want this may show that.
    fn right_is(&mut self, index: usize, number: usize, right: Option<&Scope>) {
        let tab = &mut self.tabs[index];
        let sent = tab.line.and_then(|line| self.world.core.slots.named(line)).map(|slot| slot.sent);
        let Some(sent) = sent.and_then(|sent| usize::try_from(sent).ok()) else { return };
        let names = tab.views.iter().filter(|(_, view)| wanted(view.wanted) == wanted(number));
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        tab.rights.extend(names.into_iter().map(|name| (sent, name, right.cloned())));
        tab.heard.push(format!("--- may see {right:?} behind {sent} bytes"));
        tab.follow_rights();
    }

    fn lose(&mut self, index: usize, which: usize) {
        let Some(number) = self.tabs[index].views.values().nth(which).map(|view| view.wanted) else { return };
        self.right_is(index, number, None);
        let grant = Grant::new(self.key(index, number), Ruling::Denied { namespace: None });
        self.world.core.ruled(Arc::new(grant));
        self.world.core.carry_out_rulings();
    }

    pub fn settle(&mut self) {
        self.world.settle();
        for _ in 0..3 {
            for index in 0..self.tabs.len() {
                self.connect(index);
                self.decide(index);
            }
            self.drain();
            // What was denied is asked for again.
            for index in 0..self.tabs.len() {
                let denied: Vec<String> = self.tabs[index]
                    .views
                    .iter()
                    .filter(|(_, view)| view.is_denied)
                    .map(|(name, _)| name.clone())
                    .collect();
                for name in denied {
                    if let Some(view) = self.tabs[index].views.get_mut(&name) {
                        (view.is_denied, view.position) = (false, None);
                    }
                    self.ask(index, &name);
                }
                self.decide(index);
            }
            self.drain();
            self.world.pass(Duration::from_secs(100));
            self.drain();
        }
    }

    pub fn drain(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            self.world.drain();
            // Time that is only played makes lines silent, so comments come all the time.
            let heard = |tabs: &[LineTab]| tabs.iter().map(|tab| tab.heard.len()).sum::<usize>();
            let before = heard(&self.tabs);
            for tab in &mut self.tabs {
                while tab.read(65_536) {}
            }
            quiet = if heard(&self.tabs) > before { 0 } else { quiet + 1 };
        }
    }

    pub fn check(&self) {
        self.world.check();
        for tab in &self.tabs {
            for (name, view) in &tab.views {
                let told = || format!("view {name} of {} heard {:#?}", tab.who, tab.heard);
                assert!(view.is_synced && view.is_live, "{}", told());
                let right = view.right.clone().expect("it was asked for");
                let all: Rows = rows(&self.world.items, &right, Listing::ByKey)
                    .into_iter()
                    .map(|(key, (row, _))| (key, row))
                    .collect();
                assert_eq!(view.rows, all, "{}", told());
            }
        }
    }

    pub fn close(mut self) {
        for tab in &mut self.tabs {
            tab.leave();
        }
        self.drain();
        assert!(self.world.core.lines.is_empty());
        self.world.close();
    }
}

/// What is asked for by this number: everything, or one namespace, or a set.
fn wanted(number: usize) -> Wanted {
    let of = |names: Vec<Arc<str>>| Wanted::Namespaces(Namespaces::new(names).expect("there are some"));
    match scope_of(number) {
        Scope::All => Wanted::Everything,
        Scope::Namespace(name) => of(vec![name]),
        Scope::Set(set) => of(set.names().to_vec()),
    }
}

fn run(lag: usize, journal: usize, acts: &[Of]) {
    let mut lines = Lines::new(lag, journal);
    for act in acts {
        lines.perform(act);
    }
    lines.settle();
    lines.check();
    lines.close();
}

proptest! {
    #[test]
    fn every_view_ends_with_the_rows_of_a_list(
        lag in prop_oneof![Just(500usize), Just(4000), Just(1 << 20)],
        journal in prop_oneof![Just(2000usize), Just(20_000), Just(1 << 24)],
        acts in proptest::collection::vec(of(), 1..60),
    ) {
        run(lag, journal, &acts);
    }
}

#[test]
fn a_name_that_comes_to_a_view_later_has_its_newest_right() {
    run(
        500,
        2000,
        &[Of::Open(vec![0, 0], false), Of::Rescope(0, 0, 2), Of::World(Act::Put(0, 0, 0, 0)), Of::Add(0, 0)],
    );
}

#[test]
fn a_view_that_is_busy_does_not_starve_a_quiet_one() {
    let mut lines = Lines::new(64 << 20, 1 << 24);
    for namespace in 0..NAMESPACES.len() {
        lines.world.put(namespace, 0, 0, 0);
    }
    lines.world.relist();
    // All, which is busy, and the quiet third namespace.
    lines.open(&[0, 3], false);
    lines.decide(0);
    lines.drain();
    let mut value = 0;
    for _ in 0..40 {
        value += 1;
        lines.world.put(0, 1, value, 4);
        lines.world.deliver(usize::MAX);
        lines.world.turn();
    }
    lines.world.put(2, 0, 9, 0);
    lines.world.deliver(usize::MAX);
    let mut read = 0;
    let quiet = |lines: &Lines| {
        let rows = &lines.tabs[0].views["view-2"].rows;
        rows.values().any(|row| row.contains("\"value\":9"))
    };
    while !quiet(&lines) {
        lines.world.turn();
        let before = lines.tabs[0].received;
        lines.tabs[0].read(1000);
        read += lines.tabs[0].received - before;
        assert!(read < 200_000, "of 800,000 bytes that the busy view has, so many came first: {read}");
    }
    lines.close();
}
