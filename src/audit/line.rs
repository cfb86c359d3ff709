//! A record as a line of JSON.

use std::io;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use super::record::{Event, Record, Target};
use crate::feed::Scope;
use crate::identity::SessionRef;

/// The longest text of a record, in bytes; what is longer is cut.
const LONGEST: usize = 512;

/// The most namespaces that a record names.
const MOST_NAMESPACES: usize = 64;

/// All that a line may hold, in its order. What does not apply is left out.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_namespaces: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    everywhere: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
}

/// The line of a record, with its line end.
pub fn of(record: &Record) -> Vec<u8> {
    let mut line = Line { time: record.at.to_string(), ..Line::default() };
    if let Some(who) = &record.who {
        line.actor = Some(Text(&who.subject));
        line.tenant = who.tenant.as_deref().map(Text);
        line.session = who.session.as_ref().map(session);
    }
    line.client = record.from.client;
    line.request_id = Some(Text(&record.from.request_id)).filter(|id| id.0 != "-");
    if let Some(target) = &record.target {
        line.aim(target);
    }
    line.tell(&record.event);
    line.write()
}

/// The line that says how many records were lost.
pub fn lost(records: u64) -> Vec<u8> {
    let time = Timestamp::now().to_string();
    Line { time, event: "audit.lost", records: Some(records), ..Line::default() }.write()
}

/// A name for a session by which its records are found, and from which its id, of 128 random bits, cannot be made again.
fn session(session: &SessionRef) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&session.id.to_be_bytes()))
}

impl<'a> Line<'a> {
    fn aim(&mut self, target: &'a Target) {
        self.cluster = Some(Text(&target.cluster));
        self.kind = Some(target.kind);
        match &target.scope {
            None => {}
            Some(Scope::All) => self.namespaces = vec![Text("*")],
            Some(Scope::Namespace(one)) => self.namespaces = vec![Text(one)],
            Some(Scope::Set(set)) => {
                let names = set.names();
                self.namespaces = names.iter().take(MOST_NAMESPACES).map(|name| Text(name)).collect();
                self.more_namespaces = names.len().checked_sub(MOST_NAMESPACES).filter(|more| *more > 0);
            }
        }
    }

    fn tell(&mut self, event: &'a Event) {
        match event {
            Event::StreamOpened { stream } => {
                self.event = "stream.opened";
                self.stream = Some(*stream);
            }
            Event::StreamClosed { stream, reason, rows, bytes, duration } => {
                self.event = "stream.closed";
                self.stream = Some(*stream);
                self.reason = Some(reason);
                self.rows = Some(*rows);
                self.bytes = Some(*bytes);
                self.duration_ms = Some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
            }
            Event::Denied { code, path } => {
                self.event = "denied";
                self.reason = Some(code);
                self.path = path.as_deref().map(Text);
            }
            Event::SignedIn => self.event = "signed_in",
            Event::SignInFailed { code } => {
                self.event = "sign_in_failed";
                self.reason = Some(code);
            }
            Event::SignedOut { everywhere } => {
                self.event = "signed_out";
                self.everywhere = Some(*everywhere);
            }
            Event::Revoked { by } => {
                self.event = "revoked";
                self.reason = Some(by);
            }
            Event::Admin { path, about } => {
                self.event = "admin";
                self.path = Some(Text(path));
                self.about = about.as_deref().map(Text);
            }
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let mut json = serde_json::Serializer::with_formatter(&mut bytes, Escaping);
        self.serialize(&mut json).expect("texts and numbers can be written, and memory takes them");
        bytes.push(b'\n');
        bytes
    }
}

/// A text that is cut where it is too long.
struct Text<'a>(&'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() <= LONGEST {
            return serializer.serialize_str(self.0);
        }
        let end = self.0.floor_char_boundary(LONGEST);
        serializer.collect_str(&format_args!("{}…", &self.0[..end]))
    }
}

/// Besides what JSON has to escape: what could end a line, hide or turn around what is read.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut written = 0;
        for (at, character) in text.char_indices().filter(|(_, character)| is_unruly(*character)) {
            writer.write_all(&text.as_bytes()[written..at])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            written = at + character.len_utf8();
        }
        writer.write_all(&text.as_bytes()[written..])
    }
}

fn is_unruly(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::audit::{Origin, Who};
    use crate::feed::Namespaces;

    fn who(subject: &str) -> Who {
        let session = SessionRef { id: 7, began: 1, until: 2, provider: None };
        Who { subject: subject.into(), tenant: Some("blue".into()), session: Some(session) }
    }

    fn origin() -> Origin {
        Origin { client: Some([10, 0, 0, 1].into()), request_id: "r-1".into() }
    }

    fn parsed(line: &[u8]) -> Value {
        assert_eq!(memchr::memchr_iter(b'\n', line).count(), 1);
        serde_json::from_slice(line).expect("JSON")
    }

    #[test]
    fn a_closed_stream_says_who_what_and_how_much() {
        let event = Event::StreamClosed {
            stream: 9,
            reason: "closed",
            rows: 3,
            bytes: 400,
            duration: Duration::from_millis(1500),
        };
        let target =
            Target { cluster: "east".into(), kind: "pods", scope: Some(Scope::Namespace("team-a".into())) };
        let mut line = parsed(&of(&Record::new(event, Some(who("ann")), origin()).about(Some(target))));
        let session = line["session"].take();
        assert_eq!(session.as_str().map(str::len), Some(16));
        line.as_object_mut().expect("an object").retain(|key, _| key != "time" && key != "session");
        assert_eq!(
            line,
            json!({
                "event": "stream.closed", "actor": "ann", "tenant": "blue", "client": "10.0.0.1", "requestId": "r-1",
                "cluster": "east", "kind": "pods", "namespaces": ["team-a"], "stream": 9, "reason": "closed", "rows": 3,
                "bytes": 400, "durationMs": 1500
            })
        );
    }

    #[test]
    fn many_namespaces_are_counted_not_named() {
        let names = (0..100).map(|number| Arc::from(format!("team-{number:03}")));
        let scope = Namespaces::new(names).map(Scope::Set);
        let target = Target { cluster: "east".into(), kind: "pods", scope };
        let line = parsed(&of(&Record::new(Event::SignedIn, None, origin()).about(Some(target))));
        assert_eq!(line["namespaces"].as_array().map(Vec::len), Some(64));
        assert_eq!(line["moreNamespaces"], 36);
    }

    proptest! {
        /// Whatever a name holds, its line is one line, of bounded length, and says the name, or its beginning.
        #[test]
        fn no_text_breaks_a_line(name in "\\PC{0,40}|[\\x00-\\x1f\u{7f}-\u{9f}\u{2028}\u{202e}\"\\\\é漢😀]{0,300}") {
            let line = of(&Record::new(Event::SignedIn, Some(who(&name)), origin()));
            prop_assert!(line.len() < 6 * LONGEST + 300);
            let text = std::str::from_utf8(&line).expect("UTF-8");
            prop_assert!(!text.trim_end_matches('\n').chars().any(is_unruly));
            let said = parsed(&line)["actor"].as_str().expect("a text").to_owned();
            prop_assert!(said == name || name.starts_with(said.strip_suffix('…').expect("cut")));
        }
    }
}
