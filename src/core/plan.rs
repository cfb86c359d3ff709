//! What is to be done about a request: who asks, where their home is, whether there is such a thing, and whether they may.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Core;
use super::request::{self, Request, Route};
use crate::access::{self, Decision};
use crate::config;
use crate::feed::{FeedKey, Scope};
use crate::identity::Identity;
use crate::kind::{self, Kind};
use crate::wire::head::{self, After, Version};
use crate::wire::id::ResumeId;
use crate::wire::refusal::Refusal;

/// What is to be done about a request. Owned, since the buffer it was read from moves.
pub(super) enum Plan {
    Refuse(Refusal),
    RefuseStream(Refusal, Version),
    List(ListPlan),
    Watch(Box<WatchPlan>),
    Elsewhere,
    HandOver(usize),
}

pub(super) struct ListPlan {
    pub key: FeedKey,
    pub scope: Scope,
    pub version: Version,
    pub etags: Vec<u8>,
    pub without_body: bool,
}

pub(super) struct WatchPlan {
    pub key: FeedKey,
    pub scope: Scope,
    pub version: Version,
    pub resume: Option<ResumeId>,
    pub who: Identity,
}

/// How an answer is given.
#[derive(Clone)]
pub(super) struct Manner {
    pub version: Version,
    pub request_id: String,
    pub accepts_json: bool,
    pub without_body: bool,
    pub keep_alive: bool,
    /// Bytes of the head, which are used up with the answer.
    pub length: usize,
}

impl Manner {
    pub(super) fn of(request: &Request<'_>, core: &mut Core) -> Self {
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

    pub(super) fn unparsed() -> Self {
        Manner {
            version: Version::Http11,
            request_id: "-".into(),
            accepts_json: false,
            without_body: false,
            keep_alive: false,
            length: 0,
        }
    }

    pub(super) fn after(&self) -> After {
        if self.keep_alive { After::Keep } else { After::Close }
    }
}

impl Core {
    fn next_request_id(&mut self) -> String {
        format!("{:x}-{:016x}", self.id, fastrand::u64(..))
    }

    pub(super) fn plan(&mut self, request: &Request<'_>, peer: SocketAddr) -> Plan {
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
    pub(super) fn admit(&mut self, who: &Identity) -> Result<u32, Refusal> {
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
    pub(super) fn set_options(&self, socket: &OwnedFd) {
        let streams = &self.everywhere.streams;
        let socket = socket2::SockRef::from(socket);
        // A kernel that knows no such option serves as well, with more memory.
        let _ = socket.set_tcp_notsent_lowat(streams.notsent_lowat);
        if streams.sndbuf > 0 {
            let _ = socket.set_send_buffer_size(streams.sndbuf as usize);
        }
    }

    pub(super) fn refused(&mut self, why: Refusal, peer: SocketAddr) {
        self.counters.refused.add(1);
        tracing::debug!(%peer, code = why.code(), "request.refused");
    }
}

/// The scope that a request names. `None`: a namespace that cannot exist.
fn scope(request: &Request<'_>, kind: &Kind) -> Option<Scope> {
    let Some(namespace) = request.namespace().filter(|_| kind.namespaced) else { return Some(Scope::All) };
    request::is_namespace(&namespace).then(|| Scope::Namespace(Arc::from(&*namespace)))
}

/// Whether an `If-None-Match` header names this body.
pub(super) fn has_etag(header: &[u8], etag: u128) -> bool {
    let etag = head::etag_text(etag);
    header
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|part| part == b"*" || part.strip_prefix(b"W/").unwrap_or(part) == etag.as_bytes())
}
