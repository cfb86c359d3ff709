//! One cluster's roles and bindings as they are followed: when they are known, and whom a change is told to.
//!
//! Four reflectors keep four [`Part`]s equal to the cluster; together they are its [`Graph`]. Invariants: nothing is nominated before all four have
//! synced, where one may not be followed, or once one has been away for longer than the clock; from the first sync on, no change goes untold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use super::graph::{Graph, Place};
use crate::access::{Access, Touched, clock};
use crate::cluster::reflector::Sink;
use crate::feed::{FeedKey, KubeUser, State};
use crate::kind::rbac::{self, Bound, Permits};
use crate::kind::{Change, Kind, Object, Row, Rv};

/// The four kinds that are followed.
static FOLLOWED: [&Kind; 4] =
    [&rbac::ROLES, &rbac::CLUSTER_ROLES, &rbac::ROLE_BINDINGS, &rbac::CLUSTER_ROLE_BINDINGS];

/// What is known of a part that is away is good for candidates so long: afterwards a binding may have come unseen.
const AWAY: Duration = Duration::from_secs(30);

/// The roles and bindings of one cluster.
pub struct Watched {
    cluster: Arc<str>,
    access: Weak<Access>,
    now: Mutex<Now>,
}

struct Now {
    graph: Graph,
    parts: [Standing; 4],
    /// All parts have synced, and each change since was told.
    known: bool,
    /// The log was told that they cannot be followed.
    refused: bool,
}

/// How following one of the four goes.
#[derive(Clone, Copy, Default)]
struct Standing {
    synced: bool,
    away_since: Option<Instant>,
}

/// One of the four, as a reflector keeps it.
pub struct Part {
    watched: Arc<Watched>,
    key: FeedKey,
    place: usize,
    /// Everything up to this version was taken.
    head: Mutex<Option<Rv>>,
}

impl Watched {
    /// Of this cluster, with the four parts that are to be followed. Changes are told to `access`.
    pub fn new(cluster: &Arc<str>, access: Weak<Access>) -> (Arc<Self>, [Arc<Part>; 4]) {
        let now =
            Now { graph: Graph::default(), parts: [Standing::default(); 4], known: false, refused: false };
        let watched = Arc::new(Watched { cluster: cluster.clone(), access, now: Mutex::new(now) });
        let part = |place: usize| {
            let key = FeedKey::own(cluster.clone(), FOLLOWED[place]);
            Arc::new(Part { watched: watched.clone(), key, place, head: Mutex::new(None) })
        };
        let parts = std::array::from_fn(part);
        (watched, parts)
    }

    /// The namespaces that this user may have rights to this kind in; `None` where that is not known at this time.
    pub fn candidates(&self, user: &KubeUser, kind: &Kind, at: Instant) -> Option<Vec<Arc<str>>> {
        let now = self.lock();
        let is_stale =
            |part: &Standing| part.away_since.is_some_and(|since| at.saturating_duration_since(since) > AWAY);
        (now.known && !now.parts.iter().any(is_stale)).then(|| now.graph.candidates(user, kind))
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().expect("nothing panics while it holds this lock")
    }

    /// Tells what changes have touched; before everything is known it is told as a whole, once it is.
    fn tell(&self, mut now: MutexGuard<'_, Now>, touched: Vec<Touched>) {
        let were_known = now.known;
        now.known = now.parts.iter().all(|part| part.synced);
        let news = match (were_known, now.known) {
            (true, _) => touched,
            (false, true) => vec![Touched::Everything],
            (false, false) => return,
        };
        if !were_known {
            now.refused = false;
            tracing::info!(cluster = %self.cluster, "access.rbac_watched");
        }
        // Whoever is told may ask for candidates at once.
        drop(now);
        let Some(access) = self.access.upgrade() else { return };
        for touched in &news {
            access.touched(&self.cluster, touched);
        }
    }
}

impl Part {
    fn set(&self, now: &mut Now, place: &Place, row: Option<&Row>) -> Vec<Touched> {
        if self.is_of_roles() {
            return now.graph.set_role(place, row.map(Permits::read));
        }
        now.graph.set_binding(place, row.map(Bound::read))
    }

    fn is_of_roles(&self) -> bool {
        self.place < 2
    }

    fn place_of(&self, object: &Object) -> Place {
        let namespace = self.key.kind.namespaced.then(|| (&*object.namespace).into());
        Place { namespace, name: (&*object.name).into() }
    }

    fn head(&self) -> MutexGuard<'_, Option<Rv>> {
        self.head.lock().expect("nothing panics while it holds this lock")
    }
}

impl Sink for Part {
    fn key(&self) -> &FeedKey {
        &self.key
    }

    fn cursor(&self) -> Option<Rv> {
        *self.head()
    }

    fn replace(&self, rv: Rv, objects: Vec<Object>, _incarnation: Option<&str>) {
        *self.head() = Some(rv);
        let mut now = self.watched.lock();
        let is: HashMap<Place, Row> =
            objects.into_iter().map(|object| (self.place_of(&object), object.row)).collect();
        let mut touched = Vec::new();
        for gone in now.graph.places(self.is_of_roles(), self.key.kind.namespaced) {
            if !is.contains_key(&gone) {
                touched.extend(self.set(&mut now, &gone, None));
            }
        }
        for (place, row) in &is {
            touched.extend(self.set(&mut now, place, Some(row)));
        }
        let had_synced =
            std::mem::replace(&mut now.parts[self.place], Standing { synced: true, away_since: None }).synced;
        if had_synced {
            // What came and went unseen has left no difference, but a review may have been answered by it.
            touched = vec![Touched::Everything];
        }
        self.watched.tell(now, touched);
    }

    fn apply(&self, changes: &mut Vec<Change>) {
        let mut head = self.head();
        let mut now = self.watched.lock();
        let mut touched = Vec::new();
        for change in changes.drain(..) {
            let (rv, place, row) = match change {
                Change::Put(object) => (object.rv, self.place_of(&object), Some(object.row)),
                Change::Deleted(object) => (object.rv, self.place_of(&object), None),
                Change::Bookmark { rv, .. } => {
                    *head = (*head).max(Some(rv));
                    continue;
                }
                Change::Error(_) => continue,
            };
            if Some(rv) > *head {
                *head = Some(rv);
                touched.extend(self.set(&mut now, &place, row.as_ref()));
            }
        }
        drop(head);
        self.watched.tell(now, touched);
    }

    fn set_state(&self, state: State) {
        let has_synced = self.head().is_some();
        let mut now = self.watched.lock();
        let part = &mut now.parts[self.place];
        match state {
            State::Live => {
                // A refused watch that goes on from where it was brings all that it missed.
                *part = Standing { synced: has_synced, away_since: None };
                self.watched.tell(now, Vec::new());
            }
            State::Syncing | State::Away { .. } | State::Unauthenticated => {
                part.away_since.get_or_insert_with(clock::now);
            }
            State::Forbidden | State::Absent => {
                part.synced = false;
                now.known = false;
                if !std::mem::replace(&mut now.refused, true) {
                    tracing::warn!(
                        cluster = %self.watched.cluster,
                        kind = self.key.kind.name,
                        state = state.word(),
                        "access.rbac_unwatched: changes of rights are noticed on the clock alone (`access.reviewEvery`)"
                    );
                }
            }
        }
    }
}
