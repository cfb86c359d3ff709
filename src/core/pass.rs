//! Passes: by what right streams are open.
//!
//! A pass is two numbers: of its holder (a user, by one session), whom all of that session's streams share, and of the decision that it rests on, which all
//! who may see the same by the same right share. A stream per user and view is the rule, so neither may be kept per stream.

use std::collections::HashMap;
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
    /// Another holder of the same user; [`NOBODY`] where there is none.
    next: HolderId,
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

    /// Whether streams of this identity, charged to this tenant, are the holder's. It is known that the user is the same.
    fn holds_for(&self, who: &Identity, tenant: &Tenant) -> bool {
        self.session.as_deref() == who.session.as_ref()
            && self.until == who.until
            && self.tenant.name == tenant.name
    }
}

/// No holder's number.
const NOBODY: HolderId = HolderId::MAX;

/// The passes of a core.
#[derive(Default)]
pub struct Passes {
    holders: Counted<Holder>,
    /// By a user's number, the first of their holders, most often the only one; the others follow it one by one. Users are many, so nothing is kept of them twice,
    /// as the key of a map would be.
    of_user: Vec<HolderId>,
    grants: Counted<Arc<Grant>>,
    by_key: HashMap<GrantKey, GrantId>,
}

impl Passes {
    /// One more stream by this right.
    pub fn acquire(&mut self, user: UserId, tenant: Arc<Tenant>, who: &Identity, grant: Arc<Grant>) -> Pass {
        let Pass { holder, .. } = self.acquire_line(user, tenant, who);
        let grant = if let Some(id) = self.by_key.get(&grant.key).copied() {
            self.renew(id, grant);
            self.grants.again(id)
        } else {
            let id = self.grants.enter(grant.clone());
            self.by_key.insert(grant.key.clone(), id);
            id
        };
        Pass { holder, grant }
    }

    /// One more line of somebody.
    pub fn acquire_line(&mut self, user: UserId, tenant: Arc<Tenant>, who: &Identity) -> Pass {
        let known = self.of_user(user).find(|id| self.holders.get(*id).holds_for(who, &tenant));
        let holder = match known {
            Some(id) => self.holders.again(id),
            None => self.enter(user, tenant, who),
        };
        Pass { holder, grant: NO_GRANT }
    }

    fn enter(&mut self, user: UserId, tenant: Arc<Tenant>, who: &Identity) -> HolderId {
        let at = user as usize;
        if at >= self.of_user.len() {
            self.of_user.resize(at + 1, NOBODY);
        }
        let id = self.holders.enter(Holder {
            user,
            tenant,
            subject: who.subject.clone(),
            session: who.session.clone().map(Arc::new),
            until: who.until,
            since: unix_ms() / 1000,
            next: self.of_user[at],
        });
        self.of_user[at] = id;
        id
    }

    /// Holders of a user.
    fn of_user(&self, user: UserId) -> impl Iterator<Item = HolderId> {
        let first = self.of_user.get(user as usize).copied().filter(|id| *id != NOBODY);
        std::iter::successors(first, |id| Some(self.holders.get(*id).next).filter(|next| *next != NOBODY))
    }

    /// One less.
    pub fn release(&mut self, pass: Pass) {
        if self.holders.is_last(pass.holder) {
            self.unlink(self.holder(pass).user, pass.holder);
        }
        self.holders.release(pass.holder);
        if pass.grant == NO_GRANT {
            return;
        }
        if let Some(grant) = self.grants.release(pass.grant) {
            self.by_key.remove(&grant.key);
        }
    }

    /// Takes a holder out of its user's.
    fn unlink(&mut self, user: UserId, id: HolderId) {
        let next = self.holders.get(id).next;
        let before = self.of_user(user).find(|other| self.holders.get(*other).next == id);
        match before {
            Some(before) => self.holders.get_mut(before).next = next,
            None => self.of_user[user as usize] = next,
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
        self.by_key.get(key).copied()
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

/// Things that live while they are counted.
struct Counted<T> {
    all: Vec<Option<(T, u32)>>,
    free: Vec<u32>,
}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Counted { all: Vec::new(), free: Vec::new() }
    }
}

const LIVES: &str = "it lives while it is counted";

impl<T> Counted<T> {
    /// A new one, counted once.
    fn enter(&mut self, thing: T) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            u32::try_from(self.all.len() - 1).expect("fewer than 2^32")
        });
        self.all[id as usize] = Some((thing, 1));
        id
    }

    /// Counts it once more.
    fn again(&mut self, id: u32) -> u32 {
        self.all[id as usize].as_mut().expect(LIVES).1 += 1;
        id
    }

    /// Whether it is counted only once.
    fn is_last(&self, id: u32) -> bool {
        self.all[id as usize].as_ref().expect(LIVES).1 == 1
    }

    /// Counts it once less. Returns it if that was the last time.
    fn release(&mut self, id: u32) -> Option<T> {
        let entry = &mut self.all[id as usize];
        let (_, count) = entry.as_mut().expect(LIVES);
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.free.push(id);
        entry.take().map(|(thing, _)| thing)
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
    use crate::access::{Access, Asker, Ruling, Wanted};
    use crate::config::Config;
    use crate::feed::Scope;

    fn identity(user: u32, session: u8) -> Identity {
        let began = 0;
        let of = |id: u8| SessionRef { id: id.into(), began, until: u64::from(id), provider: None };
        Identity {
            subject: format!("user {user}").into(),
            email: "".into(),
            groups: Arc::new([]),
            session: (session > 0).then(|| of(session)),
            until: (session > 1).then_some(u64::from(session)),
        }
    }

    fn grant(cluster: u8) -> Arc<Grant> {
        let kind = crate::kind::by_name("pods").expect("a kind");
        let cluster = format!("cluster {cluster}").into();
        let key = GrantKey { cluster, kind, asker: Asker::Own, wanted: Wanted::Everything };
        Arc::new(Grant::new(key, Ruling::Allowed(Scope::All)))
    }

    proptest! {
        #[test]
        fn holders_and_decisions_live_exactly_as_long_as_a_stream_rests_on_them(
            acts in prop::collection::vec((0u32..3, 0u8..4, 0u8..3, any::<bool>()), 0..200)
        ) {
            let tenant = Access::alone(&Config::default()).tenants.all().swap_remove(0);
            let mut passes = Passes::default();
            let mut held: Vec<((u32, u8, u8), Pass)> = Vec::new();
            for (user, session, cluster, acquires) in acts {
                let key = (user, session, cluster);
                if acquires {
                    let pass = passes.acquire(user, tenant.clone(), &identity(user, session), grant(cluster));
                    for ((other_user, other_session, other_cluster), other) in &held {
                        let same = (*other_user, *other_session) == (user, session);
                        prop_assert_eq!(other.holder == pass.holder, same);
                        prop_assert_eq!(other.grant == pass.grant, *other_cluster == cluster);
                    }
                    held.push((key, pass));
                } else if let Some(index) = held.iter().position(|(other, _)| *other == key) {
                    passes.release(held.swap_remove(index).1);
                }
                for ((user, session, cluster), pass) in &held {
                    let holder = passes.holder(*pass);
                    let who = identity(*user, *session);
                    prop_assert_eq!((holder.user, holder.session.as_deref()), (*user, who.session.as_ref()));
                    prop_assert_eq!(&passes.grant(*pass).key, &grant(*cluster).key);
                }
                let count = |mut keys: Vec<(u32, u8)>| {
                    keys.sort_unstable();
                    keys.dedup();
                    keys.len()
                };
                let holders = count(held.iter().map(|((user, session, _), _)| (*user, *session)).collect());
                let chained: usize = (0..3).map(|user| passes.of_user(user).count()).sum();
                prop_assert_eq!((passes.holders().count(), chained), (holders, holders));
                let grants = count(held.iter().map(|((.., cluster), _)| (0, *cluster)).collect());
                prop_assert_eq!((passes.by_key.len(), passes.grants.iter().count()), (grants, grants));
            }
        }
    }
}
