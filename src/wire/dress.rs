//! How shared frames are dressed for a view. A frame is encoded once, chunked and with a plain id; a view whose body has no chunks, or whose
//! ids name a set of namespaces, gets it so changed while its bytes are copied for the view, which is no second encoding.

use super::id::Mark;
use super::sse::{self, Framing};

/// What a view's streams get instead of the bytes as they were encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dress {
    /// How the body is delimited.
    pub framing: Framing,
    /// What stands behind each id's version.
    pub mark: Option<Mark>,
}

impl Dress {
    /// Whether the bytes go out as they were encoded.
    #[must_use]
    pub fn is_bare(self) -> bool {
        self.framing == Framing::Chunked && self.mark.is_none()
    }

    /// Bytes that a dressed frame takes at the most: a mark with its dot, and one more digit of the chunk's size.
    #[must_use]
    pub fn most(self, frame: usize) -> usize {
        frame + Mark::LEN + 2
    }

    /// Appends whole chunks, dressed. Only for what this crate has encoded: one event in a chunk.
    pub fn put_on(self, chunks: &[u8], out: &mut Vec<u8>) {
        for payload in sse::payloads(chunks) {
            let marked = self.mark.and_then(|mark| Some((mark, end_of_id(payload)?)));
            let added = marked.map_or(0, |_| 1 + Mark::LEN);
            if self.framing == Framing::Chunked {
                sse::write_size(out, payload.len() + added);
            }
            let (before, behind) = payload.split_at(marked.map_or(0, |(_, end)| end));
            out.extend_from_slice(before);
            if let Some((mark, _)) = marked {
                out.push(b'.');
                out.extend_from_slice(&mark.digits());
            }
            out.extend_from_slice(behind);
            if self.framing == Framing::Chunked {
                out.extend_from_slice(b"\r\n");
            }
        }
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

/// Where an event's id ends, if it has one. Lines of data, which come last, are not looked into.
fn end_of_id(payload: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = &payload[at..];
        if line.starts_with(b"data:") {
            return None;
        }
        let end = memchr::memchr(b'\n', line)?;
        if line.starts_with(b"id: ") {
            return Some(at + end);
        }
        at += end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Rv;
    use crate::wire::sse::Op;

    fn dressed(framing: Framing, marked: bool, chunks: &[u8]) -> String {
        let dress = Dress { framing, mark: marked.then(|| Mark::of_hash(0xab)) };
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

    proptest::proptest! {
        #[test]
        fn a_dressed_frame_is_one_chunk_of_no_more_than_was_promised(rv: Option<u128>, length in 0usize..70_000) {
            let mut frame = Vec::new();
            sse::write_delta(&mut frame, Op::Modified, rv.map(Rv), &vec![b'r'; length]);
            let dress = Dress { framing: Framing::Chunked, mark: Some(Mark::of_hash(u64::MAX)) };
            let (mut out, mut plain) = (Vec::new(), Vec::new());
            dress.put_on(&frame, &mut out);
            proptest::prop_assert!(out.len() <= dress.most(frame.len()));
            sse::strip_chunks(&out, &mut plain);
            let id = rv.map(|rv| format!("id: {rv}.ffffffffffff\n")).unwrap_or_default();
            let row = "r".repeat(length);
            proptest::prop_assert_eq!(
                String::from_utf8(plain).expect("text"),
                format!("event: modified\n{id}data: {{\"object\":{row}}}\n\n")
            );
        }
    }
}
