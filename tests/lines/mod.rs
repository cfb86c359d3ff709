//! A client of multiplexed streams for tests, written from `docs/protocol.md` alone: it checks whatever the page promises of each event, and keeps
//! the rows, positions and states of its views. A test that has this module has the modules `house` and `tab` too.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpStream;
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

/// What is kept of a view from one stream to the next.
type Kept = (Rows, Option<String>);

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
    /// The ref of each number that was ever told.
    refs: BTreeMap<u64, String>,
    /// From where each view goes on if it is resumed, by its ref.
    kept: BTreeMap<String, Kept>,
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
        let mut line = Line::unread(address, lines, stream);
        line.until("hello", |line| line.hello.is_object()).await;
        line
    }

    /// Opens a stream with the views of one that has ended, each from where it stood; none where the server is away, or full.
    pub async fn go_on(before: &mut Line, views: &[Value]) -> Option<Line> {
        let address = before.address;
        Line::go_on_at(address, before, views).await
    }

    /// The same at another server.
    pub async fn go_on_at(address: SocketAddr, before: &mut Line, views: &[Value]) -> Option<Line> {
        let views: Vec<_> = views.iter().map(|view| before.resuming(view)).collect();
        let socket = TcpStream::connect(address).await.ok()?;
        let mut wire = Wire::over(socket);
        if !wire.try_send(post("/api/stream", &before.lines, &opening(&views))).await {
            return None;
        }
        let stream = Stream::try_on(wire, Version::Http11).await?.accepted()?;
        let mut line = Line::unread(address, &before.lines, stream);
        line.kept = before.kept();
        line.digest();
        while line.hello.is_null() {
            if !line.more().await {
                return None;
            }
        }
        Some(line)
    }

    fn kept(&self) -> BTreeMap<String, Kept> {
        let mut kept = self.kept.clone();
        let shown = self.numbers.keys().map(|name| (name, self.of(name)));
        kept.extend(shown.map(|(name, shown)| (name.clone(), (shown.rows.clone(), shown.position.clone()))));
        kept
    }

    fn unread(address: SocketAddr, lines: &str, stream: Stream) -> Line {
        assert_eq!(stream.head.status, 200, "{:?}", stream.head);
        assert_eq!(stream.head.header("content-type"), Some("text/event-stream"));
        assert_eq!(stream.head.header("foretop-protocol"), Some("1"));
        Line {
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
            refs: BTreeMap::new(),
            kept: BTreeMap::new(),
            witness: None,
        }
    }

    /// Reads once more. False at the end, or where the connection was reset.
    pub async fn more(&mut self) -> bool {
        let came = self.stream.more().await;
        self.digest();
        came
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
        let position = match self.view(name) {
            Some(shown) => shown.position.clone(),
            None => self.kept.get(name).and_then(|(_, position)| position.clone()),
        };
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
                let resumed = data["resumed"].as_bool().expect("a bool");
                let shown = self.shown.entry(number).or_default();
                if let Some((rows, position)) = self.kept.get(&name).filter(|_| resumed) {
                    shown.rows.clone_from(rows);
                    shown.position.clone_from(position);
                }
                shown.resumed = resumed;
                shown.synced = false;
                self.numbers.insert(name, number);
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
