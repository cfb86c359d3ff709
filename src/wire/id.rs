//! What a client sends back in `Last-Event-ID`.

use crate::kind::Rv;

/// The longest id that is looked at; anything longer is nobody's id.
const MAX_LEN: usize = 64;

/// The place that a client asks to resume from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeId {
    /// The client has seen all up to this version.
    At(Rv),
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
        Some(text.and_then(|text| text.parse().ok()).map_or(ResumeId::Foreign, ResumeId::At))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_versions_are_places() {
        assert_eq!(ResumeId::parse(b""), None);
        assert_eq!(ResumeId::parse(b"  "), None);
        assert_eq!(ResumeId::parse(b" 12 "), Some(ResumeId::At(Rv(12))));
        for foreign in [&b"abc"[..], b"12.x", b"-1", b"\xff", b"012", &[b'1'; 65]] {
            assert_eq!(ResumeId::parse(foreign), Some(ResumeId::Foreign));
        }
    }
}
