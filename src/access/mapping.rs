//! From an identity to the Kubernetes user that it asks as (the contract's section 4).

use std::sync::Arc;

use crate::feed::KubeUser;
use crate::identity::Identity;
use crate::wire::refusal::Refusal;

/// How identities become Kubernetes users.
#[derive(Clone, Debug)]
pub enum Mapping {
    /// Everyone who is signed in sees what Foretop's own account sees.
    Shared,
}

/// As whom an apiserver is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// Foretop's own account.
    Own,
    /// This user.
    User(Arc<KubeUser>),
}

impl Mapping {
    /// As whom this identity asks.
    ///
    /// # Errors
    /// [`Refusal::Denied`] where the mapped name or a mapped group is one that no user may have.
    pub fn map(&self, _who: &Identity) -> Result<Asker, Refusal> {
        match self {
            Mapping::Shared => Ok(Asker::Own),
        }
    }
}
