//! Overviews: what somebody sees of clusters at a glance, counted from the replicas (the contract's 1.5 and 1.6).
//!
//! An overview never lists. Of each kind it looks at the feed that streams have too, in the scope that the caller may list and watch by the same
//! decisions as streams ([`glance`]), and counts ([`tally`]) the rows there. A kind that nobody watches yet is synced at a bounded rate ([`demand`]),
//! and reads as unknown until then.
//!
//! Invariants: what is counted or named is in a scope that was decided for this caller; a count is shared by callers of the same scope and by no
//! others; what apiservers are asked does not grow with callers of one identity.

mod crds;
mod dashboard;
mod demand;
mod fleet;
mod glance;
mod search;
mod tally;
mod version;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

pub(super) use self::crds::crds;
pub(super) use self::dashboard::dashboard;
pub(super) use self::fleet::fleet;
pub(super) use self::search::search;

use self::demand::Demand;
use self::tally::Tally;
use self::version::Versions;
use crate::config;
use crate::feed::block::Refused;
use crate::feed::{Feed, FeedKey, Scope};
use crate::kind::Rv;

/// Counts of large lists that are made at once: each takes a thread for some milliseconds.
const COUNTED_AT_ONCE: usize = 4;

/// A count of rows that change all the time is made anew no sooner.
const COUNT_LIFE: Duration = Duration::from_secs(2);

/// Counts that nobody asked for in so long are forgotten.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// What overviews share.
pub(super) struct Overviews {
    demand: Demand,
    versions: Versions,
    counts: Mutex<HashMap<(FeedKey, Scope), Count>>,
    counting: Semaphore,
}

/// What a scope of a feed came to.
struct Count {
    feed: Weak<Feed>,
    head: Option<Rv>,
    at: Instant,
    tally: Arc<Tally>,
}

impl Overviews {
    pub(super) fn new(settings: &config::Overviews) -> Self {
        Overviews {
            demand: Demand::new(settings, Instant::now()),
            versions: Versions::default(),
            counts: Mutex::default(),
            counting: Semaphore::new(COUNTED_AT_ONCE),
        }
    }

    /// What a scope of a feed comes to. `None` before the first sync.
    async fn count(&self, feed: &Arc<Feed>, scope: &Scope) -> Result<Option<Arc<Tally>>, Refused> {
        if let Some(known) = self.known(feed, scope) {
            return Ok(Some(known));
        }
        let _place = self.counting.acquire().await.expect("never closed");
        // Of all who waited the first has counted for the others.
        if let Some(known) = self.known(feed, scope) {
            return Ok(Some(known));
        }
        let head = feed.cursor();
        let tally = self.read(feed, scope, |rows, kind| Arc::new(Tally::of(kind, rows))).await?;
        if let Some(tally) = &tally {
            self.remember(feed, scope, head, tally.clone());
        }
        Ok(tally)
    }

    /// Has a scope's rows read, beside the control plane's own work. `None` before the first sync.
    async fn read<T: Send + 'static>(
        &self,
        feed: &Arc<Feed>,
        scope: &Scope,
        read: impl FnOnce(&mut dyn Iterator<Item = &[u8]>, &'static str) -> T + Send + 'static,
    ) -> Result<Option<T>, Refused> {
        let (feed, scope) = (feed.clone(), scope.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let list = feed.list(&scope)?;
            Ok(list.map(|list| read(&mut list.rows(), feed.key.kind.name)))
        });
        reading.await.unwrap_or(Err(Refused::Unavailable))
    }

    fn known(&self, feed: &Arc<Feed>, scope: &Scope) -> Option<Arc<Tally>> {
        let head = feed.cursor();
        let counts = self.counts.lock().expect("nothing panics while it holds this lock");
        let count = counts.get(&(feed.key.clone(), scope.clone()))?;
        let is_fresh = count.head == head || count.at.elapsed() < COUNT_LIFE;
        let is_of_it = std::ptr::eq(count.feed.as_ptr(), Arc::as_ptr(feed));
        (is_fresh && is_of_it).then(|| count.tally.clone())
    }

    fn remember(&self, feed: &Arc<Feed>, scope: &Scope, head: Option<Rv>, tally: Arc<Tally>) {
        let at = Instant::now();
        let mut counts = self.counts.lock().expect("nothing panics while it holds this lock");
        counts.retain(|_, count| at.saturating_duration_since(count.at) < FORGOTTEN);
        let count = Count { feed: Arc::downgrade(feed), head, at, tally };
        counts.insert((feed.key.clone(), scope.clone()), count);
    }
}
