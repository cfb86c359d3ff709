//! Where a feed's source looks, and as whom it asks.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, InvalidHeaderValue};

use crate::feed::{Eyes, FeedKey, KubeUser};

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// The collection that a feed is of, and the headers of every request for it.
pub(super) struct Look {
    /// The collection's path, without a query.
    pub(super) path: String,
    /// Whom to impersonate.
    pub(super) headers: HeaderMap,
}

impl Look {
    /// Of this feed.
    ///
    /// # Errors
    /// A name that no header can hold, so nobody can be impersonated by it.
    pub(super) fn of(key: &FeedKey) -> Result<Self, InvalidHeaderValue> {
        match &key.eyes {
            Eyes::Own => Ok(Look { path: key.kind.api.path(None), headers: HeaderMap::new() }),
            Eyes::Of { user, namespace } => {
                Ok(Look { path: key.kind.api.path(namespace.as_deref()), headers: impersonating(user)? })
            }
        }
    }
}

/// The headers that make an apiserver take a request for this user's. It adds `system:authenticated` by itself.
///
/// # Errors
/// A name that no header can hold.
pub fn impersonating(user: &KubeUser) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    headers.insert(USER, HeaderValue::from_bytes(user.name.as_bytes())?);
    for group in &user.groups {
        headers.append(GROUP, HeaderValue::from_bytes(group.as_bytes())?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kind;

    #[test]
    fn a_user_is_impersonated_with_all_groups_and_looks_where_they_may() {
        let user = Arc::new(KubeUser { name: "ann".into(), groups: ["a".into(), "b".into()].into() });
        let kind = kind::by_name("deployments").expect("a kind");
        let eyes = Eyes::Of { user, namespace: Some("team-a".into()) };
        let look = Look::of(&FeedKey::new("east".into(), kind, eyes)).expect("plain names");
        assert_eq!(look.path, "/apis/apps/v1/namespaces/team-a/deployments");
        assert_eq!(look.headers["impersonate-user"], "ann");
        assert_eq!(look.headers.get_all("impersonate-group").iter().collect::<Vec<_>>(), ["a", "b"]);
        let own = Look::of(&FeedKey::own("east".into(), kind)).expect("no names");
        assert_eq!((own.path.as_str(), own.headers.len()), ("/apis/apps/v1/deployments", 0));
    }

    #[test]
    fn a_name_that_would_split_a_header_impersonates_nobody() {
        let user =
            KubeUser { name: "ann\r\nImpersonate-Group: system:masters".into(), groups: Box::default() };
        assert!(impersonating(&user).is_err());
    }
}
