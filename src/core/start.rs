//! Starting a core: a pinned thread with its own runtime.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded, unbounded};
use jiff::Timestamp;
use socket2::Socket;

use super::asking::Asking;
use super::beat::Timers;
use super::connection;
use super::counters::CoreCounters;
use super::deadlines::Connections;
use super::epoll::Epoll;
use super::gained::Gains;
use super::grants::Grants;
use super::limiter::Limiter;
use super::line::Lines;
use super::listener::Accepting;
use super::pass::Passes;
use super::prefix::Prefixes;
use super::quota::Quotas;
use super::ring::Sender;
use super::sessions::Revocations;
use super::sessions::unix_ms;
use super::slot::{At, SlotId, Slots, StreamState};
use super::turn;
use super::{Cell, Command, Core, CoreHandle, Everywhere, StreamLine};
use crate::feed::ledger::Thing;
use crate::feed::post::{Bell, CoreId, Mail, Post};
use crate::identity::addresses::Addresses;
use crate::memory::Waves;

/// Commands that may wait for a core before it is handed no more connections. Whatever else it is told it is told always.
const COMMANDS: usize = 4096;

/// Which of the kernel's interfaces a core runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `io_uring`.
    Uring,
    /// epoll, where `io_uring` is not allowed, or `MONOIO_FORCE_LEGACY_DRIVER` is set.
    Epoll,
}

impl Driver {
    /// Its name in logs and figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Driver::Uring => "io_uring",
            Driver::Epoll => "epoll",
        }
    }
}

/// The receiving ends of a core that is to be started.
pub struct Prepared {
    id: CoreId,
    bell: Arc<Bell>,
    mail: Receiver<Mail>,
    commands: Receiver<Command>,
}

/// Makes the ends of so many cores: what the hub and others send to, and what the cores receive from.
///
/// # Errors
/// When the process has no descriptor left.
pub fn prepare(count: usize) -> io::Result<(Vec<Prepared>, Vec<Post>, Vec<CoreHandle>)> {
    let (mut prepared, mut posts, mut handles) = (Vec::new(), Vec::new(), Vec::new());
    for id in 0..count {
        let bell = Bell::new()?;
        let (post, mail) = Post::new(bell.clone());
        let (send, commands) = unbounded();
        let counters = Arc::default();
        handles.push(CoreHandle { commands: send, room: COMMANDS, bell: bell.clone(), counters });
        prepared.push(Prepared { id, bell, mail, commands });
        posts.push(post);
    }
    Ok((prepared, posts, handles))
}

/// Starts a core on a thread of its own, pinned to a CPU. Returns the driver that it runs on.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(
    prepared: Prepared,
    listener: Socket,
    everywhere: Everywhere,
    cores: Arc<[CoreHandle]>,
) -> io::Result<Driver> {
    let (tell, told) = bounded(1);
    let id = prepared.id;
    std::thread::Builder::new().name(format!("core-{id}")).spawn(move || {
        pin(id);
        match build_runtime() {
            Err(error) => drop(tell.send(Err(error))),
            Ok(mut runtime) => {
                let driver = match &runtime {
                    monoio::FusionRuntime::Uring(_) => Driver::Uring,
                    monoio::FusionRuntime::Legacy(_) => Driver::Epoll,
                };
                runtime.block_on(async move {
                    match Core::new(prepared, listener, everywhere, cores, driver) {
                        Err(error) => drop(tell.send(Err(error))),
                        Ok(core) => {
                            let _ = tell.send(Ok(driver));
                            live(core).await;
                        }
                    }
                });
                // Never dropped: operations may still be under way in the kernel. The process ends all.
                std::mem::forget(runtime);
            }
        }
    })?;
    told.recv().unwrap_or_else(|_| Err(io::Error::other("the core's thread ended while it was starting")))
}

type Runtime = monoio::FusionRuntime<monoio::IoUringDriver, monoio::LegacyDriver>;

/// `io_uring` if it is to be had. That it seemed to be at a probe is no promise: where the ring itself cannot be made, epoll serves.
fn build_runtime() -> io::Result<Runtime> {
    let built = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().with_entries(1024).build();
    built.or_else(|error| {
        tracing::warn!(%error, "core.uring_refused: running on epoll");
        let legacy = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().build()?;
        Ok(monoio::FusionRuntime::Legacy(legacy))
    })
}

/// Pins the thread to one of the CPUs that the process may use.
fn pin(id: CoreId) {
    let Ok(allowed) = rustix::thread::sched_getaffinity(None) else { return };
    let cpus: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let Some(cpu) = cpus.get(id % cpus.len().max(1)) else { return };
    let mut one = rustix::thread::CpuSet::new();
    one.set(*cpu);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &one) {
        tracing::warn!(core = id, %error, "core.not_pinned");
    }
}

async fn live(core: Core) {
    let awaited = match core.epoll.awaited() {
        Ok(awaited) => awaited,
        Err(error) => return tracing::error!(core = core.id, %error, "core.ended"),
    };
    let cell = Rc::new(Cell(RefCell::new(core)));
    let tasks = cell.clone();
    let spawn = move |moved| drop(monoio::spawn(connection::serve(tasks.clone(), moved)));
    if let Err(error) = turn::run(&cell, &awaited, spawn).await {
        // Without its runtime a core is dead weight that others would go on sending mail to.
        tracing::error!(%error, "core.ended");
        std::process::abort();
    }
}

impl Core {
    pub(super) fn new(
        prepared: Prepared,
        listener: Socket,
        everywhere: Everywhere,
        cores: Arc<[CoreHandle]>,
        driver: Driver,
    ) -> io::Result<Self> {
        let Prepared { id, bell, mail, commands } = prepared;
        let epoll = Epoll::new()?;
        epoll.add_bell(&*bell)?;
        epoll.add_listener(&listener)?;
        let counters: Arc<CoreCounters> = cores[id].counters.clone();
        let mut core = Core {
            id,
            limiter: Limiter::new(everywhere.streams.per_user, everywhere.streams.views_per_user),
            quotas: Quotas::new(&everywhere.access.tenants, cores.len()),
            passes: Passes::default(),
            came: HashMap::new(),
            grants: Grants::default(),
            ruled: HashMap::new(),
            revocations: Revocations::default(),
            asking: Asking::default(),
            addresses: Addresses::new(
                everywhere.server.connections_per_address,
                &everywhere.server.trusted_proxies,
            ),
            prefixes: Prefixes::new(&everywhere.ledger),
            logs: everywhere.ledger.charge(Thing::Logs, 0),
            everywhere,
            cores,
            counters,
            started: Instant::now(),
            mail,
            commands,
            bell,
            epoll,
            ring: Sender::new(driver == Driver::Uring),
            accepting: Accepting::new(listener),
            connections: Connections::default(),
            waves: Waves::default(),
            timers: Timers::default(),
            slots: Slots::default(),
            lines: Lines::default(),
            gains: Gains::default(),
            views: Vec::new(),
            free_views: Vec::new(),
            view_ids: HashMap::new(),
            next_view: 0,
            feeds: Vec::new(),
            feed_ids: HashMap::new(),
            opening: HashMap::new(),
            lists: HashMap::new(),
            ready: VecDeque::new(),
            laps: VecDeque::new(),
            dressing: VecDeque::new(),
            ahead: Vec::new(),
            opened_now: (0, 0),
            lame: false,
        };
        core.start_clock();
        Ok(core)
    }

    /// A line per stream.
    pub(super) fn stream_lines(&mut self) -> Vec<StreamLine> {
        let ids: Vec<SlotId> = self.slots.iter().map(|(id, _)| id).collect();
        ids.into_iter().map(|id| self.stream_line(id)).collect()
    }

    pub(super) fn stream_line(&mut self, id: SlotId) -> StreamLine {
        let slot = self.slots.get(id);
        if let At::Line(line) = slot.at {
            return self.line_line(id, line);
        }
        let line = self.lines.of_lane(slot).map(|own| self.slots.get(own).number);
        let is_stuck = line.is_some() && self.is_stuck(id);
        let slot = self.slots.get(id);
        let (view_id, pass, at) = (slot.view, slot.pass, slot.at);
        let (number, sent) = (slot.number, slot.sent);
        let now = unix_ms();
        let opened_ms = now - slot.opened.age(now);
        // What is in the way of its line's socket is in its way.
        let state = match slot.state() {
            StreamState::Live if is_stuck => StreamState::CatchingUp,
            state => state,
        };
        let view = self.view(view_id);
        let feed = view.key.feed;
        let namespace = view.key.scope.namespace();
        let lag = match at {
            At::Log(cursor) => view.log.lag(cursor),
            At::Prefix(segment, offset) => self.prefixes.bytes(segment).len() - offset as usize,
            At::Behind(_) | At::Waiting | At::Pausing | At::Line(_) => 0,
        };
        let key = self.feed(feed).feed.key.clone();
        StreamLine {
            id: number,
            actor: self.passes.holder(pass).subject.to_string(),
            cluster: key.cluster.to_string(),
            kind: key.kind.name,
            namespace,
            opened_at: time_text(opened_ms),
            bytes_sent: sent,
            lag,
            core: self.id,
            view: view_id,
            state: state.name(),
            line,
        }
    }
}

/// A time of day, RFC 3339.
pub(super) fn time_text(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or_default().to_string()
}

/// A number for a stream, ascending over the process from 1.
pub(super) fn next_stream_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::core::Moved;
    use crate::identity::{Peer, Revoked};

    #[test]
    fn a_core_with_too_many_connections_waiting_is_told_all_else() {
        let (prepared, _, handles) = prepare(1).expect("ends of a core");
        let handle = CoreHandle { room: 2, ..handles[0].clone() };
        let connection = || {
            let socket = std::fs::File::open("/dev/null").expect("a descriptor").into();
            let peer = Peer::cleartext(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
            Command::Connection(Moved { socket, peer, read: Vec::new() })
        };
        let taken: Vec<bool> = (0..4).map(|_| handle.tell(connection()).is_ok()).collect();
        assert_eq!(taken, [true, true, false, false]);
        for id in 0..10 {
            assert!(handle.tell(Command::Revoked(Arc::new(Revoked::Session(id)))).is_ok());
        }
        let revoked = prepared[0].commands.try_iter().filter(|told| matches!(told, Command::Revoked(_)));
        assert_eq!(revoked.count(), 10);
    }
}
