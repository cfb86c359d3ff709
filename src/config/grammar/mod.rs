//! How each type of setting is written, read and shown.

mod list;
mod number;
mod origin;
mod provider;
mod tenants;
mod tiers;
mod units;
mod url;
mod word;

pub(crate) use list::{KindNames, Paths, Peers, Prewarm, Words};
pub(crate) use number::{AutoSize, Size, Time, Whole};
pub(crate) use origin::{Hosts, OptionalOrigin, OriginList};
pub(crate) use provider::{OptionalText, Secret};
pub(crate) use tenants::TenantRules;
pub(crate) use tiers::GroupTiers;
pub(crate) use units::{show_duration, show_size};
pub use url::is_safe_url;
pub(crate) use url::{Issuer, OptionalUrl, Places};
pub(crate) use word::{
    Address, AddressOrOff, AnyText, Choice, Choices, Filter, HeaderWord, MustBeSaid, OptionalPath, Switch,
    Text,
};

use super::mistake::quoted;
use super::yaml::{Node, Value};

/// How values of one setting are written.
pub(crate) trait Grammar<T> {
    /// What may be written, such as `a whole number`.
    fn expected(&self) -> String;
    /// Which of that, such as `0 to 1000`; empty: any.
    fn range(&self) -> String {
        String::new()
    }
    /// The value as it would be written.
    fn show(&self, value: &T) -> String;
    /// What tells the value from others.
    fn digest(&self, value: &T) -> String {
        self.show(value)
    }
    /// The value, or everything that is wrong with what was given.
    fn read(&self, given: &Node) -> Result<T, Vec<Wrong>>;
}

/// Something wrong with one value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The line where it stands, if that is another than the value's.
    pub line: Option<u32>,
    /// What is wrong.
    pub what: String,
    /// What would be right, if more can be said than the setting's own grammar and range.
    pub right: Option<String>,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Vec<Wrong> {
        vec![Wrong { line: None, what: what.into(), right: None }]
    }
}

/// The text of a single value.
fn scalar(given: &Node) -> Result<&str, Vec<Wrong>> {
    match &given.value {
        Value::Scalar(text) | Value::Understood(text) if text.trim().is_empty() => {
            Err(Wrong::new("is empty"))
        }
        Value::Scalar(text) | Value::Understood(text) => Ok(text.trim()),
        Value::Nothing => Err(Wrong::new("has no value")),
        Value::List(_) => Err(Wrong::new("is a list")),
        Value::Map(_) => Err(Wrong::new("is a map")),
    }
}

/// The text of a single value that may be any text, so that YAML must not have understood it as something else.
fn verbatim(given: &Node) -> Result<&str, Vec<Wrong>> {
    match &given.value {
        Value::Understood(text) => Err(vec![Wrong {
            line: given.line,
            what: format!("YAML understands this as {}", quoted(text)),
            right: Some("the same text in quotes".into()),
        }]),
        _ => scalar(given),
    }
}

/// The texts of a list: a YAML list of single values, or one text with commas (as in an environment variable).
fn scalars(given: &Node) -> Result<Vec<(Option<u32>, &str)>, Vec<Wrong>> {
    match &given.value {
        Value::Scalar(text) | Value::Understood(text) => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| (None, item))
            .collect()),
        Value::List(items) => every(items.iter().map(|item| match scalar(item) {
            Ok(text) => Ok((item.line, text)),
            Err(wrong) => Err(wrong.into_iter().map(|wrong| at(item.line, wrong)).collect()),
        })),
        Value::Nothing | Value::Map(_) => scalar(given).map(|_| Vec::new()),
    }
}

fn at(line: Option<u32>, wrong: Wrong) -> Wrong {
    Wrong { line: wrong.line.or(line), what: format!("an item {}", wrong.what), ..wrong }
}

/// All values, or everything that is wrong with any of them.
fn every<T>(results: impl Iterator<Item = Result<T, Vec<Wrong>>>) -> Result<Vec<T>, Vec<Wrong>> {
    let mut values = Vec::new();
    let mut wrongs = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(wrong) => wrongs.extend(wrong),
        }
    }
    if wrongs.is_empty() { Ok(values) } else { Err(wrongs) }
}

/// `` `text` is no SOMETHING``.
fn is_not(text: &str, something: &str) -> Vec<Wrong> {
    Wrong::new(format!("{} is not {something}", quoted(text)))
}
