//! Decisions that were asked for on a core, kept while they may open streams.

use std::collections::HashMap;
use std::sync::Arc;

use super::Core;
use crate::access::{Access, Asker, Grant, GrantKey, Ruling};

/// Decisions that a core keeps; further ones are asked for each time.
const MOST: usize = 50_000;

/// The decisions that a core keeps.
#[derive(Default)]
pub struct Grants(HashMap<GrantKey, Arc<Grant>>);

impl Grants {
    /// The decision on this question, if it is here and young enough to open a stream by.
    fn young(&self, key: &GrantKey, access: &Access) -> Option<Arc<Grant>> {
        self.0.get(key).filter(|grant| is_young(grant, access)).cloned()
    }

    /// Keeps a decision, if there is room.
    fn keep(&mut self, grant: &Arc<Grant>) {
        if self.0.len() < MOST || self.0.contains_key(&grant.key) {
            self.0.insert(grant.key.clone(), grant.clone());
        }
    }

    /// A decision was made anew, perhaps by another grant than the one that is kept.
    pub(super) fn decided(&mut self, grant: &Arc<Grant>) {
        if let Some(known) = self.0.get_mut(&grant.key).filter(|known| grant.is_as_new_as(known)) {
            *known = grant.clone();
        }
    }

    /// Lets go of those that are too old to open a stream by; the control plane has what streams depend on.
    fn forget_old(&mut self, access: &Access) {
        self.0.retain(|_, grant| is_young(grant, access));
    }
}

fn is_young(grant: &Grant, access: &Access) -> bool {
    let ruling = grant.ruling();
    ruling.1.elapsed() < access.life(&ruling.0)
}

impl Core {
    /// The decision on this question, if it needs no asking.
    pub(super) fn known_grant(&self, key: &GrantKey) -> Option<Arc<Grant>> {
        if key.asker == Asker::Own {
            return Some(Arc::new(Grant::new(key.clone(), Ruling::Allowed(key.wanted.as_shared()))));
        }
        self.grants.young(key, &self.everywhere.access)
    }

    /// A decision that was asked for is here.
    pub(super) fn learn_grant(&mut self, grant: &Arc<Grant>) {
        self.grants.keep(grant);
    }

    pub(super) fn forget_grants(&mut self) {
        self.grants.forget_old(&self.everywhere.access);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::access::Wanted;
    use crate::config::Config;
    use crate::feed::{KubeUser, Scope};

    fn grant(user: &str) -> Arc<Grant> {
        let user = KubeUser { name: user.into(), groups: Box::default() };
        let kind = crate::kind::by_name("pods").expect("a kind");
        let asker = Asker::User(Arc::new(user));
        let key = GrantKey { cluster: "c".into(), kind, asker, wanted: Wanted::Everything };
        Arc::new(Grant::new(key, Ruling::Allowed(Scope::All)))
    }

    #[test]
    fn what_is_too_old_opens_nothing_and_is_forgotten() {
        let access = Access::alone(&Config::default());
        let mut grants = Grants::default();
        let (ann, bob) = (grant("ann"), grant("bob"));
        grants.keep(&ann);
        grants.keep(&bob);
        assert!(grants.young(&ann.key, &access).is_some());
        let long_ago =
            Instant::now().checked_sub(Duration::from_hours(1)).expect("the clock is older than that");
        ann.decide(Ruling::Allowed(Scope::All), long_ago);
        assert!(grants.young(&ann.key, &access).is_none());
        grants.forget_old(&access);
        assert_eq!(grants.0.keys().collect::<Vec<_>>(), [&bob.key]);
    }

    #[test]
    fn a_newer_decision_takes_the_place_of_an_older_one() {
        let access = Access::alone(&Config::default());
        let mut grants = Grants::default();
        let (old, new) = (grant("ann"), grant("ann"));
        new.decide(Ruling::Denied { namespace: None }, Instant::now());
        grants.decided(&new);
        assert!(grants.young(&new.key, &access).is_none(), "nobody asked for it here");
        grants.keep(&old);
        grants.decided(&new);
        grants.decided(&old);
        let known = grants.young(&old.key, &access).expect("it is kept");
        assert_eq!(known.ruling().0, Ruling::Denied { namespace: None });
    }
}
