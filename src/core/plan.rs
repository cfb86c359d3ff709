//! What is to be done about a request: who asks, where their home is, whether there is such a thing, and whether they may.

use std::borrow::Cow;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::Core;
use super::begun::Place;
use super::join::Bearer;
use super::line::LineWish;
use super::pass::Pass;
use super::record::Asked;
use super::request::{self, Request, Route};
use super::rights::Loss;
use super::sessions::unix_ms;
use super::shown::Shown;
use crate::access::{Exceeded, Grant, Wanted};
use crate::audit::Origin;
use crate::config;
use crate::feed::{FeedKey, Namespaces, Scope};
use crate::identity::origin::Sharing;
use crate::identity::{Identified, Identity, Peer, Verified, forwarded};
use crate::kind::{self, Kind};
use crate::wire::as_of::AsOf;
use crate::wire::head::{self, After, Version};
use crate::wire::id::ResumeId;
use crate::wire::refusal::Refusal;

/// What is to be done about a request. Owned, since the buffer it was read from moves.
pub(super) enum Plan {
    Refuse(Refusal),
    RefuseSaying(Refused),
    RefuseStream(Refusal, Version),
    Wish(Box<Wish>),
    Line(Box<LineWish>),
    Elsewhere,
    HandOver(usize),
}

/// A list or a stream that somebody wants, before it is known whether they may have it.
pub(super) struct Wish {
    pub cluster: Arc<str>,
    pub kind: &'static Kind,
    pub wanted: Wanted,
    pub shown: Shown,
    pub version: Version,
    pub thing: Thing,
    pub who: Identified,
}

/// What is wanted.
#[derive(Clone)]
pub(super) enum Thing {
    List { etags: Vec<u8>, without_body: bool },
    Watch { resume: Option<ResumeId> },
}

/// A wish that is granted.
pub(super) struct Permit {
    pub key: FeedKey,
    pub scope: Scope,
    pub grant: Arc<Grant>,
    pub verified: Verified,
}

/// Why a wish is not fulfilled, and in which words.
pub(super) struct Refused {
    pub why: Refusal,
    pub words: Cow<'static, str>,
}

/// Why there is no permit.
pub(super) enum Stop {
    Refused(Refused),
    /// The peer has left.
    Left,
}

impl From<Refusal> for Stop {
    fn from(why: Refusal) -> Self {
        Stop::Refused(why.into())
    }
}

impl From<Loss> for Stop {
    fn from(loss: Loss) -> Self {
        Stop::Refused(loss.into())
    }
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Refused { why, words: why.message().into() }
    }
}

impl From<Loss> for Refused {
    fn from(loss: Loss) -> Self {
        match &loss {
            // What the asker named is named to them; else the contract's words say enough.
            Loss::Denied { namespace: Some(_), .. } => {
                Refused { why: loss.refusal(), words: loss.words().into() }
            }
            _ => loss.refusal().into(),
        }
    }
}

impl Refused {
    /// Whether it is what an apiserver says, or would have to.
    pub fn is_by_access(&self) -> bool {
        matches!(self.why, Refusal::Denied | Refusal::AuthzUnavailable)
    }
}

impl Permit {
    /// Further header fields of the answer. Who asked for everything, and may see some of it, is told so.
    pub fn further(&self, manner: &Manner) -> Sharing {
        match (&self.grant.key.wanted, &self.scope) {
            (Wanted::Everything, Scope::Set(set)) => {
                let part = format!("namespaces={}", set.names().len()).into();
                manner.sharing.iter().cloned().chain([("Foretop-Scope", part)]).collect()
            }
            _ => manner.sharing.clone(),
        }
    }

    /// The same, and as of when the rows are, where that is known.
    pub fn further_as_of(&self, manner: &Manner, as_of: Option<Instant>) -> Sharing {
        let further = self.further(manner);
        match as_of {
            None => further,
            Some(at) => further.iter().cloned().chain(AsOf::of(at).fields()).collect(),
        }
    }
}

impl Wish {
    pub fn is_watch(&self) -> bool {
        matches!(self.thing, Thing::Watch { .. })
    }
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
    /// Who may read the answer.
    pub sharing: Sharing,
    /// Where the request comes from: an address that a trusted proxy vouches for, else the peer's.
    pub client: IpAddr,
    /// What the audit is told of it, should it be denied.
    pub asked: Option<Box<Asked>>,
}

impl Manner {
    pub(super) fn of(request: &Request<'_>, peer: &Peer, core: &mut Core) -> Self {
        Manner {
            version: request.version,
            request_id: request.request_id().map_or_else(|| core.next_request_id(), str::to_owned),
            accepts_json: request.accepts_json(),
            without_body: request.method == "HEAD",
            // A body that is not read would be taken for the next request. A server that goes has the next request asked elsewhere.
            keep_alive: request.keep_alive && request.body.is_none() && !core.lame,
            length: request.length,
            sharing: Sharing::default(),
            client: forwarded::client(
                peer.address.ip(),
                &core.everywhere.server.trusted_proxies,
                request.fields(),
            ),
            asked: None,
        }
    }

    pub(super) fn unparsed(peer: &Peer) -> Self {
        Manner {
            version: Version::Http11,
            request_id: "-".into(),
            accepts_json: false,
            without_body: false,
            keep_alive: false,
            length: 0,
            sharing: Sharing::default(),
            client: peer.address.ip(),
            asked: None,
        }
    }

    /// From where it came, for the audit.
    pub(super) fn origin(&self) -> Origin {
        Origin { client: Some(self.client), request_id: self.request_id.as_str().into() }
    }

    pub(super) fn after(&self) -> After {
        if self.keep_alive { After::Keep } else { After::Close }
    }
}

impl Core {
    fn next_request_id(&mut self) -> String {
        format!("{:x}-{:016x}", self.id, fastrand::u64(..))
    }

    pub(super) fn plan(&mut self, request: &Request<'_>, peer: &Peer, manner: &mut Manner) -> Plan {
        let (cluster, kind, is_watch) = match request.route() {
            Route::Elsewhere => return Plan::Elsewhere,
            Route::OpenLine => return self.plan_line(None, request, peer, manner),
            Route::ChangeLine { name } => return self.plan_line(Some(name), request, peer, manner),
            Route::List { cluster, kind } => (cluster, kind, false),
            Route::Watch { cluster, kind } => (cluster, kind, true),
        };
        let Some(kind) = kind::by_name(kind) else { return Plan::Elsewhere };
        if is_watch && !self.everywhere.kinds.contains(&kind) {
            return Plan::Elsewhere;
        }
        if request.is_preflight() {
            return Plan::Elsewhere;
        }
        match self.everywhere.origins.admit(&request.asked(peer), request.fields()) {
            Ok(sharing) => manner.sharing = sharing,
            Err(why) => return Plan::Refuse(why),
        }
        let refuse = |why| match (is_watch, self.everywhere.streams.refusal) {
            (true, config::Refusal::Event) => Plan::RefuseStream(why, request.version),
            _ => Plan::Refuse(why),
        };
        let who = match self.everywhere.authenticator.identify(peer, request.fields()) {
            Ok(who) => who,
            // The control plane sends a browser to the sign-in.
            Err(Refusal::Unauthenticated) if request.opens_page() => return Plan::Elsewhere,
            Err(why) => return refuse(why),
        };
        let is_get = request.method == "GET";
        if !is_get && (is_watch || request.method != "HEAD") {
            return Plan::Refuse(Refusal::MethodNotAllowed { head: !is_watch });
        }
        if request.body.is_some() {
            return Plan::Refuse(Refusal::BodyTooLarge);
        }
        let home = self.home(who.identity());
        if home != self.id {
            return Plan::HandOver(home);
        }
        // A cluster of another tenant is as none.
        if !self.everywhere.hub.knows(&cluster) || !self.everywhere.access.admits(who.identity(), &cluster) {
            return refuse(Refusal::UnknownCluster);
        }
        if self.lame && is_watch {
            return Plan::RefuseStream(Refusal::Draining, request.version);
        }
        let Some(wanted) = wanted(request, kind) else {
            // The contract: a namespace that cannot exist is told inside the stream.
            let why = Refusal::BadNamespace;
            return if is_watch { Plan::RefuseStream(why, request.version) } else { Plan::Refuse(why) };
        };
        let shown = match Shown::of(request) {
            Ok(shown) => shown,
            Err(refused) => return Plan::RefuseSaying(refused),
        };
        let thing = if is_watch {
            Thing::Watch { resume: request.resume_id() }
        } else {
            let etags = request.header("if-none-match").unwrap_or_default().to_vec();
            Thing::List { etags, without_body: !is_get }
        };
        let (cluster, version) = (Arc::from(&*cluster), request.version);
        Plan::Wish(Box::new(Wish { cluster, kind, wanted, shown, version, thing, who }))
    }

    /// The core on which a user's streams live.
    pub(super) fn home(&self, who: &Identity) -> usize {
        let hash = xxhash_rust::xxh3::xxh3_64(who.subject.as_bytes());
        usize::try_from(hash % self.cores.len() as u64).expect("smaller than the number of cores")
    }

    /// One more stream for this user, if no limit stands in the way.
    pub(super) fn admit(&mut self, who: &Identity) -> Result<Place, Refusal> {
        let streams = &self.everywhere.streams;
        if self.slots.len() >= streams.per_core as usize || self.everywhere.ledger.is_full() {
            return Err(Refusal::Full);
        }
        if streams.connects_per_second > 0 && self.opened_now.1 >= streams.connects_per_second {
            return Err(Refusal::TooManyConnects);
        }
        self.opened_now.1 += 1;
        let tenant = self.everywhere.access.tenants.of(who).cloned().ok_or(Refusal::UnknownCluster)?;
        let user = self.limiter.acquire(&who.subject).ok_or(Refusal::TooManyStreams)?;
        if let Err(exceeded) = tenant.open(u32::try_from(unix_ms() / 1000).unwrap_or(u32::MAX)) {
            self.limiter.release(user);
            return Err(match exceeded {
                Exceeded::Streams => Refusal::TenantStreams,
                Exceeded::Connects => Refusal::TenantConnects,
            });
        }
        Ok(Place { user, tenant })
    }

    /// The right of a stream that has a place.
    pub(super) fn seat(&mut self, place: Place, who: &Identity, grant: &Arc<Grant>) -> Pass {
        self.passes.acquire(place.user, place.tenant, who, grant.clone())
    }

    /// One stream less by this right.
    pub(super) fn release(&mut self, pass: Pass) {
        let holder = self.passes.holder(pass);
        let user = holder.user;
        holder.tenant.close();
        self.passes.release(pass);
        self.limiter.release(user);
    }

    /// One stream less by this right; a lane counts for its line.
    pub(super) fn release_from(&mut self, bearer: &Bearer, pass: Pass) {
        match bearer {
            Bearer::Socket(_) => self.release(pass),
            Bearer::Lane(..) => self.passes.release(pass),
        }
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

    pub(super) fn refused(&mut self, why: Refusal, manner: &Manner) {
        self.counters.refused.count(why);
        self.record_denied(why, manner);
        tracing::debug!(client = %manner.client, code = why.code(), "request.refused");
    }
}

/// The namespaces that a request names. `None`: one of them cannot exist.
pub(super) fn wanted(request: &Request<'_>, kind: &Kind) -> Option<Wanted> {
    if !kind.namespaced {
        return Some(Wanted::Everything);
    }
    let names: Vec<Arc<str>> = request.namespaces().map(|name| Arc::from(&*name)).collect();
    if !names.iter().all(|name| request::is_namespace(name)) {
        return None;
    }
    Some(Namespaces::new(names).map_or(Wanted::Everything, Wanted::Namespaces))
}

/// Whether an `If-None-Match` header names this body.
pub(super) fn has_etag(header: &[u8], etag: u128) -> bool {
    let etag = head::etag_text(etag);
    header
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|part| part == b"*" || part.strip_prefix(b"W/").unwrap_or(part) == etag.as_bytes())
}
