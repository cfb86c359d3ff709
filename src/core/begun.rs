//! Streams whose right takes long to decide, as that of a user to hundreds of namespaces: the head goes out before, and then, once a second, how
//! far the decision has come.
//!
//! From its head on such a stream counts for its user and tenant, though it has no slot yet; until it gets one it is the task of its connection, which
//! looks each second whether the peer is still there, the session lives, and the server stays. What refuses it then comes as an event.

use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::asking::ask;
use super::connection::Connection;
use super::limiter::UserId;
use super::plan::{Manner, Permit, Refused, Stop};
use super::rights::Loss;
use super::socket;
use crate::access::{Decision, Grant, GrantKey, Progress, Tenant, Wanted};
use crate::feed::Scope;
use crate::identity::{Identity, Verified};
use crate::wire::head::{self, Version};
use crate::wire::refusal::Refusal;
use crate::wire::sse;

/// How long a decision may take before the head goes out, and then before its progress is told again.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// A place among the streams of a user and a tenant.
pub(super) struct Place {
    pub user: UserId,
    pub tenant: Arc<Tenant>,
}

impl Connection {
    /// The decision on a stream's right.
    pub(super) async fn decide_openly(
        &mut self,
        key: GrantKey,
        who: &Verified,
        manner: &Manner,
    ) -> Result<Arc<Grant>, Stop> {
        let access = self.core.get().everywhere.access.clone();
        let mut decision = ask(&self.core, access.decide(key, TOLD_EVERY)).await;
        loop {
            match decision {
                None => return Err(Refusal::AuthzUnavailable.into()),
                Some(Decision::Made(grant)) => return Ok(grant),
                Some(Decision::UnderWay(deciding, progress)) => {
                    self.still_wanted(&who.identity)?;
                    if self.begun.is_none() {
                        self.begin(who, manner).await?;
                    }
                    self.tell_progress(progress, manner.version).await?;
                    decision = ask(&self.core, deciding.wait(TOLD_EVERY)).await;
                }
            }
        }
    }

    /// The decision on a list's right, for which nobody waits long.
    pub(super) async fn decide_in_time(&self, key: GrantKey) -> Result<Arc<Grant>, Stop> {
        let (access, wait) = {
            let core = self.core.get();
            (core.everywhere.access.clone(), core.everywhere.wait)
        };
        match ask(&self.core, access.decide(key, wait)).await {
            Some(Decision::Made(grant)) => Ok(grant),
            Some(Decision::UnderWay(_, Progress { asked, of })) => {
                let words = format!(
                    "what this user may see is not decided yet: {asked} of {of} questions are answered; try again"
                );
                Err(Stop::Refused(Refused { why: Refusal::AuthzUnavailable, words: words.into() }))
            }
            None => Err(Refusal::AuthzUnavailable.into()),
        }
    }

    fn still_wanted(&self, who: &Identity) -> Result<(), Stop> {
        if socket::has_left(&self.stream) {
            return Err(Stop::Left);
        }
        let core = self.core.get();
        if core.lame {
            return Err(Refusal::Draining.into());
        }
        if core.is_over(who) {
            return Err(Refusal::Unauthenticated.into());
        }
        Ok(())
    }

    /// Takes a place, and sends the head.
    async fn begin(&mut self, who: &Verified, manner: &Manner) -> Result<(), Stop> {
        let place = self.core.get().admit(&who.identity)?;
        self.begun = Some(place);
        let retry = self.core.get().retry_ms();
        let head = head::stream(manner.version, &manner.request_id, &who.cookies, &manner.sharing);
        let mut bytes = head.into_bytes();
        write_retry(&mut bytes, manner.version, retry);
        if self.write(bytes).await { Ok(()) } else { Err(Stop::Left) }
    }

    async fn tell_progress(&mut self, progress: Progress, version: Version) -> Result<(), Stop> {
        let Progress { asked, of } = progress;
        let mut bytes = Vec::new();
        write_scope(&mut bytes, version, &format!(r#"{{"asked":{asked},"of":{of}}}"#));
        if self.write(bytes).await { Ok(()) } else { Err(Stop::Left) }
    }

    /// What a stream that may now be opened is sent first: its head, or, behind one that is out already, what that could not say.
    pub(super) fn first_of(&self, permit: &Permit, manner: &Manner) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.begun.is_none() {
            let sharing = permit.further(manner);
            let head = head::stream(manner.version, &manner.request_id, &permit.verified.cookies, &sharing);
            bytes = head.into_bytes();
            write_retry(&mut bytes, manner.version, self.core.get().retry_ms());
        } else if let (Wanted::Everything, Scope::Set(set)) = (&permit.grant.key.wanted, &permit.scope) {
            let namespaces = set.names().len();
            write_scope(&mut bytes, manner.version, &format!(r#"{{"namespaces":{namespaces}}}"#));
        }
        bytes
    }

    /// The last of a stream that comes to nothing, as whole chunks.
    pub(super) fn last_words(why: Refusal, words: &str, is_begun: bool) -> Vec<u8> {
        let mut chunks = Vec::new();
        match why {
            Refusal::Draining => sse::write_notice(&mut chunks, "server_shutdown", "{}"),
            Refusal::Unauthenticated if is_begun => return Loss::Expired.event(),
            _ => sse::write_notice(&mut chunks, "error", &super::end::message(words, why.code())),
        }
        chunks
    }

    /// Whether the stream's head is out, though nothing is decided yet.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Gives back the place of a stream that has come to nothing.
    pub(super) fn give_up_place(&mut self) {
        if let Some(place) = self.begun.take() {
            self.core.get().leave_place(&place);
        }
    }
}

fn write_retry(out: &mut Vec<u8>, version: Version, milliseconds: u64) {
    let mut chunks = Vec::new();
    sse::write_retry(&mut chunks, milliseconds);
    version.append(&chunks, out);
}

fn write_scope(out: &mut Vec<u8>, version: Version, data: &str) {
    let mut chunks = Vec::new();
    sse::write_notice(&mut chunks, "scope", data);
    version.append(&chunks, out);
}

impl Core {
    /// A place that was taken is free again.
    pub(super) fn leave_place(&mut self, place: &Place) {
        self.limiter.release(place.user);
        place.tenant.close();
    }
}
