//! A raw client: hyper's connections, no pool, no retries, nothing of Foretop's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// One connection.
pub struct Client {
    sender: Sender,
    /// Ends with the connection.
    pub connection: JoinHandle<()>,
    /// What the server announced; 0 on HTTP/1.1.
    pub max_streams: Arc<AtomicUsize>,
}

impl Client {
    pub async fn http1(addr: SocketAddr) -> Self {
        let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
        let (sender, connection) = http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        Client { sender: Sender::Http1(sender), connection, max_streams: Arc::default() }
    }

    pub async fn http2(addr: SocketAddr) -> Self {
        let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
        let (sender, mut connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let max_streams = Arc::new(AtomicUsize::new(0));
        let announced = max_streams.clone();
        let connection = tokio::spawn(std::future::poll_fn(move |context| {
            let polled = std::pin::Pin::new(&mut connection).poll(context);
            announced.store(connection.current_max_send_streams(), SeqCst);
            if polled.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        }));
        Client { sender: Sender::Http2(sender), connection, max_streams }
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request<Full<Bytes>> {
        let uri = match self.sender {
            Sender::Http1(_) => path.to_owned(),
            Sender::Http2(_) => format!("http://sim{path}"),
        };
        let mut request = Request::builder().method(method).uri(uri).header("host", "sim");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::from(body.to_owned())).unwrap()
    }

    pub async fn get(&mut self, path: &str) -> Response<Incoming> {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        let request = self.request("GET", path, headers, "");
        self.send(request).await.unwrap()
    }

    /// An answer that may be broken off.
    pub async fn try_get(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        let request = self.request("GET", path, &[], "");
        self.send(request).await
    }

    pub async fn json(&mut self, path: &str) -> (StatusCode, Value) {
        json(self.get(path).await).await
    }

    pub async fn call(&mut self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let request = self.request(method, path, &[("content-type", "application/json")], body);
        json(self.send(request).await.unwrap()).await
    }

    pub async fn watch(&mut self, path: &str) -> Lines {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK);
        Lines { body: response.into_body(), buffer: Vec::new() }
    }
}

pub async fn json(response: Response<Incoming>) -> (StatusCode, Value) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()))
}

/// The lines of a watch.
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

/// How a watch ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Clean,
    /// The rest, without its newline.
    Broken(Vec<u8>),
}

impl Lines {
    pub async fn raw(&mut self) -> Result<Vec<u8>, End> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(at + 1);
                self.buffer.pop();
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(_)) => return Err(End::Broken(std::mem::take(&mut self.buffer))),
                None if self.buffer.is_empty() => return Err(End::Clean),
                None => return Err(End::Broken(std::mem::take(&mut self.buffer))),
            }
        }
    }

    pub async fn next(&mut self) -> Value {
        let line = self.raw().await.expect("a line");
        serde_json::from_slice(&line).expect("JSON")
    }

    /// The next lines, as `TYPE name`.
    pub async fn take(&mut self, count: usize) -> Vec<String> {
        let mut words = Vec::new();
        for _ in 0..count {
            words.push(word(&self.next().await));
        }
        words
    }

    pub async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.raw().await {
                return end;
            }
        }
    }
}

pub fn word(line: &Value) -> String {
    let name = line["object"]["metadata"]["name"].as_str().unwrap_or("-");
    format!("{} {name}", line["type"].as_str().unwrap())
}

pub fn rv(line: &Value) -> u64 {
    line["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}
