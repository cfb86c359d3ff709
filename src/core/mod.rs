//! Cores: pinned threads that own streams.
//!
//! A core accepts connections, reads request heads, answers lists, and gives streams what is theirs. All of its state is its own: nothing
//! here is locked, and what comes from outside comes as mail. An idle stream is a slot and nothing more.
//!
//! One turn of a core ([`turn`]): take what epoll has (mail, clock, connections, sockets that closed or became writable), then send one batch;
//! and again through the runtime's park, where the tasks that read request heads run.
//!
//! - [`listener`] accepts; [`connection`]: from a socket to a request, within its [`deadlines`]; [`begun`]: while a stream's right is being decided; [`request`] parses it, [`plan`] decides (`shown`: which rows are meant),
//!   [`list`] answers lists, [`join`] opens streams; [`waiting`]: for a snapshot.
//! - [`asking`]: what the control plane is asked; [`grants`]: what it has decided; [`pass`]: by what right a stream is open;
//!   [`record`]: what is recorded of it.
//! - [`view`] and [`log`]: what streams of one view share. [`prefix`]: what a stream gets outside the log. [`slot`]: a stream.
//! - [mod@line]: multiplexed streams, one socket for many views.
//! - [`specimen`]: the frame that says nothing new.
//! - [`rescope`] moves a stream to another scope, as its user's rights change; [`gained`]: the rows that it comes to see by that.
//! - [`grow`]: a feed's new blocks go into the logs, by [`dispatch`]. [`catchup`]: from a place to the log's end.
//! - [`end`]: how a stream ends, and [`reason`] why; `rights`: what becomes of streams whose right is another
//!   one, or over; [`sessions`]: when that is; `rotation`: streams that were open for long.
//! - `shed`: what is given up while memory is short.
//! - [`counters`] and [`refusals`]: what is counted. [`ring`] sends; [`epoll`] notices; [`beat`] keeps time; [`limiter`] counts; [`quota`] has the streams of a tenant wait that has used up its bytes.

#![allow(clippy::similar_names, reason = "a line and a lane are called so")]

pub mod asking;
pub mod beat;
pub mod begun;
pub mod body;
pub mod catchup;
pub mod connection;
pub mod counters;
pub mod deadlines;
pub mod dispatch;
pub mod end;
pub mod epoll;
pub mod gained;
pub mod grants;
pub mod grow;
pub mod join;
pub mod limiter;
pub mod line;
pub mod list;
pub mod listener;
pub mod log;
#[cfg(test)]
mod oracle;
pub mod pass;
pub mod plan;
pub mod prefix;
pub mod quota;
pub mod reason;
pub mod record;
pub mod refusals;
pub mod request;
pub mod rescope;
mod rights;
pub mod ring;
mod rotation;
pub mod sessions;
mod shed;
mod shown;
pub mod slot;
pub mod socket;
pub mod specimen;
pub mod start;
pub mod turn;
pub mod view;
pub mod waiting;

use std::cell::{RefCell, RefMut};
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use serde::Serialize;

use self::asking::{Asking, Control};
use self::beat::Timers;
use self::counters::CoreCounters;
use self::deadlines::Connections;
use self::epoll::Epoll;
use self::gained::Gains;
use self::grants::Grants;
use self::join::Opening;
use self::limiter::Limiter;
use self::line::Lines;
use self::list::ListWaiter;
use self::listener::Accepting;
use self::pass::Passes;
use self::prefix::Prefixes;
use self::quota::Quotas;
use self::record::Came;
use self::ring::Sender as Ring;
use self::sessions::Revocations;
use self::slot::{SlotName, Slots};
use self::view::{FeedId, FollowedFeed, View, ViewId, ViewKey};
use crate::access::{Access, Grant, GrantKey};
use crate::audit::Audit;
use crate::config;
use crate::feed::hub::Hub;
use crate::feed::ledger::{Charge, Ledger};
use crate::feed::post::{Bell, CoreId, Mail};
use crate::feed::{FeedKey, Scope};
use crate::identity::addresses::Addresses;
use crate::identity::origin::Origins;
use crate::identity::{Authenticator, Peer, Revoked};
use crate::memory::Waves;

/// What a core is told by `serve`, or by another core.
pub enum Command {
    /// A connection, with what was read of it: its user's home is here.
    Connection(Moved),
    /// These sessions are over: their streams end.
    Revoked(Arc<Revoked>),
    /// Asks for a line per stream.
    Streams(Box<dyn FnOnce(Vec<StreamLine>) + Send>),
    /// No new streams from now on; the listener goes on for a little while.
    Lame,
    /// Closes the listener and ends all streams, evenly until then.
    Drain(Instant),
}

/// A connection on its way to somebody else.
pub struct Moved {
    /// The socket.
    pub socket: OwnedFd,
    /// The peer.
    pub peer: Peer,
    /// What was read and not used.
    pub read: Vec<u8>,
}

/// A line of `/debug/streams`: the contract's fields first, then ours.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamLine {
    /// Ascending over the process.
    pub id: u64,
    /// Whose.
    pub actor: String,
    /// Of which cluster.
    pub cluster: String,
    /// Of which kind.
    pub kind: &'static str,
    /// Empty for all.
    pub namespace: String,
    /// RFC 3339.
    pub opened_at: String,
    /// Bytes that the socket has taken.
    pub bytes_sent: u64,
    /// Bytes that it has not got yet.
    pub lag: usize,
    /// On which core.
    pub core: CoreId,
    /// Its view there.
    pub view: ViewId,
    /// `live`, `catching_up`, `behind`, `held` (by its tenant's quota of bytes), `waiting` or `ending`.
    pub state: &'static str,
    /// Of a multiplexed stream, its own number, and of each of its views, the stream's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// The other end of a core: how to tell it something.
#[derive(Clone)]
pub struct CoreHandle {
    commands: Sender<Command>,
    /// Commands may wait up to so many before it takes no more connections.
    room: usize,
    bell: Arc<Bell>,
    /// What it has counted.
    pub counters: Arc<CoreCounters>,
}

impl CoreHandle {
    /// Tells the core something. Returns it when the core is gone; a connection also when so many wait already that the core does not keep up.
    ///
    /// # Errors
    /// The command, untouched.
    pub fn tell(&self, command: Command) -> Result<(), Command> {
        if matches!(command, Command::Connection(_)) && self.commands.len() >= self.room {
            return Err(command);
        }
        self.commands.send(command).map_err(crossbeam_channel::SendError::into_inner)?;
        self.bell.ring();
        Ok(())
    }
}

/// Takes connections that no core answers.
pub type Elsewhere = Arc<dyn Fn(Moved) + Send + Sync>;

/// What all cores of a process share; all of it is immutable or behind the hub's mail.
#[derive(Clone)]
pub struct Everywhere {
    /// Limits and timing of streams.
    pub streams: config::Streams,
    /// Heads and connections.
    pub server: config::Server,
    /// How long a list or a new stream waits for rows.
    pub wait: std::time::Duration,
    /// Kinds that have a stream.
    pub kinds: Arc<[&'static crate::kind::Kind]>,
    /// Which origins are answered.
    pub origins: Arc<Origins>,
    /// Who asks.
    pub authenticator: Arc<Authenticator>,
    /// What they may see.
    pub access: Arc<Access>,
    /// What they saw.
    pub audit: Audit,
    /// Answers what no core can.
    pub control: Control,
    /// Which feeds there are.
    pub hub: Arc<Hub>,
    /// The account of memory.
    pub ledger: Arc<Ledger>,
    /// Where requests go that no core answers.
    pub elsewhere: Elsewhere,
}

/// A core.
pub struct Core {
    id: CoreId,
    everywhere: Everywhere,
    /// All cores, this one among them.
    cores: Arc<[CoreHandle]>,
    counters: Arc<CoreCounters>,
    started: Instant,
    mail: Receiver<Mail>,
    commands: Receiver<Command>,
    bell: Arc<Bell>,
    epoll: Epoll,
    ring: Ring,
    accepting: Accepting,
    connections: Connections,
    waves: Waves,
    addresses: Addresses,
    timers: Timers,
    limiter: Limiter,
    /// `None` where tenants have no quotas of bytes.
    quotas: Option<Quotas>,
    passes: Passes,
    /// By a stream's number, while there is an audit.
    came: HashMap<u64, Came>,
    grants: Grants,
    /// Decisions that are other ones now, to be carried out in this turn.
    ruled: HashMap<GrantKey, Arc<Grant>>,
    revocations: Revocations,
    asking: Asking,
    slots: Slots,
    lines: Lines,
    prefixes: Prefixes,
    /// What the views' logs take, as of the last second.
    logs: Charge,
    gains: Gains,
    views: Vec<Option<View>>,
    free_views: Vec<ViewId>,
    view_ids: HashMap<ViewKey, ViewId>,
    next_view: u64,
    feeds: Vec<Option<FollowedFeed>>,
    feed_ids: HashMap<FeedKey, FeedId>,
    /// Streams whose feed the hub is asked for.
    opening: HashMap<FeedKey, Vec<Opening>>,
    lists: HashMap<(FeedKey, Scope), Vec<ListWaiter>>,
    /// Streams with something to send outside a lap.
    ready: VecDeque<SlotName>,
    /// Views whose lap is under way.
    laps: VecDeque<ViewId>,
    /// Views whose snapshot is being dressed.
    dressing: VecDeque<ViewId>,
    /// Streams that resumed from an id that this process does not know yet, with the time until which that may be so.
    ahead: Vec<(SlotName, crate::kind::Rv, Instant)>,
    /// Streams opened in this second.
    opened_now: (u32, u32),
    lame: bool,
}

/// A core as its thread's tasks reach it. Never borrowed across an await.
pub struct Cell(RefCell<Core>);

impl Cell {
    /// The core.
    pub fn get(&self) -> RefMut<'_, Core> {
        self.0.borrow_mut()
    }
}

impl Core {
    fn view(&mut self, id: ViewId) -> &mut View {
        self.views[id as usize].as_mut().expect("a view lives while it has members")
    }

    fn feed(&mut self, id: FeedId) -> &mut FollowedFeed {
        self.feeds[id as usize].as_mut().expect("a feed is followed while it has views")
    }

    /// Whether a view of this number (still) exists.
    fn has_view(&self, id: ViewId) -> bool {
        self.views.get(id as usize).is_some_and(Option::is_some)
    }
}
