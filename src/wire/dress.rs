//! How shared frames are dressed for a view. A frame is encoded once, chunked and with a plain id; a view whose body has no chunks, whose
//! ids name a set of namespaces, or whose streams show several views and tell them apart by number, gets it so changed while its bytes are copied for
//! the view, which is no second encoding.

use std::io::Write;
use std::ops::Range;

use super::id::Mark;
use super::sse::{self, Framing};

/// What a view's streams get instead of the bytes as they were encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dress {
    /// How the body is delimited.
    pub framing: Framing,
    /// What stands behind each id's version.
    pub mark: Option<Mark>,
    /// What each event's id begins with: `12` for an event that has none of its own, else `12/ID`.
    pub number: Option<u64>,
}

/// Digits of the longest number.
const DIGITS: usize = 20;

impl Dress {
    /// Whether the bytes go out as they were encoded.
    #[must_use]
    pub fn is_bare(self) -> bool {
        self.framing == Framing::Chunked && self.mark.is_none() && self.number.is_none()
    }

    /// Bytes that a dressed frame takes at the most: a mark with its dot, a number on a line of its own, and two more digits of the chunk's size.
    #[must_use]
    pub fn most(self, frame: usize) -> usize {
        frame + 1 + Mark::LEN + "id: /\n".len() + DIGITS + 2
    }

    /// Appends whole chunks, dressed. Only for what this crate has encoded: one event in a chunk, which begins with its name where the
    /// dress has a number.
    pub fn put_on(self, chunks: &[u8], out: &mut Vec<u8>) {
        for payload in sse::payloads(chunks) {
            let id = id_of(payload);
            let mark = self.mark.filter(|_| id.is_some());
            if self.framing == Framing::Chunked {
                let marked = mark.map_or(0, |_| 1 + Mark::LEN);
                sse::write_size(out, payload.len() + marked + self.numbered(id.is_some()));
            }
            let mut rest = payload;
            if let Some(number) = self.number {
                let (head, tail) = match &id {
                    Some(id) => (&payload[..id.start], &payload[id.start..]),
                    None => payload.split_at(end_of_line(payload)),
                };
                out.extend_from_slice(head);
                let (before, behind) = if id.is_some() { ("", "/") } else { ("id: ", "\n") };
                // Writing to memory does not fail.
                let _ = write!(out, "{before}{number}{behind}");
                rest = tail;
            }
            if let (Some(mark), Some(id)) = (mark, &id) {
                let (head, tail) = rest.split_at(rest.len() - (payload.len() - id.end));
                out.extend_from_slice(head);
                out.push(b'.');
                out.extend_from_slice(&mark.digits());
                rest = tail;
            }
            out.extend_from_slice(rest);
            if self.framing == Framing::Chunked {
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Bytes by which its number lengthens an event with an id, or one without.
    fn numbered(self, has_id: bool) -> usize {
        let Some(number) = self.number else { return 0 };
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        digits + if has_id { "/".len() } else { "id: \n".len() }
    }

    /// Whole chunks, dressed.
    #[must_use]
    pub fn dressed(self, chunks: Vec<u8>) -> Vec<u8> {
        if self.is_bare() {
            return chunks;
        }
        let mut out = Vec::with_capacity(self.most(chunks.len()));
        self.put_on(&chunks, &mut out);
        out
    }
}

/// Where an event's id is, if it has one. Lines of data, which come last, are not looked into.
fn id_of(payload: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    loop {
        let line = &payload[at..];
        if line.starts_with(b"data:") {
            return None;
        }
        let end = memchr::memchr(b'\n', line)?;
        if line.starts_with(b"id: ") {
            return Some(at + "id: ".len()..at + end);
        }
        at += end + 1;
    }
}

/// Where the first line ends.
fn end_of_line(payload: &[u8]) -> usize {
    memchr::memchr(b'\n', payload).map_or(payload.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Rv;
    use crate::wire::sse::Op;

    fn dressed(framing: Framing, marked: bool, chunks: &[u8]) -> String {
        numbered(framing, marked, None, chunks)
    }

    fn numbered(framing: Framing, marked: bool, number: Option<u64>, chunks: &[u8]) -> String {
        let dress = Dress { framing, mark: marked.then(|| Mark::of_hash(0xab)), number };
        String::from_utf8(dress.dressed(chunks.to_vec())).expect("text")
    }

    #[test]
    fn an_id_is_marked_and_its_chunk_grows_by_so_much() {
        let mut frame = Vec::new();
        sse::write_delta(&mut frame, Op::Added, Some(Rv(7)), br#""id: 5\n""#);
        let payload = "event: added\nid: 7.0000000000ab\ndata: {\"object\":\"id: 5\\n\"}\n\n";
        assert_eq!(dressed(Framing::Plain, true, &frame), payload);
        assert_eq!(dressed(Framing::Chunked, true, &frame), format!("{:x}\r\n{payload}\r\n", payload.len()));
        assert_eq!(dressed(Framing::Plain, false, &frame), payload.replace(".0000000000ab", ""));
        assert_eq!(dressed(Framing::Chunked, false, &frame).as_bytes(), frame);
    }

    #[test]
    fn a_heartbeat_s_bookmark_is_marked_and_what_has_no_id_stays_as_it_is() {
        let mut frames = Vec::new();
        sse::write_heartbeat(&mut frames, None);
        sse::write_heartbeat(&mut frames, Some(Rv(12)));
        sse::write_notice(&mut frames, "relist", "{}");
        sse::write_delta(&mut frames, Op::Deleted, None, b"{}");
        assert_eq!(
            dressed(Framing::Plain, true, &frames),
            ": ping\n\n: ping\n\nevent: bookmark\nid: 12.0000000000ab\ndata: {}\n\n\
             event: relist\ndata: {}\n\nevent: deleted\ndata: {\"object\":{}}\n\n"
        );
    }

    #[test]
    fn a_number_stands_before_the_id_or_is_one() {
        let mut frames = Vec::new();
        sse::write_delta(&mut frames, Op::Added, Some(Rv(7)), br#""id: 5\n""#);
        sse::write_delta(&mut frames, Op::Deleted, None, b"{}");
        sse::write_notice(&mut frames, "gap", "{}");
        assert_eq!(
            numbered(Framing::Plain, true, Some(12), &frames),
            "event: added\nid: 12/7.0000000000ab\ndata: {\"object\":\"id: 5\\n\"}\n\n\
             event: deleted\nid: 12\ndata: {\"object\":{}}\n\nevent: gap\nid: 12\ndata: {}\n\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_dressed_frame_is_one_chunk_of_no_more_than_was_promised(
            rv: Option<u128>,
            number: Option<u64>,
            length in 0usize..70_000,
        ) {
            let mut frame = Vec::new();
            sse::write_delta(&mut frame, Op::Modified, rv.map(Rv), &vec![b'r'; length]);
            let dress = Dress { framing: Framing::Chunked, mark: Some(Mark::of_hash(u64::MAX)), number };
            let (mut out, mut plain) = (Vec::new(), Vec::new());
            dress.put_on(&frame, &mut out);
            proptest::prop_assert!(out.len() <= dress.most(frame.len()));
            sse::strip_chunks(&out, &mut plain);
            let id = match (number, rv) {
                (None, None) => String::new(),
                (Some(number), None) => format!("id: {number}\n"),
                (None, Some(rv)) => format!("id: {rv}.ffffffffffff\n"),
                (Some(number), Some(rv)) => format!("id: {number}/{rv}.ffffffffffff\n"),
            };
            let row = "r".repeat(length);
            proptest::prop_assert_eq!(
                String::from_utf8(plain).expect("text"),
                format!("event: modified\n{id}data: {{\"object\":{row}}}\n\n")
            );
        }
    }
}
