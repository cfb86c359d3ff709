//! How apiservers are spoken to.

use std::time::Duration;

use super::grammar::{Size, Time, Whole};
use super::table::{Section, Table};
use super::{GIB, HOUR, KIB, MINUTE, SECOND};

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

impl Default for Upstream {
    fn default() -> Self {
        Upstream {
            watches_per_connection: 80,
            calls_in_flight: 64,
            watch_stream_window: 256 * 1024,
            watch_connection_window: 32 * 1024 * 1024,
            ping: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(15),
            watch_list_idle: Duration::from_secs(10),
            page_timeout: Duration::from_mins(1),
            page_size: 500,
            watch_timeout: (Duration::from_mins(4), Duration::from_mins(5)),
            max_backoff: Duration::from_secs(10),
            relists_at_once: 4,
            line_bytes: 16 << 20,
        }
    }
}

impl Section for Upstream {
    fn settings(&mut self, table: &mut Table<'_>) {
        self.connections(table);
        self.deadlines(table);
        self.lists_and_watches(table);
    }
}

impl Upstream {
    fn connections(&mut self, table: &mut Table<'_>) {
        table.setting(
            "watchesPerConnection",
            &mut self.watches_per_connection,
            Whole(1, 1000),
            "Watches on one HTTP/2 connection. Stay below what the apiserver, or the proxy before it, allows (100 as a rule): a \
             watch beyond that waits without an error.",
        );
        table.setting(
            "callsInFlight",
            &mut self.calls_in_flight,
            Whole(1, 1000),
            "Calls other than watches in flight at once per cluster.",
        );
        table.setting(
            "watchStreamWindow",
            &mut self.watch_stream_window,
            Size(64 * KIB - 1, GIB),
            "HTTP/2 window of each watch.",
        );
        table.setting(
            "watchConnectionWindow",
            &mut self.watch_connection_window,
            Size(64 * KIB - 1, 2 * GIB - 1),
            "HTTP/2 window of a connection of watches. It must exceed `watchesPerConnection` times `watchStreamWindow`, or one slow \
             watch stalls the others.",
        );
    }

    fn deadlines(&mut self, table: &mut Table<'_>) {
        table.setting(
            "ping",
            &mut self.ping,
            Time(SECOND, HOUR),
            "Time between two HTTP/2 pings of a connection. An answered ping is what a quiet list's \"as of\" moves by: with more than some 8 s, tabs that are told \
             how old their rows are say `stale` between two of them.",
        );
        table.setting(
            "pingTimeout",
            &mut self.ping_timeout,
            Time(SECOND, 10 * MINUTE),
            "Time for the answer to a ping before the connection counts as dead.",
        );
        table.setting(
            "connectTimeout",
            &mut self.connect_timeout,
            Time(Duration::from_millis(100), MINUTE),
            "Time for a TCP connection.",
        );
        table.setting(
            "answerTimeout",
            &mut self.answer_timeout,
            Time(SECOND, 10 * MINUTE),
            "Time for TLS and the head of the answer to any call.",
        );
        table.setting(
            "maxBackoff",
            &mut self.max_backoff,
            Time(SECOND, 10 * MINUTE),
            "Longest wait between two tries at an apiserver that fails.",
        );
    }

    fn lists_and_watches(&mut self, table: &mut Table<'_>) {
        table.setting(
            "watchListIdle",
            &mut self.watch_list_idle,
            Time(SECOND, 10 * MINUTE),
            "How long the initial events of a streaming list may pause before it is given up for a paged list.",
        );
        table.setting(
            "pageTimeout",
            &mut self.page_timeout,
            Time(SECOND, 10 * MINUTE),
            "Time for one page of a list.",
        );
        table.setting("pageSize", &mut self.page_size, Whole(1, 10_000), "Objects on one page of a list.");
        table.span(
            "watchTimeout",
            &mut self.watch_timeout,
            Time(10 * SECOND, HOUR),
            "How long the apiserver is asked to keep a watch open is drawn from this span.",
        );
        table.setting(
            "relistsAtOnce",
            &mut self.relists_at_once,
            Whole(1, 1000),
            "Lists that run at once per cluster, when many feeds have to list anew.",
        );
        table.setting(
            "lineBytes",
            &mut self.line_bytes,
            Size(64 * KIB, GIB),
            "Longest line of a watch, which is one object. A watch with a longer one is opened anew.",
        );
    }
}
