//! As of when rows are, as clients are told: by the wall clock for people, and as an age, so that no two clocks are compared.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A moment of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// How long ago it is.
    pub age: Duration,
    /// The wall clock's time then.
    pub time: Timestamp,
}

impl AsOf {
    /// This moment, as it is told now.
    #[must_use]
    pub fn of(at: Instant) -> Self {
        let age = at.elapsed();
        AsOf { age, time: Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN) }
    }

    /// RFC 3339, in milliseconds.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:.3}", self.time)
    }

    /// The fields of a list's head.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, Box<str>); 2] {
        [("Foretop-As-Of", self.text().into()), ("Foretop-Age-Ms", self.age.as_millis().to_string().into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_milliseconds() {
        let time = "2026-11-21T10:00:00.12Z".parse().expect("a time");
        let as_of = AsOf { age: Duration::from_micros(840_999), time };
        let [(_, text), (_, age)] = as_of.fields();
        assert_eq!((&*text, &*age), ("2026-11-21T10:00:00.120Z", "840"));
        assert!(AsOf::of(Instant::now()).age < Duration::from_mins(1));
    }
}
