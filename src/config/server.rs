//! Listening, cores, request heads.

use std::net::SocketAddr;
use std::time::Duration;

use super::grammar::{Address, Size, Time, Whole};
use super::table::{Section, Table};
use super::{HOUR, KIB, MIB, SECOND};

/// Listening, cores, request heads.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address of the HTTP listener.
    pub listen: SocketAddr,
    /// Pinned threads that own streams; 0: one per CPU.
    pub cores: usize,
    /// Longest request head, in bytes (431 beyond).
    pub head_bytes: usize,
    /// Longest request target (path and query), in bytes (414 beyond).
    pub target_bytes: usize,
    /// Longest request body that the control plane takes, in bytes (413 beyond).
    pub body_bytes: usize,
    /// Time for a request head to come in whole (408 beyond).
    pub head_timeout: Duration,
    /// How long an idle kept-alive connection stays open.
    pub idle_timeout: Duration,
    /// Worker threads of the control plane.
    pub control_threads: usize,
    /// Connections that may be open at once on one core, whatever they do (refused by closing).
    pub connections_per_core: usize,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            cores: 0,
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            body_bytes: 64 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            control_threads: 2,
            connections_per_core: 18_000,
        }
    }
}

impl Section for Server {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "listen",
            &mut self.listen,
            Address,
            "Address of the HTTP listener. `auth.mode: dev` refuses to listen beyond loopback without the flag `--insecure`.",
        );
        table.setting(
            "cores",
            &mut self.cores,
            Whole(0, 1024),
            "Pinned threads that own streams; 0: one per CPU.",
        );
        table.setting(
            "headBytes",
            &mut self.head_bytes,
            Size(KIB, 256 * KIB),
            "Longest request head. A longer one is answered 431.",
        );
        table.setting(
            "targetBytes",
            &mut self.target_bytes,
            Size(256, 64 * KIB),
            "Longest request target (path and query). A longer one is answered 414.",
        );
        table.setting(
            "bodyBytes",
            &mut self.body_bytes,
            Size(0, 16 * MIB),
            "Longest request body. A longer one is answered 413.",
        );
        table.setting(
            "headTimeout",
            &mut self.head_timeout,
            Time(SECOND, 5 * 60 * SECOND),
            "Time for a request head to come in whole. A slower one is answered 408.",
        );
        table.setting(
            "idleTimeout",
            &mut self.idle_timeout,
            Time(SECOND, HOUR),
            "How long a kept-alive connection stays open between two requests. Keep it longer than that of the proxy in front.",
        );
        table.setting(
            "controlThreads",
            &mut self.control_threads,
            Whole(1, 256),
            "Worker threads of the control plane: clusters, access reviews, sign-in, metrics.",
        );
        table.setting(
            "connectionsPerCore",
            &mut self.connections_per_core,
            Whole(16, 1_000_000),
            "Connections that may be open at once on one core, streams and all. Further ones are closed at once.",
        );
    }
}
