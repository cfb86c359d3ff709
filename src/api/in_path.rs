//! What a path names. One that is not UTF-8 names nothing, as on the routes that a core answers.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::{refuse, wants_json};
use crate::wire::refusal::Refusal;

/// What a path names.
pub(super) struct InPath<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(InPath(names)),
            Err(_) => Err(refuse(Refusal::NotFound, wants_json(&parts.headers))),
        }
    }
}
