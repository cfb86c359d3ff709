//! Clients that mean no good, or might as well: each sort for itself, in waves, from addresses of their own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// The kernel takes this for as little as it can.
const NARROW: u32 = 4096;

/// How long a wave's connections take to come, so that it is a wave and not a step.
const SWELL: Duration = Duration::from_millis(500);

/// How much of each there is.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Streams of distinct views of the large cluster, of which not a byte is read: each keeps a snapshot of its own from being freed.
    pub hoarders: usize,
    /// Streams of the large cluster that are read at some KB a second.
    pub slow: usize,
    /// Lists of distinct scopes, of which not a byte is read.
    pub lists: usize,
    /// Heads that never end.
    pub heads: usize,
    /// Connections a second that bring garbage.
    pub garbage: u64,
    /// Connections a second that are closed, or reset, at once.
    pub flood: u64,
}

/// What they have come to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Connections begun.
    pub begun: AtomicU64,
    /// Answers of 200.
    pub served: AtomicU64,
    /// Answers of 429 and 503.
    pub refused: AtomicU64,
}

/// Whom they visit.
#[derive(Clone)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// Its large cluster.
    pub cluster: String,
    /// That cluster's namespaces.
    pub namespaces: Arc<[String]>,
    /// What comes of it.
    pub tally: Arc<Tally>,
}

impl Target {
    /// The target of a list or a stream of all namespaces but those that the number names: so many views of nearly the whole cluster.
    fn path(&self, number: usize, verb: &str) -> String {
        let left_out = |index: usize| number >> (index % usize::BITS as usize) & 1 == 1;
        let chosen = self.namespaces.iter().enumerate().filter(|(index, _)| !left_out(*index));
        let query: Vec<String> = chosen.map(|(_, name)| format!("namespace={name}")).collect();
        format!("/api/clusters/{}/pods{verb}?{}", self.cluster, query.join("&"))
    }

    fn get(&self, path: &str, user: usize) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nX-Forwarded-User: hostile-{user}\r\n\r\n", self.address)
    }

    async fn connect(&self, number: usize) -> io::Result<TcpStream> {
        self.tally.begun.fetch_add(1, Relaxed);
        let socket = TcpSocket::new_v4()?;
        let own = u8::try_from(1 + number % 50).unwrap_or(1);
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 2, own), 0)))?;
        socket.set_recv_buffer_size(NARROW)?;
        let connected = timeout(Duration::from_secs(5), socket.connect(self.address)).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Asks, reads the head of the answer, and counts it. `None` unless that is 200.
    async fn asked(&self, path: &str, number: usize) -> Option<TcpStream> {
        let mut socket = self.connect(number).await.ok()?;
        socket.write_all(self.get(path, number).as_bytes()).await.ok()?;
        let mut head = [0; 12];
        timeout(Duration::from_secs(20), socket.read_exact(&mut head)).await.ok()?.ok()?;
        match &head[9..12] {
            b"200" => {
                self.tally.served.fetch_add(1, Relaxed);
                return Some(socket);
            }
            b"429" | b"503" => {
                self.tally.refused.fetch_add(1, Relaxed);
            }
            _ => {}
        }
        None
    }

    /// A stream or list that is asked for and not read until then.
    async fn hoard(self, number: usize, verb: &'static str, until: Instant) {
        let socket = self.asked(&self.path(number, verb), number).await;
        tokio::time::sleep_until(until).await;
        drop(socket);
    }

    async fn read_slowly(self, number: usize, until: Instant) {
        let path = format!("/api/clusters/{}/pods/watch", self.cluster);
        let Some(mut socket) = self.asked(&path, number).await else { return };
        let mut some = [0; 1024];
        while Instant::now() < until {
            sleep(Duration::from_millis(300)).await;
            if !matches!(timeout(Duration::from_secs(1), socket.read(&mut some)).await, Ok(Ok(1..)) | Err(_))
            {
                return;
            }
        }
    }

    async fn never_end_a_head(self, number: usize, until: Instant) {
        while Instant::now() < until {
            let Ok(mut socket) = self.connect(number).await else { return };
            let begun = format!("GET /api/clusters/{}/pods/watch HTTP/1.1\r\nHost: x\r\nX-", self.cluster);
            let _ = socket.write_all(begun.as_bytes()).await;
            // Until the server has had enough of it.
            let mut answer = Vec::new();
            let _ = tokio::time::timeout_at(until, socket.read_to_end(&mut answer)).await;
        }
    }

    async fn bring_garbage(self, per_second: u64, until: Instant) {
        let mut clock =
            tokio::time::interval(Duration::from_secs(1) / u32::try_from(per_second.max(1)).unwrap_or(1));
        let mut number: usize = 0;
        while Instant::now() < until {
            clock.tick().await;
            number += 1;
            let Ok(mut socket) = self.connect(number).await else { continue };
            let _ = socket.write_all(&garbage(number)).await;
            let mut some = [0; 256];
            let _ = timeout(Duration::from_millis(100), socket.read(&mut some)).await;
        }
    }

    async fn flood(self, per_second: u64, until: Instant) {
        let mut clock =
            tokio::time::interval(Duration::from_secs(1) / u32::try_from(per_second.max(1)).unwrap_or(1));
        let mut number: usize = 0;
        while Instant::now() < until {
            clock.tick().await;
            number += 1;
            let Ok(socket) = self.connect(number).await else { continue };
            if number.is_multiple_of(2) {
                let _ = socket.set_zero_linger();
            }
        }
    }
}

/// Bytes that are no request, or nearly one; the same for the same number.
fn garbage(number: usize) -> Vec<u8> {
    let mut state = number as u64 | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = (0..128).flat_map(|_| random()).collect();
    match number % 4 {
        0 => bytes,
        1 => [b"GET /api/clusters/ HTTP/1.1\r\n", &bytes[..]].concat(),
        2 => [b"POST /api/stream HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{", &bytes[..]]
            .concat(),
        _ => [b"\x16\x03\x01", &bytes[..]].concat(),
    }
}

/// A wave of all of them, which is over by then. Dropping the set ends it at once.
pub fn wave(target: &Target, crowd: Crowd, round: usize, until: Instant) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let late = |number: usize, of: usize| SWELL.mul_f64(number as f64 / of.max(1) as f64);
    for number in 0..crowd.hoarders {
        let (target, pause) = (target.clone(), late(number, crowd.hoarders));
        // Another part of the views in each round.
        let view = round * crowd.hoarders + number + 1;
        all.spawn(async move {
            sleep(pause).await;
            target.hoard(view, "/watch", until).await;
        });
    }
    for number in 0..crowd.lists {
        let (target, pause) = (target.clone(), late(number, crowd.lists));
        all.spawn(async move {
            sleep(pause).await;
            target.hoard(number + 1, "", until).await;
        });
    }
    for number in 0..crowd.slow {
        all.spawn(target.clone().read_slowly(number, until));
    }
    for number in 0..crowd.heads {
        all.spawn(target.clone().never_end_a_head(number, until));
    }
    all.spawn(target.clone().bring_garbage(crowd.garbage, until));
    all.spawn(target.clone().flood(crowd.flood, until));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_distinct_and_nearly_whole() {
        let namespaces: Arc<[String]> = (0..12).map(|number| format!("n{number}")).collect();
        let target = Target {
            address: ([127, 0, 0, 1], 1).into(),
            cluster: "big-1".into(),
            namespaces,
            tally: Arc::default(),
        };
        let paths: std::collections::BTreeSet<String> =
            (1..400).map(|number| target.path(number, "/watch")).collect();
        assert_eq!(paths.len(), 399);
        assert!(paths.iter().all(|path| path.matches("namespace=").count() >= 3), "{paths:?}");
    }

    #[test]
    fn garbage_is_the_same_again() {
        assert_eq!(garbage(7), garbage(7));
        assert_ne!(garbage(4), garbage(8));
    }
}
