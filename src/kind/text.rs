//! Writing JSON and times as the reference (Go) writes them.
//!
//! Rows must be equal to the wire contract byte for byte, and Go's encoder has habits that no Rust crate shares: it
//! escapes `<`, `>`, `&`, U+2028 and U+2029, in lower-case hex. What is written here is written once per event, so
//! strings are copied in runs and nothing is allocated beyond the row itself.

use std::fmt;
use std::io::Write;

use super::time::Time;

/// The longest duration that Go can express, in seconds (some 292 years); a longer one is written as this one.
const LONGEST: i64 = i64::MAX / 1_000_000_000;

/// Bytes that may not be copied as they are. 0xE2 is only the first byte of U+2028 and U+2029 (and of thousands of
/// harmless characters), so it asks for a second look.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        special[control] = true;
        control += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special[b'&' as usize] = true;
    special[0xE2] = true;
    special
};

/// Appends `text` as the inside of a JSON string, escaped as Go's `encoding/json` does it.
///
/// Escaping works character by character, so the parts of a string may be written one after the other.
pub fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !SPECIAL[bytes[at] as usize] {
            at += 1;
            continue;
        }
        let Some((length, escape)) = escape_at(&bytes[at..]) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(&escape[..]);
        at += length;
        copied = at;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// How the character at the start of `rest` is escaped, and how many bytes it has; `None` where it is harmless.
fn escape_at(rest: &[u8]) -> Option<(usize, Escape)> {
    let escape = match rest[0] {
        b'"' => Escape::short(b'"'),
        b'\\' => Escape::short(b'\\'),
        b'\n' => Escape::short(b'n'),
        b'\r' => Escape::short(b'r'),
        b'\t' => Escape::short(b't'),
        0x08 => Escape::short(b'b'),
        0x0C => Escape::short(b'f'),
        0xE2 => return line_separator(rest).map(|escape| (3, escape)),
        other => Escape::hex(other),
    };
    Some((1, escape))
}

fn line_separator(rest: &[u8]) -> Option<Escape> {
    match rest {
        [0xE2, 0x80, 0xA8, ..] => Some(Escape::Six(*b"\\u2028")),
        [0xE2, 0x80, 0xA9, ..] => Some(Escape::Six(*b"\\u2029")),
        _ => None,
    }
}

enum Escape {
    Two([u8; 2]),
    Six([u8; 6]),
}

impl Escape {
    fn short(letter: u8) -> Self {
        Escape::Two([b'\\', letter])
    }

    fn hex(byte: u8) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let (high, low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
        Escape::Six([b'\\', b'u', b'0', b'0', high, low])
    }
}

impl std::ops::Deref for Escape {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Escape::Two(bytes) => bytes,
            Escape::Six(bytes) => bytes,
        }
    }
}

/// Appends a duration as the contract has it (`3d4h`, `2h0m`, `5m1s`, `7s`; negative counts as 0). The unit is seconds.
pub fn write_age(seconds: i64, out: &mut Vec<u8>) {
    let seconds = seconds.clamp(0, LONGEST);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => print(out, format_args!("{seconds}s")),
        (0, 0, _) => print(out, format_args!("{minutes}m{}s", seconds % 60)),
        (0, _, _) => print(out, format_args!("{hours}h{}m", minutes % 60)),
        _ if hours % 24 == 0 => print(out, format_args!("{days}d")),
        _ => print(out, format_args!("{days}d{}h", hours % 24)),
    }
}

/// Appends formatted text as it is.
pub(super) fn print(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}

/// A JSON object that is being written, field by field, in the order of the calls.
///
/// Keys are written as they are: they are constants of the contract without anything to escape. Those of maps are not, and are escaped.
pub struct JsonObject {
    out: Vec<u8>,
}

impl JsonObject {
    /// An object without fields.
    #[must_use]
    pub fn new() -> Self {
        let mut out = Vec::with_capacity(256);
        out.push(b'{');
        JsonObject { out }
    }

    /// A string.
    pub fn text(&mut self, key: &str, value: &str) {
        self.joined(key, &[value]);
    }

    /// A string, left out when it is empty.
    pub fn text_unless_empty(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    /// A string that is made of parts.
    pub fn joined(&mut self, key: &str, parts: &[&str]) {
        self.key(key);
        self.out.push(b'"');
        for part in parts {
            write_escaped(part, &mut self.out);
        }
        self.out.push(b'"');
    }

    /// A whole number.
    pub fn int(&mut self, key: &str, value: impl Into<i64>) {
        self.key(key);
        print(&mut self.out, format_args!("{}", value.into()));
    }

    /// How many there are of something.
    pub fn length(&mut self, key: &str, value: usize) {
        self.int(key, i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A duration in seconds, as a string.
    pub fn age(&mut self, key: &str, seconds: i64) {
        self.key(key);
        self.out.push(b'"');
        write_age(seconds, &mut self.out);
        self.out.push(b'"');
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A time, as a string.
    pub fn time(&mut self, key: &str, value: &Time<'_>) {
        self.key(key);
        self.out.push(b'"');
        value.write(&mut self.out);
        self.out.push(b'"');
    }

    /// An array of strings.
    pub fn texts<'v>(&mut self, key: &str, values: impl IntoIterator<Item = &'v str>) {
        self.key(key);
        self.out.push(b'[');
        for value in values {
            self.comma();
            self.out.push(b'"');
            write_escaped(value, &mut self.out);
            self.out.push(b'"');
        }
        self.out.push(b']');
    }

    /// An array of objects, each filled by `fill`.
    pub fn objects<T>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = T>,
        fill: impl Fn(&mut JsonObject, T),
    ) {
        self.key(key);
        self.out.push(b'[');
        for value in values {
            self.comma();
            self.out.push(b'{');
            fill(self, value);
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    /// An object, filled by `fill`.
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut JsonObject)) {
        self.key(key);
        self.out.push(b'{');
        fill(self);
        self.out.push(b'}');
    }

    /// Nothing.
    pub fn null(&mut self, key: &str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    /// A map of strings, in the order of the pairs, left out when it is empty.
    pub fn pairs_unless_empty<'v>(&mut self, key: &str, pairs: impl Iterator<Item = (&'v str, &'v str)>) {
        let mut pairs = pairs.peekable();
        if pairs.peek().is_some() {
            self.pairs(key, pairs);
        }
    }

    /// A map of strings, in the order of the pairs.
    pub fn pairs<'v>(&mut self, key: &str, pairs: impl Iterator<Item = (&'v str, &'v str)>) {
        self.object(key, |map| {
            for (key, value) in pairs {
                map.pair(key, value);
            }
        });
    }

    /// A string at a key that is no constant.
    fn pair(&mut self, key: &str, value: &str) {
        self.comma();
        self.out.push(b'"');
        write_escaped(key, &mut self.out);
        self.out.extend_from_slice(b"\":\"");
        write_escaped(value, &mut self.out);
        self.out.push(b'"');
    }

    /// An empty string; gives the offset between its quotes.
    pub fn hole(&mut self, key: &str) -> usize {
        self.text(key, "");
        self.out.len() - 1
    }

    /// The object's bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Every value ends in something other than an opening bracket, so the last byte says whether this is the first one.
    fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        write_escaped(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn age(seconds: i64) -> String {
        let mut out = Vec::new();
        write_age(seconds, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        assert_eq!(escaped("a<b>&\"c\"\\"), r#"a\u003cb\u003e\u0026\"c\"\\"#);
        assert_eq!(escaped("\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}/"), "\\n\\r\\t\\b\\f\\u0000\\u001f\u{7f}/");
        assert_eq!(escaped("\u{2027}\u{2028}\u{2029}\u{202a}…é日😀"), "\u{2027}\\u2028\\u2029\u{202a}…é日😀");
        assert_eq!(escaped(""), "");
    }

    #[test]
    fn ages_have_at_most_two_units() {
        let cases = [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3599, "59m59s"),
            (3600, "1h0m"),
            (86_399, "23h59m"),
            (86_400, "1d"),
            (86_400 + 3599, "1d"),
            (90_000, "1d1h"),
            (i64::MAX, "106751d23h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn objects_and_arrays_have_commas_only_between() {
        let mut object = JsonObject::new();
        object.texts("none", []);
        object.texts("two", ["{", "["]);
        object.objects("objects", [1, 2], |inner, n| {
            inner.int("n", n);
            inner.text_unless_empty("left", "");
            inner.bool("b", n == 1);
        });
        object.objects("empty", [()], |_, ()| {});
        object.object("object", |inner| inner.text("a", "{"));
        object.pairs_unless_empty("map", [("<k>", "v"), ("{", "")].into_iter());
        object.pairs_unless_empty("left", std::iter::empty());
        let hole = object.hole("hole");
        let bytes = object.finish();
        assert_eq!(
            std::str::from_utf8(&bytes).unwrap(),
            r#"{"none":[],"two":["{","["],"objects":[{"n":1,"b":true},{"n":2,"b":false}],"empty":[{}],"object":{"a":"{"},"map":{"\u003ck\u003e":"v","{":""},"hole":""}"#
        );
        assert_eq!(&bytes[hole - 1..=hole], b"\"\"");
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(text in any::<String>()) {
            let json = format!("\"{}\"", escaped(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            let unsafe_in_pages = json.contains(['<', '>', '&', '\n', '\u{2028}', '\u{2029}']);
            prop_assert!(!unsafe_in_pages);
        }

        #[test]
        fn every_control_character_reads_back(text in "[\\x00-\\x1f<>&\"\\\\\u{2020}-\u{2030}]{0,40}") {
            let json = format!("\"{}\"", escaped(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
