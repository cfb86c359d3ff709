//! SSE frames, complete with their HTTP/1.1 chunk framing.
//!
//! A frame on the wire is `HEX\r\n` (the chunk's size) + `event: NAME\nid: RV\ndata: JSON\n\n` + `\r\n`. What goes to an HTTP/1.0 client
//! (no chunks) is the same bytes less both ends, so a frame is encoded once for either.

use crate::kind::Rv;

/// How a response body is delimited; part of a view's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Framing {
    /// HTTP/1.1 `Transfer-Encoding: chunked`.
    Chunked,
    /// HTTP/1.0: the body ends with the connection.
    Plain,
}

/// What a delta says of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The object is new to the list.
    Added,
    /// Its row changed.
    Modified,
    /// It left the list; the row is the last one known.
    Deleted,
}

impl Op {
    /// The event's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Op::Added => "added",
            Op::Modified => "modified",
            Op::Deleted => "deleted",
        }
    }
}

const DELTA_OPEN: &str = "data: {\"object\":";
const DELTA_CLOSE: &str = "}\n\n\r\n";

/// A delta frame's place in the buffer that it was appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where the frame starts: its chunk size.
    pub start: usize,
    /// Where the row's JSON starts.
    pub row: usize,
    /// Where the frame ends.
    pub end: usize,
}

/// Appends a delta frame, chunked. A frame without `id` leaves the client's last id as it is.
pub fn write_delta(out: &mut Vec<u8>, op: Op, id: Option<Rv>, row: &[u8]) -> Written {
    let start = out.len();
    let mut digits = Decimal::default();
    let id = id.map(|rv| digits.print(rv));
    let id_len = id.map_or(0, |digits| "id: \n".len() + digits.len());
    let lines = "event: \n".len() + op.name().len() + id_len;
    let payload = lines + DELTA_OPEN.len() + row.len() + DELTA_CLOSE.len() - "\r\n".len();
    out.reserve(payload + 20);
    write_size(out, payload);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(op.name().as_bytes());
    out.push(b'\n');
    if let Some(digits) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(digits);
        out.push(b'\n');
    }
    out.extend_from_slice(DELTA_OPEN.as_bytes());
    let row_start = out.len();
    out.extend_from_slice(row);
    out.extend_from_slice(DELTA_CLOSE.as_bytes());
    Written { start, row: row_start, end: out.len() }
}

/// The row in a delta frame whose row starts at `row` (relative to the frame).
#[must_use]
pub fn row_of(frame: &[u8], row: usize) -> &[u8] {
    &frame[row..frame.len() - DELTA_CLOSE.len()]
}

/// Appends `payload` as one chunk.
pub fn write_chunk(out: &mut Vec<u8>, payload: &[u8]) {
    write_size(out, payload.len());
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends a frame without an id: `relist`, `error`, `auth_expired`, `server_shutdown`, `backpressure`. `data` is JSON on one line.
pub fn write_notice(out: &mut Vec<u8>, event: &str, data: &str) {
    write_chunk(out, format!("event: {event}\ndata: {data}\n\n").as_bytes());
}

/// Appends the heartbeat: a comment, and behind it the newest id where that moved.
///
/// The bookmark carries data because Firefox and WebKit forget the id of a block without data.
pub fn write_heartbeat(out: &mut Vec<u8>, moved_to: Option<Rv>) {
    match moved_to {
        None => write_chunk(out, b": ping\n\n"),
        Some(rv) => {
            write_chunk(out, format!(": ping\n\nevent: bookmark\nid: {rv}\ndata: {{}}\n\n").as_bytes());
        }
    }
}

/// Appends an event that does nothing but name a version.
pub fn write_bookmark(out: &mut Vec<u8>, rv: Rv) {
    write_chunk(out, format!("event: bookmark\nid: {rv}\ndata: {{}}\n\n").as_bytes());
}

/// Appends the line that makes an `EventSource` wait so many milliseconds before it reconnects. Without a blank line, so that it
/// joins the block of the first frame.
pub fn write_retry(out: &mut Vec<u8>, milliseconds: u64) {
    write_chunk(out, format!("retry: {milliseconds}\n").as_bytes());
}

/// The chunk that ends a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Digits of the chunk size that [`reserve_chunk`] leaves room for; leading zeros are allowed by RFC 9112.
const WIDE: usize = 8;

/// Starts a chunk whose size is not known yet. Returns what [`close_chunk`] needs.
pub fn reserve_chunk(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(b"00000000\r\n");
    at
}

/// Ends the chunk that began at `at` and fills in its size.
///
/// # Panics
/// When the chunk is larger than 4 GiB; a snapshot is refused long before.
pub fn close_chunk(out: &mut Vec<u8>, at: usize) {
    let payload = out.len() - at - WIDE - 2;
    let size = format!("{payload:0WIDE$x}");
    assert_eq!(size.len(), WIDE, "a chunk is smaller than 4 GiB");
    out[at..at + WIDE].copy_from_slice(size.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The payload of one or several whole chunks, without their framing, appended to `out`.
///
/// Only for bytes that were written by this module.
pub fn strip_chunks(chunks: &[u8], out: &mut Vec<u8>) {
    for payload in payloads(chunks) {
        out.extend_from_slice(payload);
    }
}

/// The payload of each of several whole chunks.
pub(super) fn payloads(chunks: &[u8]) -> impl Iterator<Item = &[u8]> {
    self::chunks(chunks).map(|(_, payload)| payload)
}

/// Each of several whole chunks, and its payload.
pub(super) fn chunks(mut chunks: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let line = memchr::memchr(b'\r', chunks)?;
        let size = chunks[..line].iter().fold(0, |size, digit| size * 16 + hex_value(*digit));
        let (chunk, rest) = chunks.split_at(line + 2 + size + 2);
        chunks = rest;
        Some((chunk, &chunk[line + 2..line + 2 + size]))
    })
}

fn hex_value(digit: u8) -> usize {
    match digit {
        b'0'..=b'9' => usize::from(digit - b'0'),
        _ => usize::from((digit | 0x20) - b'a') + 10,
    }
}

/// Appends the line that opens a chunk of this size.
pub(super) fn write_size(out: &mut Vec<u8>, size: usize) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let value = (size >> (digit * 4)) & 0xf;
        out.push(b"0123456789abcdef"[value]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Room for the digits of a version, so that printing one allocates nothing.
struct Decimal([u8; 39]);

impl Default for Decimal {
    fn default() -> Self {
        Decimal([0; 39])
    }
}

impl Decimal {
    fn print(&mut self, rv: Rv) -> &[u8] {
        // Almost every version fits 64 bits, where division is a tenth as dear.
        let mut at = self.0.len();
        let mut wide = rv.0;
        while wide > u128::from(u64::MAX) {
            at -= 1;
            self.0[at] = b'0' + u8::try_from(wide % 10).expect("a digit");
            wide /= 10;
        }
        let mut narrow = u64::try_from(wide).expect("the loop above made it fit");
        loop {
            at -= 1;
            self.0[at] = b'0' + u8::try_from(narrow % 10).expect("a digit");
            narrow /= 10;
            if narrow == 0 {
                return &self.0[at..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).expect("frames are text")
    }

    #[test]
    fn a_delta_is_event_id_data_in_one_chunk() {
        let mut out = b"before".to_vec();
        let written = write_delta(&mut out, Op::Modified, Some(Rv(1220)), br#"{"name":"a"}"#);
        assert_eq!(
            text(&out[6..]),
            "38\r\nevent: modified\nid: 1220\ndata: {\"object\":{\"name\":\"a\"}}\n\n\r\n"
        );
        assert_eq!((written.start, written.end), (6, out.len()));
        assert_eq!(row_of(&out[6..], written.row - 6), br#"{"name":"a"}"#);
    }

    #[test]
    fn a_delta_inside_a_gap_has_no_id_line() {
        let mut out = Vec::new();
        write_delta(&mut out, Op::Deleted, None, b"{}");
        assert_eq!(text(&out), "24\r\nevent: deleted\ndata: {\"object\":{}}\n\n\r\n");
    }

    #[test]
    fn versions_of_every_length_are_printed_in_full() {
        for rv in [0, 9, 10, u128::from(u64::MAX), u128::from(u64::MAX) + 1, u128::MAX] {
            assert_eq!(text(Decimal::default().print(Rv(rv))), rv.to_string());
        }
    }

    #[test]
    fn heartbeats_and_notices() {
        let mut out = Vec::new();
        write_heartbeat(&mut out, None);
        assert_eq!(text(&out), "8\r\n: ping\n\n\r\n");
        out.clear();
        write_heartbeat(&mut out, Some(Rv(7)));
        assert_eq!(text(&out), "28\r\n: ping\n\nevent: bookmark\nid: 7\ndata: {}\n\n\r\n");
        out.clear();
        write_notice(&mut out, "relist", r#"{"reason":"gone_410"}"#);
        assert_eq!(text(&out), "2b\r\nevent: relist\ndata: {\"reason\":\"gone_410\"}\n\n\r\n");
    }

    #[test]
    fn a_chunk_of_unknown_size_gets_its_size_afterwards() {
        let mut out = b"x".to_vec();
        let at = reserve_chunk(&mut out);
        out.extend_from_slice(b"hello");
        close_chunk(&mut out, at);
        assert_eq!(text(&out), "x00000005\r\nhello\r\n");
    }

    #[test]
    fn stripping_chunks_leaves_the_payloads() {
        let mut chunks = Vec::new();
        write_retry(&mut chunks, 3000);
        write_delta(&mut chunks, Op::Added, Some(Rv(5)), &[b'r'; 300]);
        let at = reserve_chunk(&mut chunks);
        chunks.extend_from_slice(b"tail\r\n");
        close_chunk(&mut chunks, at);
        let mut plain = Vec::new();
        strip_chunks(&chunks, &mut plain);
        let row = "r".repeat(300);
        assert_eq!(
            text(&plain),
            format!("retry: 3000\nevent: added\nid: 5\ndata: {{\"object\":{row}}}\n\ntail\r\n")
        );
    }

    #[derive(Clone, Debug)]
    enum Piece {
        Chunk(Vec<u8>),
        Wide(Vec<u8>),
        Delta(Option<u128>, Vec<u8>),
    }

    proptest::proptest! {
        #[test]
        fn stripping_undoes_every_way_of_framing(pieces in pieces()) {
            let (mut chunks, mut payloads, mut plain) = (Vec::new(), Vec::new(), Vec::new());
            for piece in pieces {
                match piece {
                    Piece::Chunk(payload) => {
                        write_chunk(&mut chunks, &payload);
                        payloads.extend(payload);
                    }
                    Piece::Wide(payload) => {
                        let at = reserve_chunk(&mut chunks);
                        chunks.extend_from_slice(&payload);
                        close_chunk(&mut chunks, at);
                        payloads.extend(payload);
                    }
                    Piece::Delta(id, row) => {
                        let written = write_delta(&mut chunks, Op::Added, id.map(Rv), &row);
                        let frame = &chunks[written.start..written.end];
                        proptest::prop_assert_eq!(row_of(frame, written.row - written.start), &row[..]);
                        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
                        payloads.extend(format!("event: added\n{id}data: {{\"object\":").into_bytes());
                        payloads.extend(row);
                        payloads.extend(b"}\n\n");
                    }
                }
            }
            strip_chunks(&chunks, &mut plain);
            proptest::prop_assert_eq!(plain, payloads);
        }
    }

    fn pieces() -> impl proptest::strategy::Strategy<Value = Vec<Piece>> {
        use proptest::prelude::*;
        let bytes = || {
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 1..40),
                proptest::collection::vec(Just(b'\r'), 1..5),
                (1usize..70_000).prop_map(|length| vec![b'x'; length]),
            ]
        };
        let piece = prop_oneof![
            bytes().prop_map(Piece::Chunk),
            bytes().prop_map(Piece::Wide),
            (any::<Option<u128>>(), bytes()).prop_map(|(id, row)| Piece::Delta(id, row)),
        ];
        proptest::collection::vec(piece, 0..6)
    }
}
