//! Accepting: every core has a listener of its own on the same address.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::beat::Timer;
use super::deadlines::Deadline;
use super::{Core, Moved};
use crate::identity::Peer;

/// Connections that may wait for us in the kernel.
const BACKLOG: i32 = 4096;

/// Connections accepted before others have their turn.
const AT_ONCE: usize = 64;

/// How long a core that has no descriptors left does not accept.
const PAUSE: Duration = Duration::from_millis(250);

/// How often that is told, however long it lasts.
pub const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Opens a listener that others on the same address share the connections with.
///
/// # Errors
/// When the address cannot be listened on.
pub fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A core's listener.
pub struct Accepting {
    socket: Option<Socket>,
    paused_until: Option<Instant>,
    told: Option<Instant>,
}

/// What accepting has come to.
pub enum Accepted {
    /// All that there were, or as many as a turn takes.
    These(Vec<(Socket, SocketAddr)>),
    /// The process has no descriptor left: a pause until then.
    Exhausted(Vec<(Socket, SocketAddr)>, Instant),
}

impl Accepting {
    /// Accepts from this socket.
    pub fn new(socket: Socket) -> Self {
        Accepting { socket: Some(socket), paused_until: None, told: None }
    }

    /// The listener, until it is closed.
    pub fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref()
    }

    /// Accepts what is there.
    pub fn accept(&mut self) -> Accepted {
        let mut taken = Vec::new();
        let Some(socket) = &self.socket else { return Accepted::These(taken) };
        while taken.len() < AT_ONCE {
            match socket.accept() {
                Ok((connection, address)) => {
                    if let (Ok(()), Some(peer)) = (connection.set_nonblocking(true), address.as_socket()) {
                        taken.push((connection, peer));
                    }
                }
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) =>
                {
                    let until = Instant::now() + PAUSE;
                    self.paused_until = Some(until);
                    return Accepted::Exhausted(taken, until);
                }
                // A connection that was reset before it was accepted; or none is left.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => break,
            }
        }
        Accepted::These(taken)
    }

    /// Whether a pause that begins now is to be told.
    fn is_news(&mut self, now: Instant) -> bool {
        let is_news = self.told.is_none_or(|told| now.duration_since(told) >= TOLD_EVERY);
        if is_news {
            self.told = Some(now);
        }
        is_news
    }

    /// Whether a pause has just ended.
    pub fn resumes(&mut self, now: Instant) -> bool {
        let ends = self.paused_until.is_some_and(|until| until <= now);
        if ends {
            self.paused_until = None;
        }
        ends
    }

    /// Closes the listener.
    pub fn close(&mut self) -> Option<Socket> {
        self.socket.take()
    }
}

impl Core {
    /// Accepts what is there, and spawns a task for each. Returns whether there may be more.
    pub(super) fn accept(&mut self, spawn: &impl Fn(Moved)) -> bool {
        let (taken, pause) = match self.accepting.accept() {
            Accepted::These(taken) => (taken, None),
            Accepted::Exhausted(taken, until) => (taken, Some(until)),
        };
        let more = taken.len() == AT_ONCE && pause.is_none();
        // Those that are spawned here count at once; among the connections they are only when their tasks begin.
        let mut open = self.connections.len() + self.slots.len();
        for (socket, peer) in taken {
            self.counters.accepted.add(1);
            if open >= self.everywhere.server.connections_per_core || !self.addresses.enter(peer.ip()) {
                self.counters.turned_away.add(1);
                continue;
            }
            open += 1;
            let _ = socket.set_tcp_nodelay(true);
            spawn(Moved { socket: socket.into(), peer: Peer::cleartext(peer), read: Vec::new() });
        }
        if let Some(until) = pause {
            self.pause_accepting(until);
        }
        more
    }

    /// The listener is not looked at until then, since it would be ready all the time.
    fn pause_accepting(&mut self, until: Instant) {
        self.counters.accept_pauses.add(1);
        if self.accepting.is_news(Instant::now()) {
            tracing::warn!("core.no_descriptors: accepting pauses");
        }
        if let Some(listener) = self.accepting.socket() {
            self.epoll.remove_listener(listener);
            self.timers.at(until, Timer::Accept);
        }
    }

    /// Takes a connection that was accepted elsewhere: by another core, which has counted it, or by the TLS listener.
    pub(super) fn take_over(&mut self, moved: Moved, spawn: &impl Fn(Moved)) {
        let address = moved.peer.address.ip();
        if !moved.read.is_empty() {
            self.addresses.arrive(address);
            return spawn(moved);
        }
        self.counters.accepted.add(1);
        let open = self.connections.len() + self.slots.len();
        if open >= self.everywhere.server.connections_per_core || !self.addresses.enter(address) {
            self.counters.turned_away.add(1);
            return;
        }
        spawn(moved);
    }

    /// A connection has become a stream, moved elsewhere, or closed.
    pub(super) fn forget(&mut self, deadline: &Rc<Deadline>, peer: &Peer) {
        self.connections.remove(deadline);
        self.addresses.leave(peer.address.ip());
    }

    /// A pause in accepting is over.
    pub(super) fn accept_again(&mut self, now: Instant) {
        if self.accepting.resumes(now)
            && let Some(listener) = self.accepting.socket()
        {
            let _ = self.epoll.add_listener(listener);
        }
    }
}
