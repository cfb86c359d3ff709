//! What a request asks for: its path and its query.

use axum::extract::Query;
use http::Uri;
use serde::Deserialize;

use super::resource::{self, Resource};

/// What a path below `/api` or `/apis` names.
#[derive(Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The resource.
    pub resource: &'static Resource,
    /// Its namespace; empty for all, or for a cluster-scoped resource.
    pub namespace: &'a str,
    /// One object; `None` is the collection.
    pub name: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// What this path names, if anything.
    pub fn parse(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match *rest {
            ["namespaces", namespace, plural] => (namespace, plural, None),
            ["namespaces", namespace, plural, name] => (namespace, plural, Some(name)),
            [plural] => ("", plural, None),
            [plural, name] => ("", plural, Some(name)),
            _ => return None,
        };
        let resource = resource::at(group, version, plural)?;
        let scope_fits =
            if resource.namespaced { !namespace.is_empty() || name.is_none() } else { namespace.is_empty() };
        scope_fits.then_some(Target { resource, namespace, name })
    }
}

/// The query of a list or a watch, as Kubernetes' `ListOptions` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListOptions {
    watch: String,
    allow_watch_bookmarks: String,
    send_initial_events: String,
    /// At most so many items per page; 0 is no limit.
    pub limit: usize,
    /// The token of the page before.
    pub r#continue: String,
    resource_version: String,
    /// `Exact`, `NotOlderThan` or empty.
    pub resource_version_match: String,
    /// After so many seconds the watch ends.
    pub timeout_seconds: Option<u64>,
    /// See [`super::selector`].
    pub field_selector: String,
    /// See [`super::selector`].
    pub label_selector: String,
}

/// A query that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the query is no ListOptions")]
pub struct BadQuery;

impl ListOptions {
    /// The options of a request.
    pub fn parse(uri: &Uri) -> Result<Self, BadQuery> {
        let Query(options) = Query::<ListOptions>::try_from_uri(uri).map_err(|_| BadQuery)?;
        options.resource_version().map(|_| options)
    }

    /// Whether this is a watch.
    pub fn watches(&self) -> bool {
        truth(&self.watch)
    }

    /// Whether bookmarks are wanted.
    pub fn bookmarks(&self) -> bool {
        truth(&self.allow_watch_bookmarks)
    }

    /// Whether this is a `WatchList`.
    pub fn initial_events(&self) -> bool {
        truth(&self.send_initial_events)
    }

    /// The version named; `None` if absent or 0.
    pub fn rv(&self) -> Option<u64> {
        self.resource_version().unwrap_or_default()
    }

    fn resource_version(&self) -> Result<Option<u64>, BadQuery> {
        match self.resource_version.as_str() {
            "" | "0" => Ok(None),
            text => text.parse().map(Some).map_err(|_| BadQuery),
        }
    }
}

fn truth(text: &str) -> bool {
    matches!(text, "1" | "true" | "True" | "TRUE")
}

/// Where a page of a LIST goes on: the version of the first page (`None`: whatever is latest, an inconsistent
/// continuation) and the last key. Opaque to clients.
#[derive(Debug, PartialEq, Eq)]
pub struct Continue {
    /// The version.
    pub rv: Option<u64>,
    /// The last key.
    pub after: String,
}

impl Continue {
    /// The token.
    pub fn token(&self) -> String {
        use std::fmt::Write as _;
        let mut token = self.rv.map_or_else(|| "latest.".to_owned(), |rv| format!("{rv}."));
        for byte in self.after.bytes() {
            write!(token, "{byte:02x}").expect("a String takes everything");
        }
        token
    }

    /// What a token says.
    pub fn parse(token: &str) -> Option<Self> {
        let (rv, hex) = token.split_once('.').filter(|(_, hex)| hex.len() % 2 == 0)?;
        let rv = if rv == "latest" { None } else { Some(rv.parse().ok()?) };
        let digits = hex.as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let after = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
        Some(Continue { rv, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<(&'static str, &str, Option<&str>)> {
        Target::parse(path).map(|target| (target.resource.plural, target.namespace, target.name))
    }

    #[test]
    fn paths_name_collections_and_objects() {
        assert_eq!(target("/api/v1/pods"), Some(("pods", "", None)));
        assert_eq!(target("/api/v1/namespaces/shop/pods"), Some(("pods", "shop", None)));
        assert_eq!(target("/api/v1/namespaces/shop/pods/web"), Some(("pods", "shop", Some("web"))));
        assert_eq!(target("/api/v1/namespaces/shop"), Some(("namespaces", "", Some("shop"))));
        assert_eq!(target("/apis/apps/v1/deployments"), Some(("deployments", "", None)));
        assert_eq!(target("/api/v1/nodes/n1"), Some(("nodes", "", Some("n1"))));
        assert_eq!(target("/api/v1/pods/web"), None);
        assert_eq!(target("/api/v1/namespaces/shop/nodes"), None);
        assert_eq!(target("/apis/apps/v1/pods"), None);
        assert_eq!(target("/api/v1/namespaces/shop/pods/web/log"), None);
    }

    #[test]
    fn options_are_read_as_kubernetes_writes_them() {
        let uri = "/api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion=12&fieldSelector=metadata.name%3Dweb"
            .parse()
            .unwrap();
        let options = ListOptions::parse(&uri).unwrap();
        assert!(options.watches() && options.bookmarks() && !options.initial_events());
        assert_eq!(options.rv(), Some(12));
        assert_eq!(options.field_selector, "metadata.name=web");
        assert_eq!(ListOptions::parse(&"/?resourceVersion=x".parse().unwrap()), Err(BadQuery));
        assert_eq!(ListOptions::parse(&"/?resourceVersion=0".parse().unwrap()).unwrap().rv(), None);
    }

    #[test]
    fn a_token_says_again_what_it_was_made_of() {
        let place = Continue { rv: Some(7), after: "shop/wéb".to_owned() };
        assert_eq!(Continue::parse(&place.token()), Some(place));
        for bad in ["", "x", "7.zz", "7.0", "y.00", "7.\u{e9}\u{e9}"] {
            assert_eq!(Continue::parse(bad), None, "{bad}");
        }
    }
}
