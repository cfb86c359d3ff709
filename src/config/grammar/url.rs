//! URLs that are fetched.

use super::{Grammar, Wrong, is_not, scalar};
use crate::config::yaml::Node;

/// Whether nobody on the way can change what is fetched from this URL: `https`, or `http` on this machine.
#[must_use]
pub fn is_safe_url(text: &str) -> bool {
    let Ok(url) = text.parse::<http::Uri>() else { return false };
    match url.scheme_str() {
        Some("https") => url.host().is_some(),
        Some("http") => matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]")),
        _ => false,
    }
}

/// The URL of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Url;

impl Grammar<String> for Url {
    fn expected(&self) -> String {
        "an `https` URL".into()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn read(&self, given: &Node) -> Result<String, Vec<Wrong>> {
        let text = scalar(given)?;
        if is_safe_url(text) { Ok(text.to_owned()) } else { Err(is_not(text, "an `https` URL")) }
    }
}

/// The URL of a document, or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionalUrl;

impl Grammar<Option<String>> for OptionalUrl {
    fn expected(&self) -> String {
        Url.expected()
    }

    fn show(&self, value: &Option<String>) -> String {
        value.clone().unwrap_or_default()
    }

    fn read(&self, given: &Node) -> Result<Option<String>, Vec<Wrong>> {
        Url.read(given).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_needs_no_tls() {
        for safe in [
            "https://issuer.example/keys?p=a",
            "http://localhost:3000/keys",
            "http://127.0.0.1/",
            "http://[::1]:1/",
        ] {
            assert!(is_safe_url(safe), "{safe}");
        }
        for unsafe_ in [
            "http://issuer.example/keys",
            "http://localhost.example/",
            "http://localhost@issuer.example/",
            "http://127.0.0.1.example/",
            "file:///etc/passwd",
            "/keys",
            "https:///keys",
            "",
        ] {
            assert!(!is_safe_url(unsafe_), "{unsafe_}");
        }
    }
}
