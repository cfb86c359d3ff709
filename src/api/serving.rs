//! One request of a connection, and its answer, within bounds of time and size.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use crate::config;

/// Time for one request and its answer.
const TIME: Duration = Duration::from_secs(30);

/// What a client may take of time and space before it is served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    head_timeout: Duration,
    head_bytes: usize,
}

impl Bounds {
    pub(super) fn new(server: &config::Server) -> Self {
        Bounds { head_timeout: server.head_timeout, head_bytes: server.head_bytes }
    }
}

/// Answers one request by these routes; then the connection closes.
pub(super) async fn answer(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    bounds: Bounds,
) {
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let routes = routes.clone();
        async move { routes.oneshot(request.map(axum::body::Body::new)).await }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        // A client that has said all still waits for its answer.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .max_buf_size(bounds.head_bytes.max(8192))
        .serve_connection(TokioIo::new(connection), service);
    // A client that goes away, or is too slow, is its own trouble.
    let _ = tokio::time::timeout(TIME, served).await;
}
