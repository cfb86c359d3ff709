//! One caller's glance at one cluster: what they may see of a kind, and whether it is there.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::Api;
use super::demand::Rank;
use super::tally::Tally;
use crate::access::{Asker, Decision, GrantKey, Ruling, Wanted};
use crate::feed::block::Refused;
use crate::feed::{Feed, FeedKey, Scope, State};
use crate::kind::{self, Kind};

/// How often it is looked whether a feed is synced.
const LOOK: Duration = Duration::from_millis(20);

/// A caller's glance at a cluster.
#[derive(Clone)]
pub(super) struct Glance {
    pub(super) api: Arc<Api>,
    pub(super) cluster: Arc<str>,
    pub(super) asker: Asker,
    /// Until when decisions and first syncs are waited for.
    pub(super) until: Instant,
    /// By which right its feeds are started.
    pub(super) starts: Starts,
}

/// By which right feeds are started that nobody watches yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    /// It was taken for all of them.
    Paid,
    /// It is taken for each.
    Each(Rank),
}

/// What is seen of a kind.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) tally: Arc<Tally>,
    /// Since when it is not followed, and why.
    pub(super) stale: Option<(Timestamp, &'static str)>,
}

/// Why nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// They may list and watch none of it.
    Forbidden,
    /// It is not synced yet, or nobody has said yet whether they may.
    Unknown,
    /// The cluster does not give it, by the reference's code for that.
    Unavailable(&'static str),
}

impl From<Refused> for Unseen {
    fn from(why: Refused) -> Self {
        match why {
            // It is Foretop's own account that is refused, whatever the caller may.
            Refused::Forbidden | Refused::Unauthenticated => Unseen::Unavailable("auth_failed"),
            Refused::Absent => Unseen::Unavailable("unknown"),
            Refused::Unavailable | Refused::Gone | Refused::Full => Unseen::Unknown,
        }
    }
}

impl Glance {
    /// What is seen of these kinds, in their order.
    pub(super) async fn see_all<const N: usize>(&self, kinds: [&str; N]) -> [Result<Seen, Unseen>; N] {
        let mut looking = JoinSet::new();
        for (place, kind) in kinds.iter().enumerate() {
            let (glance, kind) = (self.clone(), kind::by_name(kind).expect("a kind of ours"));
            looking.spawn(async move { (place, glance.see(kind).await) });
        }
        let mut all = std::array::from_fn(|_| Err(Unseen::Unknown));
        while let Some(looked) = looking.join_next().await {
            if let Ok((place, seen)) = looked {
                all[place] = seen;
            }
        }
        all
    }

    async fn see(&self, kind: &'static Kind) -> Result<Seen, Unseen> {
        // Of a cluster that nobody reaches nobody says either what the caller may see.
        if let Some(feed) = self.held(kind).filter(|feed| !feed.status().synced) {
            trouble(&feed).map_or(Ok(()), |code| Err(Unseen::Unavailable(code)))?;
        }
        let (feed, scope) = self.find(kind).await?;
        let tally = self.api.overviews.count(&feed, &scope).await?.ok_or(Unseen::Unknown)?;
        Ok(Seen { tally, stale: stale(&feed) })
    }

    /// The feed of a kind, and how much of it is theirs.
    pub(super) async fn find(&self, kind: &'static Kind) -> Result<(Arc<Feed>, Scope), Unseen> {
        let scope = self.scope(kind).await?;
        let eyes = self.api.access.eyes(&self.asker, &scope).ok_or(Unseen::Forbidden)?;
        let feed = self.open(FeedKey::new(self.cluster.clone(), kind, eyes)).await?;
        self.synced(&feed).await?;
        Ok((feed, scope))
    }

    /// Whether somebody watches this kind already, for all that they might see.
    pub(super) fn is_held(&self, kind: &'static Kind) -> bool {
        self.held(kind).is_some()
    }

    fn held(&self, kind: &'static Kind) -> Option<Arc<Feed>> {
        let eyes = self.api.access.eyes(&self.asker, &Scope::All)?;
        self.api.hub.find(&FeedKey::new(self.cluster.clone(), kind, eyes))
    }

    async fn scope(&self, kind: &'static Kind) -> Result<Scope, Unseen> {
        let (cluster, asker) = (self.cluster.clone(), self.asker.clone());
        let key = GrantKey { cluster, kind, asker, wanted: Wanted::Everything };
        let left = self.until.saturating_duration_since(Instant::now());
        let ruling = match self.api.access.clone().decide(key.clone(), left).await {
            Decision::Made(grant) => grant.ruling().0.clone(),
            // While it is asked about again, what an open stream would still go by does.
            Decision::UnderWay(..) => match self.api.access.decided(&key) {
                Some((ruling, _, asked_again_in)) if !asked_again_in.is_zero() => ruling,
                _ => return Err(Unseen::Unknown),
            },
        };
        match ruling {
            Ruling::Allowed(scope) => Ok(scope),
            Ruling::Denied { .. } => Err(Unseen::Forbidden),
            Ruling::Unavailable => Err(Unseen::Unknown),
        }
    }

    async fn open(&self, key: FeedKey) -> Result<Arc<Feed>, Unseen> {
        loop {
            if let Some(feed) = self.api.hub.find(&key) {
                feed.uses.note();
                return Ok(feed);
            }
            match self.may_start() {
                Ok(()) => return self.api.hub.open(&key).map_err(|_| Unseen::Unavailable("unknown")),
                Err(Some(wait)) if self.waits(wait) => tokio::time::sleep(wait).await,
                Err(_) => return Err(Unseen::Unknown),
            }
        }
    }

    fn may_start(&self) -> Result<(), Option<Duration>> {
        let Starts::Each(rank) = self.starts else { return Ok(()) };
        let (alive, now) = (self.api.hub.count(), std::time::Instant::now());
        self.api.overviews.demand.take(1, alive, rank, now)
    }

    /// A page waits for its turn; a fleet is looked at again anyway.
    fn waits(&self, wait: Duration) -> bool {
        self.starts == Starts::Each(Rank::Page) && Instant::now() + wait < self.until
    }

    /// Waits for a feed's first sync.
    async fn synced(&self, feed: &Feed) -> Result<(), Unseen> {
        loop {
            let status = feed.status();
            if let Some(why) = status.refused() {
                return Err(why.into());
            }
            match trouble(feed) {
                _ if status.synced => return Ok(()),
                Some(code) => return Err(Unseen::Unavailable(code)),
                None if Instant::now() >= self.until => return Err(Unseen::Unknown),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// Since when a feed with rows is not followed, and why.
fn stale(feed: &Feed) -> Option<(Timestamp, &'static str)> {
    trouble(feed).map(|code| (feed.status().since, code))
}

/// Why a feed is not followed, by the reference's code.
fn trouble(feed: &Feed) -> Option<&'static str> {
    match feed.status().state {
        State::Live | State::Syncing => None,
        State::Away { .. } => Some("apiserver_unreachable"),
        // It is Foretop's own account that is refused, or its kind that is not known.
        State::Unauthenticated | State::Forbidden => Some("auth_failed"),
        State::Absent => Some("unknown"),
    }
}
