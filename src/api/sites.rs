//! Requests that are not meant for this server, or that another site has made, come no further than this. See [`crate::identity::origin`].
//!
//! Only `/healthz` and `/readyz` are outside of it: a kubelet asks for them by the pod's address, and they tell nothing.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Api, accepts_json, refuse};
use crate::identity::Peer;
use crate::identity::origin::{Asked, Sharing};
use crate::wire::refusal::Refusal;

/// What pages of listed origins may send.
const MAY_SEND: [(&str, &str); 3] = [
    ("access-control-allow-methods", "GET, HEAD, POST"),
    (
        "access-control-allow-headers",
        "Authorization, Cache-Control, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id",
    ),
    ("access-control-max-age", "600"),
];

/// Routes that a provider posts a form to (`OpenID` Connect Back-Channel Logout, 2.5).
const FORMS: [&str; 1] = ["/api/auth/backchannel-logout"];

pub(super) async fn admit(
    State((api, peer)): State<(Arc<Api>, Peer)>,
    request: Request,
    next: Next,
) -> Response {
    let asked = Asked {
        method: request.method().as_str(),
        path: request.uri().path(),
        authority: request.uri().authority().map(http::uri::Authority::as_str),
        peer: peer.address.ip(),
    };
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let sharing = match api.origins.admit(&asked, headers) {
        Ok(sharing) => sharing,
        Err(why) => return refuse(why, accepts_json(&request)),
    };
    let mut response = if is_preflight(&request) {
        (StatusCode::NO_CONTENT, MAY_SEND).into_response()
    } else if takes_its_body(&request) {
        next.run(request).await
    } else {
        refuse(Refusal::NotJson, accepts_json(&request))
    };
    share(&mut response, &sharing);
    response
}

/// Whether a browser asks what another site's page may send (Fetch, 4.8).
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key("access-control-request-method")
}

/// A form of another site can post any body without asking first, but none that calls itself JSON. What is no GET and no POST no form sends.
fn takes_its_body(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    request.method() != Method::POST
        || media.trim().eq_ignore_ascii_case("application/json")
        || FORMS.contains(&request.uri().path())
}

fn share(response: &mut Response, sharing: &Sharing) {
    for (name, value) in sharing.iter() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(*name, value);
        }
    }
}
