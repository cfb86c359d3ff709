//! Whether the process lives, and whether it is to be sent clients.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Api;

/// The contract's answer: two bytes, whatever the clusters do.
pub(super) async fn healthz() -> &'static str {
    "ok"
}

/// 200 once the prewarmed feeds are there (or were tried for long enough), until the process is shutting down.
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    if api.draining.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    if !api.ready.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: prewarmed feeds are syncing\n").into_response();
    }
    "ok".into_response()
}
