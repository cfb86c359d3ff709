//! Tabs by the thousand: processes of one thread each, with one epoll set, which read, check and count.
//!
//! ```text
//! Fleet (in the run) ──orders, a JSON line each──▶ process ──▶ Driver ─ sockets ─▶ Tab ─ blocks ─▶ Feed (one per view) ─▶ Totals
//!                    ◀──────────answers───────────
//! ```
//!
//! Invariants: a frame is looked into once per process and view, and compared for all other tabs; nothing is allocated per frame;
//! a tab keeps four bytes per row, so that its state can be told at any time.

mod chunks;
mod driver;
mod event;
mod feed;
mod fleet;
mod line;
mod recording;
pub mod rows;
mod tab;
pub mod totals;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use driver::serve;
pub use fleet::{Fleet, FleetError};

/// What a process of tabs is to do in its life; the first line that it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Where the server is.
    pub address: SocketAddr,
    /// The `Host` that is asked for.
    pub host: String,
    /// What tabs show.
    pub views: Vec<View>,
    /// The number of this process's first tab in the whole run.
    pub first: usize,
    /// How many tabs it has.
    pub tabs: usize,
    /// Users among whom the run's tabs are shared out: `load-0` and so on, in `X-Forwarded-User`. 0 says nobody's name.
    pub users: usize,
    /// Further lines of each request's head, without their ends.
    pub headers: Vec<String>,
    /// Whether frames are looked into: off, frames are only counted, as of servers that send what is no row.
    pub checks: bool,
    /// CPUs that the process may use; none: any.
    pub cpus: Vec<usize>,
    /// Views of a tab on one multiplexed stream; 0: one view, on a stream of its own.
    pub lanes: usize,
}

/// What a tab may show.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct View {
    /// The request's target.
    pub path: String,
    /// Views of one group count their latencies together; from 0.
    pub group: usize,
    /// Its cluster.
    pub cluster: String,
    /// Its kind, by its name in routes.
    pub kind: String,
    /// Its namespace; empty for all.
    pub namespace: String,
}

impl Plan {
    /// The view and the user of a tab, by its number in the run: each user's tabs show different views, as far as there are any.
    pub fn place(&self, number: usize) -> (usize, usize) {
        let users = self.users.max(1);
        let user = number % users;
        ((user + number / users) % self.views.len(), user)
    }

    /// All views of a tab whose first view is this one.
    pub fn lanes(&self, first: usize) -> impl Iterator<Item = usize> {
        (0..self.lanes.min(self.views.len())).map(move |more| (first + more) % self.views.len())
    }
}

/// What a process of tabs is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Open tabs until so many are open, so many a second (0: at once).
    Open {
        /// How many are to be open.
        tabs: usize,
        /// Connections begun per second.
        per_second: f64,
    },
    /// Close the first so many tabs, and open them again with their last ids at this rate.
    Reopen {
        /// How many.
        tabs: usize,
        /// Connections begun per second.
        per_second: f64,
    },
    /// The first so many tabs read nothing from now on; 0 lets all of them read again.
    Stall(usize),
    /// Begin a new window, and tell what the last one held.
    Report,
    /// Tell how far things are.
    Progress,
    /// Tell what the tabs show.
    States,
}

/// What a process of tabs answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// To [`Order::Progress`].
    Progress(Progress),
    /// To [`Order::Report`].
    Report(Box<totals::Report>),
    /// To [`Order::States`].
    States(Vec<State>),
}

/// How far things are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Tabs that are connected or connecting.
    pub open: usize,
    /// Of these, those that show something.
    pub live: usize,
    /// Frames since the last report.
    pub frames: u64,
    /// Bytes since the last report.
    pub bytes: u64,
}

/// So many tabs of a view that show the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The view's place in the plan.
    pub view: usize,
    /// The hash of what they show.
    pub hash: u64,
    /// How many they are.
    pub tabs: usize,
}
