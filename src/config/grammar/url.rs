//! URLs that are fetched.

use super::{Grammar, Words, Wrong, every, is_not, scalar};
use crate::config::Place;
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

/// Files and URLs of documents that hold no secret and decide about nobody's rights: any `http` URL will do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places;

impl Grammar<Vec<Place>> for Places {
    fn expected(&self) -> String {
        "a list of URLs and paths".into()
    }

    fn show(&self, value: &Vec<Place>) -> String {
        value.iter().map(Place::to_string).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<Place>, Vec<Wrong>> {
        every(Words.read(given)?.into_iter().map(|text| {
            if !text.contains("://") {
                return Ok(Place::File(text.into()));
            }
            let url = text.parse::<http::Uri>().ok();
            let is_one = url.is_some_and(|url| {
                matches!(url.scheme_str(), Some("http" | "https"))
                    && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            });
            if is_one {
                Ok(Place::Url(text))
            } else {
                Err(is_not(&text, "an `http` or `https` URL without a user"))
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_a_url() {
        let places = Places.read(&Node::scalar("http://b:8081/-/views, /etc/foretop/views.json"));
        assert_eq!(
            places.ok(),
            Some(vec![
                Place::Url("http://b:8081/-/views".into()),
                Place::File("/etc/foretop/views.json".into())
            ])
        );
        for text in ["ftp://b/views", "http://ann:secret@b/views", "://"] {
            assert!(Places.read(&Node::scalar(text)).is_err(), "{text}");
        }
    }

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
