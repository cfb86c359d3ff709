//! Durations and sizes as people write them.

use std::time::Duration;

/// The units of a duration, largest first, in milliseconds.
const TIME: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a size, largest first, in bytes.
const BYTES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is no duration or no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    #[error("has no unit")]
    NoUnit,
    #[error("has a unit that is not known")]
    Unit,
    #[error("does not start with a number")]
    Number,
    #[error("names its units out of order, or one of them twice")]
    Order,
    #[error("is too large")]
    TooLarge,
}

/// Reads `250ms`, `15s`, `1h30m`; and `0`, which needs no unit.
pub(crate) fn duration(text: &str) -> Result<Duration, UnitError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut smallest = u64::MAX;
    let mut total: u64 = 0;
    loop {
        let (number, tail) = leading_number(rest)?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let scale = scale(unit, &TIME)?;
        if scale >= smallest {
            return Err(UnitError::Order);
        }
        smallest = scale;
        total =
            number.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or(UnitError::TooLarge)?;
        rest = tail;
        if rest.is_empty() {
            return Ok(Duration::from_millis(total));
        }
    }
}

/// Reads `256KiB`, `16MiB`, `2GiB`; and a plain number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = leading_number(text)?;
    let scale = if unit.is_empty() { 1 } else { scale(unit.trim_start(), &BYTES)? };
    number.checked_mul(scale).ok_or(UnitError::TooLarge)
}

/// The shortest text that [`duration`] reads back to the same value (whole milliseconds).
pub(crate) fn show_duration(value: Duration) -> String {
    let mut left = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in TIME {
        if left >= scale {
            text += &(left / scale).to_string();
            text += unit;
            left %= scale;
        }
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

/// The shortest exact text that [`size`] reads back to the same value.
pub(crate) fn show_size(value: u64) -> String {
    BYTES
        .iter()
        .find(|(unit, scale)| *unit != "B" && value > 0 && value.is_multiple_of(*scale))
        .map_or_else(|| value.to_string(), |(unit, scale)| format!("{}{unit}", value / scale))
}

fn leading_number(text: &str) -> Result<(u64, &str), UnitError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err(UnitError::Number);
    }
    Ok((number.parse().map_err(|_| UnitError::TooLarge)?, rest))
}

fn scale(unit: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    if unit.is_empty() {
        return Err(UnitError::NoUnit);
    }
    units.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale).ok_or(UnitError::Unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("15s", 15_000),
            ("5m", 300_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("1s500ms", 1_500),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for (text, error) in [
            ("15", UnitError::NoUnit),
            ("1h30", UnitError::NoUnit),
            ("15 s", UnitError::Unit),
            ("15sec", UnitError::Unit),
            ("15S", UnitError::Unit),
            ("", UnitError::Number),
            ("s", UnitError::Number),
            ("-5s", UnitError::Number),
            ("1.5s", UnitError::Unit),
            ("30m1h", UnitError::Order),
            ("1s1s", UnitError::Order),
            ("18446744073709551615h", UnitError::TooLarge),
            ("99999999999999999999s", UnitError::TooLarge),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("256KiB", 262_144),
            ("16MiB", 16 << 20),
            ("2GiB", 2 << 30),
            ("4096", 4096),
            ("7B", 7),
            ("16 KiB", 16384),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, error) in [
            ("16MB", UnitError::Unit),
            ("16mib", UnitError::Unit),
            ("1.5MiB", UnitError::Unit),
            ("MiB", UnitError::Number),
            ("", UnitError::Number),
            ("18446744073709551615KiB", UnitError::TooLarge),
        ] {
            assert_eq!(size(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 0u64..1 << 40, bytes in any::<u64>()) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(time)), Ok(time));
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (duration(&text), size(&text));
        }
    }
}
