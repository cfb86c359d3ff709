//! One tab's stream, recorded: how it began, and each frame that followed with its moment. Baselines send what it holds.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The head of a stream that begins with nothing.
pub const BARE_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                             Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A stream as one tab saw it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The response's head.
    pub head: String,
    /// What came before the first delta, as it was on the wire.
    pub beginning: String,
    /// The deltas.
    pub frames: Vec<Frame>,
}

/// A delta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Microseconds after the first one.
    pub at: u64,
    /// Its wire bytes: an SSE event in one HTTP chunk.
    pub wire: String,
}

/// What a delta's event says.
#[derive(Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Its name.
    pub event: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its data.
    pub data: &'a str,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file or a socket.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// It is no recording.
    #[error("{0}: {1}")]
    Malformed(String, serde_json::Error),
    /// What was recorded is no chunked stream.
    #[error("the answer is no chunked stream: {0}")]
    NoStream(String),
}

/// What is recorded.
#[derive(Debug, Args)]
pub struct Record {
    /// The server.
    pub address: SocketAddr,
    /// The stream's path.
    pub path: String,
    /// Where to write the recording.
    pub file: PathBuf,
    /// For how many seconds.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub seconds: u64,
}

impl Record {
    /// Records.
    ///
    /// # Errors
    /// When the stream cannot be opened or the file written.
    pub async fn run(&self) -> Result<(), RecordingError> {
        Recording::of(self.address, &self.path, Duration::from_secs(self.seconds)).await?.save(&self.file)
    }
}

impl Frame {
    /// What the frame's event says.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        let line =
            |name: &str| self.wire.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        Fields { event: line("event: "), id: line("id: "), data: line("data: ") }
    }
}

impl Recording {
    /// Reads one.
    ///
    /// # Errors
    /// When there is none in this file.
    pub fn load(path: &Path) -> Result<Self, RecordingError> {
        let name = path.display().to_string();
        let text = std::fs::read(path).map_err(|error| RecordingError::Io { what: name.clone(), error })?;
        serde_json::from_slice(&text).map_err(|error| RecordingError::Malformed(name, error))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RecordingError> {
        let text = serde_json::to_vec(self).expect("strings and numbers are JSON");
        let what = path.display().to_string();
        std::fs::write(path, text).map_err(|error| RecordingError::Io { what, error })
    }

    /// Head and beginning: what each tab got before the deltas.
    #[must_use]
    pub fn greeting(&self) -> Vec<u8> {
        [self.head.as_bytes(), self.beginning.as_bytes()].concat()
    }

    /// How long it takes, with the mean time between two frames behind the last one.
    #[must_use]
    pub fn span(&self) -> Duration {
        let last = self.frames.last().map_or(0, |frame| frame.at);
        let between = last / (self.frames.len() as u64).saturating_sub(1).max(1);
        Duration::from_micros((last + between).max(1))
    }

    /// Records a stream for so long.
    ///
    /// # Errors
    /// When it cannot be opened, or ends, or is none.
    pub async fn of(address: SocketAddr, path: &str, span: Duration) -> Result<Self, RecordingError> {
        let io = |error| RecordingError::Io { what: address.to_string(), error };
        let mut stream = TcpStream::connect(address).await.map_err(io)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nX-Forwarded-User: recorder\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.map_err(io)?;
        let until = tokio::time::Instant::now() + span;
        let mut tape = Tape::default();
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read) = tokio::time::timeout_at(until, stream.read(&mut bytes)).await {
            match read.map_err(io)? {
                0 => return Err(RecordingError::NoStream("it ended".to_owned())),
                read => tape.take(&bytes[..read], Instant::now())?,
            }
        }
        Ok(tape.recording)
    }
}

/// A recording in the making.
#[derive(Default)]
struct Tape {
    recording: Recording,
    bytes: Vec<u8>,
    first: Option<Instant>,
}

impl Tape {
    fn take(&mut self, bytes: &[u8], now: Instant) -> Result<(), RecordingError> {
        self.bytes.extend_from_slice(bytes);
        if self.recording.head.is_empty() {
            let Some(end) = find(&self.bytes, b"\r\n\r\n") else { return Ok(()) };
            self.recording.head = text(self.bytes.drain(..end + 4).collect())?;
            if !self.recording.head.contains(" 200 ") {
                return Err(RecordingError::NoStream(self.recording.head.clone()));
            }
        }
        while let Some(length) = chunk_length(&self.bytes)? {
            let chunk = text(self.bytes.drain(..length).collect())?;
            self.take_chunk(chunk, now);
        }
        Ok(())
    }

    fn take_chunk(&mut self, wire: String, now: Instant) {
        let is_delta = ["event: added\n", "event: modified\n", "event: deleted\n"]
            .iter()
            .any(|event| wire.contains(event));
        if is_delta {
            let first = *self.first.get_or_insert(now);
            let at = u64::try_from((now - first).as_micros()).unwrap_or(u64::MAX);
            self.recording.frames.push(Frame { at, wire });
        } else if self.first.is_none() {
            self.recording.beginning.push_str(&wire);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn text(bytes: Vec<u8>) -> Result<String, RecordingError> {
    String::from_utf8(bytes).map_err(|_| RecordingError::NoStream("it is no UTF-8".to_owned()))
}

/// The length of the first chunk with its framing, once it is whole.
fn chunk_length(bytes: &[u8]) -> Result<Option<usize>, RecordingError> {
    let Some(line) = find(&bytes[..bytes.len().min(20)], b"\r\n") else { return Ok(None) };
    let size = std::str::from_utf8(&bytes[..line]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    let size = size.ok_or_else(|| RecordingError::NoStream("a chunk has no size".to_owned()))?;
    let length = line + 2 + size + 2;
    Ok((bytes.len() >= length).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nevent: snapshot\n\r\n\
                          8\r\n: ping\n\n\r\n1d\r\nevent: added\nid: 7\ndata: {}\n\n\r\n8\r\n: ping\n\n\r\n\
                          1f\r\nevent: deleted\nid: 8\ndata: {}\n\n\r\n";

    #[test]
    fn a_stream_is_recorded_whole_however_its_bytes_were_cut() {
        for cut in 1..STREAM.len() {
            let begin = Instant::now();
            let mut tape = Tape::default();
            for (number, piece) in (0u32..).zip(STREAM.as_bytes().chunks(cut)) {
                let now = begin + number * Duration::from_millis(1);
                tape.take(piece, now).expect("it is a stream");
            }
            let recording = tape.recording;
            assert!(recording.head.ends_with("chunked\r\n\r\n"));
            assert_eq!(recording.beginning, "10\r\nevent: snapshot\n\r\n8\r\n: ping\n\n\r\n", "cut {cut}");
            let fields: Vec<_> = recording.frames.iter().map(Frame::fields).collect();
            let expected = [("added", "7"), ("deleted", "8")];
            assert_eq!(fields, expected.map(|(event, id)| Fields { event, id, data: "{}" }));
            assert_eq!(recording.frames[0].at, 0);
        }
    }

    #[test]
    fn a_recording_takes_as_long_as_its_frames_took() {
        let frames = [0, 20_000, 40_000].map(|at| Frame { at, wire: String::new() });
        let recording = Recording { frames: frames.into(), ..Recording::default() };
        assert_eq!(recording.span(), Duration::from_millis(60));
    }
}
