//! The management listener: figures and state for those who run the process.
//!
//! It asks nobody who they are, so nothing here names a user, a tenant or a namespace. On a loopback address it answers only to a `Host` that is an
//! address or `localhost`, so that no web page reaches it through a name of its own that leads here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{Api, health, metrics, process, refuse, serving, views};
use crate::wire::refusal::Refusal;

/// Connections that are served at once; further ones wait.
const AT_ONCE: usize = 64;

/// How long nobody is accepted after the kernel could not give a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the management listener.
pub async fn serve(api: Arc<Api>, listener: TcpListener) {
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    let bounds = api.bounds;
    let routes = routes(api, is_loopback);
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(permit) = at_once.clone().acquire_owned().await else { return };
        let Ok((connection, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let routes = routes.clone();
        tokio::spawn(async move {
            serving::answer(connection, routes, bounds).await;
            drop(permit);
        });
    }
}

fn routes(api: Arc<Api>, is_loopback: bool) -> Router {
    let routes = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz_in_detail))
        .route("/metrics", get(metrics::metrics))
        .route("/-/views", get(views::views))
        .route("/debug/threads", get(process::threads))
        .route("/debug/memory", get(process::memory))
        .fallback(super::not_found)
        .method_not_allowed_fallback(super::method_not_allowed)
        .layer(DefaultBodyLimit::max(0))
        .with_state(api);
    if is_loopback { routes.layer(axum::middleware::from_fn(by_address)) } else { routes }
}

async fn by_address(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_address(host) { next.run(request).await } else { refuse(Refusal::WrongHost, false) }
}

/// Whether a `Host` is an IP address or `localhost`, with or without a port.
fn is_address(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn only_addresses_and_localhost_are_hosts_of_loopback() {
        for host in ["127.0.0.1", "127.0.0.1:8081", "[::1]:8081", "[::1]", "localhost", "LOCALHOST:1"] {
            assert!(is_address(host), "{host}");
        }
        for host in [
            "",
            ":8081",
            "evil.example",
            "evil.example:8081",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
        ] {
            assert!(!is_address(host), "{host}");
        }
    }
}
