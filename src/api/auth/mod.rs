//! Who the server thinks one is, and how one signs in and out (the contract's 1.4).

pub(super) mod page;
pub(super) mod sign_in;
pub(super) mod sign_out;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Api, Asker, json};
use crate::config::Tier;
use crate::identity::Identity;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthConfig<'a> {
    auth_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_name: Option<&'a str>,
}

/// How one signs in; public.
pub(super) async fn config(State(api): State<Arc<Api>>) -> Response {
    let provider_name = api.authenticator.sessions().map(|sessions| sessions.provider_name());
    let how = AuthConfig { auth_mode: api.mode.word(), provider_name };
    let mut response = json(&how).into_response();
    response.headers_mut().insert("cache-control", axum::http::HeaderValue::from_static("no-cache"));
    response
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whoami<'a> {
    subject: &'a str,
    email: &'a str,
    groups: Vec<&'a str>,
    mode: &'static str,
    authz_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'static str>,
    audit_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_scope: Option<&'static str>,
    expires_at: u64,
    session_tag: String,
}

pub(super) async fn whoami(State(api): State<Arc<Api>>, Extension(asker): Extension<Asker>) -> Response {
    json(&Whoami {
        subject: &asker.identity.subject,
        email: &asker.identity.email,
        groups: asker.identity.groups.iter().map(|group| &**group).collect(),
        mode: api.mode.word(),
        authz_mode: api.access.mapping.mode().word(),
        tier: api.access.mapping.tier_of(&asker.identity).map(Tier::word),
        audit_enabled: api.audit.is_on(),
        audit_scope: api.audit.is_on().then_some("self"),
        expires_at: expires_at(&asker.identity),
        session_tag: api.authenticator.session_tag(&asker.identity),
    })
}

/// When one has to sign in again, in seconds since the Unix epoch; 0 where that never comes.
fn expires_at(who: &Identity) -> u64 {
    let session = who.session.as_ref().map(|session| session.until);
    session.or(who.until).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShortWhoami<'a> {
    actor: &'a str,
    audit_enabled: bool,
    audit_scope: &'static str,
    mode: &'static str,
    tier: &'static str,
}

pub(super) async fn short_whoami(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
) -> Response {
    json(&ShortWhoami {
        actor: &asker.identity.subject,
        audit_enabled: api.audit.is_on(),
        audit_scope: "self",
        mode: api.access.mapping.mode().word(),
        tier: api.access.mapping.tier_of(&asker.identity).map_or("", Tier::word),
    })
}

/// Headers as the identity's parts read them.
fn pairs(headers: &HeaderMap) -> std::vec::IntoIter<(&str, &[u8])> {
    let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    pairs.into_iter()
}

/// Whether a client says that it takes this media type.
fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let accept = headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|part| part.split(';').next().is_some_and(|given| given.trim() == media))
}
