//! A watch, read to its end.
//!
//! All that is there is taken without waiting and handed to the feed as one batch, so that a busy watch costs the feed few
//! wake-ups and a quiet one's event goes at once.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body;
use kube::client::Body;

use super::{Initial, Reflector};
use crate::cluster::call::Opened;
use crate::cluster::fault::describe;
use crate::cluster::lines::{Lines, TooLong};
use crate::cluster::status::{self, outcome_of_initial_events};
use crate::cluster::step::Outcome;
use crate::kind::Change;

/// A watch that stayed open for so long is one, even if nothing has changed.
const SETTLED: Duration = Duration::from_secs(1);
/// The most frames of one batch, so that a flood neither keeps a thread to itself nor its changes from the feed.
const BATCH: usize = 64;

/// What a body gives next: a frame, an error or its end.
type Frame = Option<Result<body::Frame<Bytes>, kube::Error>>;

/// A watch that is being read.
struct Reading {
    /// While the initial events are coming.
    initial: Option<Initial>,
    changes: Vec<Change>,
}

impl Reflector {
    /// Reads a watch to its end.
    pub(super) async fn read(
        &mut self,
        mut opened: Opened,
        initial: Option<Initial>,
        limit: Duration,
    ) -> Outcome {
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
            settled |= following && !lines.in_a_line();
            tokio::task::consume_budget().await;
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
            (self.sink.key().kind.decode_line)(line).map_err(|error| Outcome::Garbage(error.to_string()))?;
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
