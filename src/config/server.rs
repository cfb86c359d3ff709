//! Listening, cores, request heads.

use std::net::SocketAddr;
use std::time::Duration;

use super::grammar::{Address, Hosts, OptionalOrigin, Peers, Size, Time, Whole};
use super::table::{Section, Table};
use super::{Authority, Cidr, HOUR, KIB, MIB, Origin, SECOND, Tls};

/// Listening, cores, request heads.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address of the HTTP listener.
    pub listen: SocketAddr,
    /// Where browsers reach the server; `None`: by loopback names only.
    pub public_url: Option<Origin>,
    /// Further names that the server answers to.
    pub hosts: Vec<Authority>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
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
    /// Of these, connections of one client address that are no stream; 0: any number.
    pub connections_per_address: usize,
    /// TLS on a listener of its own.
    pub tls: Tls,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            cores: 0,
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            body_bytes: 64 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            control_threads: 2,
            connections_per_core: 18_000,
            connections_per_address: 2000,
            tls: Tls::default(),
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
            "publicUrl",
            &mut self.public_url,
            OptionalOrigin,
            "Where browsers reach the server: scheme, host and, where it is not the scheme's own, port. Requests whose `Host` is another are \
             answered 421. Without it, only loopback names are answered (`localhost`, 127.0.0.0/8, `[::1]`), so it is needed to be reached \
             from beyond.",
        );
        table.setting(
            "hosts",
            &mut self.hosts,
            Hosts,
            "Further names that the server answers to, such as one inside the cluster, or what a proxy in front makes of `Host`. One without a \
             port counts with any.",
        );
        table.setting(
            "trustedProxies",
            &mut self.trusted_proxies,
            Peers,
            "The proxies in front: of a request that comes from one, the client is the rightmost address in `X-Forwarded-For` that is none of \
             them. From anybody else that header is ignored.",
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
        table.setting(
            "connectionsPerAddress",
            &mut self.connections_per_address,
            Whole(0, 1_000_000),
            "Connections from one address (of IPv6: from one network of 64 bits) that may be open at once on one core and are no stream. Further \
             ones are closed at once. `server.trustedProxies` are not counted. 0: any number.",
        );
        table.section("tls", "TLS on a listener of its own.", &mut self.tls);
    }
}
