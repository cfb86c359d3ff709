//! The audit: one record per stream opened and closed, per denial, per sign-in and sign-out, per thing that an admin looked into.
//!
//! Stands beside everything else: whoever has something to record has a handle, [`Audit`], and a thread of its own writes ([`writer`]) to standard
//! output, to a file that it rotates ([`mod@file`]), or to both, one JSON object per line ([`mod@line`]).
//!
//! Invariants: nobody waits for the audit. Where the writer does not keep up records are dropped, and the next line that is written says how many: none
//! is lost in silence. A record never holds a token, a cookie, a query or anything of an object; each of its texts is bounded and escaped.

mod file;
mod line;
mod record;
mod writer;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::config;
use crate::feed::Counter;
pub use record::{Event, Origin, Record, Target, Who};
use writer::{Output, Writer};

/// Records that may wait to be written.
const WAITING: usize = 16_384;

/// What the audit has counted.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records written.
    pub written: Counter,
    /// Records that were dropped, since the writer did not keep up or could not write.
    pub lost: Counter,
}

/// A handle to the audit, or to none where nobody wants one.
#[derive(Clone)]
pub struct Audit(Option<Desk>);

#[derive(Clone)]
struct Desk {
    send: Sender<Message>,
    counters: Arc<Counters>,
}

enum Message {
    Record(Box<Record>),
    /// All before it is written.
    Flush(Sender<()>),
}

impl Audit {
    /// No audit.
    #[must_use]
    pub fn off() -> Self {
        Audit(None)
    }

    /// The audit of these settings, with its writer's thread.
    ///
    /// # Errors
    /// A file that cannot be opened, or no thread.
    pub fn start(settings: &config::Audit) -> io::Result<Self> {
        let mut outputs = Vec::new();
        if settings.stdout {
            outputs.push(Output::Stdout);
        }
        if let Some(path) = &settings.file {
            let most = settings.max_bytes as u64;
            outputs.push(Output::File(file::Rotating::open(path.clone(), most, settings.files)?));
        }
        if outputs.is_empty() {
            return Ok(Audit::off());
        }
        let (audit, writer) = Audit::with(outputs, WAITING);
        std::thread::Builder::new().name("audit".into()).spawn(move || writer.run())?;
        Ok(audit)
    }

    fn with(outputs: Vec<Output>, waiting: usize) -> (Self, Writer) {
        let (send, records): (_, Receiver<Message>) = bounded(waiting);
        let counters = Arc::new(Counters::default());
        (Audit(Some(Desk { send, counters: counters.clone() })), Writer::new(records, counters, outputs))
    }

    /// Whether anybody wants records.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Records something. Never waits; `make` is called only where there is an audit.
    pub fn record(&self, make: impl FnOnce() -> Record) {
        let Some(desk) = &self.0 else { return };
        if desk.send.try_send(Message::Record(Box::new(make()))).is_err() {
            desk.counters.lost.add(1);
        }
    }

    /// Waits until what was recorded so far is written, but no longer than this. Blocks its thread.
    pub fn flush(&self, longest: Duration) {
        let Some(desk) = &self.0 else { return };
        let (tell, told) = bounded(1);
        if desk.send.send_timeout(Message::Flush(tell), longest).is_ok() {
            // A writer that does not come to it in time has nowhere to write to.
            let _ = told.recv_timeout(longest);
        }
    }

    /// What was counted; `None` where there is no audit.
    #[must_use]
    pub fn counters(&self) -> Option<&Counters> {
        self.0.as_ref().map(|desk| &*desk.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_told_by_the_next_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit");
        let output = file::Rotating::open(path.clone(), 1 << 20, 2).expect("a file");
        let (audit, mut writer) = Audit::with(vec![Output::File(output)], 2);
        let sign_in = || Record::new(Event::SignedIn, None, Origin::unknown());
        for _ in 0..5 {
            audit.record(sign_in);
        }
        let lines = || {
            let text = std::fs::read_to_string(&path).expect("the file");
            let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
            text.lines()
                .map(event)
                .map(|line| (line["event"].clone(), line["records"].clone()))
                .collect::<Vec<_>>()
        };
        writer.catch_up();
        let lost = ("audit.lost".into(), 3.into());
        let signed_in = ("signed_in".into(), serde_json::Value::Null);
        assert_eq!(lines(), [lost.clone(), signed_in.clone(), signed_in.clone()]);
        audit.record(sign_in);
        writer.catch_up();
        assert_eq!(lines(), [lost, signed_in.clone(), signed_in.clone(), signed_in], "it is told once");
        let counters = audit.counters().expect("an audit");
        assert_eq!((counters.written.get(), counters.lost.get()), (3, 3));
    }

    #[test]
    fn without_an_audit_nothing_is_made() {
        Audit::off().record(|| panic!("nobody wants it"));
        assert!(!Audit::start(&config::Audit::default()).expect("nothing to open").is_on());
    }
}
