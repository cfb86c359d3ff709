//! A watch, read to its end.
//!
//! All that is there is taken without waiting and handed to the feed as one batch, so that a busy watch costs the feed few
//! wake-ups and a quiet one's event goes at once. A watch is left for a whole list where the feeds ask for one.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body;
use kube::client::Body;
use tokio::time::Instant;

use super::{Initial, Reflector};
use crate::cluster::call::Opened;
use crate::cluster::fault::describe;
use crate::cluster::lines::{Lines, TooLong};
use crate::cluster::status::{self, outcome_of_initial_events};
use crate::cluster::step::Outcome;
use crate::feed::Asks;
use crate::feed::heard::Pulse;
use crate::kind::Change;

/// A watch that stayed open for so long is one, even if nothing has changed.
const SETTLED: Duration = Duration::from_secs(1);
/// The most frames of one batch, so that a flood neither keeps a thread to itself nor its changes from the feed.
const BATCH: usize = 64;
/// Who asks for a whole list waits so long for others who may ask for the same one.
const GATHER: Duration = Duration::from_millis(50);
/// Between two lists that feeds ask for: clients choose selectors, and what the apiserver pays may not follow from how fast they do.
const BETWEEN_LISTS: Duration = Duration::from_secs(5);

/// What a body gives next: a frame, an error or its end.
type Frame = Option<Result<body::Frame<Bytes>, kube::Error>>;

/// A watch that is being read.
struct Reading {
    /// While the initial events are coming.
    initial: Option<Initial>,
    changes: Vec<Change>,
    /// The watch's connection, until it counts for the rows.
    pulse: Option<Arc<Pulse>>,
    /// When the watch is left for a whole list.
    left_at: Option<Instant>,
}

/// What happens next to a watch.
enum Next {
    Frame(Frame),
    Silence,
    /// A feed has asked for something.
    Asked,
    /// It is time to leave for a whole list.
    Left,
}

impl Reflector {
    /// Reads a watch to its end.
    pub(super) async fn read(
        &mut self,
        opened: Opened,
        initial: Option<Initial>,
        limit: Duration,
    ) -> Outcome {
        let outcome = self.read_to_end(opened, initial, limit).await;
        if let Some(heard) = self.sink.heard() {
            heard.closed();
        }
        outcome
    }

    async fn read_to_end(
        &mut self,
        mut opened: Opened,
        initial: Option<Initial>,
        limit: Duration,
    ) -> Outcome {
        let mut lines = Lines::new(self.settings.line_bytes);
        let pulse = Some(opened.pulse.clone());
        let mut reading = Reading { initial, changes: Vec::new(), pulse, left_at: None };
        let mut settled = false;
        loop {
            let following = reading.initial.is_none();
            let patience = match (following, settled) {
                (false, _) => self.settings.watch_list_idle,
                (true, false) => SETTLED,
                (true, true) => limit,
            };
            reading.left_at =
                self.is_asked_to_list(&reading).then(|| reading.left_at.unwrap_or(self.leaves_at()));
            let frame = match self.next(&mut opened.body, patience, reading.left_at).await {
                Next::Frame(frame) => frame,
                Next::Asked => continue,
                Next::Left => {
                    self.left = Some(Instant::now());
                    return Outcome::Asked;
                }
                Next::Silence if !following => {
                    return Outcome::WatchListRefused("the end of the initial events never came".into());
                }
                Next::Silence if settled => {
                    return Outcome::Lost(format!("the watch said nothing for {limit:?}"));
                }
                Next::Silence => {
                    settled = true;
                    self.course.settled();
                    self.counts(&mut reading);
                    self.is_live();
                    continue;
                }
            };
            if let Err(end) = self.take(frame, &mut opened.body, &mut lines, &mut reading) {
                return end;
            }
            settled |= following && !lines.in_a_line();
            tokio::task::consume_budget().await;
        }
    }

    async fn next(&self, body: &mut Body, patience: Duration, left_at: Option<Instant>) -> Next {
        let asked = async {
            match self.sink.asks() {
                Some(asks) => asks.asked().await,
                None => pending().await,
            }
        };
        let left = async {
            match left_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = left => Next::Left,
            () = asked => Next::Asked,
            read = tokio::time::timeout(patience, body.frame()) => read.map_or(Next::Silence, Next::Frame),
        }
    }

    /// Whether a feed waits for a whole list that is not what is being read.
    fn is_asked_to_list(&self, reading: &Reading) -> bool {
        let serves =
            reading.initial.as_ref().is_some_and(|initial| initial.detailed || !self.wants_details());
        !serves && self.sink.asks().is_some_and(Asks::list)
    }

    /// When the watch is left for a list that a feed asks for now.
    fn leaves_at(&self) -> Instant {
        let soon = Instant::now() + GATHER;
        self.left.map_or(soon, |left| soon.max(left + BETWEEN_LISTS))
    }

    /// From here on what comes on the watch's connection says of when the rows are.
    fn counts(&self, reading: &mut Reading) {
        if let (Some(heard), Some(pulse)) = (self.sink.heard(), reading.pulse.take()) {
            heard.opened(pulse);
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
        let mut end = self.take_frame(frame, lines, reading);
        for _ in 1..BATCH {
            let Some(frame) = at_hand(body).filter(|_| end.is_ok()) else { break };
            end = self.take_frame(frame, lines, reading);
        }
        if !reading.changes.is_empty() {
            // First, since with these the rows are live again, and live rows are as of some time.
            self.counts(reading);
            self.hand_over(&mut reading.changes);
        }
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
        let kind = self.sink.key().kind;
        let detailed =
            reading.initial.as_ref().map_or_else(|| self.wants_details(), |initial| initial.detailed);
        let decode = if detailed { kind.detail_line } else { kind.decode_line };
        let change = decode(line).map_err(|error| Outcome::Garbage(error.to_string()))?;
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
                    let (incarnation, pulse) = (initial.incarnation.as_deref(), reading.pulse.take());
                    self.replace(rv, objects, incarnation, |heard| heard.opened(pulse.unwrap_or_default()));
                }
            }
            Change::Error(status) => return Err(outcome_of_initial_events(&status)),
        }
        Ok(())
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
