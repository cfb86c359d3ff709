//! Tabs of three sorts that live as in a browser (they come back whenever they lose their stream), and what each of them claims at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::house::wire::events;
use crate::house::{EAST, WEST};
use crate::lines::{self, Line};
use crate::tab::http::Head;
use crate::tab::sse::Event;
use crate::tab::state::{Badge, Rows, State};
use crate::tab::{Open, Tab, try_get};

/// The object that is written all the time: the number of its restarts tells how old a row is.
pub const PULSE: &str = "pulse";

/// How long rows may be called live after the cluster was last heard of, as `hello` says it.
const LIVE: Duration = Duration::from_secs(25);

/// How long whoever polls waits for an answer.
const POLL_PATIENCE: Duration = Duration::from_secs(3);

/// How a page gets its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// An `EventSource` of one view.
    Single,
    /// A multiplexed stream, each kind a view.
    Multiplexed,
    /// A list, asked for again and again with its `ETag`.
    Polled,
}

/// A page: who looks at what.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub sort: Sort,
    pub user: &'static str,
    pub cluster: &'static str,
    pub kinds: &'static [&'static str],
    /// The namespace that is asked for; else all that the user may see.
    pub namespace: Option<&'static str>,
    /// The namespaces of which the user may ever see rows; none: all.
    pub may: Option<&'static [&'static str]>,
}

/// What a page says, and what came of it so far.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    /// Until when it says that its rows are live, if it does; and for how long at the most.
    pub live: Option<Instant>,
    /// The oldest pulse among its rows.
    pub pulse: usize,
    /// Times that it was given all rows.
    pub snapshots: u64,
    /// Times that it was told that the cluster is away.
    pub told: u64,
    /// Connections that it has lost.
    pub lost: u64,
    /// Rows of namespaces that its user may not see.
    pub leaked: u64,
    /// Its rows by view and identity; kept only once they are asked for.
    pub rows: BTreeMap<String, Value>,
    /// What was answered, where it was neither rows nor a stream.
    pub refused: BTreeSet<String>,
}

impl Glance {
    pub fn is_live(&self, now: Instant) -> bool {
        self.live.is_some_and(|until| now <= until)
    }
}

/// A page that lives.
pub struct Living {
    pub page: Page,
    glance: Arc<Mutex<Glance>>,
    wanted: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Living {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a page says what it shows.
struct Teller {
    page: Page,
    glance: Arc<Mutex<Glance>>,
    wanted: watch::Receiver<bool>,
}

impl Living {
    /// Opens the page.
    pub fn open(address: SocketAddr, page: Page) -> Living {
        let glance = Arc::new(Mutex::new(Glance::default()));
        let (wanted, asked) = watch::channel(false);
        let teller = Teller { page, glance: glance.clone(), wanted: asked };
        let task = match page.sort {
            Sort::Single => tokio::spawn(single(address, teller)),
            Sort::Multiplexed => tokio::spawn(multiplexed(address, teller)),
            Sort::Polled => tokio::spawn(polled(address, teller)),
        };
        Living { page, glance, wanted, task }
    }

    pub fn glance(&self) -> Glance {
        self.glance.lock().expect("nothing panics under this lock").clone()
    }

    /// From now on its rows are kept for who looks.
    pub fn show_rows(&self) {
        self.wanted.send_replace(true);
    }

    /// Closes it.
    pub fn closes(&self) {
        self.task.abort();
    }

    /// Whether it has failed.
    pub fn has_died(&self) -> bool {
        self.task.is_finished()
    }
}

impl Page {
    pub fn name(&self) -> String {
        let namespace = self.namespace.map(|namespace| format!(" of {namespace}")).unwrap_or_default();
        format!("{:?} {} of {} in {}{namespace}", self.sort, self.kinds.join("+"), self.user, self.cluster)
    }

    fn may_see(&self, row: &Value) -> bool {
        let namespace = row["namespace"].as_str().unwrap_or_default();
        self.may.is_none_or(|may| namespace.is_empty() || may.contains(&namespace))
    }

    /// Rows of an event's data that the user may not see.
    fn leaked(&self, data: &str) -> u64 {
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        let items = data["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows = items.iter().chain(data.get("object"));
        rows.filter(|row| !self.may_see(row)).count() as u64
    }
}

impl Teller {
    fn say(&self, change: impl FnOnce(&mut Glance)) {
        change(&mut self.glance.lock().expect("nothing panics under this lock"));
    }

    fn lost(&self) {
        self.say(|glance| {
            glance.live = None;
            glance.lost += 1;
        });
    }

    fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

/// The oldest pulse among rows; 0: there is none.
fn oldest_pulse<'a>(rows: impl Iterator<Item = &'a Value>) -> usize {
    let pulses = rows.filter(|row| row["name"] == PULSE);
    let restarts = pulses.map(|row| row["restarts"].as_u64().unwrap_or(0));
    restarts.min().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// A page as the reference front end is one.
async fn single(address: SocketAddr, mut teller: Teller) {
    let (page, glance) = (teller.page, teller.glance.clone());
    let kind = page.kinds[0];
    let open = Open::watch(address, page.cluster, kind, page.namespace)
        .header("X-Forwarded-User", page.user)
        .witness(move |event: &Event| {
            let leaked = page.leaked(&event.data);
            glance.lock().expect("nothing panics under this lock").leaked += leaked;
        });
    let mut tab = Tab::open(open).await;
    let mut is_connected = true;
    loop {
        if is_connected && tab.status() == 200 {
            follow(&mut tab, &mut teller).await;
            let last = tab.state.last.as_ref().filter(|event| event.name == "error");
            teller.say(|glance| glance.refused.extend(last.map(|event| event.data.clone())));
        } else if is_connected {
            teller.say(|glance| glance.refused.extend([tab.status().to_string()]));
        }
        teller.lost();
        tokio::time::sleep(Duration::from_millis(tab.state.retry.unwrap_or(1000))).await;
        is_connected = tab.try_reconnect().await.is_ok();
    }
}

/// Reads to the end of the connection.
async fn follow(tab: &mut Tab, teller: &mut Teller) {
    loop {
        tell_single(&tab.state, teller);
        let mut wanted = teller.wanted.clone();
        let is_wanted = teller.is_wanted();
        tokio::select! {
            goes_on = tab.read(64 * 1024) => if !goes_on {
                return tell_single(&tab.state, teller);
            },
            _ = wanted.wait_for(|wanted| *wanted), if !is_wanted => {}
        }
    }
}

fn tell_single(state: &State, teller: &Teller) {
    let rows = teller.is_wanted().then(|| state.rows.comparable());
    teller.say(|glance| {
        glance.live = (state.badge == Badge::Live && state.end.is_none()).then(far_away);
        glance.pulse = oldest_pulse(state.rows.items());
        glance.snapshots = state.count("snapshot");
        glance.told = state.relists.iter().filter(|data| data.contains("upstream_away")).count() as u64;
        glance.rows = rows.unwrap_or_default();
    });
}

/// A page as `docs/protocol.md` describes it.
async fn multiplexed(address: SocketAddr, teller: Teller) {
    let page = teller.page;
    let view = |kind: &&str| match page.namespace {
        None => lines::view(kind, page.cluster, kind),
        Some(namespace) => lines::view_of(kind, page.cluster, kind, &[namespace]),
    };
    let views: Vec<Value> = page.kinds.iter().map(view).collect();
    let mut line = Line::open(address, &format!("X-Forwarded-User: {}\r\n", page.user), &views).await;
    let mut heard = Heard::default();
    let mut begun = read_line(&mut line, &teller, &mut heard, 0).await;
    loop {
        teller.lost();
        let wait = line.bye.as_ref().and_then(|bye| bye["retryMs"].as_u64()).unwrap_or(1000);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if let Some(next) = Line::go_on(&mut line, &views).await {
            line = next;
            begun += read_line(&mut line, &teller, &mut heard, begun).await;
        }
    }
}

/// When a status of each view was last received, and which.
#[derive(Default)]
struct Heard(BTreeMap<String, (Value, Instant)>);

impl Heard {
    /// Until when all views may be called live, if they are said to be.
    fn live(&mut self, line: &Line, kinds: &[&str]) -> Option<Instant> {
        let mut until = far_away();
        for kind in kinds {
            let shown = line.view(kind).filter(|shown| shown.synced)?;
            let status = shown.status.as_ref()?;
            let known = self.0.entry((*kind).to_owned()).or_insert_with(|| (Value::Null, Instant::now()));
            if known.0 != *status {
                *known = (status.clone(), Instant::now());
            }
            if status["state"] != "live" {
                return None;
            }
            let age = Duration::from_millis(status["ageMs"].as_u64()?);
            until = until.min(known.1 + LIVE.saturating_sub(age));
        }
        Some(until)
    }
}

/// Reads to the end of the stream, or until a view is denied. Returns how often all rows of a view came.
async fn read_line(line: &mut Line, teller: &Teller, heard: &mut Heard, begun: u64) -> u64 {
    let (mut looked, mut begins) = (0, 0);
    loop {
        let came = events(&line.stream.items[looked..]);
        looked = line.stream.items.len();
        begins += came.iter().filter(|event| event.name == "begin").count() as u64;
        tell_line(line, teller, heard, &came, begun + begins);
        let mut wanted = teller.wanted.clone();
        let is_wanted = teller.is_wanted();
        let goes_on = tokio::select! {
            goes_on = line.more() => goes_on,
            _ = wanted.wait_for(|wanted| *wanted), if !is_wanted => true,
        };
        if !goes_on || !line.denied.is_empty() {
            teller.say(|glance| glance.refused.extend(line.denied.values().cloned()));
            return begins;
        }
    }
}

fn tell_line(line: &Line, teller: &Teller, heard: &mut Heard, came: &[Event], snapshots: u64) {
    let kinds = teller.page.kinds;
    let leaked: u64 = came.iter().map(|event| teller.page.leaked(&event.data)).sum();
    let states = kinds.iter().filter_map(|kind| line.view(kind)).flat_map(|shown| &shown.states);
    let told = states.filter(|state| *state == "stale").count() as u64;
    let live = heard.live(line, kinds);
    let rows = || kinds.iter().filter_map(|kind| Some((*kind, &line.view(kind)?.rows)));
    let kept = teller.is_wanted().then(|| by_view(rows()));
    teller.say(|glance| {
        glance.live = live;
        glance.pulse = oldest_pulse(rows().flat_map(|(_, rows)| rows.values()));
        glance.snapshots = snapshots;
        glance.told = glance.told.max(told.min(1));
        glance.leaked += leaked;
        glance.rows = kept.unwrap_or_default();
    });
}

/// All rows of several views, each named by its view too.
pub fn by_view<'a>(
    views: impl Iterator<Item = (&'a str, &'a BTreeMap<String, Value>)>,
) -> BTreeMap<String, Value> {
    let rows =
        views.flat_map(|(view, rows)| rows.iter().map(move |(key, row)| (format!("{view} {key}"), row)));
    rows.map(|(key, row)| (key, row.clone())).collect()
}

/// A program that asks for a list twice a second.
async fn polled(address: SocketAddr, teller: Teller) {
    let page = teller.page;
    let kind = page.kinds[0];
    let query = page.namespace.map(|namespace| format!("?namespace={namespace}")).unwrap_or_default();
    let path = format!("/api/clusters/{}/{kind}{query}", page.cluster);
    let (mut tag, mut rows) = (String::new(), Rows::new(kind));
    loop {
        let headers = [("X-Forwarded-User", page.user), ("If-None-Match", &tag)];
        let asked = tokio::time::timeout(POLL_PATIENCE, try_get(address, &path, &headers)).await;
        let now = Instant::now();
        let Ok(Ok(answer)) = asked else {
            teller.lost();
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        };
        match answer.head.status {
            200 => {
                let text = answer.text();
                let listed: Value = serde_json::from_str(&text).expect("a list is JSON");
                let items = listed[kind].as_array().cloned().unwrap_or_default();
                let leaked = items.iter().filter(|row| !page.may_see(row)).count() as u64;
                teller.say(|glance| glance.leaked += leaked);
                rows = Rows::of_list(kind, &items);
                answer.head.header("etag").unwrap_or_default().clone_into(&mut tag);
            }
            304 => {}
            status => teller.say(|glance| glance.refused.extend([status.to_string()])),
        }
        let kept = teller.is_wanted().then(|| rows.comparable());
        teller.say(|glance| {
            glance.live = answers(&answer.head).map(|age| now + LIVE.saturating_sub(age));
            glance.pulse = oldest_pulse(rows.items());
            glance.rows = kept.unwrap_or_default();
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// How old the rows are that a list's answer is about, where it is about rows.
fn answers(head: &Head) -> Option<Duration> {
    let age = head.header("foretop-age-ms").filter(|_| matches!(head.status, 200 | 304))?;
    Some(Duration::from_millis(age.parse().expect("milliseconds")))
}

const RED: &[&str] = &["red"];
const BLUE: &[&str] = &["blue"];
const BOTH: &[&str] = &["red", "blue"];

const fn page(
    sort: Sort,
    user: &'static str,
    kinds: &'static [&'static str],
    may: Option<&'static [&'static str]>,
) -> Page {
    Page { sort, user, cluster: EAST, kinds, namespace: None, may }
}

/// The pages of every scenario: each sort, users with rights to everything, to one namespace and to two, a quiet view, and another cluster.
pub const PAGES: [Page; 9] = [
    page(Sort::Single, "op", &["pods"], None),
    Page { namespace: Some("red"), ..page(Sort::Single, "ann", &["pods"], Some(RED)) },
    page(Sort::Single, "cid", &["pods"], Some(BOTH)),
    page(Sort::Single, "op", &["nodes"], None),
    page(Sort::Multiplexed, "op", &["pods", "nodes", "services"], None),
    page(Sort::Multiplexed, "bob", &["pods"], Some(BLUE)),
    page(Sort::Polled, "op", &["pods"], None),
    page(Sort::Polled, "ann", &["pods"], Some(RED)),
    Page { cluster: WEST, ..page(Sort::Single, "op", &["pods"], None) },
];
