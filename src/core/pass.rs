//! Passes: by what right streams are open. Streams of one user, one session and one grant share a pass.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::limiter::UserId;
use super::sessions::{end_of_streams, unix_ms};
use crate::access::{Grant, GrantKey, Tenant};
use crate::identity::{Identity, SessionRef, UnixSeconds};

/// A pass's number in its core.
pub type PassId = u32;

/// By what right a stream is open.
pub struct Pass {
    /// Whose streams they are, for the limiter.
    pub user: UserId,
    /// Whose quotas they are charged to.
    pub tenant: Arc<Tenant>,
    /// The user's name.
    pub subject: Arc<str>,
    /// The decision that lets them see what they see.
    pub grant: Arc<Grant>,
    /// The session.
    pub session: Option<SessionRef>,
    /// When what proved who asks is over.
    pub until: Option<UnixSeconds>,
    /// When the pass was made, in seconds since the Unix epoch.
    since: UnixSeconds,
    /// Open streams.
    pub streams: u32,
}

impl Pass {
    /// When its streams end, in milliseconds since the Unix epoch; those of a session together.
    #[must_use]
    pub fn ends_at(&self) -> Option<u64> {
        let hash = match &self.session {
            Some(session) => xxh3_64(&session.id.to_le_bytes()),
            None => xxh3_64(self.subject.as_bytes()),
        };
        Some(end_of_streams(self.since, self.until?, hash))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PassKey {
    user: UserId,
    tenant: Arc<str>,
    grant: GrantKey,
    session: Option<SessionRef>,
    until: Option<UnixSeconds>,
}

/// The passes of a core.
#[derive(Default)]
pub struct Passes {
    all: Vec<Option<Pass>>,
    by_key: HashMap<PassKey, PassId>,
    free: Vec<PassId>,
}

impl Passes {
    /// One more stream by this right.
    pub fn acquire(
        &mut self,
        user: UserId,
        tenant: Arc<Tenant>,
        who: &Identity,
        grant: Arc<Grant>,
    ) -> PassId {
        let key = PassKey {
            user,
            tenant: tenant.name.clone(),
            grant: grant.key.clone(),
            session: who.session.clone(),
            until: who.until,
        };
        if let Some(id) = self.by_key.get(&key).copied() {
            let pass = self.get_mut(id);
            pass.streams += 1;
            // The newest decision is the one that is kept alive.
            if grant.is_as_new_as(&pass.grant) {
                pass.grant = grant;
            }
            return id;
        }
        let pass = Some(Pass {
            user,
            tenant,
            subject: who.subject.clone(),
            grant,
            session: who.session.clone(),
            until: who.until,
            since: unix_ms() / 1000,
            streams: 1,
        });
        let id = if let Some(id) = self.free.pop() {
            self.all[id as usize] = pass;
            id
        } else {
            self.all.push(pass);
            PassId::try_from(self.all.len() - 1).expect("fewer passes than 2^32")
        };
        self.by_key.insert(key, id);
        id
    }

    /// One less. Returns whose it was.
    pub fn release(&mut self, id: PassId) -> UserId {
        let pass = self.get_mut(id);
        let user = pass.user;
        pass.tenant.close();
        pass.streams -= 1;
        if pass.streams == 0 {
            let key = PassKey {
                user,
                tenant: pass.tenant.name.clone(),
                grant: pass.grant.key.clone(),
                session: pass.session.clone(),
                until: pass.until,
            };
            self.by_key.remove(&key);
            self.all[id as usize] = None;
            self.free.push(id);
        }
        user
    }

    /// A pass.
    #[must_use]
    pub fn get(&self, id: PassId) -> &Pass {
        self.all[id as usize].as_ref().expect("a pass lives while it has a stream")
    }

    fn get_mut(&mut self, id: PassId) -> &mut Pass {
        self.all[id as usize].as_mut().expect("a pass lives while it has a stream")
    }

    /// Every pass.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PassId, &mut Pass)> {
        (0u32..).zip(&mut self.all).filter_map(|(id, pass)| Some((id, pass.as_mut()?)))
    }

    /// Every pass.
    pub fn iter(&self) -> impl Iterator<Item = (PassId, &Pass)> {
        (0u32..).zip(&self.all).filter_map(|(id, pass)| Some((id, pass.as_ref()?)))
    }
}
