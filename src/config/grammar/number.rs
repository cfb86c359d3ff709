//! Counts, sizes and durations, each within a range.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::units::{self, show_duration, show_size};
use super::{Grammar, Wrong, is_not, scalar};
use crate::config::mistake::quoted;
use crate::config::yaml::Node;

/// A whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub u64, pub u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub u64, pub u64);

/// A number of bytes, or `auto`: as many as there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AutoSize(pub u64, pub u64);

/// A duration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub Duration, pub Duration);

/// A field that holds a count or a number of bytes.
pub(crate) trait Number: Copy {
    fn from_u64(value: u64) -> Option<Self>;
    fn to_u64(self) -> u64;
}

impl Number for u32 {
    fn from_u64(value: u64) -> Option<Self> {
        value.try_into().ok()
    }

    fn to_u64(self) -> u64 {
        self.into()
    }
}

impl Number for usize {
    fn from_u64(value: u64) -> Option<Self> {
        value.try_into().ok()
    }

    fn to_u64(self) -> u64 {
        self as u64
    }
}

impl<N: Number> Grammar<N> for Whole {
    fn expected(&self) -> String {
        "a whole number".into()
    }

    fn range(&self) -> String {
        format!("{} to {}", self.0, self.1)
    }

    fn show(&self, value: &N) -> String {
        value.to_u64().to_string()
    }

    fn read(&self, given: &Node) -> Result<N, Vec<Wrong>> {
        let text = scalar(given)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits {
            text.parse().unwrap_or(u64::MAX)
        } else {
            return Err(is_not(text, "a whole number"));
        };
        within(number, self.0..=self.1, text)
    }
}

impl<N: Number> Grammar<N> for Size {
    fn expected(&self) -> String {
        "a size".into()
    }

    fn range(&self) -> String {
        format!("{} to {}", show_size(self.0), show_size(self.1))
    }

    fn show(&self, value: &N) -> String {
        show_size(value.to_u64())
    }

    fn read(&self, given: &Node) -> Result<N, Vec<Wrong>> {
        let text = scalar(given)?;
        let bytes = units::size(text).map_err(|error| Wrong::new(format!("{} {error}", quoted(text))))?;
        within(bytes, self.0..=self.1, text)
    }
}

impl Grammar<Option<usize>> for AutoSize {
    fn expected(&self) -> String {
        "a size, or `auto`".into()
    }

    fn range(&self) -> String {
        Grammar::<usize>::range(&Size(self.0, self.1))
    }

    fn show(&self, value: &Option<usize>) -> String {
        value.map_or_else(|| "auto".to_owned(), |bytes| show_size(bytes as u64))
    }

    fn read(&self, given: &Node) -> Result<Option<usize>, Vec<Wrong>> {
        if scalar(given)? == "auto" {
            return Ok(None);
        }
        Size(self.0, self.1).read(given).map(Some)
    }
}

impl Grammar<Duration> for Time {
    fn expected(&self) -> String {
        "a duration".into()
    }

    fn range(&self) -> String {
        format!("{} to {}", show_duration(self.0), show_duration(self.1))
    }

    fn show(&self, value: &Duration) -> String {
        show_duration(*value)
    }

    fn read(&self, given: &Node) -> Result<Duration, Vec<Wrong>> {
        let text = scalar(given)?;
        let time = units::duration(text).map_err(|error| Wrong::new(format!("{} {error}", quoted(text))))?;
        if (self.0..=self.1).contains(&time) { Ok(time) } else { Err(out_of_range(text)) }
    }
}

fn within<N: Number>(number: u64, range: RangeInclusive<u64>, text: &str) -> Result<N, Vec<Wrong>> {
    match N::from_u64(number) {
        Some(value) if range.contains(&number) => Ok(value),
        _ => Err(out_of_range(text)),
    }
}

fn out_of_range(text: &str) -> Vec<Wrong> {
    Wrong::new(format!("{} is out of range", quoted(text)))
}
