//! What the feed side sends to a core: mail and a bell.
//!
//! Nobody waits on a mailbox. It is bounded by what can be in it: a feed is in a core's mailbox at most once (its flag says so), and
//! everything else is the answer to a question that the core asked.

use std::any::Any;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{EventfdFlags, eventfd};

use super::block::{Place, Refused};
use super::snapshot::{Part, Snapshot};
use super::{Feed, FeedKey, Scope};
use crate::access::Grant;
use crate::wire::refusal::Refusal;

/// A core's number, from 0.
pub type CoreId = usize;

/// Something for a core.
pub enum Mail {
    /// The feed's chain has grown.
    Grown(Arc<Feed>),
    /// The feed that the core asked for, or why there is none.
    Opened(FeedKey, Result<Arc<Feed>, Refusal>),
    /// The snapshot that the core asked for; `true`: nothing was missing from it when it was sent, so that it serves lists.
    Snapshot(Arc<Feed>, Scope, bool, Result<Arc<Snapshot>, Refused>),
    /// Some rows of a snapshot that the core asked for, ahead of it.
    Part(Arc<Feed>, Scope, Part),
    /// A row that changes nothing, as the core asked for.
    Specimen(Arc<Feed>, Scope, Specimen),
    /// The control plane's answer to the core's question of this number; `None`: it has given up.
    Answer(u64, Option<Box<dyn Any + Send>>),
    /// A decision that streams may depend on is another one now.
    Ruled(Arc<Grant>),
}

/// A row as it is at a place: to a client that has seen all before the place, and of its scope nothing since, it says nothing new.
pub struct Specimen {
    /// The place.
    pub place: Place,
    /// The row's JSON; `None` where the scope is empty.
    pub row: Option<Box<[u8]>>,
}

/// An eventfd that is rung at most once until it is answered.
#[derive(Debug)]
pub struct Bell {
    fd: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> std::io::Result<Arc<Self>> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Bell { fd, rung: AtomicBool::new(false) }))
    }

    /// Wakes the core.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // The only failure is a full counter, which is a rung bell.
            let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
        }
    }

    /// The core has heard it; what is sent from now on rings anew.
    pub fn answer(&self) {
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&self.fd, &mut count);
        self.rung.store(false, Ordering::Release);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The sending end of a core's mailbox.
#[derive(Clone)]
pub struct Post {
    mail: Sender<Mail>,
    bell: Arc<Bell>,
}

impl Post {
    /// A mailbox that rings this bell.
    #[must_use]
    pub fn new(bell: Arc<Bell>) -> (Self, Receiver<Mail>) {
        let (mail, received) = unbounded();
        (Post { mail, bell }, received)
    }

    /// Sends, and rings.
    pub fn send(&self, mail: Mail) {
        if self.mail.send(mail).is_ok() {
            self.bell.ring();
        }
    }
}

/// Whether a core follows a feed, and whether it has been told that the feed has grown.
#[derive(Debug, Default)]
pub struct Following {
    state: AtomicU8,
    streams: AtomicU64,
}

const NOT: u8 = 0;
const QUIET: u8 = 1;
const TOLD: u8 = 2;

impl Following {
    /// The core begins to follow.
    pub fn begin(&self) {
        self.state.store(QUIET, Ordering::SeqCst);
    }

    /// The core no longer follows.
    pub fn end(&self) {
        self.state.store(NOT, Ordering::SeqCst);
    }

    /// The core's streams of this feed: one more, or one less.
    pub fn count(&self, more: bool) {
        // Written by the one core that it belongs to.
        let streams = self.streams.load(Ordering::Relaxed);
        let streams = if more { streams + 1 } else { streams.saturating_sub(1) };
        self.streams.store(streams, Ordering::Relaxed);
    }

    /// The core's streams of this feed.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }

    /// Whether the core follows.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state.load(Ordering::SeqCst) != NOT
    }

    /// The feed has grown: whether the core is to be told now.
    pub fn grown(&self) -> bool {
        self.state.compare_exchange(QUIET, TOLD, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// The core is about to look at the chain; what comes after this is told anew.
    pub fn looking(&self) {
        let _ = self.state.compare_exchange(TOLD, QUIET, Ordering::SeqCst, Ordering::SeqCst);
    }
}
