//! A grant that is kept up to date, as everybody but its task sees it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::Access;
use super::grant::{Grant, GrantKey, Ruling};
use super::reviewer::Reviewer;
use super::tending::Tending;
use crate::feed::KubeUser;

/// News for a grant's task.
pub enum News {
    /// Somebody needs a ruling that is fresh.
    Wanted,
    /// Rights may have changed, then; in this namespace only.
    Touched(Instant, Option<Arc<str>>),
    /// Its cluster is another one now.
    Ended,
}

/// How far a grant's task has come, for those who wait for it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// When the question of the oldest answer that the ruling rests on was sent; `None` before there is a ruling.
    pub asked: Option<Instant>,
    /// Questions that were not answered.
    pub unsaid: u64,
    /// Of how many questions how many are answered.
    pub progress: (u32, u32),
    /// The cluster is away, and the ruling still counts.
    pub graced: bool,
}

/// A grant that is kept up to date.
pub struct Live {
    /// The grant.
    pub grant: Arc<Grant>,
    /// How far its task has come.
    pub told: watch::Receiver<Told>,
    news: UnboundedSender<News>,
}

impl Live {
    /// A grant about which nothing is known yet, and its task.
    pub fn start(
        access: &Arc<Access>,
        key: GrantKey,
        user: Arc<KubeUser>,
        reviewer: Arc<Reviewer>,
    ) -> Arc<Self> {
        let (news, to_hear) = unbounded_channel();
        let (tell, told) = watch::channel(Told::default());
        let live = Arc::new(Live { grant: Arc::new(Grant::new(key, Ruling::Unavailable)), told, news });
        Tending::start(access, live.clone(), (user, reviewer), tell, to_hear);
        live
    }

    /// Tells its task something.
    pub fn tell(&self, news: News) {
        // A task that has ended is no longer found.
        let _ = self.news.send(news);
    }

    /// Whether anybody but its task and the map of grants holds it.
    pub fn is_held(&self) -> bool {
        Arc::strong_count(&self.grant) > 1
    }
}
