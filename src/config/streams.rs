//! Limits and timing of streams.

use std::time::Duration;

use super::grammar::{Choice, Size, Time, Whole};
use super::table::{Section, Table};
use super::{HOUR, KIB, MIB, MINUTE, SECOND};

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
    /// Views per user over all multiplexed streams; 0: no limit.
    pub views_per_user: u32,
    /// Open streams per core.
    pub per_core: u32,
    /// Connects per second and core; 0: no limit.
    pub connects_per_second: u32,
    /// How far behind its view's log a stream may be, in bytes, before it leaves the log.
    pub lag: usize,
    /// How long a stream's socket may take no byte before it is reset.
    pub stall: Duration,
    /// How long an ending stream's socket may take to accept its last event.
    pub last_event: Duration,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// The longest that batching itself holds an event of a busy view; 0 switches batching off.
    pub window: Duration,
    /// How long a stream whose id is newer than the feed waits for the feed to catch up, before it gets `relist` and a snapshot.
    pub ahead: Duration,
    /// How long a stream stays open, give or take a tenth; 0: for as long as its client wants.
    pub max_age: Duration,
    /// `retry:` is drawn from this span.
    pub retry: (Duration, Duration),
    /// How a refused stream is answered.
    pub refusal: Refusal,
    /// `TCP_NOTSENT_LOWAT` of a stream's socket, bytes.
    pub notsent_lowat: u32,
    /// `SO_SNDBUF` of a stream's socket, bytes; 0: the kernel's own choice.
    pub sndbuf: u32,
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            per_user: 60,
            views_per_user: 240,
            per_core: 16_000,
            connects_per_second: 0,
            lag: 256 * 1024,
            stall: Duration::from_mins(5),
            last_event: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            window: Duration::from_millis(20),
            ahead: Duration::from_secs(90),
            max_age: Duration::from_mins(20),
            retry: (Duration::from_secs(2), Duration::from_secs(5)),
            refusal: Refusal::Status,
            notsent_lowat: 16 * 1024,
            sndbuf: 0,
        }
    }
}

const REFUSALS: &[(&str, Refusal)] = &[("status", Refusal::Status), ("event", Refusal::Event)];

impl Section for Streams {
    fn settings(&mut self, table: &mut Table<'_>) {
        self.limits(table);
        self.timing(table);
        self.sockets(table);
    }
}

impl Streams {
    fn limits(&mut self, table: &mut Table<'_>) {
        table.setting(
            "perUser",
            &mut self.per_user,
            Whole(0, 1_000_000),
            "Open streams per user, over all clusters and kinds; further ones are refused (429). 0: no limit.",
        );
        table.setting(
            "viewsPerUser",
            &mut self.views_per_user,
            Whole(0, 1_000_000),
            "Views per user, over all their multiplexed streams, each of which is one of `perUser`; equal views of a stream count once. Further \
             ones are `denied` in the stream. 0: no limit.",
        );
        table.setting(
            "perCore",
            &mut self.per_core,
            Whole(1, 1_000_000),
            "Open streams per core, each view of a multiplexed one counted; further ones are refused (503).",
        );
        table.setting(
            "connectsPerSecond",
            &mut self.connects_per_second,
            Whole(0, 1_000_000),
            "New streams per second and core; further ones are refused (429). 0: no limit.",
        );
        table.setting(
            "refusal",
            &mut self.refusal,
            Choice(REFUSALS),
            "How a refused stream is answered. `status`: an HTTP status. `event`: a 200 stream that says `retry:` and `error` and \
             ends, for front ends that would not come back after another status.",
        );
        table.setting(
            "lag",
            &mut self.lag,
            Size(16 * KIB, 64 * MIB),
            "How far a stream may fall behind before it gets the latest row of each object instead of every event.",
        );
    }

    fn timing(&mut self, table: &mut Table<'_>) {
        table.setting(
            "stall",
            &mut self.stall,
            Time(150 * SECOND, 24 * HOUR),
            "How long a stream's socket may take no byte before it is reset. A reader of 1 KB/s takes nothing for 128 s at a time.",
        );
        table.setting(
            "lastEvent",
            &mut self.last_event,
            Time(Duration::ZERO, 30 * SECOND),
            "How long an ending stream's socket has to take its last event before it is closed without.",
        );
        table.setting(
            "heartbeat",
            &mut self.heartbeat,
            Time(2 * SECOND, MINUTE),
            "Time between two heartbeats of a stream. Front ends expect one every 15 s; more often helps behind proxies that cut what is idle for less. \
             A multiplexed stream is told how its views stand every 15 s at least.",
        );
        table.setting(
            "window",
            &mut self.window,
            Time(Duration::ZERO, Duration::from_millis(20)),
            "The longest that batching itself holds an event of a busy view; a quiet view's event leaves at once. 0: no batching.",
        );
        table.setting(
            "ahead",
            &mut self.ahead,
            Time(SECOND, HOUR),
            "How long a stream that comes back with an id newer than the feed waits for the feed, before it gets a new snapshot.",
        );
        table.setting(
            "maxAge",
            &mut self.max_age,
            Time(Duration::ZERO, 24 * HOUR),
            "How long a stream stays open, give or take a tenth. It is then ended where its client has got everything, which comes back by id and \
             misses nothing; its new response renews a session's cookie, and may go to another replica. 0: as long as its client wants.",
        );
        table.span(
            "retry",
            &mut self.retry,
            Time(SECOND, 5 * MINUTE),
            "What a stream tells its client to wait before it connects again (`retry:`) is drawn from this span.",
        );
    }

    fn sockets(&mut self, table: &mut Table<'_>) {
        table.setting(
            "notsentLowat",
            &mut self.notsent_lowat,
            Size(KIB, 16 * MIB),
            "`TCP_NOTSENT_LOWAT` of a stream's socket: how much may wait unsent in the kernel.",
        );
        table.setting(
            "sndbuf",
            &mut self.sndbuf,
            Size(0, 64 * MIB),
            "`SO_SNDBUF` of a stream's socket; 0: the kernel's own choice. It bounds kernel memory, and throttles clients that are far away.",
        );
    }
}
