//! The body of a response: whole, or streamed through a bounded channel.
//!
//! Invariant: what waits for a client that does not read is bounded by the channel's capacity.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

use super::counters::Counters;

/// A streamed body ends here without being complete: HTTP/1.1 closes the connection, HTTP/2 resets the stream.
#[derive(Debug, thiserror::Error)]
#[error("the simulated apiserver broke the response off")]
pub struct BrokenOff;

/// The sending end of a streamed body. Dropping it ends the body cleanly.
pub type Chunks = mpsc::Sender<Result<Bytes, BrokenOff>>;

enum Content {
    Whole(Option<Bytes>),
    Streamed(mpsc::Receiver<Result<Bytes, BrokenOff>>),
}

/// The body of a response.
pub struct Body {
    content: Content,
    counters: Option<Arc<Counters>>,
}

impl Body {
    /// A body that is there already.
    pub fn whole(bytes: Bytes) -> Self {
        Body { content: Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), counters: None }
    }

    /// A body that is made as it is read, with room for `capacity` chunks.
    pub fn streamed(capacity: usize) -> (Chunks, Self) {
        let (chunks, receiver) = mpsc::channel(capacity.max(1));
        (chunks, Body { content: Content::Streamed(receiver), counters: None })
    }

    /// The same body, counted.
    pub fn counted(self, counters: Arc<Counters>) -> Self {
        Body { counters: Some(counters), ..self }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let next = match &mut self.content {
            Content::Whole(bytes) => bytes.take().map(Ok),
            Content::Streamed(receiver) => match receiver.poll_recv(context) {
                Poll::Ready(next) => next,
                Poll::Pending => return Poll::Pending,
            },
        };
        if let (Some(Ok(bytes)), Some(counters)) = (&next, &self.counters) {
            counters.sent(bytes.len());
        }
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Streamed(_) => SizeHint::default(),
        }
    }
}
