//! The list-then-watch loop of one feed: the source that a feed has today.
//!
//! Attempts end in an outcome, the table in `step` says what follows, and this file does it. Reading waits for nothing but
//! the socket: what came is handed to the feed at once, in batches of what was there, since a watch that is not read stalls
//! its connection. Invariants: a position is only left through [`Feed::replace`]; objects of a sync that did not come whole
//! are thrown away.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body;
use kube::client::Body;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::Cluster;
use super::backoff::{doubled, jittered, up_to};
use super::call::Opened;
use super::fault::describe;
use super::lines::{Lines, TooLong};
use super::status::{self, outcome_of_initial_events};
use super::step::{Act, Course, Outcome, Step, Wait};
use crate::config;
use crate::feed::{Feed, State};
use crate::kind::{Change, Object, Rv};

/// Between the opening of two watches.
const BETWEEN_OPENINGS: Duration = Duration::from_secs(1);
/// A watch that stayed open for so long is one, even if nothing has changed.
const SETTLED: Duration = Duration::from_secs(1);
/// Added to a watch's own end, before it is given up as dead.
const PAST_THE_END: Duration = Duration::from_secs(15);
/// The jitter of what many feeds would do in the same millisecond.
const SPREAD: Duration = Duration::from_millis(250);
/// What only an operator changes is tried again after so many times the longest backoff.
const SLOW: u32 = 3;
/// Changes are handed over at the latest after so many.
const BATCH: usize = 512;

/// Keeps `feed` equal to its kind in `cluster`, until `stop` says `true` or its sender is gone. Never gives up.
///
/// Goes on from the feed's own position if it has one.
pub async fn run(
    cluster: Arc<Cluster>,
    feed: Arc<Feed>,
    settings: Arc<config::Upstream>,
    mut stop: watch::Receiver<bool>,
) {
    let mut reflector = Reflector::new(cluster, feed, settings);
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        never = reflector.follow() => match never {},
    }
}

struct Reflector {
    cluster: Arc<Cluster>,
    feed: Arc<Feed>,
    settings: Arc<config::Upstream>,
    course: Course,
    /// The newest version that the feed has.
    position: Option<Rv>,
    opened: Option<Instant>,
    /// What the feed was last told that is not [`State::Live`].
    trouble: Option<State>,
}

/// What a body gives next: a frame, an error or its end.
type Frame = Option<Result<body::Frame<Bytes>, kube::Error>>;

/// A watch that is being read.
struct Reading {
    /// While the initial events are coming.
    initial: Option<Initial>,
    changes: Vec<Change>,
}

/// What came of a sync so far.
struct Initial {
    objects: BTreeMap<(Box<str>, Box<str>), Object>,
    incarnation: Option<Arc<str>>,
    _permit: OwnedSemaphorePermit,
}

impl Reflector {
    fn new(cluster: Arc<Cluster>, feed: Arc<Feed>, settings: Arc<config::Upstream>) -> Self {
        let position = feed.cursor();
        let course = Course::new(position.is_some());
        Reflector { cluster, feed, settings, course, position, opened: None, trouble: None }
    }

    async fn follow(&mut self) -> Infallible {
        let mut act = self.course.first();
        loop {
            let outcome = match act {
                Act::Sync => self.sync().await,
                Act::List => self.list().await,
                Act::Watch => self.watch().await,
            };
            tracing::debug!(cluster = %self.cluster.name, kind = self.feed.kind.name, ?act, ?outcome);
            if matches!(outcome, Outcome::Garbage(_)) {
                self.cluster.counters.bad_lines.fetch_add(1, Relaxed);
            }
            let step = self.course.decide(outcome, std::time::Instant::now());
            self.tell(step.state.clone());
            self.rest(&step).await;
            act = step.act;
        }
    }

    /// Tells the feed of a trouble, and the log of a new one.
    fn tell(&mut self, state: Option<State>) {
        let Some(state) = state else { return };
        if self
            .trouble
            .as_ref()
            .is_none_or(|old| std::mem::discriminant(old) != std::mem::discriminant(&state))
        {
            tracing::warn!(cluster = %self.cluster.name, kind = self.feed.kind.name, ?state, "not following");
        }
        self.feed.set_state(state.clone());
        self.trouble = Some(state);
    }

    /// The apiserver is being followed (again).
    fn is_live(&mut self) {
        self.cluster.backoff.succeeded();
        if self.trouble.take().is_some() {
            tracing::info!(cluster = %self.cluster.name, kind = self.feed.kind.name, "following again");
            self.feed.set_state(State::Live);
        }
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
        if !self.cluster.sends_initial_events(self.feed.kind).await {
            return self.list().await;
        }
        let outcome = self.take_initial_events().await;
        if let Outcome::WatchListRefused(why) = &outcome {
            let (cluster, kind) = (&self.cluster.name, self.feed.kind.name);
            tracing::info!(%cluster, kind, why, "no initial events from this apiserver; listing instead");
            self.cluster.refused_initial_events(self.feed.kind).await;
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
            self.feed.kind.api.path()
        );
        self.open(&path, Some(initial), limit).await
    }

    /// The watch from the position on.
    async fn watch(&mut self) -> Outcome {
        let Some(position) = self.position else {
            return Outcome::Expired;
        };
        let (seconds, limit) = self.watch_time();
        let path = format!(
            "{}?watch=1&resourceVersion={position}&allowWatchBookmarks=true&timeoutSeconds={seconds}",
            self.feed.kind.api.path()
        );
        let outcome = self.open(&path, None, limit).await;
        if matches!(outcome, Outcome::Ahead(_)) && self.newest().await.is_some_and(|newest| newest < position)
        {
            return Outcome::Restored;
        }
        outcome
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
        Initial { objects: BTreeMap::new(), incarnation: self.cluster.incarnation().await, _permit: permit }
    }

    async fn open(&mut self, path: &str, initial: Option<Initial>, limit: Duration) -> Outcome {
        if initial.is_none() {
            self.opened = Some(Instant::now());
        }
        match self.cluster.open_watch(path).await {
            Err(error) => error.into(),
            Ok(Err(refusal)) => {
                let status = status::read(&refusal);
                if initial.is_some() { outcome_of_initial_events(&status) } else { status::outcome(&status) }
            }
            Ok(Ok(opened)) => self.read(opened, initial, limit).await,
        }
    }

    /// Reads a watch to its end.
    async fn read(&mut self, mut opened: Opened, initial: Option<Initial>, limit: Duration) -> Outcome {
        let mut lines = Lines::new(self.settings.line_bytes);
        let mut reading = Reading { initial, changes: Vec::new() };
        let mut settled = false;
        loop {
            let following = reading.initial.is_none();
            let patience = match (following, settled) {
                (false, _) => self.settings.watch_list_idle,
                (true, false) => SETTLED,
                (true, true) => limit,
            };
            let Ok(frame) = tokio::time::timeout(patience, opened.body.frame()).await else {
                if !following {
                    return Outcome::WatchListRefused("the end of the initial events never came".into());
                }
                if settled {
                    return Outcome::Lost(format!("the watch said nothing for {limit:?}"));
                }
                settled = true;
                self.course.settled();
                self.is_live();
                continue;
            };
            if let Err(end) = self.take(frame, &mut opened.body, &mut lines, &mut reading) {
                return end;
            }
            settled |= following;
        }
    }

    /// Takes a frame, and all that are there without waiting; hands over what they hold. An error is the watch's end.
    fn take(
        &mut self,
        frame: Frame,
        body: &mut Body,
        lines: &mut Lines,
        reading: &mut Reading,
    ) -> Result<(), Outcome> {
        let mut next = Some(frame);
        let mut end = Ok(());
        while let Some(frame) = next {
            end = self.take_frame(frame, lines, reading);
            if end.is_err() || reading.changes.len() >= BATCH {
                break;
            }
            next = at_hand(body);
        }
        self.hand_over(&mut reading.changes);
        end
    }

    fn take_frame(&mut self, frame: Frame, lines: &mut Lines, reading: &mut Reading) -> Result<(), Outcome> {
        match frame {
            None if lines.in_a_line() => Err(Outcome::Garbage("the watch ended within a line".into())),
            None => Err(Outcome::Ended),
            Some(Err(error)) => Err(Outcome::Lost(describe(&error))),
            Some(Ok(frame)) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                lines.take(data, |line| self.take_line(line, reading))
            }
        }
    }

    fn take_line(&mut self, line: &[u8], reading: &mut Reading) -> Result<(), Outcome> {
        let change =
            (self.feed.kind.decode_line)(line).map_err(|error| Outcome::Garbage(error.to_string()))?;
        let Some(initial) = &mut reading.initial else {
            if let Change::Error(status) = &change {
                return Err(status::outcome(status));
            }
            reading.changes.push(change);
            return Ok(());
        };
        match change {
            Change::Put(object) => {
                initial.objects.insert((object.namespace.clone(), object.name.clone()), object);
            }
            Change::Deleted(object) => {
                initial.objects.remove(&(object.namespace, object.name));
            }
            Change::Bookmark { initial_events_end: false, .. } => {}
            Change::Bookmark { rv, initial_events_end: true } => {
                if let Some(initial) = reading.initial.take() {
                    let objects = initial.objects.into_values().collect();
                    self.replace(rv, objects, initial.incarnation.as_deref());
                }
            }
            Change::Error(status) => return Err(outcome_of_initial_events(&status)),
        }
        Ok(())
    }

    fn hand_over(&mut self, changes: &mut Vec<Change>) {
        let Some(last) = changes.last() else { return };
        self.position = match last {
            Change::Put(object) | Change::Deleted(object) => Some(object.rv),
            Change::Bookmark { rv, .. } => Some(*rv),
            Change::Error(_) => self.position,
        };
        self.feed.apply(changes);
        changes.clear();
        self.course.moved();
        self.is_live();
    }

    fn replace(&mut self, rv: Rv, objects: Vec<Object>, incarnation: Option<&str>) {
        self.feed.replace(rv, objects, incarnation);
        self.cluster.counters.syncs.fetch_add(1, Relaxed);
        self.position = Some(rv);
        self.course.synced();
        self.is_live();
    }

    /// The paged LIST.
    async fn list(&mut self) -> Outcome {
        let initial = self.begin_sync().await;
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let page = match self.page(self.settings.page_size, &next).await {
                Ok(page) => page,
                Err(outcome) => return outcome,
            };
            objects.extend(page.items);
            // Tokens are opaque, but one that leads back to its own page would never end.
            match page.next.filter(|token| !token.is_empty()) {
                Some(token) if token == next => {
                    return Outcome::Garbage("a page of the list leads to itself".into());
                }
                Some(token) => next = token,
                None => {
                    self.replace(page.rv, objects, initial.incarnation.as_deref());
                    return Outcome::Synced;
                }
            }
        }
    }

    /// The version of a LIST that is made now, from etcd.
    async fn newest(&self) -> Option<Rv> {
        self.page(1, "").await.ok().map(|page| page.rv)
    }

    async fn page(&self, size: u32, token: &str) -> Result<crate::kind::Page, Outcome> {
        let mut path = format!("{}?limit={size}", self.feed.kind.api.path());
        if !token.is_empty() {
            path.push_str("&continue=");
            percent_encode(token, &mut path);
        }
        let answer = self.cluster.get_page(&path).await?;
        if answer.status != 200 {
            return Err(status::outcome(&status::read(&answer)));
        }
        (self.feed.kind.decode_page)(&answer.body).map_err(|error| Outcome::Garbage(error.to_string()))
    }
}

impl From<TooLong> for Outcome {
    fn from(error: TooLong) -> Self {
        Outcome::Garbage(error.to_string())
    }
}

/// The next frame, if it is there already.
fn at_hand(body: &mut Body) -> Option<Frame> {
    // Whoever waits for the body next registers its own waker; this look needs none.
    let mut look = Context::from_waker(Waker::noop());
    match pin!(body.frame()).poll(&mut look) {
        Poll::Ready(frame) => Some(frame),
        Poll::Pending => None,
    }
}

/// Appends a text as a value of a URL's query.
fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continue_token_survives_the_url() {
        let mut out = String::new();
        percent_encode("aZ9-._~+/=& ä", &mut out);
        assert_eq!(out, "aZ9-._~%2B%2F%3D%26%20%C3%A4");
    }
}
