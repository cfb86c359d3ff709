//! The list of faults, and what of the promises each of them may touch at all.

use crate::fault::Fault::{self, *};
use crate::proxy::Trouble::{Cut, Garbage, HalfOpen, Slow, Stalled};
use crate::server::Machine;

/// A fault, from when to when.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub fault: Fault,
    /// Seconds after the beginning.
    pub from: u64,
    /// Seconds that it lasts; 0: it is undone at once.
    pub lasts: u64,
}

/// What a page is told meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing: no page loses its connection, and none that gets events alone stops being live.
    Nothing,
    /// Each page of the first cluster is told once that it is away, and no other page.
    Away,
    /// Whatever it may be, within the bound.
    Something,
    /// Its connection stays and says nothing; an `EventSource` does not mind, so only other pages know.
    Silence,
}

/// The views of all pages: as many snapshots there may be where each is begun anew.
const VIEWS: u64 = 11;

/// The feeds of all pages, of their rights, and some that have to list twice.
const FEEDS: u64 = 16;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub steps: &'static [Step],
    /// Whether the server has a `state.dir`.
    pub keeps: bool,
    pub told: Told,
    /// Snapshots beyond the first of a view that there may be.
    pub snapshots: u64,
    /// Lists beyond the first of a feed that there may be.
    pub lists: u64,
    /// What the server must have logged.
    pub logged: Option<&'static str>,
    /// What the server must have counted since its last start.
    pub counted: Option<&'static str>,
}

const fn step(fault: Fault, from: u64, lasts: u64) -> Step {
    Step { fault, from, lasts }
}

/// Nobody notices, and nothing is done anew.
const CALM: Scenario = Scenario {
    name: "",
    steps: &[],
    keeps: false,
    told: Told::Nothing,
    snapshots: 0,
    lists: 0,
    logged: None,
    counted: None,
};

/// Pages are told that the cluster is away, and get the difference.
const AWAY: Scenario = Scenario { told: Told::Away, logged: Some("feed.not_following"), ..CALM };

/// Pages lose their connections, and what they get then is the difference.
const LOST: Scenario = Scenario { told: Told::Something, ..CALM };

/// The same, and everything is begun anew.
const COLD: Scenario = Scenario { snapshots: VIEWS, lists: FEEDS, ..LOST };

/// The same, but what was saved goes on.
const WARM: Scenario = Scenario { keeps: true, lists: FEEDS, ..LOST };

/// What is shown, in this order.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "apiserver: connections cut", steps: &[step(Upstream(Cut), 0, 0)], ..CALM },
    Scenario { name: "apiserver: every connection refused", steps: &[step(Upstream(Cut), 0, 30)], ..AWAY },
    Scenario { name: "apiserver: stalled", steps: &[step(Upstream(Stalled), 0, 30)], ..AWAY },
    Scenario {
        name: "apiserver: half-open connections",
        steps: &[step(Upstream(HalfOpen), 0, 30)],
        logged: AWAY.logged,
        ..CALM
    },
    Scenario { name: "apiserver: slow, 64 KB/s", steps: &[step(Upstream(Slow(64_000)), 0, 20)], ..CALM },
    Scenario { name: "apiserver: meaningless bytes", steps: &[step(Upstream(Garbage), 0, 30)], ..AWAY },
    Scenario {
        name: "apiserver: lines that are no JSON",
        steps: &[step(GarbageLines, 0, 12)],
        told: Told::Something,
        lists: 6 * FEEDS,
        counted: Some("foretop_upstream_bad_lines_total"),
        ..CALM
    },
    Scenario {
        name: "apiserver: killed, back after 5 s",
        steps: &[step(ApiserverKilled, 0, 5)],
        lists: FEEDS,
        ..CALM
    },
    Scenario {
        name: "apiserver: killed, back after 30 s",
        steps: &[step(ApiserverKilled, 0, 30)],
        lists: FEEDS,
        ..AWAY
    },
    Scenario { name: "apiserver: its name is gone from DNS", steps: &[step(NameGone, 0, 30)], ..AWAY },
    Scenario {
        name: "apiserver: its certificate has expired",
        steps: &[step(CertificateExpired, 0, 30)],
        ..AWAY
    },
    Scenario { name: "tabs: connections cut", steps: &[step(Clients(Cut), 0, 0)], ..LOST },
    Scenario { name: "tabs: no way to the server for 20 s", steps: &[step(Clients(Cut), 0, 20)], ..LOST },
    Scenario { name: "tabs: stalled", steps: &[step(Clients(Stalled), 0, 32)], told: Told::Silence, ..LOST },
    Scenario {
        name: "tabs: half-open connections",
        steps: &[step(Clients(HalfOpen), 0, 32)],
        told: Told::Silence,
        ..LOST
    },
    Scenario { name: "tabs: slow, 32 KB/s", steps: &[step(Clients(Slow(32_000)), 0, 20)], ..LOST },
    Scenario { name: "server: kill -9", steps: &[step(ServerKilled, 0, 2)], ..COLD },
    Scenario {
        name: "server: kill -9, with a state.dir that was never written",
        steps: &[step(ServerKilled, 0, 2)],
        keeps: true,
        ..COLD
    },
    Scenario {
        name: "server: ended, then kill -9, with state.dir",
        steps: &[step(ServerEnded, 0, 3), step(ServerKilled, 15, 2)],
        keeps: true,
        ..COLD
    },
    Scenario { name: "server: ended", steps: &[step(ServerEnded, 0, 3)], ..COLD },
    Scenario {
        name: "server: ended, with state.dir",
        steps: &[step(ServerEnded, 0, 3)],
        lists: 0,
        logged: Some("state.saved"),
        counted: Some("foretop_state_restored_total"),
        ..WARM
    },
    Scenario {
        name: "server: ended, the disk of state.dir full",
        steps: &[step(ServerEndedOnFullDisk, 0, 3)],
        keeps: true,
        logged: Some("state.not_saved"),
        ..COLD
    },
    Scenario {
        name: "server: stopped for 30 s (SIGSTOP)",
        steps: &[step(ServerFrozen, 0, 30)],
        told: Told::Silence,
        ..LOST
    },
    Scenario {
        name: "server: its clock jumps an hour ahead and back",
        steps: &[step(Clock(3600), 0, 10)],
        ..LOST
    },
    Scenario {
        name: "server: its clock jumps an hour back and ahead",
        steps: &[step(Clock(-3600), 0, 10)],
        ..CALM
    },
    Scenario {
        name: "server ended, apiserver killed; apiserver back first",
        steps: &[step(ServerEnded, 0, 9), step(ApiserverKilled, 2, 4)],
        ..COLD
    },
    Scenario {
        name: "server ended, apiserver killed; apiserver back first, with state.dir",
        steps: &[step(ServerEnded, 0, 9), step(ApiserverKilled, 2, 4)],
        ..WARM
    },
    Scenario {
        name: "server ended, apiserver killed; server back first",
        steps: &[step(ServerEnded, 0, 3), step(ApiserverKilled, 2, 12)],
        ..COLD
    },
    Scenario {
        name: "server ended, apiserver killed; server back first, with state.dir",
        steps: &[step(ServerEnded, 0, 3), step(ApiserverKilled, 2, 12)],
        ..WARM
    },
    Scenario {
        name: "apiserver killed, server ended; both away",
        steps: &[step(ApiserverKilled, 0, 12), step(ServerEnded, 3, 4)],
        ..COLD
    },
    Scenario {
        name: "apiserver killed, server ended; both away, with state.dir",
        steps: &[step(ApiserverKilled, 0, 12), step(ServerEnded, 3, 4)],
        ..WARM
    },
];

/// Faults that are drawn by lot and stand at once, each of another part of the world, so that no fault undoes another's.
pub fn by_lot(seed: u64, machine: Machine) -> Scenario {
    let mut random = fastrand::Rng::with_seed(seed);
    let parts: [&[Fault]; 5] = [
        &[Upstream(Cut), Upstream(Stalled), Upstream(HalfOpen), Upstream(Garbage), Upstream(Slow(64_000))],
        &[ApiserverKilled, GarbageLines, NameGone, CertificateExpired],
        &[Clients(Cut), Clients(Stalled), Clients(HalfOpen), Clients(Slow(32_000))],
        &[ServerKilled, ServerEnded, ServerFrozen],
        &[Clock(3600), Clock(-3600)],
    ];
    let mut steps = Vec::new();
    for part in parts {
        let fault = part[random.usize(..part.len())];
        if random.bool() && fault.lacks(machine).is_none() {
            steps.push(step(fault, random.u64(..15), random.u64(..25)));
        }
    }
    let is_silent = |step: &Step| matches!(step.fault, Clients(Stalled | HalfOpen) | ServerFrozen);
    let told = if steps.iter().any(is_silent) { Told::Silence } else { Told::Something };
    Scenario {
        name: format!("{seed}: {steps:?}").leak(),
        steps: steps.leak(),
        keeps: random.bool(),
        told,
        snapshots: 2 * VIEWS,
        lists: 8 * FEEDS,
        ..CALM
    }
}
