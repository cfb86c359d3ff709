//! What they may see.
//!
//! An identity is mapped to the Kubernetes user that it asks as ([`mapping`]); whether that user may list and watch a scope is a [`Grant`]: a decision
//! that lives as long as a stream depends on it, is asked again on a clock, and tells the cores when it changes. [`Access`] holds the grants of the
//! process, on the control plane; a core reads a grant that it has without asking anybody.
//!
//! Invariants: no decision, no stream. A decision is never older than the documented bound while rows flow. What apiservers are asked depends on distinct
//! users × scopes, never on tabs.

mod grant;
mod mapping;
mod tenants;

use std::sync::Arc;
use std::time::Duration;

pub use grant::{Grant, GrantKey, Ruling, Wanted};
pub use mapping::{Asker, Mapping};
pub use tenants::{Exceeded, Tenant, Tenants};

use crate::config::{self, Config};
use crate::identity::Identity;

/// The grants of a process.
pub struct Access {
    /// How identities are mapped.
    pub mapping: Mapping,
    /// Who is of which tenant.
    pub tenants: Tenants,
    settings: config::Access,
}

impl Access {
    /// Grants as these settings have them.
    #[must_use]
    pub fn new(config: &Config) -> Arc<Self> {
        Arc::new(Access {
            mapping: Mapping::new(config),
            tenants: Tenants::new(&config.tenants),
            settings: config.access.clone(),
        })
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

    /// The grant for this question, decided anew where what is known is too old. On the control plane; all who ask the same share one question.
    #[expect(clippy::unused_async, reason = "nothing is asked yet")]
    pub async fn decide(self: Arc<Self>, key: GrantKey) -> Arc<Grant> {
        let ruling = Ruling::Allowed(key.wanted.as_shared());
        Arc::new(Grant::new(key, ruling))
    }
}
