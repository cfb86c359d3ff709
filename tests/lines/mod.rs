//! A client of multiplexed streams for tests, written from `docs/protocol.md` alone: it checks whatever the page promises of each event, and keeps
//! the rows, positions and states of its views. A test that has this module has the modules `house` and `tab` too.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::house::PATIENCE;
use crate::house::wire::{Stream, Wire, events};
use crate::tab::Answer;
use crate::tab::http::Version;
use crate::tab::sse::{Event, Item};

/// Rows by `namespace/name`.
pub type Rows = BTreeMap<String, Value>;

/// What the stream says of one number.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    pub rows: Rows,
    /// What `begin` promised, with what has come of it.
    incoming: Option<(u64, Rows)>,
    pub position: Option<String>,
    /// All rows are there.
    pub synced: bool,
    /// It goes on from the position that was given.
    pub resumed: bool,
    /// The newest `status`.
    pub status: Option<Value>,
    /// Every state that it was said to be in, each change once.
    pub states: Vec<String>,
    /// Bytes of the largest part of a snapshot, and how many parts there were in all.
    pub largest_part: usize,
    pub parts: usize,
    /// Names of all its events, in order.
    pub told: Vec<String>,
}

/// A multiplexed stream.
pub struct Line {
    pub stream: Stream,
    address: SocketAddr,
    lines: String,
    pub hello: Value,
    /// Items that were looked at.
    read: usize,
    /// The number of each view by its ref.
    pub numbers: BTreeMap<String, u64>,
    pub shown: BTreeMap<u64, Shown>,
    /// The code of each view that is denied, by its ref.
    pub denied: BTreeMap<String, String>,
    pub bye: Option<Value>,
    pub comments: usize,
    /// What its client shows from an earlier stream, by ref, as long as this one has not told of the view.
    kept: BTreeMap<String, Shown>,
    /// The ref of each number that was ever told.
    refs: BTreeMap<u64, String>,
    witness: Option<Witness>,
}

/// Is shown each event of a view as it comes in, with the view's ref, before anything is made of it.
pub type Witness = Box<dyn Fn(&str, &Event) + Send>;

/// A stream that is read all the time.
pub struct Following {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
    address: SocketAddr,
    lines: String,
    name: String,
}

/// What a stream has shown so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    numbers: BTreeMap<String, u64>,
    shown: BTreeMap<u64, Shown>,
    pub denied: BTreeMap<String, String>,
    pub is_over: bool,
}

impl Seen {
    /// What a view shows.
    pub fn view(&self, name: &str) -> Option<&Shown> {
        self.shown.get(self.numbers.get(name)?)
    }
}

impl Following {
    pub fn seen(&self) -> Seen {
        self.seen.lock().expect("nothing panics while it holds this lock").clone()
    }

    /// Changes the stream's views.
    pub async fn change(&self, add: &[Value], remove: &[&str]) -> Answer {
        changed(self.address, &self.name, &self.lines, add, remove).await
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn changed(address: SocketAddr, name: &str, lines: &str, add: &[Value], remove: &[&str]) -> Answer {
    let body = json!({"add": add, "remove": remove}).to_string();
    posted(address, &format!("/api/stream/{name}/views"), lines, &body).await
}

/// A view of a kind of a cluster, as it stands in a body.
pub fn view(name: &str, cluster: &str, kind: &str) -> Value {
    json!({"ref": name, "cluster": cluster, "kind": kind})
}

/// The same of these namespaces.
pub fn view_of(name: &str, cluster: &str, kind: &str, namespaces: &[&str]) -> Value {
    json!({"ref": name, "cluster": cluster, "kind": kind, "namespaces": namespaces})
}

/// A POST of JSON, with these further header lines.
pub fn post(path: &str, lines: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{lines}\r\n{body}",
        body.len()
    )
}

/// The answer to a POST that opens no stream.
pub async fn posted(address: SocketAddr, path: &str, lines: &str, body: &str) -> Answer {
    Wire::with(address, post(path, lines, body)).await.answer().await
}

/// The body that opens a stream with these views.
pub fn opening(views: &[Value]) -> String {
    json!({ "views": views }).to_string()
}

impl Line {
    /// Opens a stream with these views, and reads its `hello`.
    pub async fn open(address: SocketAddr, lines: &str, views: &[Value]) -> Line {
        let wire = Wire::with(address, post("/api/stream", lines, &opening(views))).await;
        Line::on(address, lines, Stream::on(wire, Version::Http11).await).await
    }

    /// The stream that answers a request which was sent already.
    pub async fn on(address: SocketAddr, lines: &str, stream: Stream) -> Line {
        Line::keeping(address, lines, stream, BTreeMap::new()).await
    }

    async fn keeping(
        address: SocketAddr,
        lines: &str,
        stream: Stream,
        kept: BTreeMap<String, Shown>,
    ) -> Line {
        assert_eq!(stream.head.status, 200, "{:?}", stream.head);
        assert_eq!(stream.head.header("content-type"), Some("text/event-stream"));
        assert_eq!(stream.head.header("foretop-protocol"), Some("1"));
        let mut line = Line {
            stream,
            address,
            lines: lines.to_owned(),
            hello: Value::Null,
            read: 0,
            numbers: BTreeMap::new(),
            shown: BTreeMap::new(),
            denied: BTreeMap::new(),
            bye: None,
            comments: 0,
            kept,
            refs: BTreeMap::new(),
            witness: None,
        };
        line.until("hello", |line| line.hello.is_object()).await;
        line
    }

    /// The stream with which its client comes back: each of these views from its position, with the rows that it shows.
    pub fn again(&self, address: SocketAddr, views: &[Value]) -> impl Future<Output = Line> + Send + use<> {
        let resuming: Vec<Value> = views.iter().map(|view| self.resuming(view)).collect();
        let lines = self.lines.clone();
        let mut kept = self.kept.clone();
        kept.extend(self.numbers.iter().map(|(name, number)| (name.clone(), self.shown[number].clone())));
        async move {
            let wire = Wire::with(address, post("/api/stream", &lines, &opening(&resuming))).await;
            Line::keeping(address, &lines, Stream::on(wire, Version::Http11).await, kept).await
        }
    }

    /// Reads once. False when the stream has ended. May be cancelled without losing bytes.
    pub async fn read(&mut self) -> bool {
        let goes_on = self.stream.more().await;
        self.digest();
        goes_on
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        self.hello["stream"].as_str().expect("hello names the stream")
    }

    /// What a view shows.
    pub fn view(&self, name: &str) -> Option<&Shown> {
        self.shown.get(self.numbers.get(name)?)
    }

    /// What a view shows, which is there.
    pub fn of(&self, name: &str) -> &Shown {
        self.view(name).unwrap_or_else(|| panic!("{name} is no view; {}", self.stream.text))
    }

    /// The names of a view's rows.
    pub fn rows(&self, name: &str) -> BTreeSet<String> {
        self.view(name).map(|shown| shown.rows.keys().cloned().collect()).unwrap_or_default()
    }

    /// Reads until it is so.
    pub async fn until(&mut self, what: &str, is_so: impl Fn(&Line) -> bool) {
        let began = std::time::Instant::now();
        loop {
            self.digest();
            if is_so(self) {
                return;
            }
            // A stream that lives is never quiet for long, so its own patience does not end.
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain for {what}: {:?} {:?}",
                self.numbers,
                self.told()
            );
            let read = self.read;
            self.stream.until(what, |items| items.len() > read).await;
        }
    }

    /// The last events of each view, and how many rows it shows.
    fn told(&self) -> Vec<(u64, usize, &[String])> {
        let last = |shown: &'_ Shown| shown.told.len().saturating_sub(12);
        self.shown
            .iter()
            .map(|(number, shown)| (*number, shown.rows.len(), &shown.told[last(shown)..]))
            .collect()
    }

    /// Reads until all of these views have all their rows.
    pub async fn synced(&mut self, names: &[&str]) {
        let all = |line: &Line| names.iter().all(|name| line.view(name).is_some_and(|shown| shown.synced));
        self.until(&format!("{names:?} are synced"), all).await;
    }

    /// Reads until a view's state is this.
    pub async fn is(&mut self, name: &str, state: &str) {
        let is = |line: &Line| {
            let status = line.view(name).and_then(|shown| shown.status.as_ref());
            status.is_some_and(|status| status["state"] == state)
        };
        self.until(&format!("{name} is {state}"), is).await;
    }

    /// Reads to the end.
    pub async fn until_end(&mut self) {
        self.stream.until_end().await;
        self.digest();
    }

    /// Changes the stream's views.
    pub async fn change(&self, add: &[Value], remove: &[&str]) -> Answer {
        changed(self.address, self.name(), &self.lines, add, remove).await
    }

    /// Reads all the time from now on; whatever comes is shown to the witness.
    pub fn follow(mut self, witness: Witness) -> Following {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (address, lines, name) = (self.address, self.lines.clone(), self.name().to_owned());
        self.witness = Some(witness);
        let told = seen.clone();
        let task = tokio::spawn(async move {
            let mut is_over = false;
            loop {
                self.digest();
                *told.lock().expect("nothing panics while it holds this lock") = Seen {
                    numbers: self.numbers.clone(),
                    shown: self.shown.clone(),
                    denied: self.denied.clone(),
                    is_over,
                };
                if is_over {
                    return;
                }
                is_over = !self.stream.more().await;
            }
        });
        Following { seen, task, address, lines, name }
    }

    /// A view with its position, as it stands in the body that opens the next stream.
    pub fn resuming(&self, view: &Value) -> Value {
        let mut view = view.clone();
        let name = view["ref"].as_str().expect("a ref");
        let position = self.view(name).or(self.kept.get(name)).and_then(|shown| shown.position.clone());
        view["position"] = position.into();
        view
    }

    fn digest(&mut self) {
        let items: Vec<Item> = self.stream.items[self.read..].to_vec();
        self.read = self.stream.items.len();
        for item in items {
            match item {
                Item::Event(event) => self.event(&event),
                Item::Comment(_) => self.comments += 1,
                other => panic!("{other:?} is no part of the protocol; {}", self.stream.text),
            }
        }
    }

    fn event(&mut self, event: &Event) {
        assert!(self.bye.is_none(), "nothing follows bye; {}", self.stream.text);
        let data: Value = serde_json::from_str(&event.data).expect("data is JSON");
        match (event.name.as_str(), &event.id) {
            ("hello", None) => {
                assert!(self.hello.is_null() && self.read > 0, "hello comes once");
                assert_eq!(data["protocol"], 1);
                self.hello = data;
            }
            ("denied", None) => {
                let name = data["ref"].as_str().expect("a ref").to_owned();
                self.numbers.remove(&name);
                self.denied.insert(name, data["code"].as_str().expect("a code").to_owned());
            }
            ("bye", None) => {
                assert!(data["retryMs"].is_u64(), "{data}");
                self.bye = Some(data);
            }
            ("view", Some(id)) => {
                let number = id.parse().expect("a number");
                let name = data["ref"].as_str().expect("a ref").to_owned();
                self.denied.remove(&name);
                self.refs.insert(number, name.clone());
                self.numbers.insert(name, number);
                let resumed = data["resumed"].as_bool().expect("a bool");
                let kept = self.kept.remove(self.refs[&number].as_str());
                let shown = self.shown.entry(number).or_default();
                if let Some(kept) = kept.filter(|_| resumed) {
                    (shown.rows, shown.position) = (kept.rows, kept.position);
                }
                shown.resumed = resumed;
                shown.synced = false;
            }
            (_, Some(id)) => self.of_view(event, id, &data),
            (_, None) => panic!("{event:?} is about no view; {}", self.stream.text),
        }
    }

    fn of_view(&mut self, event: &Event, id: &str, data: &Value) {
        let (number, position) = id.split_once('/').map_or((id, None), |(number, at)| (number, Some(at)));
        let number: u64 = number.parse().expect("a number");
        if let (Some(witness), Some(name)) = (&self.witness, self.refs.get(&number)) {
            witness(name, event);
        }
        let text = &self.stream.text;
        let shown = self.shown.get_mut(&number).unwrap_or_else(|| panic!("{number} is told by view; {text}"));
        shown.told.push(event.name.clone());
        match event.name.as_str() {
            "begin" => {
                shown.synced = false;
                shown.incoming = Some((data["count"].as_u64().expect("a count"), Rows::new()));
            }
            "snapshot" => {
                let items = data["items"].as_array().expect("items");
                assert!(event.data.len() <= 64 * 1024 || items.len() == 1, "{} bytes", event.data.len());
                assert!(!items.is_empty(), "an empty part says nothing");
                shown.largest_part = shown.largest_part.max(event.data.len());
                shown.parts += 1;
                let (_, rows) = shown.incoming.as_mut().expect("begin comes before snapshot");
                rows.extend(items.iter().map(|row| (key(row), row.clone())));
            }
            "synced" => {
                if data["resumed"] == false {
                    let (count, rows) = shown.incoming.take().expect("begin comes before synced");
                    assert_eq!((rows.len() as u64, &data["count"]), (count, &json!(count)), "{text}");
                    assert!(position.is_some(), "{event:?}");
                    shown.rows = rows;
                } else {
                    assert!(shown.resumed && data.get("count").is_none(), "{event:?}");
                }
                shown.synced = true;
            }
            "added" | "modified" => drop(shown.rows.insert(key(&data["object"]), data["object"].clone())),
            "deleted" => drop(shown.rows.remove(&key(&data["object"]))),
            "gap" => assert_eq!(position, None),
            "reset" => {
                shown.synced = false;
                shown.position = None;
            }
            "status" => {
                let state = data["state"].as_str().expect("a state").to_owned();
                assert!(data["asOf"].is_string() && data["ageMs"].is_u64() || state != "live", "{data}");
                if shown.states.last() != Some(&state) {
                    shown.states.push(state);
                }
                shown.status = Some(data.clone());
            }
            other => panic!("{other} is no event of the protocol; {text}"),
        }
        if let Some(position) = position {
            shown.position = Some(position.to_owned());
        }
    }
}

fn key(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

/// The events of a stream that have this name.
pub fn named<'a>(items: &'a [Item], name: &'a str) -> Vec<Event> {
    events(items).into_iter().filter(|event| event.name == name).collect()
}
