//! Texts that are secret, and texts that need not be there.

use secrecy::{ExposeSecret, SecretString};

use super::{Grammar, Text, Wrong};
use crate::config::yaml::Node;

/// Any text, or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionalText;

impl Grammar<Option<String>> for OptionalText {
    fn expected(&self) -> String {
        "a text".into()
    }

    fn show(&self, value: &Option<String>) -> String {
        value.clone().unwrap_or_default()
    }

    fn read(&self, given: &Node) -> Result<Option<String>, Vec<Wrong>> {
        Text.read(given).map(Some)
    }
}

/// A text that is never shown, not even where it is wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secret;

impl Grammar<Option<SecretString>> for Secret {
    fn expected(&self) -> String {
        "a text in quotes".into()
    }

    fn show(&self, _: &Option<SecretString>) -> String {
        String::new()
    }

    fn digest(&self, value: &Option<SecretString>) -> String {
        value.as_ref().map_or_else(String::new, |secret| {
            format!("{:x}", xxhash_rust::xxh3::xxh3_64(secret.expose_secret().as_bytes()))
        })
    }

    fn read(&self, given: &Node) -> Result<Option<SecretString>, Vec<Wrong>> {
        match Text.read(given) {
            Ok(text) => Ok(Some(text.into())),
            Err(_) => Err(Wrong::new("is not a text")),
        }
    }
}
