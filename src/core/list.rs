//! Lists: answered from the feed's shared snapshot.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::{Cell, Core};
use crate::feed::block::Refused;
use crate::feed::snapshot::Snapshot;
use crate::feed::{Eyes, Feed, FeedKey, Scope};
use crate::wire::refusal::Refusal;

/// What a list's request comes to.
pub type Listed = Result<Arc<Snapshot>, Refusal>;

/// What became of a request for a list.
#[derive(Default)]
pub(super) struct Answer {
    /// Once it is known.
    pub(super) listed: Option<Listed>,
    waker: Option<Waker>,
}

/// A request that waits for a list.
pub struct ListWaiter {
    answer: Rc<RefCell<Answer>>,
    until: Instant,
}

/// A scope's list as it is now. Waits for a first sync, but not for long.
///
/// # Errors
/// Why there is no list.
pub async fn list(core: &Cell, key: FeedKey, scope: Scope) -> Listed {
    let answer = Rc::new(RefCell::new(Answer::default()));
    core.get().ask_list(key, scope, answer.clone());
    poll_fn(|context| {
        let mut answer = answer.borrow_mut();
        if let Some(listed) = answer.listed.take() {
            return Poll::Ready(listed);
        }
        answer.waker = Some(context.waker().clone());
        Poll::Pending
    })
    .await
}

impl Core {
    pub(super) fn ask_list(&mut self, key: FeedKey, scope: Scope, answer: Rc<RefCell<Answer>>) {
        self.counters.lists.add(1);
        if self.everywhere.ledger.is_full() {
            // It may hold a whole snapshot for as long as its client reads.
            answer.borrow_mut().listed = Some(Err(Refusal::Full));
            return;
        }
        let until = Instant::now() + self.everywhere.wait;
        let feed = self.everywhere.hub.find(&key);
        let waiters = self.lists.entry((key.clone(), scope.clone())).or_default();
        waiters.push(ListWaiter { answer, until });
        // Whoever asks while a question is under way gets an answer that may be older than the question; so each asks.
        match feed {
            Some(feed) => self.ask_exact(feed, scope),
            None => self.everywhere.hub.ask_feed(self.id, key),
        }
    }

    fn ask_exact(&self, feed: Arc<Feed>, scope: Scope) {
        feed.uses.note();
        self.everywhere.hub.ask_snapshot(self.id, feed, scope, true);
    }

    /// The hub has opened a feed, or not: `why`.
    pub(super) fn lists_opened(&mut self, key: &FeedKey, why: Refusal) {
        let scopes: Vec<Scope> =
            self.lists.keys().filter(|(waiting, _)| waiting == key).map(|(_, scope)| scope.clone()).collect();
        let feed = self.everywhere.hub.find(key);
        for scope in scopes {
            match &feed {
                Some(feed) => self.ask_exact(feed.clone(), scope),
                None => self.resolve(key, &scope, &Err(why)),
            }
        }
    }

    /// A snapshot is here, or the reason why there is none.
    pub(super) fn answer_lists(
        &mut self,
        key: &FeedKey,
        scope: &Scope,
        result: &Result<Arc<Snapshot>, Refused>,
    ) {
        let listed = result.clone().map_err(|why| match why {
            Refused::Forbidden if key.eyes != Eyes::Own => Refusal::Denied,
            Refused::Forbidden => Refusal::Forbidden,
            Refused::Absent => Refusal::Absent,
            Refused::Full => Refusal::Full,
            Refused::Unauthenticated | Refused::Unavailable | Refused::Gone => Refusal::Unavailable,
        });
        self.resolve(key, scope, &listed);
    }

    fn resolve(&mut self, key: &FeedKey, scope: &Scope, listed: &Listed) {
        for waiter in self.lists.remove(&(key.clone(), scope.clone())).unwrap_or_default() {
            waiter.resolve(listed.clone());
        }
    }

    /// Who has waited long enough hears that there is no list.
    pub(super) fn expire_lists(&mut self, now: Instant) {
        self.lists.retain(|_, waiters| {
            waiters.retain(|waiter| {
                let waits = waiter.until > now;
                if !waits {
                    waiter.resolve(Err(Refusal::Unavailable));
                }
                waits
            });
            !waiters.is_empty()
        });
    }
}

impl ListWaiter {
    fn resolve(&self, listed: Listed) {
        let mut answer = self.answer.borrow_mut();
        answer.listed = Some(listed);
        if let Some(waker) = answer.waker.take() {
            waker.wake();
        }
    }
}
