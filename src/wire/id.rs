//! What a client sends back in `Last-Event-ID`.

use crate::kind::Rv;

/// The longest id that is looked at; anything longer is nobody's id.
const MAX_LEN: usize = 64;

/// What an id names a set of namespaces by, behind the version and a dot: 48 bits of a hash, as twelve hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(u64);

impl Mark {
    /// Digits of a mark.
    pub const LEN: usize = 12;

    /// The mark of what has this hash.
    #[must_use]
    pub fn of_hash(hash: u64) -> Self {
        Mark(hash & ((1 << 48) - 1))
    }

    /// As it stands in an id.
    #[must_use]
    pub fn digits(self) -> [u8; Self::LEN] {
        let mut digits = [0; Self::LEN];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
            rest >>= 4;
        }
        digits
    }

    fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != Self::LEN || !text.bytes().all(is_digit) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Mark)
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).expect("digits are text"))
    }
}

/// The place that a client asks to resume from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeId {
    /// The client has seen all up to this version, of the set that the mark names; without one, of all namespaces or of one.
    At(Rv, Option<Mark>),
    /// Not one of our ids: answered like a new stream.
    Foreign,
}

impl ResumeId {
    /// Reads the header's value. `None` for an absent or empty id, which is a new stream.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        if value.is_empty() {
            return None;
        }
        let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_LEN);
        Some(text.and_then(Self::place).unwrap_or(ResumeId::Foreign))
    }

    fn place(text: &str) -> Option<Self> {
        let Some((version, mark)) = text.split_once('.') else {
            return Some(ResumeId::At(text.parse().ok()?, None));
        };
        Some(ResumeId::At(version.parse().ok()?, Some(Mark::parse(mark)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_with_or_without_a_mark_are_places() {
        assert_eq!(ResumeId::parse(b""), None);
        assert_eq!(ResumeId::parse(b"  "), None);
        assert_eq!(ResumeId::parse(b" 12 "), Some(ResumeId::At(Rv(12), None)));
        let marked = ResumeId::At(Rv(12), Some(Mark::of_hash(0xab)));
        assert_eq!(ResumeId::parse(b"12.0000000000ab"), Some(marked));
        let foreign = [
            &b"abc"[..],
            b"12.x",
            b"12.",
            b"12.ab",
            b"12.0000000000AB",
            b"12.+000000000ab",
            b"12.0000000000ab0",
            b"12.0000000000ab.0000000000ab",
            b".0000000000ab",
            b"012.0000000000ab",
            b"-1",
            b"\xff",
            b"012",
            &[b'1'; 65],
        ];
        for foreign in foreign {
            assert_eq!(ResumeId::parse(foreign), Some(ResumeId::Foreign));
        }
    }

    #[test]
    fn the_longest_id_is_no_longer_than_what_is_looked_at() {
        let mark = Mark::of_hash(u64::MAX);
        let longest = format!("{}.{mark}", u128::MAX);
        assert_eq!(ResumeId::parse(longest.as_bytes()), Some(ResumeId::At(Rv(u128::MAX), Some(mark))));
    }
}
