//! Deadlines of connections, enforced from outside of their tasks: a socket whose time is over is shut down, which ends whatever is awaited of
//! it. Nothing is cancelled.

use std::cell::Cell as StdCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::Shutdown;

use super::socket::Shutdowner;

/// A connection's deadline, enforced from outside of its task.
pub struct Deadline {
    socket: Shutdowner,
    /// When the socket is shut down, and how; none while nothing is awaited of the peer.
    at: StdCell<Option<(Instant, Shutdown)>>,
    /// Whether all that was asked is answered, and nothing more has come.
    idle: StdCell<bool>,
    pub(super) passed: StdCell<bool>,
}

impl Deadline {
    pub(super) fn set(&self, time: Duration, how: Shutdown) {
        self.at.set(Some((Instant::now() + time, how)));
    }

    pub(super) fn clear(&self) {
        self.at.set(None);
        self.idle.set(false);
    }

    /// Nothing is under way until a request comes, for which there is so much time.
    pub(super) fn wait_idly(&self, time: Duration) {
        self.set(time, Shutdown::Read);
        self.idle.set(true);
    }
}

/// Open connections that are no stream.
#[derive(Default)]
pub struct Connections(Vec<Rc<Deadline>>);

impl Connections {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Shuts down those whose time is over, which ends whatever they await.
    pub fn enforce_deadlines(&mut self, now: Instant) {
        for deadline in &self.0 {
            let Some((at, how)) = deadline.at.get() else { continue };
            if at <= now && !deadline.passed.replace(true) {
                deadline.socket.shut_down(how);
            }
        }
    }

    /// Closes those that wait for a further request.
    pub(super) fn close_idle(&mut self) {
        for deadline in self.0.iter().filter(|deadline| deadline.idle.get()) {
            deadline.socket.shut_down(Shutdown::Read);
        }
    }

    pub(super) fn add(&mut self, socket: Shutdowner) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            socket,
            at: StdCell::new(None),
            idle: StdCell::new(false),
            passed: StdCell::new(false),
        });
        self.0.push(deadline.clone());
        deadline
    }

    pub(super) fn remove(&mut self, deadline: &Rc<Deadline>) {
        if let Some(index) = self.0.iter().position(|known| Rc::ptr_eq(known, deadline)) {
            self.0.swap_remove(index);
        }
    }
}
