//! From a socket to a request: a task per connection that reads heads and answers lists, until the connection becomes a stream, moves
//! elsewhere, or closes.
//!
//! Nothing here is ever cancelled: a read whose time is over is ended by shutting its socket down.

use std::cell::Cell as StdCell;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;
use rustix::net::Shutdown;

use super::join::Opening;
use super::list;
use super::listener;
use super::request::{self, Parsed, Request, Route};
use super::socket::{self, Shutdowner};
use super::{Cell, Command, Core, Moved};
use crate::access::{self, Decision};
use crate::config;
use crate::feed::{FeedKey, Scope};
use crate::identity::Identity;
use crate::kind::{self, Kind};
use crate::wire::head::{self, After, Version};
use crate::wire::id::ResumeId;
use crate::wire::refusal::Refusal;
use crate::wire::sse;

/// A connection's deadline, enforced from outside of its task.
struct Deadline {
    socket: Shutdowner,
    /// When the socket is shut down, and how; none while nothing is awaited of the peer.
    at: StdCell<Option<(Instant, Shutdown)>>,
    passed: StdCell<bool>,
}

impl Deadline {
    fn set(&self, time: Duration, how: Shutdown) {
        self.at.set(Some((Instant::now() + time, how)));
    }

    fn clear(&self) {
        self.at.set(None);
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

    fn add(&mut self, socket: Shutdowner) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline { socket, at: StdCell::new(None), passed: StdCell::new(false) });
        self.0.push(deadline.clone());
        deadline
    }

    fn remove(&mut self, deadline: &Rc<Deadline>) {
        if let Some(index) = self.0.iter().position(|known| Rc::ptr_eq(known, deadline)) {
            self.0.swap_remove(index);
        }
    }
}

/// A connection being read.
struct Connection {
    core: Rc<Cell>,
    stream: TcpStream,
    peer: SocketAddr,
    deadline: Rc<Deadline>,
    /// What was read and not used.
    read: Vec<u8>,
    limits: config::Server,
    /// Requests answered on it.
    answered: u32,
}

/// What a head was read to.
enum Next {
    /// There is one in the buffer.
    Head,
    /// Refused before there was one.
    Refused(Refusal),
    /// The peer is gone, or was idle for long.
    Gone,
}

/// What is to be done about a request. Owned, since the buffer it was read from moves.
enum Plan {
    Refuse(Refusal),
    RefuseStream(Refusal, Version),
    List(ListPlan),
    Watch(Box<WatchPlan>),
    Elsewhere,
    HandOver(usize),
}

struct ListPlan {
    key: FeedKey,
    scope: Scope,
    version: Version,
    etags: Vec<u8>,
    without_body: bool,
}

struct WatchPlan {
    key: FeedKey,
    scope: Scope,
    version: Version,
    resume: Option<ResumeId>,
    who: Identity,
}

/// How an answer is given.
#[derive(Clone)]
struct Manner {
    version: Version,
    request_id: String,
    accepts_json: bool,
    without_body: bool,
    keep_alive: bool,
    /// Bytes of the head, which are used up with the answer.
    length: usize,
}

/// Serves a connection to its end.
pub async fn serve(core: Rc<Cell>, accepted: Moved) {
    let Moved { socket, peer, read } = accepted;
    let Ok(stream) = TcpStream::from_std(std::net::TcpStream::from(socket)) else { return };
    let (deadline, limits) = {
        let mut core = core.get();
        (core.connections.add(Shutdowner::of(&stream)), core.everywhere.server.clone())
    };
    let connection = Connection { core, stream, peer, deadline, read, limits, answered: 0 };
    connection.run().await;
}

impl Connection {
    async fn run(mut self) {
        loop {
            match self.read_head().await {
                Next::Head => {}
                Next::Refused(why) => {
                    let manner = Manner::unparsed();
                    self.refuse(why, &manner).await;
                    return self.close_gently().await;
                }
                Next::Gone => return self.end(),
            }
            let Some((plan, manner)) = self.plan() else { return self.end() };
            let keep = match plan {
                Plan::Refuse(why) => self.refuse(why, &manner).await,
                Plan::RefuseStream(why, version) => {
                    self.refuse_as_stream(why, version, &manner).await;
                    false
                }
                Plan::List(list) => self.answer_list(list, &manner).await,
                Plan::Watch(opening) => match self.begin_stream(*opening, &manner) {
                    Ok(()) => return,
                    Err((connection, why)) => {
                        self = *connection;
                        if self.core.get().everywhere.streams.refusal == config::Refusal::Event {
                            self.refuse_as_stream(why, manner.version, &manner).await;
                            false
                        } else {
                            self.refuse(why, &manner).await
                        }
                    }
                },
                Plan::Elsewhere => return self.move_elsewhere(),
                Plan::HandOver(core) => return self.hand_over(core),
            };
            if !keep {
                return self.close_gently().await;
            }
            self.answered += 1;
            self.read.drain(..manner.length);
        }
    }

    fn longest(&self) -> request::Longest {
        request::Longest { head: self.limits.head_bytes, target: self.limits.target_bytes }
    }

    /// Reads until there is a whole head, within its time and size.
    async fn read_head(&mut self) -> Next {
        let mut began = None;
        loop {
            let mut headers = request::no_headers();
            match request::parse(&self.read, self.longest(), &mut headers) {
                Parsed::Whole(_) => return Next::Head,
                Parsed::Refused(why) => return Next::Refused(why),
                Parsed::Partial => {}
            }
            let now = Instant::now();
            let time = if self.read.is_empty() && self.answered > 0 {
                self.limits.idle_timeout
            } else {
                self.limits.head_timeout.saturating_sub(began.get_or_insert(now).elapsed())
            };
            self.deadline.set(time, Shutdown::Read);
            let mut buffer = std::mem::take(&mut self.read);
            buffer.reserve(if buffer.is_empty() { 1024 } else { 4096 });
            // Reads behind what is there already.
            let filled = buffer.len();
            let free = buffer.capacity() - filled;
            let (result, piece) = self.stream.read(Vec::with_capacity(free)).await;
            buffer.extend_from_slice(&piece);
            self.read = buffer;
            self.deadline.clear();
            match result {
                Ok(0) | Err(_) if self.deadline.passed.get() && !self.read.is_empty() => {
                    return Next::Refused(Refusal::Timeout);
                }
                Ok(0) | Err(_) => return Next::Gone,
                Ok(_) => {}
            }
        }
    }

    fn plan(&self) -> Option<(Plan, Manner)> {
        let mut headers = request::no_headers();
        let Parsed::Whole(request) = request::parse(&self.read, self.longest(), &mut headers) else {
            return None;
        };
        let mut core = self.core.get();
        let manner = Manner::of(&request, &mut core);
        let plan = core.plan(&request, self.peer);
        Some((plan, manner))
    }

    async fn answer_list(&mut self, list: ListPlan, manner: &Manner) -> bool {
        match list::list(&self.core, list.key, list.scope).await {
            Err(why) => self.refuse(why, manner).await,
            Ok(snapshot) => {
                let after = manner.after();
                if has_etag(&list.etags, snapshot.etag) {
                    self.core.get().counters.not_modified.add(1);
                    let head = head::not_modified(list.version, &manner.request_id, snapshot.etag, after);
                    return self.write(head.into_bytes()).await && after == After::Keep;
                }
                let (open, rows, close) = snapshot.list_body();
                let length = open.len() + rows.len() + close.len();
                let mut head =
                    head::list(list.version, &manner.request_id, snapshot.etag, length, after).into_bytes();
                if list.without_body {
                    return self.write(head).await && after == After::Keep;
                }
                head.extend_from_slice(open.as_bytes());
                // In pieces: a list may be of megabytes, and many may be on their way.
                let mut pieces = rows.chunks(LIST_PIECE).peekable();
                loop {
                    if let Some(piece) = pieces.next() {
                        head.extend_from_slice(piece);
                    }
                    if pieces.peek().is_none() {
                        head.extend_from_slice(close);
                        return self.write(head).await && after == After::Keep;
                    }
                    if !self.write(std::mem::take(&mut head)).await {
                        return false;
                    }
                }
            }
        }
    }

    async fn refuse(&mut self, why: Refusal, manner: &Manner) -> bool {
        self.core.get().refused(why, self.peer);
        let after = if why.closes() { After::Close } else { manner.after() };
        let answer = head::refusal(
            manner.version,
            &manner.request_id,
            why,
            manner.accepts_json,
            manner.without_body,
            after,
        );
        self.write(answer).await && after == After::Keep
    }

    /// A refusal that an `EventSource` understands: a stream that says when to come back, why, and ends.
    async fn refuse_as_stream(&mut self, why: Refusal, version: Version, manner: &Manner) {
        self.core.get().refused(why, self.peer);
        let mut answer = head::stream(version, &manner.request_id).into_bytes();
        let mut chunks = Vec::new();
        sse::write_retry(&mut chunks, self.core.get().retry_ms());
        let data = format!(r#"{{"message":"{}","code":"{}"}}"#, why.message(), why.code());
        match why {
            Refusal::Draining => sse::write_notice(&mut chunks, "server_shutdown", "{}"),
            _ => sse::write_notice(&mut chunks, "error", &data),
        }
        match version {
            Version::Http11 => {
                answer.extend_from_slice(&chunks);
                answer.extend_from_slice(sse::LAST_CHUNK);
            }
            Version::Http10 => sse::strip_chunks(&chunks, &mut answer),
        }
        self.write(answer).await;
    }

    /// Writes all of it. Returns whether the peer took it in time.
    async fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.deadline.set(WRITE_TIME, Shutdown::Both);
        let (result, _) = self.stream.write_all(bytes).await;
        self.deadline.clear();
        result.is_ok()
    }

    /// Closes so that the answer is not overtaken by a reset: what the peer is still sending is read and dropped for a moment.
    async fn close_gently(mut self) {
        socket::shut_down(&self.stream, Shutdown::Write);
        self.deadline.set(LINGER, Shutdown::Both);
        let mut dropped = 0;
        while dropped < LINGER_BYTES {
            let (result, piece) = self.stream.read(Vec::with_capacity(4096)).await;
            match result {
                Ok(0) | Err(_) => break,
                Ok(_) => dropped += piece.len(),
            }
        }
        self.end();
    }

    /// Forgets the connection; its socket closes with it.
    fn end(self) {
        self.core.get().connections.remove(&self.deadline);
    }

    /// Gives the socket away.
    fn into_socket(self) -> (Rc<Cell>, OwnedFd, SocketAddr, Vec<u8>) {
        self.core.get().connections.remove(&self.deadline);
        (self.core, socket::take(self.stream), self.peer, self.read)
    }

    fn move_elsewhere(self) {
        let (core, socket, peer, read) = self.into_socket();
        let elsewhere = core.get().everywhere.elsewhere.clone();
        elsewhere(Moved { socket, peer, read });
    }

    fn hand_over(self, home: usize) {
        let (core, socket, peer, read) = self.into_socket();
        let core = core.get();
        core.counters.handed_over.add(1);
        // A core that does not keep up with its mail takes no more; the client tries again.
        let _ = core.cores[home].tell(Command::Connection(Moved { socket, peer, read }));
    }

    /// Makes a stream of the connection, if the user may have one more.
    fn begin_stream(self, opening: WatchPlan, manner: &Manner) -> Result<(), (Box<Self>, Refusal)> {
        let admitted = self.core.get().admit(&opening.who);
        let user = match admitted {
            Ok(user) => user,
            Err(why) => return Err((Box::new(self), why)),
        };
        let (core, socket, _, _) = self.into_socket();
        let mut core = core.get();
        core.set_options(&socket);
        core.open(
            opening.key,
            Opening {
                socket,
                user,
                version: opening.version,
                scope: opening.scope,
                resume: opening.resume,
                request_id: manner.request_id.clone(),
            },
        );
        Ok(())
    }
}

/// Time for a peer to take an answer.
const WRITE_TIME: Duration = Duration::from_mins(1);

/// How long, and for how many bytes, a closing connection listens to a peer that still sends.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Bytes of a list in one write.
const LIST_PIECE: usize = 256 * 1024;

impl Manner {
    fn of(request: &Request<'_>, core: &mut Core) -> Self {
        Manner {
            version: request.version,
            request_id: request.request_id().map_or_else(|| core.next_request_id(), str::to_owned),
            accepts_json: request.accepts_json(),
            without_body: request.method == "HEAD",
            // A body that is not read would be taken for the next request.
            keep_alive: request.keep_alive && !request.has_body,
            length: request.length,
        }
    }

    fn unparsed() -> Self {
        Manner {
            version: Version::Http11,
            request_id: "-".into(),
            accepts_json: false,
            without_body: false,
            keep_alive: false,
            length: 0,
        }
    }

    fn after(&self) -> After {
        if self.keep_alive { After::Keep } else { After::Close }
    }
}

impl Core {
    /// Accepts what is there, and spawns a task for each.
    pub(super) fn accept(&mut self, spawn: &impl Fn(Moved)) {
        let (taken, pause) = match self.accepting.accept() {
            listener::Accepted::These(taken) => (taken, None),
            listener::Accepted::Exhausted(taken, until) => (taken, Some(until)),
        };
        // Those that are spawned here count at once; among the connections they are only when their tasks begin.
        let mut open = self.connections.len() + self.slots.len();
        for (socket, peer) in taken {
            self.counters.accepted.add(1);
            if open >= self.everywhere.server.connections_per_core {
                continue;
            }
            open += 1;
            let _ = socket.set_tcp_nodelay(true);
            spawn(Moved { socket: socket.into(), peer, read: Vec::new() });
        }
        if let (Some(until), Some(listener)) = (pause, self.accepting.socket()) {
            tracing::warn!("core.no_descriptors: accepting pauses");
            self.epoll.remove_listener(listener);
            self.timers.at(until, super::beat::Timer::Accept);
        }
    }

    /// A pause in accepting is over.
    pub(super) fn accept_again(&mut self, now: Instant) {
        if self.accepting.resumes(now)
            && let Some(listener) = self.accepting.socket()
        {
            let _ = self.epoll.add_listener(listener);
        }
    }

    fn next_request_id(&mut self) -> String {
        format!("{:x}-{:016x}", self.id, fastrand::u64(..))
    }

    fn plan(&mut self, request: &Request<'_>, peer: SocketAddr) -> Plan {
        let (cluster, kind, is_watch) = match request.route() {
            Route::Elsewhere => return Plan::Elsewhere,
            Route::List { cluster, kind } => (cluster, kind, false),
            Route::Watch { cluster, kind } => (cluster, kind, true),
        };
        let Some(kind) = kind::by_name(kind) else { return Plan::Elsewhere };
        if is_watch && !self.everywhere.kinds.contains(&kind) {
            return Plan::Elsewhere;
        }
        let headers = request.headers.iter().map(|header| (header.name, header.value));
        let refuse = |why| match (is_watch, self.everywhere.streams.refusal) {
            (true, config::Refusal::Event) => Plan::RefuseStream(why, request.version),
            _ => Plan::Refuse(why),
        };
        let who = match self.everywhere.authenticator.identify(peer.ip(), headers) {
            Ok(who) => who,
            Err(why) => return refuse(why),
        };
        let is_get = request.method == "GET";
        if !is_get && (is_watch || request.method != "HEAD") {
            return Plan::Refuse(Refusal::MethodNotAllowed { head: !is_watch });
        }
        if request.has_body {
            return Plan::Refuse(Refusal::BodyTooLarge);
        }
        let home = self.home(&who);
        if home != self.id {
            return Plan::HandOver(home);
        }
        if !self.everywhere.hub.knows(&cluster) {
            return refuse(Refusal::UnknownCluster);
        }
        if self.lame && is_watch {
            return Plan::RefuseStream(Refusal::Draining, request.version);
        }
        let key = FeedKey { cluster: Arc::from(&*cluster), kind };
        let Some(scope) = scope(request, kind) else {
            // The contract: a namespace that cannot exist is told inside the stream.
            let why = Refusal::BadNamespace;
            return if is_watch { Plan::RefuseStream(why, request.version) } else { Plan::Refuse(why) };
        };
        match access::decide(&who, &key, &scope) {
            Decision::Allowed => {}
        }
        let version = request.version;
        if is_watch {
            let resume = request.resume_id();
            return Plan::Watch(Box::new(WatchPlan { key, scope, version, resume, who }));
        }
        let etags = request.header("if-none-match").unwrap_or_default().to_vec();
        Plan::List(ListPlan { key, scope, version, etags, without_body: !is_get })
    }

    /// The core on which a user's streams live.
    fn home(&self, who: &Identity) -> usize {
        let hash = xxhash_rust::xxh3::xxh3_64(who.subject.as_bytes());
        usize::try_from(hash % self.cores.len() as u64).expect("smaller than the number of cores")
    }

    /// One more stream for this user, if no limit stands in the way.
    fn admit(&mut self, who: &Identity) -> Result<u32, Refusal> {
        let streams = &self.everywhere.streams;
        if self.slots.len() >= streams.per_core as usize || self.everywhere.ledger.is_full() {
            return Err(Refusal::Full);
        }
        if streams.connects_per_second > 0 && self.opened_now.1 >= streams.connects_per_second {
            return Err(Refusal::TooManyConnects);
        }
        self.opened_now.1 += 1;
        self.limiter.acquire(&who.subject).ok_or(Refusal::TooManyStreams)
    }

    /// So that lag shows in the stream's place and not in the kernel's memory.
    fn set_options(&self, socket: &OwnedFd) {
        let streams = &self.everywhere.streams;
        let socket = socket2::SockRef::from(socket);
        // A kernel that knows no such option serves as well, with more memory.
        let _ = socket.set_tcp_notsent_lowat(streams.notsent_lowat);
        if streams.sndbuf > 0 {
            let _ = socket.set_send_buffer_size(streams.sndbuf as usize);
        }
    }

    fn refused(&mut self, why: Refusal, peer: SocketAddr) {
        self.counters.refused.add(1);
        tracing::debug!(%peer, code = why.code(), "request.refused");
    }

    /// Reads what `serve` and other cores have to say.
    pub(super) fn read_commands(&mut self, spawn: &impl Fn(Moved)) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Connection(moved) => spawn(moved),
                Command::Streams(answer) => answer(self.stream_lines()),
                Command::Lame => self.lame = true,
                Command::Drain(until) => self.drain(until),
            }
        }
    }
}

/// The scope that a request names. `None`: a namespace that cannot exist.
fn scope(request: &Request<'_>, kind: &Kind) -> Option<Scope> {
    let Some(namespace) = request.namespace().filter(|_| kind.namespaced) else { return Some(Scope::All) };
    request::is_namespace(&namespace).then(|| Scope::Namespace(Arc::from(&*namespace)))
}

/// Whether an `If-None-Match` header names this body.
fn has_etag(header: &[u8], etag: u128) -> bool {
    let etag = head::etag_text(etag);
    header
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|part| part == b"*" || part.strip_prefix(b"W/").unwrap_or(part) == etag.as_bytes())
}
