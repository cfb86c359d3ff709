//! What is said of a provider: its URL, a secret, texts that need not be there.

use secrecy::SecretString;

use super::{Grammar, Text, Wrong, is_not, scalar};
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

    fn read(&self, given: &Node) -> Result<Option<SecretString>, Vec<Wrong>> {
        match Text.read(given) {
            Ok(text) => Ok(Some(text.into())),
            Err(_) => Err(Wrong::new("is not a text")),
        }
    }
}

/// The URL of a provider: `https`, or `http` on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProviderUrl;

impl Grammar<String> for ProviderUrl {
    fn expected(&self) -> String {
        "an `https` URL without a query".into()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn read(&self, given: &Node) -> Result<String, Vec<Wrong>> {
        let text = scalar(given)?;
        let Ok(url) = text.parse::<http::Uri>() else { return Err(is_not(text, "a URL")) };
        let on_this_machine = matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let safe = match url.scheme_str() {
            Some("https") => true,
            Some("http") => on_this_machine,
            _ => false,
        };
        if safe && url.query().is_none() {
            Ok(text.to_owned())
        } else {
            Err(is_not(text, "an `https` URL without a query"))
        }
    }
}
