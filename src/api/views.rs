//! What this replica serves, as its siblings are told.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::{Api, json};
use crate::siblings::Views;

pub(super) async fn views(State(api): State<Arc<Api>>) -> Response {
    json(&Views::of(&api.hub.views()))
}
