//! The body of a response as a strict client reads it: chunk framing off, and the text in blocks.

use serde_json::Value;

use crate::wire::head::Version;

/// What has come of a body and is not read yet.
pub struct Body {
    version: Version,
    raw: Vec<u8>,
    text: Vec<u8>,
    has_ended: bool,
}

/// What a block says.
pub struct Block<'a> {
    /// `None`: it has but comments, or says when to come back.
    pub event: Option<&'a str>,
    pub id: Option<&'a str>,
    pub data: Value,
    /// It says when to come back.
    pub has_retry: bool,
}

impl Body {
    pub fn new(version: Version) -> Self {
        Body { version, raw: Vec::new(), text: Vec::new(), has_ended: false }
    }

    /// More has come. `heard`: what came before, for a failure's message.
    pub fn push(&mut self, bytes: &[u8], heard: &[String]) {
        match self.version {
            Version::Http10 => self.text.extend_from_slice(bytes),
            Version::Http11 => {
                self.raw.extend_from_slice(bytes);
                self.dechunk(heard);
            }
        }
    }

    fn dechunk(&mut self, heard: &[String]) {
        while let Some(line) = memchr::memmem::find(&self.raw, b"\r\n") {
            assert!(!self.has_ended, "nothing follows the last chunk");
            let size = std::str::from_utf8(&self.raw[..line]).expect("a chunk's size is text");
            let size = usize::from_str_radix(size, 16)
                .unwrap_or_else(|_| panic!("{size:?} is no chunk's size; heard {heard:#?}"));
            if self.raw.len() < line + 2 + size + 2 {
                return;
            }
            assert_eq!(&self.raw[line + 2 + size..line + 4 + size], b"\r\n", "a chunk ends");
            self.text.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
            self.raw.drain(..line + 4 + size);
            self.has_ended = size == 0;
        }
    }

    /// Takes the next whole block, without the empty line at its end.
    pub fn take_block(&mut self) -> Option<String> {
        let end = memchr::memmem::find(&self.text, b"\n\n")?;
        let block: Vec<u8> = self.text.drain(..end + 2).collect();
        let block = String::from_utf8(block).expect("a stream is text");
        Some(block.trim_end_matches('\n').to_owned())
    }

    /// Whether the beginning of an event is here. The line that says when to come back is none.
    pub fn is_amid_event(&self) -> bool {
        let retry = if self.text.starts_with(b"retry") { memchr::memchr(b'\n', &self.text) } else { None };
        !self.raw.is_empty() || self.text.len() > retry.map_or(0, |end| end + 1)
    }

    /// Whether it has come to its end, and all is read.
    pub fn is_whole(&self) -> bool {
        let is_read = self.raw.is_empty() && self.text.is_empty();
        is_read && (self.version == Version::Http10 || self.has_ended)
    }
}

impl<'a> Block<'a> {
    /// What a block's lines say. `heard`: what came before, for a failure's message.
    pub fn of(block: &'a str, heard: &[String]) -> Self {
        let (mut event, mut id, mut data, mut has_retry) = (None, None, None, false);
        for line in block.split('\n') {
            match line.split_once(": ") {
                Some(("event", name)) => event = Some(name),
                Some(("id", text)) => id = Some(text),
                Some(("data", text)) => data = Some(text),
                Some(("retry", _)) => has_retry = true,
                Some(("", _)) => {}
                _ => panic!("{line:?} is no line of a stream; heard {heard:#?}"),
            }
        }
        assert!(event.is_some() || (id.is_none() && data.is_none()), "{block}");
        assert!(event.is_none() || data.is_some(), "events have data: {block}");
        let data = data.map(|data| serde_json::from_str(data).expect("data is JSON"));
        Block { event, id, data: data.unwrap_or_default(), has_retry }
    }
}
