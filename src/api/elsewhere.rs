//! What the contract has and Foretop has not: logs, shells, writes, and kinds beyond the 22. A deployment sends these paths to the backend that has
//! them (docs/api.md); here they are answered 501, so that nobody takes them for empty.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;

use super::in_path::InPath;
use super::{Api, Asker, accepts_json, refuse};
use crate::wire::refusal::Refusal;

/// Kinds of the contract that are no streams, and its other branches below a cluster.
const BRANCHES: [&str; 14] = [
    "configmaps",
    "secrets",
    "roles",
    "clusterroles",
    "rolebindings",
    "clusterrolebindings",
    "serviceaccounts",
    "resourcequotas",
    "limitranges",
    "resources",
    "openapi",
    "customresources",
    "helm",
    "metrics",
];

/// What it has of one object.
const FACETS: [&str; 8] = ["logs", "exec", "attach", "shell", "metrics", "meta", "scale", "restart"];

/// Why there is no such route here.
pub(super) fn or_nowhere(word: &str) -> Refusal {
    if BRANCHES.contains(&word) || FACETS.contains(&word) { Refusal::NotHere } else { Refusal::NotFound }
}

/// A branch below a cluster that is none of Foretop's.
pub(super) async fn branch(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    InPath((cluster, branch)): InPath<(String, String)>,
    request: Request,
) -> Response {
    refuse(why(&api, &asker, &cluster, or_nowhere(&branch)), accepts_json(&request))
}

/// A write to an object, of whatever kind.
pub(super) async fn write(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    InPath((cluster, ..)): InPath<(String, String, String)>,
    request: Request,
) -> Response {
    let is_write = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    let here = if is_write { Refusal::NotHere } else { Refusal::MethodNotAllowed { head: false } };
    refuse(why(&api, &asker, &cluster, here), accepts_json(&request))
}

/// Of a cluster that is not theirs, nothing is said.
fn why(api: &Api, asker: &Asker, cluster: &str, otherwise: Refusal) -> Refusal {
    api.asks_as(asker, cluster).err().unwrap_or(otherwise)
}
