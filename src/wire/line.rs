//! The multiplexed stream's events (`docs/protocol.md`), as chunks.
//!
//! What is said of a view is the same for all who show it: it is written without the view's number, which [`super::dress`] puts in. What is said to one
//! stream alone is whole as it is written here.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Instant;

use super::as_of::AsOf;
use super::sse;
use crate::kind::Rv;

/// The version of the protocol.
pub const PROTOCOL: u32 = 1;

/// For how long after it was true a client may say that a view is live.
pub const LIVE_MS: u64 = 25_000;

/// Bytes of a snapshot's part; one row that is larger is a part by itself. Few in tests, so that they see many.
pub const PART: usize = if cfg!(test) { 4 * 1024 } else { 64 * 1024 };

/// Bytes of the rows of a part, and of the commas between them: the rest is left for the event's lines, its number and the chunk's framing.
pub const PART_ROWS: usize = PART - 128;

/// A multiplexed stream's name: of the process that holds it, and 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineName {
    /// The process, by a number that it has drawn at its start.
    pub replica: u32,
    /// What nobody can guess.
    pub secret: u128,
}

impl fmt::Display for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:032x}", self.replica, self.secret)
    }
}

/// A text that names no stream.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no stream has this name")]
pub struct NoName;

impl FromStr for LineName {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 40 || !text.bytes().all(is_digit) {
            return Err(NoName);
        }
        let (replica, secret) = text.split_at(8);
        let replica = u32::from_str_radix(replica, 16).map_err(|_| NoName)?;
        let secret = u128::from_str_radix(secret, 16).map_err(|_| NoName)?;
        Ok(LineName { replica, secret })
    }
}

/// Why a view is not shown, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The caller may not list and watch it.
    Forbidden,
    /// There is no such cluster for the caller, or no such kind.
    NotFound,
    /// This server streams no such kind.
    Disabled,
    /// The caller has as many views as one may have.
    TooManyViews,
    /// The cluster's kind has as many selectors as it may have.
    TooManySelectors,
    /// It cannot be had now.
    Unavailable,
    /// The cluster left the registry, or has no such kind.
    Gone,
}

impl Denied {
    /// The word on the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Denied::Forbidden => "forbidden",
            Denied::NotFound => "not_found",
            Denied::Disabled => "disabled",
            Denied::TooManyViews => "too_many_views",
            Denied::TooManySelectors => "too_many_selectors",
            Denied::Unavailable => "unavailable",
            Denied::Gone => "gone",
        }
    }
}

/// Why a multiplexed stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bye {
    /// This server goes.
    ServerShutdown,
    /// It was open for as long as a stream may be.
    MaxAge,
    /// The server is short of memory.
    Backpressure,
    /// What proved who asks is over.
    AuthExpired,
    /// It was revoked.
    SessionRevoked,
}

impl Bye {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Bye::ServerShutdown => "server_shutdown",
            Bye::MaxAge => "max_age",
            Bye::Backpressure => "backpressure",
            Bye::AuthExpired => "auth_expired",
            Bye::SessionRevoked => "session_revoked",
        }
    }
}

/// Why a view begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// What was missed is no longer retained.
    TooOld,
    /// The history is another one.
    History,
}

impl Reset {
    const fn word(self) -> &'static str {
        match self {
            Reset::TooOld => "too_old",
            Reset::History => "history",
        }
    }
}

/// What may be said of a view's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are those of the cluster.
    Live,
    /// More is coming.
    CatchingUp,
    /// The cluster does not answer.
    Stale,
    /// The cluster, or its kind, is no more.
    Gone,
}

impl Standing {
    const fn word(self) -> &'static str {
        match self {
            Standing::Live => "live",
            Standing::CatchingUp => "catching_up",
            Standing::Stale => "stale",
            Standing::Gone => "gone",
        }
    }
}

/// Appends the first event of a stream.
pub fn write_hello(out: &mut Vec<u8>, stream: LineName, session: &str, heartbeat_ms: u128) {
    let now = AsOf::of(Instant::now()).text();
    let data = format!(
        r#"{{"protocol":{PROTOCOL},"stream":"{stream}","session":"{session}","now":"{now}","heartbeatMs":{heartbeat_ms},"liveMs":{LIVE_MS}}}"#
    );
    sse::write_notice(out, "hello", &data);
}

/// Appends: from here on the view that the client calls `name` has this number. `namespaces`: what it shows; `None` for all.
pub fn write_view(out: &mut Vec<u8>, name: &str, number: u64, namespaces: Option<&[&str]>, resumed: bool) {
    let mut shown = String::from("null");
    if let Some(namespaces) = namespaces {
        shown = format!("[\"{}\"]", namespaces.join("\",\""));
    }
    let text = format!(
        "event: view\nid: {number}\ndata: {{\"ref\":\"{name}\",\"namespaces\":{shown},\"resumed\":{resumed}}}\n\n"
    );
    sse::write_chunk(out, text.as_bytes());
}

/// Appends: the view that the client calls `name` is not shown, or no longer. In the message nothing needs escaping.
pub fn write_denied(out: &mut Vec<u8>, name: &str, why: Denied, message: &str) {
    let code = why.code();
    sse::write_notice(out, "denied", &format!(r#"{{"ref":"{name}","code":"{code}","message":"{message}"}}"#));
}

/// Appends the last event of a stream.
pub fn write_bye(out: &mut Vec<u8>, why: Bye, retry_ms: u64) {
    sse::write_notice(out, "bye", &format!(r#"{{"reason":"{}","retryMs":{retry_ms}}}"#, why.word()));
}

/// Appends: the view's position is too far back, or its history another one.
pub fn write_reset(out: &mut Vec<u8>, why: Reset) {
    sse::write_notice(out, "reset", &format!(r#"{{"reason":"{}"}}"#, why.word()));
}

/// Appends how a view's rows stand. `at`: a version that all who read this have come to. `as_of`: when the cluster was last heard of.
pub fn write_status(out: &mut Vec<u8>, at: Option<Rv>, standing: Standing, as_of: Option<AsOf>) {
    let mut data = format!(r#"{{"state":"{}""#, standing.word());
    if let Some(as_of) = as_of {
        // Writing to a string does not fail.
        let _ = write!(data, r#","asOf":"{}","ageMs":{}"#, as_of.text(), as_of.age.as_millis());
    }
    write_at(out, "status", at, &format!("{data}}}"));
}

/// Appends: so many rows follow, which replace all that the view showed.
pub fn write_begin(out: &mut Vec<u8>, rv: Rv, count: usize) {
    sse::write_notice(out, "begin", &format!(r#"{{"rv":"{rv}","count":{count}}}"#));
}

/// Appends: all of the so many rows are there.
pub fn write_synced(out: &mut Vec<u8>, rv: Rv, count: usize) {
    write_at(out, "synced", Some(rv), &format!(r#"{{"count":{count},"rv":"{rv}","resumed":false}}"#));
}

/// Appends: all that was missed is there. `at`: the version that this comes to, where that can be named.
pub fn write_resumed(out: &mut Vec<u8>, at: Option<Rv>) {
    let rv = at.map(|rv| format!(r#""rv":"{rv}","#)).unwrap_or_default();
    write_at(out, "synced", at, &format!(r#"{{{rv}"resumed":true}}"#));
}

fn write_at(out: &mut Vec<u8>, event: &str, at: Option<Rv>, data: &str) {
    let id = at.map(|rv| format!("id: {rv}\n")).unwrap_or_default();
    sse::write_chunk(out, format!("event: {event}\n{id}data: {data}\n\n").as_bytes());
}

/// Each of several whole chunks, with its framing.
pub fn chunks_of(chunks: &[u8]) -> impl Iterator<Item = &[u8]> {
    sse::chunks(chunks).map(|(chunk, _)| chunk)
}

/// Appends some rows of a snapshot, which are joined by commas.
pub fn write_part(out: &mut Vec<u8>, rows: &[u8]) {
    let chunk = sse::reserve_chunk(out);
    out.extend_from_slice(b"event: snapshot\ndata: {\"items\":[");
    out.extend_from_slice(rows);
    out.extend_from_slice(b"]}\n\n");
    sse::close_chunk(out, chunk);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_nothing_else_is() {
        let name = LineName { replica: 0xab, secret: 7 };
        let text = name.to_string();
        assert_eq!(text, "000000ab00000000000000000000000000000007");
        assert_eq!(text.parse(), Ok(name));
        let upper = text.to_uppercase();
        for text in ["", &text[1..], &format!("{text}0"), &upper, "+00000ab00000000000000000000000000000007"]
        {
            assert_eq!(text.parse::<LineName>(), Err(NoName), "{text}");
        }
    }

    #[test]
    fn events_are_one_line_of_json_each() {
        let mut out = Vec::new();
        write_hello(&mut out, LineName { replica: 1, secret: 2 }, "9d", 15_000);
        write_view(&mut out, "a", 12, None, false);
        write_view(&mut out, "b", 13, Some(&["shop", "web"]), true);
        write_denied(&mut out, "c", Denied::Forbidden, "no");
        write_status(&mut out, Some(Rv(7)), Standing::Live, Some(AsOf::of(Instant::now())));
        write_status(&mut out, None, Standing::Stale, None);
        write_begin(&mut out, Rv(7), 2);
        write_part(&mut out, b"{},1");
        write_synced(&mut out, Rv(7), 2);
        write_resumed(&mut out, Some(Rv(7)));
        write_resumed(&mut out, None);
        write_reset(&mut out, Reset::TooOld);
        write_bye(&mut out, Bye::MaxAge, 5);
        let events: Vec<&[u8]> = sse::payloads(&out).collect();
        for event in &events {
            let text = std::str::from_utf8(event).expect("text");
            let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
            serde_json::from_str::<serde_json::Value>(data).expect("JSON");
            assert!(text.starts_with("event: ") && text.ends_with("\n\n"), "{text}");
            assert!(text.lines().count() <= 4, "{text}");
        }
        assert_eq!(events[9], b"event: synced\nid: 7\ndata: {\"rv\":\"7\",\"resumed\":true}\n\n");
    }
}
