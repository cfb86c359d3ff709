//! Connections whose every byte a test decides and sees: requests that no well-behaved client sends, answers read one by
//! one, and event streams as their items and their very text.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::patient;
use crate::tab::Answer;
use crate::tab::http::{Body, Head, Version};
use crate::tab::socket::{self, Socket};
use crate::tab::sse::{Event, Item, Parser};

/// A connection.
pub struct Wire {
    socket: Box<dyn Socket>,
    /// What came and was not looked at.
    read: Vec<u8>,
}

/// A GET of HTTP/1.1 with these further header lines (each with its line end).
pub fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Wire {
        let socket = patient("a connection", TcpStream::connect(address)).await.expect("a connection");
        socket.set_nodelay(true).expect("a TCP socket");
        Wire::to(address, socket).await
    }

    /// A connection to this server.
    async fn to(server: SocketAddr, socket: TcpStream) -> Wire {
        let socket = patient("a handshake", socket::over(socket, server)).await.expect("a handshake");
        Wire { socket, read: Vec::new() }
    }

    /// A connection over this socket.
    pub fn over(socket: impl Socket + 'static) -> Wire {
        Wire { socket: Box::new(socket), read: Vec::new() }
    }

    /// A connection from another of this machine's addresses.
    pub async fn connect_from(from: [u8; 4], address: SocketAddr) -> Wire {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("all of 127.0.0.0/8 is this machine");
        let socket = patient("a connection", socket.connect(address)).await.expect("a connection");
        Wire::to(address, socket).await
    }

    /// A connection on which this was sent.
    pub async fn with(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Wire {
        let mut wire = Wire::connect(address).await;
        wire.send(bytes).await;
        wire
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.expect("the server takes it");
        self.socket.flush().await.expect("the server takes it");
    }

    /// Like [`Wire::send`], where the server may have closed already.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).await.is_ok() && self.socket.flush().await.is_ok()
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        self.socket.shutdown().await.expect("an open socket");
    }

    /// Like [`Wire::half_close`], where the server may have closed already.
    pub async fn half_close_if_open(&mut self) -> bool {
        self.socket.shutdown().await.is_ok()
    }

    /// The next answer's head as it stands; nothing more is to be read from this connection.
    pub async fn head_text(&mut self) -> String {
        patient("a head", async {
            while !self.read.windows(4).any(|end| end == b"\r\n\r\n") && self.more().await {}
        })
        .await;
        let text = String::from_utf8_lossy(&self.read).into_owned();
        text.split_inclusive("\r\n\r\n").next().unwrap_or_default().to_owned()
    }

    /// Reads once. False at the end, or where the connection was reset.
    async fn more(&mut self) -> bool {
        matches!(self.socket.read_buf(&mut self.read).await, Ok(1..))
    }

    async fn head(&mut self) -> Head {
        let head = self.try_head().await;
        head.unwrap_or_else(|| {
            panic!("an answer ends in its head: {:?}", String::from_utf8_lossy(&self.read))
        })
    }

    /// The next answer's head; none where the connection ends before it.
    async fn try_head(&mut self) -> Option<Head> {
        loop {
            let parsed = Head::parse(&self.read)
                .unwrap_or_else(|why| panic!("{why:?} in {:?}", String::from_utf8_lossy(&self.read)));
            if let Some((head, length)) = parsed {
                self.read.drain(..length);
                return Some(head);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The next whole answer, and not a byte of what follows it.
    pub async fn answer(&mut self) -> Answer {
        patient("an answer", self.read_answer(true)).await
    }

    /// The next answer to a HEAD: its head.
    pub async fn answer_to_head(&mut self) -> Answer {
        patient("an answer to a HEAD", self.read_answer(false)).await
    }

    async fn read_answer(&mut self, with_body: bool) -> Answer {
        let head = self.head().await;
        let mut answer = Answer { head, body: Vec::new() };
        if !with_body {
            return answer;
        }
        let mut body = Body::of(&answer.head, Version::Http11).expect("a body");
        while !body.is_done() {
            if self.read.is_empty() && !self.more().await {
                assert!(body.may_close(), "a body is cut short");
                return answer;
            }
            // Byte by byte, since the body's end is known only to itself.
            let byte = self.read.remove(0);
            body.take(&[byte], &mut answer.body).expect("a well-formed body");
        }
        answer
    }

    /// At least so many bytes, unless the end comes before.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        patient("some bytes", async { while self.read.len() < count && self.more().await {} }).await;
        std::mem::take(&mut self.read)
    }

    /// All that comes until the server closes.
    pub async fn rest(&mut self) -> String {
        patient("the connection's end", async { while self.more().await {} }).await;
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Whether nothing comes, not even an end, for a while.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        self.read.is_empty() && tokio::time::timeout(time, self.more()).await.is_err()
    }
}

/// An event stream: its items in order, and its text.
pub struct Stream {
    wire: Wire,
    pub head: Head,
    body: Body,
    parser: Parser,
    /// All items so far.
    pub items: Vec<Item>,
    /// The whole body so far, freed of its chunks.
    pub text: String,
    ended: bool,
}

impl Stream {
    /// Sends a GET of HTTP/1.1 with these header lines, and reads the answer's head, of whatever status.
    pub async fn open(address: SocketAddr, path: &str, lines: &str) -> Stream {
        Stream::of(address, &get(path, lines), Version::Http11).await
    }

    /// The same of HTTP/1.0.
    pub async fn open_http10(address: SocketAddr, path: &str, lines: &str) -> Stream {
        Stream::of(address, &format!("GET {path} HTTP/1.0\r\n{lines}\r\n"), Version::Http10).await
    }

    async fn of(address: SocketAddr, request: &str, version: Version) -> Stream {
        let wire = Wire::with(address, request).await;
        Stream::on(wire, version).await
    }

    /// The answer to a request that was sent already.
    pub async fn on(mut wire: Wire, version: Version) -> Stream {
        let head = patient("a stream's head", wire.head()).await;
        Stream::headed(wire, head, version)
    }

    /// Like [`Stream::on`], where the server may be away.
    pub async fn try_on(mut wire: Wire, version: Version) -> Option<Stream> {
        let head = wire.try_head().await?;
        Some(Stream::headed(wire, head, version))
    }

    fn headed(wire: Wire, head: Head, version: Version) -> Stream {
        let body = Body::of(&head, version).expect("a body");
        let mut stream = Stream {
            wire,
            head,
            body,
            parser: Parser::default(),
            items: Vec::new(),
            text: String::new(),
            ended: false,
        };
        stream.take();
        stream
    }

    /// Itself, if it was opened.
    pub fn accepted(self) -> Option<Stream> {
        (self.head.status == 200).then_some(self)
    }

    fn take(&mut self) {
        let mut bytes = Vec::new();
        let taken = self.body.take(&std::mem::take(&mut self.wire.read), &mut bytes);
        assert_eq!(taken, Ok(()), "{}", self.text);
        self.parser.take(&bytes, &mut self.items);
        self.text.push_str(std::str::from_utf8(&bytes).expect("whole characters in each chunk"));
        self.ended |= self.body.is_done();
    }

    /// Reads until its items are as wanted. Fails the test when it ends before.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&[Item]) -> bool) {
        let reading = async {
            while !wanted(&self.items) {
                assert!(!self.ended && self.wire.more().await, "{what}: the end, after {}", self.text);
                self.take();
            }
        };
        patient(what, reading).await;
    }

    /// Reads until there are so many events.
    pub async fn events(&mut self, count: usize) -> Vec<Event> {
        self.until(&format!("{count} events"), |items| events(items).len() >= count).await;
        events(&self.items)
    }

    /// Reads to the end, which must be where a stream may end, and returns all events.
    pub async fn until_end(&mut self) -> Vec<Event> {
        patient("a stream's end", async {
            while !self.ended && self.wire.more().await {
                self.take();
            }
        })
        .await;
        let proper = self.body.may_close() && self.parser.is_between_blocks();
        assert!(proper, "cut short: {}", self.text);
        events(&self.items)
    }

    /// Reads once more. False at the end, or where the connection was reset.
    pub async fn more(&mut self) -> bool {
        let came = !self.ended && self.wire.more().await;
        if came {
            self.take();
        }
        came
    }

    /// The events so far.
    pub fn seen(&self) -> Vec<Event> {
        events(&self.items)
    }
}

/// The events among a stream's items.
pub fn events(items: &[Item]) -> Vec<Event> {
    let event = |item: &Item| match item {
        Item::Event(event) => Some(event.clone()),
        _ => None,
    };
    items.iter().filter_map(event).collect()
}
