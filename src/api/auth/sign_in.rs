//! To the provider, and back (the contract's 1.4).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use openidconnect::url::form_urlencoded;
use serde::Deserialize;

use super::super::{Api, json};
use super::page::{Page, give, go_on};
use super::{accepts, pairs};
use crate::audit::{Event, Origin, Record, Who};
use crate::identity::oidc::{Callback, SignInError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ReturnTo {
    return_to: Option<String>,
}

/// Sends the browser to the provider. Where nobody signs in, to the front page.
pub(in super::super) async fn login(
    State(api): State<Arc<Api>>,
    Query(ReturnTo { return_to }): Query<ReturnTo>,
    headers: HeaderMap,
) -> Response {
    let Some(sessions) = api.authenticator.sessions() else { return go_on("/", &[]) };
    let return_to = return_to.as_deref().unwrap_or("/");
    match sessions.begin(return_to, pairs(&headers)) {
        Ok(onward) => go_on(&onward.location, &onward.cookies),
        Err(why) => refused(&why, &headers),
    }
}

/// Takes the browser back from the provider.
pub(in super::super) async fn callback(
    State(api): State<Arc<Api>>,
    Extension(origin): Extension<Origin>,
    Query(callback): Query<Callback>,
    headers: HeaderMap,
) -> Response {
    let Some(sessions) = api.authenticator.sessions() else { return StatusCode::NOT_FOUND.into_response() };
    let state = callback.state.clone().unwrap_or_default();
    let admits = |who: &_| api.access.mapping.admits(who);
    match sessions.finish(callback, pairs(&headers), admits).await {
        Ok(onward) => {
            if let Some(who) = &onward.signed_in {
                api.audit
                    .record(|| Record::new(Event::SignedIn, Some(Who::of(who, &api.access.tenants)), origin));
            }
            go_on(&onward.location, &onward.cookies)
        }
        Err(why) => {
            api.audit.record(|| Record::new(Event::SignInFailed { code: why.code() }, None, origin));
            let forget: Vec<_> = sessions.forget(&state).into_iter().collect();
            give(refused(&why, &headers), &forget)
        }
    }
}

fn refused(why: &SignInError, headers: &HeaderMap) -> Response {
    let text = why.to_string();
    let mut response = if accepts(headers, "text/html") || !accepts(headers, "application/json") {
        let link = Some(("/api/auth/login", "Sign in again"));
        Page { status: why.status(), title: "Not signed in", text: &text, link }.answer()
    } else {
        let error = serde_json::json!({"error": {"code": why.code(), "message": text}});
        let status = StatusCode::from_u16(why.status()).expect("a status of ours");
        (status, [("cache-control", "no-store")], json(&error)).into_response()
    };
    if *why == SignInError::ProviderUnavailable {
        response.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("5"));
    }
    response
}

/// Where a browser that opens a page without a session is sent. `None`: it is no browser, or opens no page.
pub(in super::super) fn instead_of_401(
    api: &Api,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Response> {
    api.authenticator.sessions()?;
    if method != Method::GET || !accepts(headers, "text/html") {
        return None;
    }
    let page = uri.path_and_query().map_or("/", |page| page.as_str());
    let to: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
    Some(go_on(&format!("/api/auth/login?returnTo={to}"), &[]))
}
