//! Where a request came from, and what is counted and recorded when it is refused.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::Api;
use crate::audit::{Event, Origin, Record, Who};
use crate::config::Cidr;
use crate::core::record::is_denial;
use crate::identity::{Peer, forwarded};
use crate::wire::refusal::Refusal;

/// Gives the request its id and its [`Origin`], which routes that record something take from its extensions; records it if it is denied.
pub(super) async fn of_request(
    State((api, peer)): State<(Arc<Api>, Peer)>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id = request_id(request.headers());
    let header = HeaderValue::try_from(&request_id).ok();
    let client = client(&peer, &api.trusted_proxies, request.headers());
    let origin = Origin { client: Some(client), request_id: request_id.into() };
    let path: Box<str> = request.uri().path().into();
    request.extensions_mut().insert(origin.clone());
    let mut response = next.run(request).await;
    if let Some(header) = header {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), header);
    }
    let refused = response.extensions().get::<Refusal>().copied();
    if let Some(why) = refused {
        api.refused.count(why);
    }
    if let Some(why) = refused.filter(|why| is_denial(*why)) {
        let event = Event::Denied { code: why.code(), path: Some(path) };
        let who = response.extensions().get::<Who>().cloned();
        api.audit.record(|| Record::new(event, who, origin));
    }
    response
}

/// An address that a trusted proxy vouches for, else the peer's.
fn client(peer: &Peer, trusted_proxies: &[Cidr], headers: &HeaderMap) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().map(|line| ("x-forwarded-for", line.as_bytes()));
    forwarded::client(peer.address.ip(), trusted_proxies, lines)
}

/// The id that the request brought, if it can be repeated without escaping; else one of ours.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    let plain = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    given.filter(plain).map_or_else(|| format!("c-{:016x}", fastrand::u64(..)), str::to_owned)
}
