//! Publishing a recording's frames to a baseline, each at its moment.
//!
//! raw and axum read a Unix stream socket: each frame as its length (4 bytes, big-endian) and its wire bytes. nchan is given HTTP POSTs over one
//! kept-alive connection, as its documentation has publishers do.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::Baseline;
use super::recording::{Frame, Recording};

/// The frames in the bytes that came.
#[derive(Debug, Default)]
pub struct Unframed {
    bytes: Vec<u8>,
    taken: usize,
}

impl Unframed {
    /// These bytes have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub fn take(&mut self) -> Option<Bytes> {
        let rest = &self.bytes[self.taken..];
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let frame = rest.get(..u32::from_be_bytes(*length) as usize)?;
        self.taken += 4 + frame.len();
        Some(Bytes::copy_from_slice(frame))
    }
}

/// The way to a baseline.
pub enum Publisher {
    /// Length and bytes.
    Framed(UnixStream),
    /// A POST each.
    Http(SendRequest<Full<Bytes>>),
}

impl Publisher {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(baseline: Baseline, path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        if baseline != Baseline::Nchan {
            return Ok(Publisher::Framed(stream));
        }
        let (requests, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Publisher::Http(requests))
    }

    /// Publishes one frame.
    ///
    /// # Errors
    /// When the baseline is gone, or refuses it.
    pub async fn publish(&mut self, frame: &Frame) -> io::Result<()> {
        match self {
            Publisher::Framed(stream) => {
                let length = u32::try_from(frame.wire.len()).expect("a frame is smaller than 4 GiB");
                let framed = [&length.to_be_bytes(), frame.wire.as_bytes()].concat();
                stream.write_all(&framed).await
            }
            Publisher::Http(requests) => {
                let fields = frame.fields();
                let request = Request::post("/publish")
                    .header("Host", "baseline")
                    .header("X-EventSource-Event", fields.event)
                    .body(Full::from(Bytes::copy_from_slice(fields.data.as_bytes())))
                    .map_err(io::Error::other)?;
                requests.ready().await.map_err(io::Error::other)?;
                let answer = requests.send_request(request).await.map_err(io::Error::other)?;
                let status = answer.status();
                answer.into_body().collect().await.map_err(io::Error::other)?;
                // 201: there were subscribers; 202: nobody yet.
                if status.is_success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
            }
        }
    }
}

/// Publishes the recording's frames at their moments, again and again, for so long. Returns how many.
///
/// # Errors
/// When the baseline is gone.
pub async fn replay(recording: &Recording, publisher: &mut Publisher, span: Duration) -> io::Result<u64> {
    let begin = Instant::now();
    let mut round = begin;
    let mut count = 0;
    loop {
        for frame in &recording.frames {
            let moment = round + Duration::from_micros(frame.at);
            if moment >= begin + span {
                tokio::time::sleep_until(begin + span).await;
                return Ok(count);
            }
            tokio::time::sleep_until(moment).await;
            publisher.publish(frame).await?;
            count += 1;
        }
        round += recording.span();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_their_bytes_were_cut() {
        let sent: Vec<&[u8]> = vec![b"one", b"", b"three and more"];
        let wire: Vec<u8> = sent
            .iter()
            .flat_map(|frame| [&u32::try_from(frame.len()).expect("small").to_be_bytes(), *frame].concat())
            .collect();
        for cut in 1..wire.len() {
            let mut unframed = Unframed::default();
            let mut came = Vec::new();
            for piece in wire.chunks(cut) {
                unframed.push(piece);
                came.extend(std::iter::from_fn(|| unframed.take()));
            }
            assert_eq!(came, sent, "in pieces of {cut}");
        }
    }
}
