//! `GET /api/clusters/{cluster}/crds`: custom resources. Foretop holds none and has no page for any, so it names none.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::super::in_path::InPath;
use super::super::{Api, Asker, json, refuse, wants_json};

pub(in super::super) async fn crds(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    InPath(cluster): InPath<String>,
    headers: HeaderMap,
) -> Response {
    match api.asks_as(&asker, &cluster) {
        Ok(_) => json(&serde_json::json!({"crds": []})),
        Err(why) => refuse(why, wants_json(&headers)),
    }
}
