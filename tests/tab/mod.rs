//! A browser tab for tests: one list page's event stream, read from a raw socket, so that a test decides when and how
//! fast it reads.
//!
//! A [`Tab`] reads only when it is told to. [`Tab::follow`] hands it to a task that always reads, and lets any number
//! of conditions be awaited; [`Following::stop`] gives the tab back. Rows are reduced as the reference front end does,
//! but at once: its buffer of 50 ms would make tests depend on time.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

pub mod http;
pub mod socket;
pub mod sse;
pub mod state;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use http::{Body, Head, Malformed, Version};
use socket::Socket;
use sse::{Event, Item, Parser};
use state::{End, State};

/// How long anything that must happen may take before the test fails: far more than it ever should.
const PATIENCE: Duration = Duration::from_secs(60);

/// Is shown every event as it comes in, before the page is.
#[derive(Clone)]
pub struct Witness(Arc<dyn Fn(&Event) + Send + Sync>);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

/// What is asked of the server.
#[derive(Clone, Debug)]
pub struct Open {
    address: SocketAddr,
    path: String,
    kind: String,
    headers: Vec<(String, String)>,
    version: Version,
    receive_buffer: Option<u32>,
    witness: Option<Witness>,
}

impl Open {
    /// The watch of a kind in one namespace, or in all.
    pub fn watch(address: SocketAddr, cluster: &str, kind: &str, namespace: Option<&str>) -> Open {
        let query = namespace.map(|namespace| format!("?namespace={namespace}")).unwrap_or_default();
        Open {
            address,
            path: format!("/api/clusters/{cluster}/{kind}/watch{query}"),
            kind: kind.to_owned(),
            headers: vec![("Accept".into(), "text/event-stream".into())],
            version: Version::Http11,
            receive_buffer: None,
            witness: None,
        }
    }

    /// Asks for more in the query (`name=value`, escaped).
    #[must_use]
    pub fn query(mut self, pair: &str) -> Open {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{joint}{pair}", self.path);
        self
    }

    /// Has every event be seen as it comes in.
    #[must_use]
    pub fn witness(mut self, sees: impl Fn(&Event) + Send + Sync + 'static) -> Open {
        self.witness = Some(Witness(Arc::new(sees)));
        self
    }

    /// Sends another header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Open {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Speaks HTTP/1.0, as some proxies do.
    #[must_use]
    pub fn http10(mut self) -> Open {
        self.version = Version::Http10;
        self
    }

    /// Lets the kernel hold no more than about this many unread bytes.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Open {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Connects and sends the request, without waiting for an answer. Returns the client's address too.
    pub async fn send(&self, last_id: &str) -> std::io::Result<(Box<dyn Socket>, SocketAddr)> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(self.address).await?;
        let local = stream.local_addr()?;
        let mut stream = socket::over(stream, self.address).await?;
        let version = if self.version == Version::Http10 { "1.0" } else { "1.1" };
        let mut request = format!("GET {} HTTP/{version}\r\nHost: {}\r\n", self.path, self.address);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !last_id.is_empty() {
            request.push_str(&format!("Last-Event-ID: {last_id}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        Ok((stream, local))
    }
}

struct Connection {
    socket: Box<dyn Socket>,
    local: SocketAddr,
    head: Head,
    body: Body,
    parser: Parser,
    witness: Option<Witness>,
}

impl Connection {
    /// Sends the request and reads the answer's head, and returns the bytes that came behind it.
    async fn open(open: &Open, last_id: &str) -> Result<(Connection, Vec<u8>), End> {
        let (mut socket, local) = open.send(last_id).await.map_err(reset)?;
        let mut bytes = Vec::new();
        loop {
            if let Some((head, length)) = Head::parse(&bytes).map_err(malformed)? {
                let body = Body::of(&head, open.version).map_err(malformed)?;
                let witness = open.witness.clone();
                let connection = Connection { socket, local, head, body, parser: Parser::default(), witness };
                return Ok((connection, bytes.split_off(length)));
            }
            if socket.read_buf(&mut bytes).await.map_err(reset)? == 0 {
                return Err(End::Cut);
            }
        }
    }

    /// Reads once, at most `limit` bytes; none mean that the connection has ended. May be cancelled without losing bytes.
    async fn receive(&mut self, limit: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(limit.min(64 * 1024));
        (&mut self.socket).take(limit as u64).read_buf(&mut bytes).await?;
        Ok(bytes)
    }

    /// Takes what was received.
    fn apply(&mut self, received: std::io::Result<Vec<u8>>, state: &mut State) {
        match received {
            Ok(bytes) if bytes.is_empty() => state.end = Some(self.end()),
            Ok(bytes) => self.take(&bytes, state),
            Err(error) => state.end = Some(reset(error)),
        }
    }

    fn take(&mut self, bytes: &[u8], state: &mut State) {
        let (mut body, mut items) = (Vec::new(), Vec::new());
        let taken = self.body.take(bytes, &mut body);
        self.parser.take(&body, &mut items);
        for item in items {
            if let (Item::Event(event), Some(Witness(sees))) = (&item, &self.witness) {
                sees(event);
            }
            state.apply(item);
        }
        state.end = match taken {
            Err(error) => Some(malformed(error)),
            Ok(()) => self.body.is_done().then(|| self.end()),
        };
    }

    /// What the end of the connection at this place means.
    fn end(&self) -> End {
        if self.body.may_close() && self.parser.is_between_blocks() { End::Closed } else { End::Cut }
    }
}

fn reset(error: std::io::Error) -> End {
    End::Reset(error.to_string())
}

fn malformed(Malformed(text): Malformed) -> End {
    End::Malformed(text)
}

/// One list page: what it shows, and its connection.
pub struct Tab {
    /// What it shows and has noticed.
    pub state: State,
    open: Open,
    connection: Option<Connection>,
}

impl Tab {
    /// Connects, and reads the answer's head. Fails the test where there is no answer.
    pub async fn open(open: Open) -> Tab {
        let mut tab = Tab { state: State::new(&open.kind), open, connection: None };
        tab.reconnect().await;
        tab
    }

    /// Like [`Tab::open`], but starts from an id that another tab has seen.
    pub async fn resume(open: Open, last_id: &str) -> Tab {
        let mut tab = Tab { state: State::new(&open.kind), open, connection: None };
        last_id.clone_into(&mut tab.state.last_id);
        tab.reconnect().await;
        tab
    }

    /// Closes the connection, if there is one, and opens another with the newest id, as an `EventSource` does.
    pub async fn reconnect(&mut self) {
        assert_eq!(self.try_reconnect().await, Ok(()), "{}", self.open.path);
    }

    /// Like [`Tab::reconnect`], where the server may be away.
    pub async fn try_reconnect(&mut self) -> Result<(), End> {
        self.disconnect();
        self.state.lose();
        let opening = Connection::open(&self.open, &self.state.last_id);
        let (mut connection, behind) = patient("an answer's head", opening).await?;
        connection.take(&behind, &mut self.state);
        self.connection = Some(connection);
        Ok(())
    }

    /// Closes the connection at the client's side.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.head().status
    }

    /// A header of the answer, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head().header(name)
    }

    fn head(&self) -> &Head {
        &self.connection.as_ref().expect("a tab that was not disconnected").head
    }

    /// The client's end of the connection.
    pub fn local_address(&self) -> SocketAddr {
        self.connection.as_ref().expect("a tab that was not disconnected").local
    }

    /// Reads once, at most `limit` bytes, and applies them. False when the connection has ended. May be cancelled
    /// without losing bytes.
    pub async fn read(&mut self, limit: usize) -> bool {
        let (None, Some(connection)) = (&self.state.end, &mut self.connection) else { return false };
        let received = connection.receive(limit).await;
        connection.apply(received, &mut self.state);
        self.state.end.is_none()
    }

    /// Reads until what it shows is as wanted. Fails the test when the connection ends first.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&State) -> bool) -> &State {
        let reading = async {
            while !wanted(&self.state) {
                assert!(self.read(usize::MAX).await, "{what}: {}", describe(&self.open, &self.state));
            }
        };
        patient(what, reading).await;
        &self.state
    }

    /// Reads until the connection ends.
    pub async fn until_end(&mut self) -> End {
        patient("the end of a stream", async { while self.read(usize::MAX).await {} }).await;
        self.state.end.clone().unwrap_or(End::Closed)
    }

    /// Hands the tab to a task that reads whatever comes.
    pub fn follow(self) -> Following {
        let (publish, state) = watch::channel(self.state.clone());
        let (stop, stopped) = oneshot::channel();
        let open = self.open.clone();
        Following { state, open, stop, task: tokio::spawn(follow(self, publish, stopped)) }
    }
}

/// Reads until it is told to stop or the connection ends. What the tab shows lives where it is published, so that no
/// read copies it.
async fn follow(mut tab: Tab, publish: watch::Sender<State>, mut stopped: oneshot::Receiver<()>) -> Tab {
    if let Some(connection) = &mut tab.connection {
        while publish.borrow().end.is_none() {
            let received = tokio::select! {
                received = connection.receive(usize::MAX) => received,
                _ = &mut stopped => break,
            };
            publish.send_modify(|state| connection.apply(received, state));
        }
    }
    tab.state = publish.borrow().clone();
    tab
}

/// A tab that a task is reading.
pub struct Following {
    state: watch::Receiver<State>,
    open: Open,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Tab>,
}

impl Following {
    /// What it shows now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until what it shows is as wanted. Fails the test when the connection ends first.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&State) -> bool) -> State {
        let reached = self.reach(wanted).await;
        let state = self.state();
        assert!(reached, "{what}: {}", describe(&self.open, &state));
        state
    }

    /// Waits until what it shows is as wanted, and says whether it came to that.
    pub async fn reach(&mut self, wanted: impl Fn(&State) -> bool) -> bool {
        let waiting = self.state.wait_for(|state| wanted(state) || state.end.is_some());
        // An ended tab may have reached it with its very last bytes.
        let _ = tokio::time::timeout(PATIENCE, waiting).await;
        wanted(&self.state.borrow())
    }

    /// Stops reading and gives the tab back, connected as it is.
    pub async fn stop(self) -> Tab {
        // An ended tab's task has ended too, and hears nothing.
        let _ = self.stop.send(());
        self.task.await.expect("the task that reads a tab does not panic")
    }
}

/// One answer that is no stream.
#[derive(Clone, Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; fails the test where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A plain GET on a connection of its own. Fails the test where no whole answer comes.
pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    try_get(address, path, headers).await.unwrap_or_else(|end| panic!("{path}: {end:?}"))
}

/// Like [`get`], where the server may be away.
pub async fn try_get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Answer, End> {
    let mut open = Open {
        address,
        path: path.to_owned(),
        kind: String::new(),
        headers: vec![("Connection".into(), "close".into())],
        version: Version::Http11,
        receive_buffer: None,
        witness: None,
    };
    for (name, value) in headers {
        open = open.header(name, value);
    }
    patient(path, whole_answer(&open)).await
}

async fn whole_answer(open: &Open) -> Result<Answer, End> {
    let (mut connection, mut bytes) = Connection::open(open, "").await?;
    let mut answer = Answer { head: connection.head.clone(), body: Vec::new() };
    loop {
        connection.body.take(&bytes, &mut answer.body).map_err(malformed)?;
        if connection.body.is_done() {
            return Ok(answer);
        }
        bytes.clear();
        if connection.socket.read_buf(&mut bytes).await.map_err(reset)? == 0 {
            return if connection.body.may_close() { Ok(answer) } else { Err(End::Cut) };
        }
    }
}

async fn patient<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("{what}: did not happen within {PATIENCE:?}"))
}

fn describe(open: &Open, state: &State) -> String {
    format!(
        "{} shows {} rows, badge {:?}, end {:?}, id {:?}, events {:?}, last {:?}",
        open.path,
        state.rows.len(),
        state.badge,
        state.end,
        state.last_id,
        state.counts,
        state.last.as_ref().map(|event| (&event.name, event.data.chars().take(300).collect::<String>())),
    )
}
