//! Passes: by what right streams are open.
//!
//! A pass is two numbers: of its holder (a user, by one session), whom all of that session's streams share, and of the decision that it rests on, which all
//! who may see the same by the same right share. A stream per user and view is the rule, so neither may be kept per stream.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::limiter::UserId;
use super::sessions::{end_of_streams, unix_ms};
use crate::access::{Grant, GrantKey, Tenant};
use crate::identity::{Identity, SessionRef, UnixSeconds};

/// A holder's number in its core.
pub type HolderId = u32;

/// A decision's number in its core.
pub type GrantId = u32;

/// By what right a stream is open. Each stream's pass is acquired, and released with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Whose.
    pub holder: HolderId,
    /// By which decision. A line's own pass has none: its lanes have.
    pub grant: GrantId,
}

/// What a line's own pass has for its decision.
const NO_GRANT: GrantId = GrantId::MAX;

/// Whose streams: a user by one session, or by another proof.
pub struct Holder {
    /// For the limiter.
    pub user: UserId,
    /// Whose quotas the streams are charged to.
    pub tenant: Arc<Tenant>,
    /// The user's name.
    pub subject: Arc<str>,
    /// The session.
    pub session: Option<Arc<SessionRef>>,
    /// When what proved who asks is over.
    pub until: Option<UnixSeconds>,
    /// When the holder's first stream came, in seconds since the Unix epoch.
    since: UnixSeconds,
}

impl Holder {
    /// When its streams end, in milliseconds since the Unix epoch; those of a session together.
    #[must_use]
    pub fn ends_at(&self) -> Option<u64> {
        let hash = match &self.session {
            Some(session) => xxh3_64(&session.id.to_le_bytes()),
            None => xxh3_64(self.subject.as_bytes()),
        };
        Some(end_of_streams(self.since, self.until?, hash))
    }

    fn key(&self) -> HolderKey {
        HolderKey {
            user: self.user,
            tenant: self.tenant.name.clone(),
            session: self.session.clone(),
            until: self.until,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct HolderKey {
    user: UserId,
    tenant: Arc<str>,
    session: Option<Arc<SessionRef>>,
    until: Option<UnixSeconds>,
}

/// The passes of a core.
#[derive(Default)]
pub struct Passes {
    holders: Counted<HolderKey, Holder>,
    grants: Counted<GrantKey, Arc<Grant>>,
}

impl Passes {
    /// One more stream by this right.
    pub fn acquire(&mut self, user: UserId, tenant: Arc<Tenant>, who: &Identity, grant: Arc<Grant>) -> Pass {
        let Pass { holder, .. } = self.acquire_line(user, tenant, who);
        let id = self.grants.acquire(grant.key.clone(), || grant.clone());
        self.renew(id, grant);
        Pass { holder, grant: id }
    }

    /// One more line of somebody.
    pub fn acquire_line(&mut self, user: UserId, tenant: Arc<Tenant>, who: &Identity) -> Pass {
        let holder = Holder {
            user,
            tenant,
            subject: who.subject.clone(),
            session: who.session.clone().map(Arc::new),
            until: who.until,
            since: unix_ms() / 1000,
        };
        let holder = self.holders.acquire(holder.key(), || holder);
        Pass { holder, grant: NO_GRANT }
    }

    /// One less.
    pub fn release(&mut self, pass: Pass) {
        let key = self.holder(pass).key();
        self.holders.release(pass.holder, &key);
        if pass.grant != NO_GRANT {
            let key = self.grant(pass).key.clone();
            self.grants.release(pass.grant, &key);
        }
    }

    /// Whose a pass is.
    #[must_use]
    pub fn holder(&self, pass: Pass) -> &Holder {
        self.holders.get(pass.holder)
    }

    /// The decision that a pass rests on.
    #[must_use]
    pub fn grant(&self, pass: Pass) -> &Arc<Grant> {
        self.grants.get(pass.grant)
    }

    /// The decision that a pass rests on, unless it is a line's own.
    #[cfg(test)]
    pub(super) fn grant_of(&self, pass: Pass) -> Option<&Arc<Grant>> {
        (pass.grant != NO_GRANT).then(|| self.grant(pass))
    }

    /// Every holder.
    pub fn holders(&self) -> impl Iterator<Item = (HolderId, &Holder)> {
        self.holders.iter()
    }

    /// The decision on this question, where streams rest on one.
    #[must_use]
    pub fn grant_on(&self, key: &GrantKey) -> Option<GrantId> {
        self.grants.by_key.get(key).copied()
    }

    /// The newest decision is the one that is kept alive. Returns it.
    pub fn renew(&mut self, id: GrantId, grant: Arc<Grant>) -> &Arc<Grant> {
        let known = self.grants.get_mut(id);
        if grant.is_as_new_as(known) {
            *known = grant;
        }
        known
    }
}

/// Things that live while they are counted, each once for its key.
struct Counted<K, T> {
    all: Vec<Option<(T, u32)>>,
    by_key: HashMap<K, u32>,
    free: Vec<u32>,
}

impl<K, T> Default for Counted<K, T> {
    fn default() -> Self {
        Counted { all: Vec::new(), by_key: HashMap::new(), free: Vec::new() }
    }
}

const LIVES: &str = "it lives while it is counted";

impl<K: Eq + Hash, T> Counted<K, T> {
    fn acquire(&mut self, key: K, make: impl FnOnce() -> T) -> u32 {
        if let Some(id) = self.by_key.get(&key).copied() {
            self.all[id as usize].as_mut().expect(LIVES).1 += 1;
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            u32::try_from(self.all.len() - 1).expect("fewer than 2^32")
        });
        self.all[id as usize] = Some((make(), 1));
        self.by_key.insert(key, id);
        id
    }

    fn release(&mut self, id: u32, key: &K) {
        let (_, count) = self.all[id as usize].as_mut().expect(LIVES);
        *count -= 1;
        if *count == 0 {
            self.by_key.remove(key);
            self.all[id as usize] = None;
            self.free.push(id);
        }
    }

    fn get(&self, id: u32) -> &T {
        &self.all[id as usize].as_ref().expect(LIVES).0
    }

    fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.all[id as usize].as_mut().expect(LIVES).0
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(&self.all).filter_map(|(id, one)| Some((id, &one.as_ref()?.0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_thing_lives_exactly_as_long_as_it_is_counted(acts in prop::collection::vec((0u8..6, any::<bool>()), 0..200)) {
            let mut counted: Counted<u8, u8> = Counted::default();
            let mut held: Vec<(u8, u32)> = Vec::new();
            for (key, acquires) in acts {
                if acquires {
                    let id = counted.acquire(key, || key);
                    prop_assert!(held.iter().all(|(other, taken)| (*other == key) == (*taken == id)));
                    held.push((key, id));
                } else if let Some(index) = held.iter().position(|(other, _)| *other == key) {
                    let (_, id) = held.swap_remove(index);
                    counted.release(id, &key);
                }
                for (key, id) in &held {
                    assert_eq!(counted.get(*id), key);
                }
                let mut keys: Vec<u8> = held.iter().map(|(key, _)| *key).collect();
                keys.sort_unstable();
                keys.dedup();
                let mut alive: Vec<u8> = counted.iter().map(|(_, key)| *key).collect();
                alive.sort_unstable();
                prop_assert_eq!(alive, keys);
                prop_assert_eq!(counted.by_key.len(), counted.iter().count());
            }
        }
    }
}
