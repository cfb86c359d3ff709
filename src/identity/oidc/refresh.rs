//! Refreshing sessions, once for all who ask.
//!
//! A browser's tabs come with the same cookie at the same time, and a refresh token that is used twice looks stolen to its provider, which then ends the session. So
//! the first who comes asks, all others wait for the same answer, and who still comes with the old cookie a little later gets it too. What was begun is
//! finished, whoever has gone away meanwhile: the provider has taken the old token by then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::super::session::UnixSeconds;
use super::super::session_code::Session;

/// For how many seconds the old cookie leads to the new session.
pub(super) const SUCCESSOR: UnixSeconds = 30;

/// What a refresh came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The session as it is now.
    Session(Box<Session>),
    /// There is none any more.
    Over,
}

/// The refreshes that are under way, or were a moment ago, by session.
#[derive(Debug, Default)]
pub(super) struct Refreshing {
    flights: Mutex<HashMap<u128, Flight>>,
}

#[derive(Debug)]
struct Flight {
    /// Which generation of the session it refreshes.
    generation: u32,
    began: UnixSeconds,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Refreshing {
    /// What a refresh of this session comes to. `ask` is called if nobody has asked.
    pub(super) async fn run<F>(
        &self,
        session: &Session,
        now: UnixSeconds,
        ask: impl FnOnce() -> F,
    ) -> Option<Outcome>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut outcome = self.join(session, now, ask);
        outcome.wait_for(Option::is_some).await.ok()?.clone()
    }

    fn join<F>(
        &self,
        session: &Session,
        now: UnixSeconds,
        ask: impl FnOnce() -> F,
    ) -> watch::Receiver<Option<Outcome>>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let generation = session.refresh.as_ref().map_or(0, |refresh| refresh.generation);
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| {
            now < flight.began + SUCCESSOR
                || (flight.outcome.borrow().is_none() && flight.outcome.has_changed().is_ok())
        });
        if let Some(flight) = flights.get(&session.reference.id)
            && flight.generation == generation
        {
            return flight.outcome.clone();
        }
        let (tell, outcome) = watch::channel(None);
        let flight = Flight { generation, began: now, outcome: outcome.clone() };
        flights.insert(session.reference.id, flight);
        drop(flights);
        let asking = ask();
        tokio::spawn(async move {
            let outcome = asking.await;
            tell.send_replace(Some(outcome));
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::super::super::session::SessionRef;
    use super::super::super::session_code::Refresh;
    use super::*;

    fn session(generation: u32) -> Session {
        Session {
            reference: SessionRef { id: 1, began: 0, until: 1000, provider: None },
            subject: "ann".into(),
            email: "".into(),
            groups: [].into(),
            idle: None,
            refresh: Some(Refresh { due: 10, by: 20, generation, token: "t".into() }),
        }
    }

    #[tokio::test]
    async fn all_who_ask_share_one_question_and_a_latecomer_its_answer() {
        let refreshing = Arc::new(Refreshing::default());
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = |now: UnixSeconds| {
            let (refreshing, asked) = (refreshing.clone(), asked.clone());
            async move {
                let question = || async move {
                    asked.fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                    Outcome::Session(Box::new(session(1)))
                };
                refreshing.run(&session(0), now, question).await
            }
        };
        let tabs: Vec<_> = (0..20).map(|_| tokio::spawn(ask(10))).collect();
        for tab in tabs {
            assert_eq!(tab.await.expect("no panic"), Some(Outcome::Session(Box::new(session(1)))));
        }
        assert_eq!(ask(10 + SUCCESSOR - 1).await, Some(Outcome::Session(Box::new(session(1)))));
        assert_eq!(asked.load(SeqCst), 1);
        ask(10 + SUCCESSOR).await;
        assert_eq!(asked.load(SeqCst), 2, "the old cookie is too old by now");
    }

    #[tokio::test]
    async fn what_was_begun_is_finished_though_the_first_went_away() {
        let refreshing = Refreshing::default();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let question = || async move {
            let _ = gone.await;
            Outcome::Over
        };
        let old = session(0);
        let first = refreshing.run(&old, 10, question);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(1), first).await;
        assert!(waited.is_err());
        go.send(()).expect("it goes on");
        let never = || -> std::future::Ready<Outcome> { unreachable!("asked already") };
        assert_eq!(refreshing.run(&session(0), 11, never).await, Some(Outcome::Over));
    }
}
