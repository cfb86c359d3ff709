//! What a feed is a feed of, and with whose rights its source asks.

use std::sync::Arc;

use crate::kind::Kind;

/// What a feed is a feed of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeedKey {
    /// The cluster's name in the registry.
    pub cluster: Arc<str>,
    /// The kind.
    pub kind: &'static Kind,
    /// With whose rights it is watched.
    pub eyes: Eyes,
}

impl FeedKey {
    /// What Foretop's own account sees.
    #[must_use]
    pub fn own(cluster: Arc<str>, kind: &'static Kind) -> Self {
        FeedKey { cluster, kind, eyes: Eyes::Own }
    }
}

/// With whose rights a feed is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Eyes {
    /// Foretop's own account; who may see which rows is asked for each user.
    Own,
    /// A user's, impersonated: only that user's streams see it.
    Of {
        /// The user.
        user: Arc<KubeUser>,
        /// The one namespace that is watched; `None` for all.
        namespace: Option<Arc<str>>,
    },
}

/// Someone as an apiserver knows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KubeUser {
    /// The user's name.
    pub name: Box<str>,
    /// The user's groups, sorted, without `system:authenticated`, which an apiserver adds by itself when it is impersonated.
    pub groups: Box<[Box<str>]>,
}
