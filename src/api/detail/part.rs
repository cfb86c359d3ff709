//! A part of a Kubernetes object, read as the reference reads it: what is absent, null or of another type is the zero value.

use std::borrow::Cow;

use serde_json::Value;

/// A part of an object.
#[derive(Clone, Copy)]
pub(super) struct Part<'a>(pub(super) &'a Value);

impl<'a> Part<'a> {
    /// What is at this key.
    pub(super) fn at(self, key: &str) -> Part<'a> {
        Part(self.0.get(key).unwrap_or(&Value::Null))
    }

    /// Whether there is something at this key.
    pub(super) fn has(self, key: &str) -> bool {
        !self.at(key).0.is_null()
    }

    pub(super) fn text(self, key: &str) -> &'a str {
        self.at(key).0.as_str().unwrap_or_default()
    }

    pub(super) fn int(self, key: &str) -> i64 {
        self.int_or(key, 0)
    }

    pub(super) fn int_or(self, key: &str, otherwise: i64) -> i64 {
        self.at(key).0.as_i64().unwrap_or(otherwise)
    }

    pub(super) fn bool(self, key: &str) -> bool {
        self.at(key).0.as_bool().unwrap_or_default()
    }

    pub(super) fn items(self, key: &str) -> impl Iterator<Item = Part<'a>> + use<'a> {
        self.at(key).0.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(Part)
    }

    pub(super) fn texts(self, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.items(key).map(|item| item.0.as_str().unwrap_or_default())
    }

    /// A map of strings, by its keys.
    pub(super) fn pairs(self, key: &str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let entries = self.at(key).0.as_object().into_iter().flatten();
        entries.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
    }

    /// A string, or a number in decimal; empty where there is none.
    pub(super) fn int_or_text(self, key: &str) -> Cow<'a, str> {
        match self.at(key).0 {
            Value::String(text) => Cow::Borrowed(text),
            Value::Number(number) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(""),
        }
    }

    /// A label selector's equalities, as `k=v` joined by commas, by their keys.
    pub(super) fn equalities(self, key: &str) -> String {
        let pairs: Vec<String> =
            self.at(key).pairs("matchLabels").map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(",")
    }
}
