//! What they may see.
//!
//! An identity is mapped to the Kubernetes user that it asks as ([`mapping`]); whether that user may list and watch a scope is a [`Grant`]: a decision
//! that lives as long as a stream depends on it, is asked again on a clock, and tells the cores when it changes. [`Access`] holds the grants of the
//! process, on the control plane; a core reads a grant that it has without asking anybody.
//!
//! - [`mapping`]: who somebody is to Kubernetes. [`grant`]: what was decided.
//! - [`deciding`]: somebody waits for a decision.
//! - [`live`]: a grant that is kept up to date, by its task ([`tending`]). [`verdicts`]: what the answers to its questions come to;
//!   [`patience`]: how long it counts while nobody answers; [`touch`]: when something may have changed; [`candidates`]: the namespaces that
//!   a union may be of. [`checks`]: what somebody asks about themselves.
//! - [`Tenants`] have quotas; of bytes, a [`bucket`].
//! - [`rbac`] watches roles and bindings, where the settings want it: what they touch, and which candidates they name.
//! - [`reviewer`] asks a cluster's apiserver ([`authorizer`]); [`turns`]: whose question is next; [`question`]: what is asked, and what an
//!   answer is. [`clock`]: by which all of it goes. [`counters`]: what is counted.
//!
//! Invariants: no decision, no stream. A decision is never older than the documented bound while rows flow. What apiservers are asked depends on distinct
//! users × scopes, never on tabs.

mod authorizer;
pub mod bucket;
mod candidates;
mod checks;
mod clock;
mod counters;
mod deciding;
mod grant;
mod live;
mod mapping;
#[cfg(test)]
mod oracle;
mod patience;
mod question;
pub mod rbac;
mod reviewer;
mod tenants;
mod tending;
mod touch;
mod turns;
mod verdicts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub use candidates::Candidates;
pub use checks::{Checked, CheckedWhere};
pub use counters::{AccessCounters, RULINGS, Standing};
pub use deciding::{Deciding, Decision, Progress};
pub use grant::{Grant, GrantKey, Ruling, Wanted};
pub use mapping::{Asker, Mapping};
pub use question::{Answer, Check, Unsaid};
pub use tenants::{Exceeded, Tenant, Tenants};
pub use touch::{Subject, Touched};

use self::authorizer::Authorizer;
use self::candidates::AllNamespaces;
use self::live::{Live, News};
use self::reviewer::Reviewer;
use self::touch::Recent;
use crate::cluster::Clusters;
use crate::config::{self, AccessUpstream, Config};
use crate::feed::hub::Hub;
use crate::feed::post::{Mail, Post};
use crate::feed::{Eyes, Scope};
use crate::identity::Identity;

/// The grants of a process.
pub struct Access {
    /// How identities are mapped.
    pub mapping: Mapping,
    /// Who is of which tenant.
    pub tenants: Tenants,
    /// What was decided, and asked.
    pub counters: Arc<AccessCounters>,
    settings: config::Access,
    /// How long what somebody has asked about themselves is known.
    check_life: Duration,
    authorizer: Arc<dyn Authorizer>,
    hub: Arc<Hub>,
    posts: Arc<[Post]>,
    namespaces: Arc<AllNamespaces>,
    grants: Mutex<HashMap<GrantKey, Arc<Live>>>,
    reviewers: Mutex<HashMap<Arc<str>, Arc<Reviewer>>>,
    /// The news of the last seconds, by cluster. Locked after the grants.
    recent: Mutex<HashMap<Arc<str>, Recent>>,
}

impl Access {
    /// Grants as these settings have them, for the cores behind these posts.
    #[must_use]
    pub fn new(config: &Config, clusters: Arc<Clusters>, hub: Arc<Hub>, posts: Arc<[Post]>) -> Arc<Self> {
        Access::judged_by(clusters, config, hub, posts)
    }

    /// Grants that somebody else than apiservers decides.
    fn judged_by(
        authorizer: Arc<dyn Authorizer>,
        config: &Config,
        hub: Arc<Hub>,
        posts: Arc<[Post]>,
    ) -> Arc<Self> {
        Arc::new(Access {
            mapping: Mapping::new(config),
            tenants: Tenants::new(&config.tenants),
            counters: Arc::default(),
            settings: config.access.clone(),
            check_life: config.authorization.can_i_life,
            authorizer,
            namespaces: AllNamespaces::new(hub.clone()),
            hub,
            posts,
            grants: Mutex::default(),
            reviewers: Mutex::default(),
            recent: Mutex::default(),
        })
    }

    /// Grants of no cluster, which nobody is told of.
    #[cfg(test)]
    pub(crate) fn alone(config: &Config) -> Arc<Self> {
        let clusters = Clusters::new(config.upstream.clone());
        let limits =
            crate::feed::hub::Limits { linger: Duration::ZERO, feeds: 0, selectors: 0, journal_total: 0 };
        let (hub, _) = Hub::new(clusters.clone(), crate::feed::Shared::without_cores(), limits);
        Access::new(config, clusters, hub, Arc::new([]))
    }

    /// Whether there is such a cluster for this identity: one of its tenant.
    #[must_use]
    pub fn admits(&self, who: &Identity, cluster: &str) -> bool {
        self.tenants.admit(who, cluster)
    }

    /// How long a ruling may open streams without being asked again.
    #[must_use]
    pub fn life(&self, ruling: &Ruling) -> Duration {
        match ruling {
            Ruling::Allowed(_) => self.settings.allowed_life,
            Ruling::Denied { .. } => self.settings.denied_life,
            Ruling::Unavailable => Duration::ZERO,
        }
    }

    /// With whose rights the rows of a scope are watched for this asker. `None`: their own watch cannot be of several namespaces.
    #[must_use]
    pub fn eyes(&self, asker: &Asker, scope: &Scope) -> Option<Eyes> {
        let user = match (asker, self.settings.upstream) {
            (Asker::User(user), AccessUpstream::Impersonate) => user.clone(),
            _ => return Some(Eyes::Own),
        };
        match scope {
            Scope::All => Some(Eyes::Of { user, namespace: None }),
            Scope::Namespace(namespace) => Some(Eyes::Of { user, namespace: Some(namespace.clone()) }),
            Scope::Set(_) => None,
        }
    }

    fn is_known(&self, grant: &Grant) -> bool {
        let ruling = grant.ruling();
        clock::now().saturating_duration_since(ruling.1) < self.life(&ruling.0)
    }

    /// The grant that is kept up to date, begun where there is none. `None` for Foretop's own account, which is asked about by nobody.
    fn live(self: &Arc<Self>, key: &GrantKey) -> Option<(Arc<Live>, Arc<Grant>)> {
        let Asker::User(user) = &key.asker else { return None };
        let mut grants = self.grants();
        let live = grants.entry(key.clone()).or_insert_with(|| {
            let live = Live::start(self, key.clone(), user.clone(), self.reviewer(&key.cluster));
            for (at, namespace) in self.recent(&key.cluster, |recent| recent.of(user, clock::now())) {
                live.tell(News::Touched(at, namespace));
            }
            live
        });
        // Taken under the lock under which it would be forgotten.
        Some((live.clone(), live.grant.clone()))
    }

    fn reviewer(&self, cluster: &Arc<str>) -> Arc<Reviewer> {
        let mut reviewers = self.reviewers.lock().expect("nothing panics while it holds this lock");
        let reviewer = reviewers.entry(cluster.clone()).or_insert_with(|| {
            let counters = self.counters.clone();
            let settings = self.settings.clone();
            Reviewer::start(cluster.clone(), self.authorizer.clone(), settings, self.check_life, counters)
        });
        reviewer.clone()
    }

    /// Rights in this cluster may have changed: what streams see by them is asked again at once, and for ten seconds more, as authorizers lag.
    pub fn touched(&self, cluster: &str, touched: &Touched) {
        let now = clock::now();
        // Under this lock a grant that begins either hears of it here, or finds it.
        let grants = self.grants();
        self.recent(cluster, |recent| recent.note(now, touched));
        for (key, live) in grants.iter().filter(|(key, _)| &*key.cluster == cluster) {
            if matches!(&key.asker, Asker::User(user) if touched.concerns(user)) {
                live.tell(News::Touched(now, touched.namespace().cloned()));
            }
        }
    }

    fn recent<T>(&self, cluster: &str, what: impl FnOnce(&mut Recent) -> T) -> T {
        let mut recent = self.recent.lock().expect("nothing panics while it holds this lock");
        if !recent.contains_key(cluster) {
            recent.insert(cluster.into(), Recent::default());
        }
        what(recent.get_mut(cluster).expect("it was just put in"))
    }

    /// From now on these name the namespaces in which users may have rights.
    pub fn nominate(&self, candidates: Arc<dyn Candidates>) {
        self.namespaces.nominate(candidates);
    }

    /// The clusters in which somebody's rights are asked for.
    #[must_use]
    pub fn clusters(&self) -> Vec<Arc<str>> {
        let mut clusters: Vec<Arc<str>> = self.grants().keys().map(|key| key.cluster.clone()).collect();
        clusters.sort_unstable();
        clusters.dedup();
        clusters
    }

    /// A cluster is gone, or another one: nothing that was decided about it counts.
    pub fn end_cluster(&self, cluster: &str) {
        for (_, live) in self.grants().extract_if(|key, _| &*key.cluster == cluster) {
            live.tell(News::Ended);
        }
        self.recent.lock().expect("nothing panics while it holds this lock").remove(cluster);
        let reviewer =
            self.reviewers.lock().expect("nothing panics while it holds this lock").remove(cluster);
        if let Some(reviewer) = reviewer {
            reviewer.end();
        }
    }

    /// Forgets a grant, unless somebody holds it. Returns whether it is forgotten.
    fn forget(&self, live: &Arc<Live>) -> bool {
        let mut grants = self.grants();
        let is_free = !live.is_held();
        if is_free && grants.get(&live.grant.key).is_some_and(|known| Arc::ptr_eq(known, live)) {
            grants.remove(&live.grant.key);
        }
        is_free
    }

    /// A grant's ruling is another one: streams may depend on it.
    fn tell_cores(&self, grant: &Arc<Grant>) {
        for post in self.posts.iter() {
            post.send(Mail::Ruled(grant.clone()));
        }
    }

    fn grants(&self) -> MutexGuard<'_, HashMap<GrantKey, Arc<Live>>> {
        self.grants.lock().expect("nothing panics while it holds the grants' lock")
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        for reviewer in self.reviewers.get_mut().expect("nothing panics while it holds this lock").values() {
            reviewer.end();
        }
    }
}
