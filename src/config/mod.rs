//! One typed tree of settings: file, environment, flags.
//!
//! Every setting has a default, a range and a line in `docs/configuration.md`; a test keeps that page equal to this code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// All settings.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Listening, cores, request heads.
    pub server: Server,
    /// Who asks.
    pub auth: Auth,
    /// Which kinds have streams, and what is kept warm.
    pub watch: Watch,
    /// Limits and timing of streams.
    pub streams: Streams,
    /// How much of the past is retained.
    pub journal: Journal,
    /// Feeds' life.
    pub feeds: Feeds,
    /// How apiservers are spoken to.
    pub upstream: Upstream,
    /// Ceilings for the process.
    pub memory: Memory,
    /// Shutting down.
    pub drain: Drain,
    /// Log output.
    pub log: Log,
    /// The registry file of clusters (`clusters:`).
    pub clusters_file: Option<PathBuf>,
}

/// Listening, cores, request heads.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address of the HTTP listener.
    pub listen: SocketAddr,
    /// Pinned threads that own streams; 0: one per CPU.
    pub cores: usize,
    /// Longest request head, in bytes (431 beyond).
    pub head_bytes: usize,
    /// Time for a request head to come in whole (408 beyond).
    pub head_timeout: Duration,
    /// How long an idle kept-alive connection stays open.
    pub idle_timeout: Duration,
    /// Worker threads of the control plane.
    pub control_threads: usize,
    /// Connections that may be open at once on one core, whatever they do (refused by closing).
    pub connections_per_core: usize,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Auth {
    /// How identities come about; there is no default in a file: it must be said.
    pub mode: AuthMode,
    /// The identity of everyone in `dev`.
    pub dev: DevIdentity,
    /// The trusted proxy of `header`.
    pub header: HeaderAuth,
    /// Lets `dev` listen beyond loopback. Only the flag `--insecure` sets it.
    pub insecure: bool,
}

/// How identities come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Everyone is the dev identity.
    Dev,
    /// A trusted proxy says who asks.
    Header,
}

/// The identity of everyone in `dev`.
#[derive(Clone, Debug)]
pub struct DevIdentity {
    /// Subject.
    pub subject: String,
    /// E-mail.
    pub email: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// The trusted proxy of `header`.
#[derive(Clone, Debug)]
pub struct HeaderAuth {
    /// Name of the header with the user.
    pub user: String,
    /// Name of the header with the groups (comma-separated, may be repeated).
    pub groups: String,
    /// Peers that may set them: addresses or CIDR blocks.
    pub trusted_peers: Vec<Cidr>,
}

/// An address block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Any address of the block.
    pub address: std::net::IpAddr,
    /// Leading bits that count.
    pub bits: u8,
}

impl Cidr {
    /// Whether the block holds the address (an IPv4-mapped IPv6 address counts as IPv4).
    #[must_use]
    pub fn contains(&self, peer: std::net::IpAddr) -> bool {
        use std::net::IpAddr;
        let canonical = |ip: IpAddr| match ip {
            IpAddr::V6(six) => six.to_ipv4_mapped().map_or(ip, IpAddr::V4),
            IpAddr::V4(_) => ip,
        };
        match (canonical(self.address), canonical(peer)) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0) & (a.to_bits() ^ b.to_bits())
                    == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0) & (a.to_bits() ^ b.to_bits())
                    == 0
            }
            _ => false,
        }
    }
}

/// Which kinds have streams, and what is kept warm.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The kinds that have a stream, in registry order.
    pub kinds: Vec<&'static crate::kind::Kind>,
    /// Feeds that are synced from the start and never end: (cluster or `*`, kind).
    pub prewarm: Vec<(String, &'static crate::kind::Kind)>,
}

/// How a refused stream is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An HTTP status, as the contract has it.
    Status,
    /// A 200 stream that says `retry:` and `error` and ends, since an EventSource never retries after another status.
    Event,
}

/// Limits and timing of streams.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Open streams per user; 0: no limit.
    pub per_user: u32,
    /// Open streams per core.
    pub per_core: u32,
    /// Connects per second and core; 0: no limit.
    pub connects_per_second: u32,
    /// How far behind its view's log a stream may be, in bytes, before it leaves the log.
    pub lag: usize,
    /// How long a stream's socket may take no byte before it is reset.
    pub stall: Duration,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// The longest that batching itself holds an event of a busy view; 0 switches batching off.
    pub window: Duration,
    /// `retry:` is drawn from this span.
    pub retry: (Duration, Duration),
    /// How a refused stream is answered.
    pub refusal: Refusal,
    /// `TCP_NOTSENT_LOWAT` of a stream's socket, bytes.
    pub notsent_lowat: u32,
    /// `SO_SNDBUF` of a stream's socket, bytes; 0: the kernel's own choice.
    pub sndbuf: u32,
}

/// How much of the past is retained.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Frames older than this are evicted.
    pub age: Duration,
    /// Bytes retained per feed.
    pub max_bytes: usize,
    /// Bytes retained in all.
    pub total_bytes: usize,
}

/// Feeds' life.
#[derive(Clone, Debug)]
pub struct Feeds {
    /// How long a feed goes on after its last tab.
    pub linger: Duration,
    /// How long a list waits for a feed's first sync before 503.
    pub wait: Duration,
    /// After how long without upstream each stream is told.
    pub away_after: Duration,
    /// Most feeds alive at once in the process.
    pub max: usize,
}

/// How apiservers are spoken to.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Watches on one HTTP/2 connection.
    pub watches_per_connection: usize,
    /// Unary calls in flight per cluster.
    pub calls_in_flight: usize,
    /// HTTP/2 stream window of watch connections, bytes.
    pub watch_stream_window: u32,
    /// HTTP/2 connection window of watch connections, bytes; must exceed watches × stream window.
    pub watch_connection_window: u32,
    /// HTTP/2 ping interval.
    pub ping: Duration,
    /// HTTP/2 ping time-out.
    pub ping_timeout: Duration,
    /// TCP connect time-out.
    pub connect_timeout: Duration,
    /// Time for TLS and the answer's head of any call.
    pub answer_timeout: Duration,
    /// Idle limit on a WatchList's initial events before falling back to LIST.
    pub watch_list_idle: Duration,
    /// Time for one page of a LIST.
    pub page_timeout: Duration,
    /// Objects on one page of a LIST.
    pub page_size: u32,
    /// `timeoutSeconds` of a watch is drawn from this span.
    pub watch_timeout: (Duration, Duration),
    /// Longest wait between two tries.
    pub max_backoff: Duration,
    /// Relists at once per cluster.
    pub relists_at_once: usize,
    /// Longest line of a watch, bytes.
    pub line_bytes: usize,
}

/// Ceilings for the process.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Bytes that logs, segments, journals, replicas and snapshots may take in all; at it new streams are refused.
    pub limit: usize,
}

/// Shutting down.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Not ready, but still accepting.
    pub lame: Duration,
    /// Streams are ended evenly over this span.
    pub window: Duration,
}

/// Log output.
#[derive(Clone, Debug)]
pub struct Log {
    /// JSON lines instead of text.
    pub json: bool,
    /// A filter such as `info` or `foretop=debug`.
    pub level: String,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            cores: 0,
            head_bytes: 16 * KIB,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            control_threads: 2,
            connections_per_core: 18_000,
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            mode: AuthMode::Dev,
            dev: DevIdentity {
                subject: "dev@local".into(),
                email: "dev@local".into(),
                groups: vec!["dev".into()],
            },
            header: HeaderAuth {
                user: "X-Forwarded-User".into(),
                groups: "X-Forwarded-Groups".into(),
                trusted_peers: Vec::new(),
            },
            insecure: false,
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Watch { kinds: crate::kind::all().iter().collect(), prewarm: Vec::new() }
    }
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            per_user: 60,
            per_core: 16_000,
            connects_per_second: 0,
            lag: 256 * KIB,
            stall: Duration::from_secs(300),
            heartbeat: Duration::from_secs(15),
            window: Duration::from_millis(20),
            retry: (Duration::from_secs(2), Duration::from_secs(5)),
            refusal: Refusal::Status,
            notsent_lowat: 16 * 1024,
            sndbuf: 0,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Journal { age: Duration::from_secs(600), max_bytes: 16 * MIB, total_bytes: 512 * MIB }
    }
}

impl Default for Feeds {
    fn default() -> Self {
        Feeds {
            linger: Duration::from_secs(300),
            wait: Duration::from_secs(10),
            away_after: Duration::from_secs(15),
            max: 20_000,
        }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Upstream {
            watches_per_connection: 80,
            calls_in_flight: 64,
            watch_stream_window: 256 * 1024,
            watch_connection_window: 32 * 1024 * 1024,
            ping: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(15),
            watch_list_idle: Duration::from_secs(10),
            page_timeout: Duration::from_secs(60),
            page_size: 500,
            watch_timeout: (Duration::from_secs(240), Duration::from_secs(300)),
            max_backoff: Duration::from_secs(10),
            relists_at_once: 4,
            line_bytes: 16 * MIB,
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Memory { limit: 2048 * MIB }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Drain { lame: Duration::from_secs(5), window: Duration::from_secs(10) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { json: false, level: "info".into() }
    }
}
