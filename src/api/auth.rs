//! Who the server thinks one is (the contract's 1.4, for the modes that need no sign-in).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Api, Asker, json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthConfig {
    auth_mode: &'static str,
}

/// How one signs in; public.
pub(super) async fn config(State(api): State<Arc<Api>>) -> Response {
    let mut response = json(&AuthConfig { auth_mode: api.mode.word() }).into_response();
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
    audit_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_scope: Option<&'static str>,
    expires_at: u64,
}

pub(super) async fn whoami(State(api): State<Arc<Api>>, Extension(asker): Extension<Asker>) -> Response {
    json(&Whoami {
        subject: &asker.identity.subject,
        email: &asker.identity.email,
        groups: asker.identity.groups.iter().map(|group| &**group).collect(),
        mode: api.mode.word(),
        authz_mode: "shared",
        audit_enabled: api.audit.is_on(),
        audit_scope: api.audit.is_on().then_some("self"),
        expires_at: 0,
    })
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
        mode: "shared",
        tier: "",
    })
}
