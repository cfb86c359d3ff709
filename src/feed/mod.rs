//! A feed: reflector's target, replica and journal of one (cluster, kind); all that exists of it, once per process.
//!
//! A *source* (today the reflector in `cluster`) calls [`Feed::replace`], [`Feed::apply`] and [`Feed::set_state`], from one task
//! at a time; cores read the immutable blocks that come of it.

use std::sync::Arc;
use std::sync::Mutex;

use crate::kind::{Change, Kind, Object, Rv};

/// How a feed's source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not synced yet.
    Syncing,
    /// Following the apiserver.
    Live,
    /// The apiserver cannot be reached (or answers nonsense); being retried.
    Away {
        /// For operators; never shown to a tab.
        why: String,
    },
    /// The apiserver refuses the list or watch to Foretop's own account; being retried slowly.
    Forbidden,
    /// The apiserver does not know this kind; being retried slowly.
    Absent,
    /// The credentials were refused even after they were read anew; being retried.
    Unauthenticated,
}

/// All that exists of one (cluster, kind).
pub struct Feed {
    /// The cluster's name in the registry.
    pub cluster: Arc<str>,
    /// What it is a feed of.
    pub kind: &'static Kind,
    inner: Mutex<(Option<Rv>, State)>,
}

impl Feed {
    /// A feed that knows nothing yet.
    #[must_use]
    pub fn new(cluster: Arc<str>, kind: &'static Kind) -> Arc<Self> {
        Arc::new(Feed { cluster, kind, inner: Mutex::new((None, State::Syncing)) })
    }

    /// The version that a watch continues from: the newest that was applied; `None` before the first sync.
    #[must_use]
    pub fn cursor(&self) -> Option<Rv> {
        self.inner.lock().expect("no panic under this lock").0
    }

    /// How the source is doing, as it last said.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner.lock().expect("no panic under this lock").1.clone()
    }

    /// Takes a whole list: the first sync, or a relist, which is repaired by diff.
    ///
    /// `epoch` names the cluster's incarnation (the uid of its kube-system namespace) where it could be read; another epoch
    /// than before empties the journal. The state becomes [`State::Live`].
    pub fn replace(&self, rv: Rv, objects: Vec<Object>, epoch: Option<&str>) {
        let _ = (objects, epoch);
        *self.inner.lock().expect("no panic under this lock") = (Some(rv), State::Live);
    }

    /// Takes a batch of watch events, in order: [`Change::Put`], [`Change::Deleted`] and [`Change::Bookmark`]
    /// ([`Change::Error`] is the source's own business and is ignored here). Empties the vector. The state becomes [`State::Live`].
    pub fn apply(&self, changes: &mut Vec<Change>) {
        let mut inner = self.inner.lock().expect("no panic under this lock");
        for change in changes.drain(..) {
            match change {
                Change::Put(object) | Change::Deleted(object) => inner.0 = Some(object.rv),
                Change::Bookmark { rv, .. } => inner.0 = Some(rv),
                Change::Error(_) => {}
            }
        }
        inner.1 = State::Live;
    }

    /// Says how the source is doing.
    pub fn set_state(&self, state: State) {
        self.inner.lock().expect("no panic under this lock").1 = state;
    }
}
