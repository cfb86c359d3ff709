//! Single words: switches, choices, names, addresses, paths.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Grammar, Wrong, every, is_not, scalar, scalars, verbatim};
use crate::config::mistake::{nearest, quoted};
use crate::config::yaml::{Node, Value};

/// `true` or `false`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switch;

impl Grammar<bool> for Switch {
    fn expected(&self) -> String {
        "`true` or `false`".into()
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }

    fn read(&self, given: &Node) -> Result<bool, Vec<Wrong>> {
        let text = scalar(given)?;
        text.parse().map_err(|_| is_not(text, "a switch"))
    }
}

/// One of some words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Grammar<T> for Choice<T> {
    fn expected(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(" or ")
    }

    fn show(&self, value: &T) -> String {
        self.0
            .iter()
            .find(|(_, meant)| meant == value)
            .map(|(word, _)| (*word).to_owned())
            .unwrap_or_default()
    }

    fn read(&self, given: &Node) -> Result<T, Vec<Wrong>> {
        let text = scalar(given)?;
        let found = self.0.iter().find(|(word, _)| *word == text);
        found.map(|(_, meant)| *meant).ok_or_else(|| is_not(text, "one of the words"))
    }
}

/// A list of some of these words; not empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choices<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Grammar<Vec<T>> for Choices<T> {
    fn expected(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("a list of {}", words.join(", "))
    }

    fn show(&self, value: &Vec<T>) -> String {
        value.iter().map(|one| Choice(self.0).show(one)).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<T>, Vec<Wrong>> {
        let chosen = every(scalars(given)?.into_iter().map(|(line, text)| {
            let found = self.0.iter().find(|(word, _)| *word == text);
            found.map(|(_, meant)| *meant).ok_or_else(|| {
                vec![Wrong { line, what: format!("{} is not one of the words", quoted(text)), right: None }]
            })
        }))?;
        if chosen.is_empty() { Err(Wrong::new("is an empty list")) } else { Ok(chosen) }
    }
}

/// A setting that has no default: somebody has to say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MustBeSaid<G>(pub G);

impl<T, G: Grammar<T>> Grammar<T> for MustBeSaid<G> {
    fn expected(&self) -> String {
        self.0.expected()
    }

    fn range(&self) -> String {
        self.0.range()
    }

    fn show(&self, _: &T) -> String {
        String::new()
    }

    fn read(&self, given: &Node) -> Result<T, Vec<Wrong>> {
        self.0.read(given)
    }
}

/// Any text that is not empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text;

impl Grammar<String> for Text {
    fn expected(&self) -> String {
        "a text".into()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn read(&self, given: &Node) -> Result<String, Vec<Wrong>> {
        verbatim(given).map(str::to_owned)
    }
}

/// Any text, also none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyText;

impl Grammar<String> for AnyText {
    fn expected(&self) -> String {
        "a text, or none (`\"\"`)".into()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn read(&self, given: &Node) -> Result<String, Vec<Wrong>> {
        match &given.value {
            Value::Scalar(text) if text.trim().is_empty() => Ok(String::new()),
            _ => Text.read(given),
        }
    }
}

/// The name of an HTTP header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderWord;

impl Grammar<String> for HeaderWord {
    fn expected(&self) -> String {
        "the name of an HTTP header".into()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn read(&self, given: &Node) -> Result<String, Vec<Wrong>> {
        let text = scalar(given)?;
        match http::HeaderName::from_bytes(text.as_bytes()) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(is_not(text, "the name of an HTTP header")),
        }
    }
}

/// An IP address and a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address;

impl Grammar<SocketAddr> for Address {
    fn expected(&self) -> String {
        "an IP address and a port".into()
    }

    fn show(&self, value: &SocketAddr) -> String {
        value.to_string()
    }

    fn read(&self, given: &Node) -> Result<SocketAddr, Vec<Wrong>> {
        let text = scalar(given)?;
        text.parse().map_err(|_| {
            let right = match text.strip_prefix(':').or_else(|| text.strip_prefix("localhost:")) {
                Some(port) if text.starts_with(':') => Some(format!("`0.0.0.0:{port}` for all interfaces")),
                Some(port) => Some(format!("`127.0.0.1:{port}`")),
                None => None,
            };
            let what = format!("{} is not an IP address and a port", quoted(text));
            vec![Wrong { line: None, what, right }]
        })
    }
}

/// An IP address and a port, or `off`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AddressOrOff;

impl Grammar<Option<SocketAddr>> for AddressOrOff {
    fn expected(&self) -> String {
        "an IP address and a port, or `off`".into()
    }

    fn show(&self, value: &Option<SocketAddr>) -> String {
        value.map_or_else(|| "off".into(), |address| address.to_string())
    }

    fn read(&self, given: &Node) -> Result<Option<SocketAddr>, Vec<Wrong>> {
        match scalar(given)? {
            "off" => Ok(None),
            _ => Address.read(given).map(Some),
        }
    }
}

/// A path, or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionalPath;

impl Grammar<Option<PathBuf>> for OptionalPath {
    fn expected(&self) -> String {
        "a path".into()
    }

    fn show(&self, value: &Option<PathBuf>) -> String {
        value.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    fn read(&self, given: &Node) -> Result<Option<PathBuf>, Vec<Wrong>> {
        Text.read(given).map(|text| Some(PathBuf::from(text)))
    }
}

/// A filter of log lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter;

/// The levels that a filter's part may name.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Grammar<String> for Filter {
    fn expected(&self) -> String {
        "`off`, `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,foretop::cluster=debug`"
            .into()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    /// Stricter than the subscriber's own grammar, which takes a mistyped level for the name of a module, and so logs nothing.
    fn read(&self, given: &Node) -> Result<String, Vec<Wrong>> {
        let text = scalar(given)?;
        for part in text.split(',') {
            let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
            if !LEVELS.contains(&level) {
                let right =
                    nearest(level, LEVELS.map(|level| (level, level))).map(|near| format!("`{near}`"));
                return Err(vec![Wrong {
                    line: None,
                    what: format!("{} is not a level", quoted(level)),
                    right,
                }]);
            }
        }
        match tracing_subscriber::EnvFilter::try_new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(is_not(text, "a log filter")),
        }
    }
}
