//! Kubernetes' times: text on the way in, text on the way out.
//!
//! Nearly every time is already written as the contract wants it (`2026-05-01T12:00:00Z`), so its text is kept and copied.
//! Only a time with a fraction or an offset, or one to compute with, is parsed. Times that a user can set freely (those
//! of events) may be any; none of them may make a whole list unreadable, so what cannot be parsed counts as the zero
//! time.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::field::Text;
use super::text::print;

/// Go's zero time, which is how the contract writes a time that is not there.
const ZERO: &str = "0001-01-01T00:00:00Z";

/// A time of a Kubernetes object; null and absent are the zero time (`Option<Time>` where the contract tells them apart).
#[derive(Clone, Debug, Default)]
pub struct Time<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Time<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(Time)
    }
}

impl Time<'_> {
    /// Appends it as RFC 3339 in UTC, fractions without trailing zeros.
    pub fn write(&self, out: &mut Vec<u8>) {
        if is_plain(&self.0) {
            out.extend_from_slice(self.0.as_bytes());
            return;
        }
        match self.parsed() {
            Some(timestamp) => print(out, format_args!("{timestamp}")),
            None => out.extend_from_slice(ZERO.as_bytes()),
        }
    }

    /// The instant; where it is out of our calendar's range, the end of the range that is nearer.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        match self.parsed() {
            Some(timestamp) => timestamp,
            None if is_plain(&self.0) && self.0.starts_with('9') => Timestamp::MAX,
            None => Timestamp::MIN,
        }
    }

    /// What a list is sorted by: nanoseconds since the Unix epoch as far as an `i64` reaches (the years 1677 to 2262),
    /// `i64::MIN` for the zero time alone.
    #[must_use]
    pub fn order(&self) -> i64 {
        let timestamp = self.timestamp();
        if timestamp == Timestamp::MIN || &*self.0 == ZERO {
            return i64::MIN;
        }
        let nanoseconds = timestamp.as_nanosecond().clamp(i128::from(i64::MIN) + 1, i64::MAX.into());
        i64::try_from(nanoseconds).expect("clamped to the range of an i64")
    }

    fn parsed(&self) -> Option<Timestamp> {
        self.0.parse().ok()
    }
}

/// Whether it has the shape `2026-05-01T12:00:00Z`, which is what Go would write.
fn is_plain(text: &str) -> bool {
    const SHAPE: &[u8; 20] = b"0000-00-00T00:00:00Z";
    text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            punctuation => byte == *punctuation,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time<'_> {
        serde_json::from_str(text).unwrap()
    }

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        time(text).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_in_utc_without_trailing_zeros() {
        assert_eq!(written(r#""2026-05-01T12:00:00Z""#), "2026-05-01T12:00:00Z");
        assert_eq!(written(r#""2026-05-01T12:00:00.120000Z""#), "2026-05-01T12:00:00.12Z");
        assert_eq!(written(r#""2026-05-01T12:00:00.000000Z""#), "2026-05-01T12:00:00Z");
        assert_eq!(written(r#""2026-05-01T12:00:00.000000001Z""#), "2026-05-01T12:00:00.000000001Z");
        assert_eq!(written(r#""2026-05-01T14:00:00.250+02:00""#), "2026-05-01T12:00:00.25Z");
        assert_eq!(written(r#""9999-12-31T23:59:59Z""#), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn no_time_is_the_zero_time() {
        for text in ["null", r#""""#, r#""yesterday""#, r#""2026-05-01T12:00:00X""#] {
            assert_eq!(written(text), ZERO, "{text}");
            assert_eq!(time(text).order(), i64::MIN, "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_time() {
        let ascending = [
            r#""0001-01-01T00:00:00Z""#,
            r#""0001-01-01T00:00:01Z""#,
            r#""1969-12-31T23:59:59Z""#,
            r#""1970-01-01T00:00:00Z""#,
            r#""1970-01-01T00:00:00.000000002Z""#,
            r#""1970-01-01T01:00:00.000000003+01:00""#,
            r#""9999-12-31T23:59:59Z""#,
        ];
        let orders: Vec<i64> = ascending.iter().map(|text| time(text).order()).collect();
        assert!(orders.is_sorted_by(|a, b| a < b), "{orders:?}");
        assert_eq!(orders[3], 0);
        assert_eq!(orders[6], i64::MAX);
    }
}
