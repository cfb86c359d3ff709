//! What a connection answers to the head that it has read: a list, a refusal, or nothing, where it becomes a stream or moves elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use monoio::io::AsyncReadRent;
use rustix::net::Shutdown;

use super::{Connection, Next};
use crate::access::GrantKey;
use crate::config;
use crate::core::asking::ask;
use crate::core::join::{Bearer, Opening};
use crate::core::plan::{Manner, Permit, Plan, Refused, Stop, Thing, Wish, has_etag};
use crate::core::rights::{Loss, scope_by};
use crate::core::{Command, Moved, list, socket};
use crate::feed::FeedKey;
use crate::feed::snapshot::Snapshot;
use crate::identity::{Identified, Verified};
use crate::wire::head::{self, After, ListFields, Version};
use crate::wire::id::ResumeId;
use crate::wire::refusal::Refusal;
use crate::wire::sse;

impl Connection {
    /// Does what the head asks for. Returns the connection if it takes another request.
    pub(super) async fn answer(mut self, next: Next) -> Option<Self> {
        match next {
            Next::Head => {}
            Next::Refused(why) => {
                let manner = Manner::unparsed(&self.peer);
                self.refuse(why, &manner).await;
                self.close_gently().await;
                return None;
            }
            Next::Gone => {
                self.end();
                return None;
            }
        }
        let Some((plan, manner)) = self.plan() else {
            self.end();
            return None;
        };
        let keep = match plan {
            Plan::Refuse(why) => self.refuse(why, &manner).await,
            Plan::RefuseSaying(refused) => self.refuse_saying(&refused, &manner).await,
            Plan::RefuseStream(why, version) => {
                self.refuse_as_stream(&why.into(), version, &manner).await;
                false
            }
            Plan::Wish(wish) => {
                let (connection, keep) = self.fulfil(*wish, &manner).await?;
                self = connection;
                keep
            }
            Plan::Line(wish) => {
                let (connection, keep) = self.fulfil_line(*wish, &manner).await?;
                self = *connection;
                keep
            }
            Plan::Elsewhere => {
                self.move_elsewhere();
                return None;
            }
            Plan::HandOver(core) => {
                self.hand_over(core);
                return None;
            }
        };
        if !keep {
            self.close_gently().await;
            return None;
        }
        self.answered += 1;
        self.read.drain(..manner.length);
        Some(self)
    }

    /// Gives somebody what they want, if they may have it. `None`: the connection has become a stream; else whether it takes another request.
    async fn fulfil(mut self, wish: Wish, manner: &Manner) -> Option<(Self, bool)> {
        let (is_watch, version) = (wish.is_watch(), wish.version);
        let thing = wish.thing.clone();
        let keep = match (self.permit(wish, manner).await, thing) {
            (Ok(permit), Thing::List { etags, without_body }) => {
                self.answer_list(permit, (&etags, without_body), manner).await
            }
            (Ok(permit), Thing::Watch { resume }) => match self.begin_stream(permit, resume, manner) {
                Ok(()) => return None,
                Err((connection, why)) => {
                    self = *connection;
                    if self.refuses_by_event() {
                        self.refuse_as_stream(&why.into(), version, manner).await;
                        false
                    } else {
                        self.refuse(why, manner).await
                    }
                }
            },
            // The contract: what an apiserver says is told inside the stream.
            (Err(Stop::Refused(refused)), _)
                if is_watch && (refused.is_by_access() || self.refuses_by_event() || self.is_begun()) =>
            {
                self.refuse_as_stream(&refused, version, manner).await;
                false
            }
            (Err(Stop::Refused(refused)), _) => self.refuse_saying(&refused, manner).await,
            (Err(Stop::Left), _) => false,
        };
        self.give_up_place();
        Some((self, keep))
    }

    fn refuses_by_event(&self) -> bool {
        self.core.get().everywhere.streams.refusal == config::Refusal::Event
    }

    /// Who it is, asked of the provider where that has to be.
    pub(in crate::core) async fn verify(&self, who: Identified) -> Result<Verified, Refusal> {
        match who {
            Identified::As(verified) => Ok(verified),
            Identified::Stale(stale) => {
                let authenticator = self.core.get().everywhere.authenticator.clone();
                let refreshed = ask(&self.core, authenticator.refresh(stale)).await;
                refreshed.unwrap_or(Err(Refusal::Unauthenticated))
            }
        }
    }

    /// Whether they may. The core goes on while the control plane asks.
    async fn permit(&mut self, wish: Wish, manner: &Manner) -> Result<Permit, Stop> {
        let is_watch = wish.is_watch();
        let verified = self.verify(wish.who).await?;
        let access = self.core.get().everywhere.access.clone();
        // A refreshed session may have other groups.
        if !access.admits(&verified.identity, &wish.cluster) {
            return Err(Refusal::UnknownCluster.into());
        }
        let asker = access.mapping.map(&verified.identity)?;
        let key = GrantKey { cluster: wish.cluster, kind: wish.kind, asker, wanted: wish.wanted };
        let known = self.core.get().known_grant(&key);
        let grant = if let Some(grant) = known {
            grant
        } else {
            let grant = if is_watch {
                // On the heap, since few connections wait here, and all would have the room for it.
                Box::pin(self.decide_openly(key, &verified, manner)).await?
            } else {
                Box::pin(self.decide_in_time(key)).await?
            };
            self.core.get().learn_grant(&grant);
            grant
        };
        // Its session may be over since it was verified.
        if self.core.get().is_over(&verified.identity) {
            return Err(Refusal::Unauthenticated.into());
        }
        let scope = scope_by(&grant)?;
        let eyes = access.eyes(&grant.key.asker, &scope).ok_or(Refusal::OneNamespace)?;
        let key = FeedKey::new(Arc::clone(&grant.key.cluster), grant.key.kind, eyes)
            .showing(wish.shown.rows, wish.shown.selector);
        Ok(Permit { key, scope, grant, verified })
    }

    async fn answer_list(
        &mut self,
        permit: Permit,
        (etags, without_body): (&[u8], bool),
        manner: &Manner,
    ) -> bool {
        // Before the rows are read: what is heard meanwhile may have changed them.
        let before = self.as_of(&permit.key);
        let listed = list::list(&self.core, permit.key.clone(), permit.scope.clone()).await;
        let further = permit.further_as_of(manner, before.or_else(|| self.as_of(&permit.key)));
        // What was decided may be another thing now that the list is here.
        let allowed = scope_by(&permit.grant)
            .and_then(|scope| if scope == permit.scope { Ok(()) } else { Err(Loss::Unavailable) });
        let snapshot = match allowed.map_err(Refused::from).and(listed.map_err(Refused::from)) {
            Err(refused) => return self.refuse_saying(&refused, manner).await,
            Ok(snapshot) => snapshot,
        };
        let after = manner.after();
        let fields = ListFields {
            request_id: &manner.request_id,
            etag: snapshot.etag,
            after,
            cookies: &permit.verified.cookies,
            sharing: &further,
        };
        if has_etag(etags, snapshot.etag) {
            self.core.get().counters.not_modified.add(1);
            let head = head::not_modified(manner.version, &fields);
            return self.write(head.into_bytes()).await && after == After::Keep;
        }
        let (open, rows, close) = snapshot.list_body();
        let length = open.len() + rows.len() + close.len();
        let who = &permit.verified.identity;
        if !without_body && !self.core.get().may_list(who, length) {
            return self.refuse(Refusal::TenantBytes, manner).await;
        }
        let head = head::list(manner.version, &fields, length).into_bytes();
        let is_taken =
            if without_body { self.write(head).await } else { self.write_list(head, &snapshot).await };
        is_taken && after == After::Keep
    }

    /// Writes a list's head and body, in pieces: a list may be of megabytes, and many may be on their way. Returns whether the peer took it in time.
    async fn write_list(&mut self, head: Vec<u8>, snapshot: &Snapshot) -> bool {
        let (open, rows, close) = snapshot.list_body();
        let mut piece = head;
        piece.extend_from_slice(open.as_bytes());
        let mut pieces = rows.chunks(LIST_PIECE).peekable();
        loop {
            if let Some(rows) = pieces.next() {
                piece.extend_from_slice(rows);
            }
            if pieces.peek().is_none() {
                piece.extend_from_slice(close);
                return self.write(piece).await;
            }
            if !self.write(std::mem::take(&mut piece)).await {
                return false;
            }
        }
    }

    /// As of when a feed's rows are, where there are any.
    fn as_of(&self, key: &FeedKey) -> Option<Instant> {
        self.core.get().everywhere.hub.find(key)?.as_of()
    }

    pub(in crate::core) async fn refuse(&mut self, why: Refusal, manner: &Manner) -> bool {
        self.refuse_saying(&why.into(), manner).await
    }

    pub(in crate::core) async fn refuse_saying(&mut self, refused: &Refused, manner: &Manner) -> bool {
        let Refused { why, words } = refused;
        self.core.get().refused(*why, manner);
        let after = if why.closes() { After::Close } else { manner.after() };
        let answer = head::refusal(
            manner.version,
            &manner.request_id,
            (*why, words),
            manner.accepts_json,
            manner.without_body,
            after,
            &manner.sharing,
        );
        self.write(answer).await && after == After::Keep
    }

    /// A refusal that an `EventSource` understands: a stream that says when to come back, why, and ends.
    async fn refuse_as_stream(&mut self, refused: &Refused, version: Version, manner: &Manner) {
        let Refused { why, words } = refused;
        self.core.get().refused(*why, manner);
        let (mut answer, mut chunks) = (Vec::new(), Vec::new());
        if !self.is_begun() {
            answer = head::stream(version, &manner.request_id, &[], &manner.sharing).into_bytes();
            sse::write_retry(&mut chunks, self.core.get().retry_ms());
        }
        chunks.extend(Self::last_words(*why, words, self.is_begun()));
        version.append_last(&chunks, &mut answer);
        self.write(answer).await;
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

    fn move_elsewhere(self) {
        let (core, socket, peer, read) = self.into_socket();
        let elsewhere = core.get().everywhere.elsewhere.clone();
        elsewhere(Moved { socket, peer, read });
    }

    fn hand_over(self, home: usize) {
        let (core, socket, peer, read) = self.into_socket();
        let core = core.get();
        // A core that does not keep up with its mail takes no more; the client tries again.
        match core.cores[home].tell(Command::Connection(Moved { socket, peer, read })) {
            Ok(()) => core.counters.handed_over.add(1),
            Err(_) => core.counters.turned_away.add(1),
        }
    }

    /// Makes a stream of the connection, if the user may have one more.
    fn begin_stream(
        mut self,
        permit: Permit,
        resume: Option<ResumeId>,
        manner: &Manner,
    ) -> Result<(), (Box<Self>, Refusal)> {
        let first = self.first_of(&permit, manner);
        let who = &permit.verified.identity;
        let place = self.begun.take().map_or_else(|| self.core.get().admit(who), Ok);
        let place = match place {
            Ok(place) => place,
            Err(why) => return Err((Box::new(self), why)),
        };
        let from = manner.origin();
        let (core, socket, ..) = self.into_socket();
        let mut core = core.get();
        let pass = core.seat(place, who, &permit.grant);
        core.set_options(&socket);
        let opening = Opening { bearer: Bearer::Socket(socket), pass, version: manner.version, resume, from };
        core.open(permit.key, opening, &first);
        Ok(())
    }
}

/// How long, and for how many bytes, a closing connection listens to a peer that still sends.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Bytes of a list in one write.
const LIST_PIECE: usize = 256 * 1024;
