//! Signing out (the contract's 1.4), and the provider's word that somebody has (`OpenID` Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use serde::Deserialize;

use super::super::{Api, json};
use super::page::{Page, give, go_on};
use super::pairs;
use crate::audit::{Event, Origin, Record, Who};
use crate::identity::oidc::{BackchannelError, Reach, Sessions};

/// Ends this session.
pub(in super::super) async fn logout(
    State(api): State<Arc<Api>>,
    Extension(origin): Extension<Origin>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    sign_out(&api, Reach::Here, origin, &uri, &headers).await
}

/// Ends all of the user's sessions, and the provider's.
pub(in super::super) async fn logout_everywhere(
    State(api): State<Arc<Api>>,
    Extension(origin): Extension<Origin>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    sign_out(&api, Reach::Everywhere, origin, &uri, &headers).await
}

async fn sign_out(api: &Api, reach: Reach, origin: Origin, uri: &Uri, headers: &HeaderMap) -> Response {
    let Some(sessions) = api.authenticator.sessions() else { return go_on("/", &[]) };
    if is_of_another_site(headers) {
        let text = "Another site has sent you here. Sign out?";
        return Page { status: 200, title: "Sign out", text, link: Some((uri.path(), "Sign out")) }.answer();
    }
    let everywhere = reach == Reach::Everywhere;
    match sessions.sign_out(reach, pairs(headers)).await {
        Ok(Some(who)) => {
            api.audit.record(|| {
                Record::new(Event::SignedOut { everywhere }, Some(Who::of(&who, &api.access.tenants)), origin)
            });
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(%error, "sign_out.not_kept");
            let text = "This browser is signed out, but it could not be noted down that copies of its session are no longer good.";
            let page = Page { status: 503, title: "Signed out in this browser only", text, link: None };
            return give(page.answer(), &sessions.expire());
        }
    }
    go_on(&afterwards(sessions, reach), &sessions.expire())
}

fn afterwards(sessions: &Sessions, reach: Reach) -> String {
    let at_provider = if reach == Reach::Everywhere { sessions.end_session_url() } else { None };
    at_provider.unwrap_or_else(|| "/".to_owned())
}

/// Whether a page of somebody else's has made this request: a link there must not sign anybody out unasked.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes);
    matches!(site, Some(b"cross-site" | b"same-site"))
}

/// Where one ends up after signing out.
pub(in super::super) async fn logged_out() -> Response {
    let link = Some(("/api/auth/login", "Sign in again"));
    Page { status: 200, title: "Signed out", text: "You are signed out.", link }.answer()
}

/// Who stands between may keep no answer to a logout token.
const NO_STORE: [(&str, &str); 1] = [("cache-control", "no-store")];

#[derive(Deserialize)]
pub(in super::super) struct LogoutToken {
    logout_token: String,
}

/// Ends what the provider says is ended.
pub(in super::super) async fn backchannel(
    State(api): State<Arc<Api>>,
    Extension(origin): Extension<Origin>,
    form: Result<Form<LogoutToken>, FormRejection>,
) -> Response {
    let Some(sessions) = api.authenticator.sessions() else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(Form(LogoutToken { logout_token })) = form else {
        return refused(StatusCode::BAD_REQUEST, "the form has no logout_token");
    };
    let (status, why) = match sessions.end_by_token(&logout_token).await {
        Ok(_) => {
            api.audit.record(|| Record::new(Event::Revoked { by: "provider" }, None, origin));
            return (StatusCode::OK, NO_STORE).into_response();
        }
        Err(why @ BackchannelError::Bad(_)) => (StatusCode::BAD_REQUEST, why),
        Err(why @ BackchannelError::ProviderUnavailable) => (StatusCode::SERVICE_UNAVAILABLE, why),
        Err(why @ BackchannelError::NotKept(_)) => {
            tracing::error!(error = %why, "sign_out.not_kept");
            (StatusCode::SERVICE_UNAVAILABLE, why)
        }
    };
    refused(status, &why.to_string())
}

/// A logout request that ended nothing, in the standard's own shape (`OpenID` Connect Back-Channel Logout 1.0, 2.8).
fn refused(status: StatusCode, why: &str) -> Response {
    tracing::warn!(%why, "backchannel_logout.refused");
    let body = serde_json::json!({"error": "invalid_request", "error_description": why});
    (status, NO_STORE, json(&body)).into_response()
}
