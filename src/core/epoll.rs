//! A core's epoll set: every socket of a stream, the bell, the clock and the listener, watched by one descriptor that the runtime awaits.
//!
//! Sockets are registered once, edge-triggered, and never changed; a close takes them out.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use monoio::net::UnixStream;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::slot::SlotName;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There is mail.
    Bell,
    /// The time that was set has come.
    Clock,
    /// A connection can be accepted.
    Listener,
    /// A stream's socket.
    Stream {
        /// Whose.
        name: SlotName,
        /// The peer is gone (or has at least nothing more to say, which is as much for a stream).
        closed: bool,
        /// The socket takes bytes again.
        writable: bool,
    },
}

const BELL: u64 = u64::MAX;
const CLOCK: u64 = u64::MAX - 1;
const LISTENER: u64 = u64::MAX - 2;

/// A core's epoll set.
pub struct Epoll {
    set: OwnedFd,
    clock: OwnedFd,
    set_for: Option<Instant>,
    events: Vec<Event>,
}

/// What the runtime awaits: the set, and an eventfd that the core rings for itself.
pub struct Awaited {
    set: UnixStream,
    again: UnixStream,
    bell: OwnedFd,
}

const EVENTS: usize = 512;

impl Epoll {
    /// An empty set.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let clock = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let epoll = Epoll { set, clock, set_for: None, events: Vec::with_capacity(EVENTS) };
        epoll.add(&epoll.clock, CLOCK, EventFlags::IN)?;
        Ok(epoll)
    }

    /// What the runtime awaits. To be called inside the runtime.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn awaited(&self) -> io::Result<Awaited> {
        // The runtime's only way to await a foreign descriptor is a stream made of it; nothing is ever read through it.
        let stream = |fd: &OwnedFd| UnixStream::from_std(StdUnixStream::from(fd.try_clone()?));
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Awaited { set: stream(&self.set)?, again: stream(&bell)?, bell })
    }

    /// Watches the bell.
    ///
    /// # Errors
    /// When the kernel has no memory.
    pub fn add_bell(&self, bell: &impl AsFd) -> io::Result<()> {
        self.add(bell, BELL, EventFlags::IN)
    }

    /// Watches the listener.
    ///
    /// # Errors
    /// When the kernel has no memory.
    pub fn add_listener(&self, listener: &impl AsFd) -> io::Result<()> {
        self.add(listener, LISTENER, EventFlags::IN)
    }

    /// No longer watches the listener.
    pub fn remove_listener(&self, listener: &impl AsFd) {
        // It fails only for what is not in the set.
        let _ = epoll::delete(&self.set, listener);
    }

    /// Watches a stream's socket until it is closed.
    ///
    /// # Errors
    /// When the kernel has no memory, or the limit of watches is reached.
    pub fn add_stream(&self, socket: &impl AsFd, name: SlotName) -> io::Result<()> {
        let data = u64::from(name.generation) << 32 | u64::from(name.id);
        self.add(socket, data, EventFlags::RDHUP | EventFlags::OUT | EventFlags::ET)
    }

    fn add(&self, fd: &impl AsFd, data: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.set, fd, EventData::new_u64(data), flags)?)
    }

    /// Sets the clock: [`Ready::Clock`] comes at this time, or not at all.
    pub fn set_clock(&mut self, at: Option<Instant>) {
        if self.set_for == at {
            return;
        }
        self.set_for = at;
        let wait = at.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1)));
        let value = wait.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, |wait| {
            Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 })
        });
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // It fails only for a time that is none.
        let _ = rustix::time::timerfd_settime(&self.clock, TimerfdTimerFlags::empty(), &spec);
    }

    /// Takes what has happened, without waiting. Returns whether there may be more.
    pub fn take(&mut self, ready: &mut Vec<Ready>) -> bool {
        self.events.clear();
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let taken = epoll::wait(&self.set, rustix::buffer::spare_capacity(&mut self.events), Some(&none));
        if taken.is_err() {
            return false;
        }
        let full = self.events.len() >= EVENTS;
        for event in self.events.drain(..) {
            let flags = event.flags;
            ready.push(match event.data.u64() {
                BELL => Ready::Bell,
                LISTENER => Ready::Listener,
                CLOCK => {
                    let mut expirations = [0u8; 8];
                    let _ = rustix::io::read(&self.clock, &mut expirations);
                    self.set_for = None;
                    Ready::Clock
                }
                data => Ready::Stream {
                    name: SlotName {
                        id: u32::try_from(data & 0xffff_ffff).expect("masked"),
                        generation: u32::try_from(data >> 32).expect("shifted"),
                    },
                    closed: flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR),
                    writable: flags.contains(EventFlags::OUT),
                },
            });
        }
        full
    }
}

impl Awaited {
    /// Waits until something in the set has happened.
    ///
    /// # Errors
    /// When the runtime cannot wait.
    pub async fn happened(&self) -> io::Result<()> {
        self.set.readable(false).await
    }

    /// Lets everybody else run, and the runtime see to its own completions, once.
    ///
    /// A task that wakes itself would keep the runtime from ever parking, and only there does it take completions and timers. So this
    /// awaits an eventfd that is rung after the waiting has begun: the runtime must park to see it.
    ///
    /// # Errors
    /// When the runtime cannot wait.
    pub async fn pass(&self) -> io::Result<()> {
        let mut waiting = pin!(self.again.readable(false));
        let mut rung = false;
        std::future::poll_fn(|context| match waiting.as_mut().poll(context) {
            Poll::Pending if !rung => {
                rung = true;
                let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
                Poll::Pending
            }
            polled => polled,
        })
        .await?;
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        Ok(())
    }
}
