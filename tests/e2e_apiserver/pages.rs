//! The open list pages of a run, and what they must equal.

use std::collections::BTreeMap;
use std::time::Instant;

use foretop::kind::{self, Kind, Page};
use jiff::Timestamp;
use serde_json::Value;

use crate::real::Real;
use crate::real::world::NAMESPACES;
use crate::server::{CLUSTER, Foretop};
use crate::tab::state::{Rows, State};
use crate::tab::{Following, Open, Tab};

/// One open list page.
pub struct Shown {
    pub kind: &'static Kind,
    pub namespace: Option<&'static str>,
    pub tab: Following,
}

impl Shown {
    /// Opens the page and waits for its rows.
    pub async fn open(foretop: &Foretop, kind: &'static Kind, namespace: Option<&'static str>) -> Shown {
        Shown::follow(Open::watch(foretop.address, CLUSTER, kind.name, namespace), kind, namespace).await
    }

    async fn follow(open: Open, kind: &'static Kind, namespace: Option<&'static str>) -> Shown {
        let tab = Tab::open(open).await;
        assert_eq!((tab.status(), tab.header("content-type")), (200, Some("text/event-stream")));
        let mut tab = tab.follow();
        tab.until("a first snapshot", |state| state.count("snapshot") > 0).await;
        Shown { kind, namespace, tab }
    }

    /// How a failing assertion names it.
    pub fn name(&self) -> String {
        format!("{} in {}", self.kind.name, self.namespace.unwrap_or("all namespaces"))
    }

    /// Waits until the page shows what the apiserver's LIST says, and checks that Foretop's list says so too.
    pub async fn equals(&mut self, real: &Real, foretop: &Foretop) {
        let page = real.list(self.kind, self.namespace).await;
        let upstream = rows(self.kind, &page);
        let wanted = upstream.hash();
        let reached = self.tab.reach(|state| state.rows.hash() == wanted).await;
        let state = self.tab.state();
        if !reached {
            differ(&self.name(), &upstream.comparable(), &state.rows.comparable());
        }
        // A resume may repeat what a relist brought, since that has no ids; deleting a row twice is harmless.
        let lost: Vec<_> = state.dropped.iter().filter(|event| event.name != "deleted").collect();
        assert!(lost.is_empty(), "{}: a page drops {lost:?}", self.name());

        let list = foretop.list(CLUSTER, self.kind.name, self.namespace).await.json();
        let items = list[self.kind.wrapper].as_array().unwrap_or_else(|| panic!("{}: {list}", self.name()));
        let listed = Rows::of_list(self.kind.name, items);
        if listed.hash() != wanted {
            differ(&format!("list of {}", self.name()), &upstream.comparable(), &listed.comparable());
        }
        if self.kind.name != "events" {
            let names = |rows: &Rows| rows.items().map(|row| row["name"].clone()).collect::<Vec<_>>();
            assert_eq!(names(&listed), names(&upstream), "the order of {}", self.name());
        }
    }
}

/// A page for every kind over all namespaces, some of one namespace, and one that speaks HTTP/1.0.
pub async fn open_all(foretop: &Foretop) -> Vec<Shown> {
    let mut shown = Vec::new();
    for kind in kind::all() {
        shown.push(Shown::open(foretop, kind, None).await);
    }
    for (name, namespace) in
        [("pods", NAMESPACES[0]), ("pods", NAMESPACES[1]), ("events", NAMESPACES[0]), ("jobs", NAMESPACES[1])]
    {
        shown.push(Shown::open(foretop, of(name), Some(namespace)).await);
    }
    let old = Open::watch(foretop.address, CLUSTER, "pods", None).http10();
    shown.push(Shown::follow(old, of("pods"), None).await);
    shown
}

/// The kind with this token.
pub fn of(name: &str) -> &'static Kind {
    kind::by_name(name).expect("a kind of the contract")
}

/// Waits until every page equals the apiserver's LIST.
pub async fn all_equal(what: &str, shown: &mut [Shown], real: &Real, foretop: &Foretop) {
    let began = Instant::now();
    for page in shown.iter_mut() {
        page.equals(real, foretop).await;
    }
    println!("{what}: {} pages equal fresh LISTs after {:.1} s", shown.len(), began.elapsed().as_secs_f32());
}

/// What every page has noticed until now.
pub fn states(shown: &[Shown]) -> Vec<State> {
    shown.iter().map(|page| page.tab.state()).collect()
}

/// Checks that since `before` no page was closed, and none was given its rows anew.
pub fn undisturbed(what: &str, shown: &[Shown], before: &[State]) {
    for (page, before) in shown.iter().zip(before) {
        let now = page.tab.state();
        assert_eq!(now.end, None, "{what}: {}", page.name());
        assert_eq!(now.relists, before.relists, "{what}: {}", page.name());
        assert_eq!(now.count("snapshot"), before.count("snapshot"), "{what}: {}", page.name());
    }
}

fn rows(kind: &Kind, page: &Page) -> Rows {
    let now = Timestamp::now();
    let row = |object: &kind::Object| -> Value {
        let mut text = Vec::new();
        object.row.write(now, &mut text);
        serde_json::from_slice(&text).expect("a row is JSON")
    };
    Rows::of_list(kind.name, &page.items.iter().map(row).collect::<Vec<_>>())
}

fn differ(what: &str, upstream: &BTreeMap<String, Value>, shown: &BTreeMap<String, Value>) -> ! {
    for (identity, row) in upstream {
        match shown.get(identity) {
            None => eprintln!("{what}: missing {row}"),
            Some(other) if other != row => eprintln!("{what}: upstream {row}\n{what}: shown    {other}"),
            Some(_) => {}
        }
    }
    for (identity, row) in shown {
        if !upstream.contains_key(identity) {
            eprintln!("{what}: too much {row}");
        }
    }
    panic!("{what} is not what the apiserver lists")
}
