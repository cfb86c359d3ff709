//! A decision that somebody waits for. Lives on the control plane; a core only carries it from one wait to the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::grant::{Grant, GrantKey, Ruling};
use super::live::{News, Told};
use super::{Access, clock};

/// Who waits for a decision gives up when nothing has been answered for this long.
const STANDSTILL: Duration = Duration::from_secs(15);

/// What has become of a decision.
pub enum Decision {
    /// It is made. Where nobody answers, it is [`Ruling::Unavailable`], save while the cluster is away and the last decision still counts.
    Made(Arc<Grant>),
    /// It is not made yet.
    UnderWay(Box<Deciding>, Progress),
}

/// How far a decision has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Questions that are answered.
    pub asked: u32,
    /// Questions that there are, as far as is known by now.
    pub of: u32,
}

/// A decision under way.
pub struct Deciding {
    access: Arc<Access>,
    grant: Arc<Grant>,
    told: watch::Receiver<Told>,
    began: Instant,
    unsaid_before: u64,
    /// When something was last answered.
    moved: Instant,
}

impl Access {
    /// The grant for this question, decided anew where what is known is too old; waits for it so long at most. All who ask the same share one
    /// question.
    pub async fn decide(self: Arc<Self>, key: GrantKey, at_most: Duration) -> Decision {
        let Some((live, grant)) = self.live(&key) else {
            let ruling = Ruling::Allowed(key.wanted.as_shared());
            return Decision::Made(Arc::new(Grant::new(key, ruling)));
        };
        if self.is_known(&grant) || live.told.borrow().graced {
            return Decision::Made(grant);
        }
        let (began, told) = (clock::now(), live.told.clone());
        let unsaid_before = told.borrow().unsaid;
        live.tell(News::Wanted);
        let deciding = Deciding { access: self, grant, told, began, unsaid_before, moved: began };
        Box::new(deciding).wait(at_most).await
    }
}

impl Deciding {
    /// Waits so long at most.
    pub async fn wait(mut self: Box<Self>, at_most: Duration) -> Decision {
        let until = clock::now() + at_most;
        loop {
            let Told { asked, unsaid, graced, progress, .. } = self.told.borrow_and_update().clone();
            let life = self.access.life(&self.grant.ruling().0);
            let oldest = self.began.checked_sub(life).unwrap_or(self.began);
            if graced || asked.is_some_and(|asked| asked >= oldest) {
                return Decision::Made(self.grant);
            }
            let (now, standstill) = (clock::now(), self.moved + STANDSTILL);
            if unsaid > self.unsaid_before || now >= standstill {
                return self.given_up();
            }
            if now >= until {
                let (asked, of) = progress;
                return Decision::UnderWay(self, Progress { asked, of: of.max(1) });
            }
            match clock::within(until.min(standstill) - now, self.told.changed()).await {
                Some(Ok(())) => self.moved = clock::now(),
                // The grant's task has ended.
                Some(Err(_)) => return self.given_up(),
                None => {}
            }
        }
    }

    fn given_up(&self) -> Decision {
        Decision::Made(Arc::new(Grant::new(self.grant.key.clone(), Ruling::Unavailable)))
    }
}
