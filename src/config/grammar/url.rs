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

/// The issuer of tokens, as `OpenID` Connect Core (2) has it: a URL without a query or a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issuer;

impl Grammar<String> for Issuer {
    fn expected(&self) -> String {
        "an `https` URL without a query".into()
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn read(&self, given: &Node) -> Result<String, Vec<Wrong>> {
        let text = scalar(given)?;
        let is_one = is_safe_url(text) && !text.contains(['?', '#']);
        if is_one { Ok(text.to_owned()) } else { Err(is_not(text, &self.expected())) }
    }
}

/// The URL of a document, or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionalUrl;

impl Grammar<Option<String>> for OptionalUrl {
    fn expected(&self) -> String {
        "an `https` URL".into()
    }

    fn show(&self, value: &Option<String>) -> String {
        value.clone().unwrap_or_default()
    }

    fn read(&self, given: &Node) -> Result<Option<String>, Vec<Wrong>> {
        let text = scalar(given)?;
        if is_safe_url(text) { Ok(Some(text.to_owned())) } else { Err(is_not(text, &self.expected())) }
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

    #[test]
    fn an_issuer_has_no_query() {
        let reads = |text: &str| Issuer.read(&Node::scalar(text)).is_ok();
        assert!(reads("https://issuer.example/realms/a") && reads("http://127.0.0.1:3000"));
        for text in ["https://issuer.example/?a", "https://issuer.example/#a", "http://issuer.example/"] {
            assert!(!reads(text), "{text}");
        }
    }
}
