//! The list-then-watch loop of one kind: the source that a feed has today, and that of what Foretop follows for itself.
//!
//! Attempts end in an outcome, the table in `step` says what follows, and this file does it. Reading waits for nothing but
//! the socket: what came is handed on at once, in batches of what was there, since a watch that is not read stalls
//! its connection. Invariants: a position is only left through [`Sink::replace`]; objects of a sync that did not come whole
//! are thrown away.

mod listing;
mod reading;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::Cluster;
use super::backoff::{doubled, jittered, up_to};
use super::eyes::Look;
use super::status::{self, outcome_of_initial_events};
use super::step::{Act, Course, Outcome, Step, Wait};
use crate::config;
use crate::feed::{Asks, FeedKey, Heard, State, Trunk};
use crate::kind::{Change, Object, Rv};

/// Between the opening of two watches.
const BETWEEN_OPENINGS: Duration = Duration::from_secs(1);
/// Added to a watch's own end, before it is given up as dead.
const PAST_THE_END: Duration = Duration::from_secs(15);
/// The jitter of what many feeds would do in the same millisecond.
const SPREAD: Duration = Duration::from_millis(250);
/// What only an operator changes is tried again after so many times the longest backoff.
const SLOW: u32 = 3;

/// What is kept equal to its kind in its cluster. Called from one task at a time.
pub trait Sink: Send + Sync + 'static {
    /// What of which cluster, and as whom.
    fn key(&self) -> &FeedKey;
    /// The version to go on from; `None` where nothing is known.
    fn cursor(&self) -> Option<Rv>;
    /// The cluster's incarnation that this version is of, where that is known and may have become another since.
    fn incarnation(&self) -> Option<String> {
        None
    }
    /// Takes a whole list. See [`Trunk::replace`].
    fn replace(&self, rv: Rv, objects: Vec<Object>, incarnation: Option<&str>);
    /// Takes events in order. Empties the vector.
    fn apply(&self, changes: &mut Vec<Change>);
    /// Says how following it goes.
    fn set_state(&self, state: State);
    /// What it asks beside being followed, where it asks anything.
    fn asks(&self) -> Option<&Asks> {
        None
    }
    /// Where it is noted when the apiserver was heard of, where anybody wants to know.
    fn heard(&self) -> Option<&Heard> {
        None
    }
}

impl Sink for Trunk {
    fn key(&self) -> &FeedKey {
        &self.key
    }

    fn cursor(&self) -> Option<Rv> {
        self.cursor()
    }

    fn incarnation(&self) -> Option<String> {
        self.incarnation()
    }

    fn replace(&self, rv: Rv, objects: Vec<Object>, incarnation: Option<&str>) {
        self.replace(rv, objects, incarnation);
    }

    fn apply(&self, changes: &mut Vec<Change>) {
        self.apply(changes);
    }

    fn set_state(&self, state: State) {
        self.set_state(state);
    }

    fn asks(&self) -> Option<&Asks> {
        Some(&self.asks)
    }

    fn heard(&self) -> Option<&Heard> {
        Some(&self.heard)
    }
}

/// Keeps `sink` equal to its kind in `cluster`, until `stop` says `true` or its sender is gone. Never gives up.
///
/// Goes on from the sink's own position if it has one.
pub async fn run(
    cluster: Arc<Cluster>,
    sink: Arc<impl Sink>,
    settings: Arc<config::Upstream>,
    mut stop: watch::Receiver<bool>,
) {
    let look = match Look::of(sink.key()) {
        Ok(look) => look,
        Err(error) => {
            tracing::error!(cluster = %cluster.name, kind = sink.key().kind.name, %error, "feed.unwatchable: nobody can be impersonated by this name");
            return sink.set_state(State::Forbidden);
        }
    };
    let mut reflector = Reflector::new(cluster, sink, look, settings);
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        never = reflector.follow() => match never {},
    }
}

struct Reflector {
    cluster: Arc<Cluster>,
    sink: Arc<dyn Sink>,
    look: Look,
    settings: Arc<config::Upstream>,
    course: Course,
    /// The newest version that the sink has.
    position: Option<Rv>,
    /// The incarnation that the position is of, where the cluster has yet to say that it is still the same.
    unproven: Option<String>,
    opened: Option<Instant>,
    /// When a watch was last left for a list that a feed asked for.
    left: Option<Instant>,
    /// What the sink was last told.
    told: Option<State>,
}

/// What came of a sync so far.
struct Initial {
    objects: BTreeMap<(Box<str>, Box<str>), Object>,
    incarnation: Option<Arc<str>>,
    /// Whether objects are decoded with their details.
    detailed: bool,
    _permit: OwnedSemaphorePermit,
}

impl Reflector {
    fn new(cluster: Arc<Cluster>, sink: Arc<dyn Sink>, look: Look, settings: Arc<config::Upstream>) -> Self {
        let position = sink.cursor();
        let course = Course::new(position.is_some());
        let unproven = sink.incarnation().filter(|_| position.is_some());
        Reflector {
            cluster,
            sink,
            look,
            settings,
            course,
            position,
            unproven,
            opened: None,
            left: None,
            told: None,
        }
    }

    async fn follow(&mut self) -> Infallible {
        let mut act = self.course.first();
        loop {
            let outcome = match act {
                Act::Sync => self.sync().await,
                Act::List => self.list().await,
                Act::Watch => self.watch().await,
            };
            tracing::debug!(cluster = %self.cluster.name, kind = self.sink.key().kind.name, ?act, ?outcome, "feed.step");
            if matches!(outcome, Outcome::Garbage(_)) {
                self.cluster.counters.bad_lines.fetch_add(1, Relaxed);
            }
            let step = self.course.decide(outcome, std::time::Instant::now());
            self.tell(step.state.clone());
            self.rest(&step).await;
            act = step.act;
        }
    }

    /// Tells the sink of a trouble, and the log of a new one.
    fn tell(&mut self, trouble: Option<State>) {
        let Some(trouble) = trouble else { return };
        let is_known = |told: &State| std::mem::discriminant(told) == std::mem::discriminant(&trouble);
        if !self.told.as_ref().is_some_and(is_known) {
            tracing::warn!(cluster = %self.cluster.name, kind = self.sink.key().kind.name, state = ?trouble, "feed.not_following");
        }
        self.sink.set_state(trouble.clone());
        self.told = Some(trouble);
    }

    /// The apiserver is being followed (again).
    fn is_live(&mut self) {
        self.cluster.backoff.succeeded();
        if self.told == Some(State::Live) {
            return;
        }
        tracing::info!(cluster = %self.cluster.name, kind = self.sink.key().kind.name, "feed.following");
        self.sink.set_state(State::Live);
        self.told = Some(State::Live);
    }

    async fn rest(&self, step: &Step) {
        let most = self.settings.max_backoff;
        match step.wait {
            Wait::Nothing => {}
            Wait::Spread => tokio::time::sleep(up_to(SPREAD)).await,
            Wait::Failures(failures) => tokio::time::sleep(jittered(doubled(failures, most))).await,
            Wait::Asked(wait) => tokio::time::sleep(wait.mul_f64(1.0 + 0.25 * fastrand::f64())).await,
            Wait::Refused => tokio::time::sleep(jittered(most)).await,
            Wait::Slow => tokio::time::sleep(jittered(most * SLOW)).await,
            Wait::Cluster => {
                let wait = self.cluster.backoff.failed(std::time::Instant::now(), most);
                self.cluster.backoff.wait(jittered(wait)).await;
            }
        }
        let Some(opened) = self.opened.filter(|_| step.act == Act::Watch) else {
            return;
        };
        let left = BETWEEN_OPENINGS.saturating_sub(opened.elapsed());
        if !left.is_zero() {
            tokio::time::sleep(left + up_to(SPREAD)).await;
        }
    }

    async fn sync(&mut self) -> Outcome {
        if !self.cluster.sends_initial_events(self.sink.key().kind).await {
            return self.list().await;
        }
        let outcome = self.take_initial_events().await;
        if let Outcome::WatchListRefused(why) = &outcome {
            let (cluster, kind) = (&self.cluster.name, self.sink.key().kind.name);
            tracing::info!(%cluster, kind, why, "feed.no_initial_events: listing instead");
            self.cluster.refused_initial_events(self.sink.key().kind).await;
        }
        outcome
    }

    /// One watch that begins with everything there is, and goes on.
    async fn take_initial_events(&mut self) -> Outcome {
        let initial = self.begin_sync().await;
        let (seconds, limit) = self.watch_time();
        let path = format!(
            "{}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true\
             &timeoutSeconds={seconds}",
            self.look.path
        );
        self.open(&path, Some(initial), limit).await
    }

    /// The watch from the position on.
    async fn watch(&mut self) -> Outcome {
        let Some(position) = self.position else {
            return Outcome::Expired;
        };
        if let Err(outcome) = self.prove().await {
            return outcome;
        }
        let (seconds, limit) = self.watch_time();
        let path = format!(
            "{}?watch=1&resourceVersion={position}&allowWatchBookmarks=true&timeoutSeconds={seconds}",
            self.look.path
        );
        let outcome = self.open(&path, None, limit).await;
        if matches!(outcome, Outcome::Ahead(_)) && self.newest().await.is_some_and(|newest| newest < position)
        {
            return Outcome::Restored;
        }
        outcome
    }

    /// Makes sure that the cluster is the one that the position is of: versions of another mean nothing to it, and it may take them all the same.
    async fn prove(&mut self) -> Result<(), Outcome> {
        let Some(unproven) = &self.unproven else { return Ok(()) };
        let now = self.cluster.read_incarnation().await?;
        let is_other = now.is_some_and(|now| *now != **unproven);
        self.unproven = None;
        if is_other {
            let (cluster, kind) = (&self.cluster.name, self.sink.key().kind.name);
            tracing::warn!(%cluster, kind, "feed.other_cluster: the cluster is not the one that this feed was restored of");
            return Err(Outcome::Expired);
        }
        Ok(())
    }

    /// `timeoutSeconds`, and after what silence the watch is dead.
    fn watch_time(&self) -> (u64, Duration) {
        let (least, most) = self.settings.watch_timeout;
        let seconds = fastrand::u64(least.as_secs().min(most.as_secs())..=most.as_secs());
        (seconds, Duration::from_secs(seconds) + PAST_THE_END)
    }

    async fn begin_sync(&self) -> Initial {
        let permit = Arc::clone(&self.cluster.relists).acquire_owned().await;
        let permit = permit.expect("this semaphore is never closed");
        let incarnation = self.cluster.incarnation().await;
        Initial { objects: BTreeMap::new(), incarnation, detailed: self.wants_details(), _permit: permit }
    }

    /// Whether objects are to be decoded with their details.
    fn wants_details(&self) -> bool {
        self.sink.asks().is_some_and(Asks::details)
    }

    async fn open(&mut self, path: &str, initial: Option<Initial>, limit: Duration) -> Outcome {
        if initial.is_none() {
            self.opened = Some(Instant::now());
        }
        match self.cluster.open_watch(path, &self.look.headers).await {
            Err(error) => error.into(),
            Ok(Err(refusal)) => {
                let status = status::read(&refusal);
                if initial.is_some() { outcome_of_initial_events(&status) } else { status::outcome(&status) }
            }
            Ok(Ok(opened)) => self.read(opened, initial, limit).await,
        }
    }

    fn hand_over(&mut self, changes: &mut Vec<Change>) {
        let Some(last) = changes.last() else { return };
        self.position = match last {
            Change::Put(object) | Change::Deleted(object) => Some(object.rv),
            Change::Bookmark { rv, .. } => Some(*rv),
            Change::Error(_) => self.position,
        };
        self.sink.apply(changes);
        changes.clear();
        self.course.moved();
        self.is_live();
    }

    /// Hands over a whole list; `note` says as of when it is. Rows that there are become no younger before they are replaced; the first
    /// ones, and those of which it was never known (restored ones), are as of some time as soon as they are live.
    fn replace(
        &mut self,
        rv: Rv,
        objects: Vec<Object>,
        incarnation: Option<&str>,
        note: impl FnOnce(&Heard),
    ) {
        let sink = Arc::clone(&self.sink);
        let note = || {
            if let Some(heard) = sink.heard() {
                note(heard);
            }
        };
        let never_heard = sink.heard().is_some_and(|heard| heard.at().is_none());
        if self.position.is_none() || never_heard {
            note();
            sink.replace(rv, objects, incarnation);
        } else {
            sink.replace(rv, objects, incarnation);
            note();
        }
        self.cluster.counters.syncs.fetch_add(1, Relaxed);
        self.position = Some(rv);
        self.course.synced();
        self.is_live();
    }
}
