//! The row of an object: the JSON that a table shows, encoded once.

use std::sync::LazyLock;

use jiff::Timestamp;
use memchr::memmem::Finder;

/// How the field begins that says when the object was created. Quotes within a text are escaped, so it stands in no text.
const CREATED: &[u8] = br#""createdAt":""#;

/// The list-view object of one Kubernetes object, already encoded.
///
/// Two rows are equal when nothing that a user could see changed; the passing of time alone changes nothing, so a value
/// that follows the clock is not in the text but is a [`ClockHole`] in it, filled whenever the row is written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The row's JSON object on one line, with the hole (if any) left empty.
    pub json: Box<[u8]>,
    /// Where a value that follows the clock belongs. Boxed, since a replica holds very many rows, and very few of them have one.
    pub clock: Option<Box<ClockHole>>,
    /// What the list is sorted by where it is not sorted by key: nanoseconds since the Unix epoch, `i64::MIN` for the
    /// zero time. 0 for kinds that are listed by key.
    pub order: i64,
}

/// The place of a duration that still grows: a job's `duration` while it has no completion time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockHole {
    /// Byte offset in [`Row::json`] where the duration's text (without quotes) goes.
    pub at: u32,
    /// Since when the duration runs.
    pub since: Timestamp,
}

impl Row {
    /// A row that does not depend on the clock and is listed by key.
    #[must_use]
    pub fn fixed(json: Vec<u8>) -> Self {
        Row { json: json.into(), clock: None, order: 0 }
    }

    /// A row with a hole at byte offset `at`, for the duration since `since`. Listed by key.
    ///
    /// A row is part of a line that was in memory whole, so its offsets fit; one beyond 4 GiB would keep an empty duration.
    #[must_use]
    pub fn ticking(json: Vec<u8>, at: usize, since: Timestamp) -> Self {
        let clock = u32::try_from(at).ok().map(|at| Box::new(ClockHole { at, since }));
        Row { clock, ..Row::fixed(json) }
    }

    /// When its object was created, in whole seconds, where the row says so.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        // Made once: to make it takes longer than to find the field.
        static FIELD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(CREATED));
        let at = FIELD.find(&self.json)? + CREATED.len();
        let text = &self.json[at..];
        let end = memchr::memchr(b'"', text)?;
        std::str::from_utf8(&text[..end]).ok()?.parse().ok()
    }

    /// Appends the row's JSON as it reads at `now`.
    pub fn write(&self, now: Timestamp, out: &mut Vec<u8>) {
        let Some(hole) = &self.clock else {
            out.extend_from_slice(&self.json);
            return;
        };
        let (before, after) = self.json.split_at(hole.at as usize);
        out.extend_from_slice(before);
        super::text::write_age(now.duration_since(hole.since).as_secs(), out);
        out.extend_from_slice(after);
    }

    /// An upper bound of the bytes that [`Row::write`] appends.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.json.len() + if self.clock.is_some() { 24 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_when_its_object_was_created_and_no_text_in_it_does() {
        let created = |json: &str| Row::fixed(json.as_bytes().to_vec()).created();
        let time = "2026-05-01T12:00:00Z";
        let row = format!(
            r#"{{"name":"a","message":"\"createdAt\":\"2001-01-01T00:00:00Z\"","createdAt":"{time}"}}"#
        );
        assert_eq!(created(&row), Some(time.parse().unwrap()));
        for row in [r#"{"name":"a"}"#, r#"{"createdAt":"soon"}"#, r#"{"createdAt":""}"#, r#"{"createdAt":"#] {
            assert_eq!(created(row), None, "{row}");
        }
    }
}
