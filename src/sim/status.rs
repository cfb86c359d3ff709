//! The answers that say no: Kubernetes' Status objects, and the few plain texts.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::Body;
use super::resource::Resource;

/// A refusal, as it goes out as a response or inside a watch.
#[derive(Clone, Debug)]
pub struct Refusal {
    code: StatusCode,
    status: Value,
}

impl Refusal {
    fn new(code: StatusCode, reason: &str, message: &str) -> Self {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code.as_u16()});
        Refusal { code, status }
    }

    /// 410 for a watch: the resource's version is below `floor`.
    pub fn watch_too_old(resource: &Resource, rv: u64, floor: u64) -> Self {
        let message = if resource.watch_cached() {
            format!("too old resource version: {rv} ({floor})")
        } else {
            "The resourceVersion for the provided watch is too old.".to_owned()
        };
        Refusal::new(StatusCode::GONE, "Expired", &message)
    }

    /// 410 for a LIST at an exact version.
    pub fn list_too_old() -> Self {
        let message = "The resourceVersion for the provided list is too old.";
        Refusal::new(StatusCode::GONE, "Expired", message)
    }

    /// 410 for a continue token; `token` goes on without consistency.
    pub fn continue_too_old(token: &str) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. \
            You can start a new list without the continue parameter, or use the continue token in this response to \
            retrieve the remainder of the results. Continuing with the provided token results in an inconsistent \
            list - objects that were created, modified, or deleted between the time the first chunk was returned \
            and now may show up in the list.";
        let mut refusal = Refusal::new(StatusCode::GONE, "Expired", message);
        refusal.status["metadata"] = json!({"continue": token});
        refusal
    }

    /// 504 for a version from the future.
    pub fn too_large(rv: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {rv}, current: {current}");
        let mut refusal = Refusal::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", &message);
        refusal.status["details"] = json!({"causes": [{"reason": "ResourceVersionTooLarge",
            "message": "Too large resource version"}], "retryAfterSeconds": 1});
        refusal
    }

    /// 422 for a `WatchList` on a server without the feature.
    pub fn watch_list_gate_off() -> Self {
        Refusal::invalid_send_initial_events(
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        )
    }

    /// 422 for a `WatchList` without `resourceVersionMatch`.
    pub fn watch_list_without_match() -> Self {
        Refusal::invalid_send_initial_events(
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    }

    fn invalid_send_initial_events(detail: &str) -> Self {
        let message =
            format!("ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: {detail}");
        let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", &message);
        refusal.status["details"] = json!({"group": "meta.k8s.io", "kind": "ListOptions", "causes": [
            {"reason": "FieldValueForbidden", "message": format!("Forbidden: {detail}"),
             "field": "sendInitialEvents"}]});
        refusal
    }

    /// 500 in a `WatchList`'s first line, as a server on an old etcd says it.
    pub fn no_watch_progress() -> Self {
        let message = "a watch stream was requested by the client but the required storage feature \
            RequestWatchProgress is disabled";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// 500 on command.
    pub fn internal() -> Self {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "Internal error occurred: simulated")
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// 403: what a user may not do.
    pub fn forbidden(user: &str, verb: &str, resource: &Resource, namespace: &str) -> Self {
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let message = format!(
            "{} is forbidden: User \"{user}\" cannot {verb} resource \"{}\" in API group \"{}\" {scope}",
            resource.qualified(),
            resource.plural,
            resource.group
        );
        let mut refusal = Refusal::new(StatusCode::FORBIDDEN, "Forbidden", &message);
        refusal.status["details"] = json!({"group": resource.group, "kind": resource.plural});
        refusal
    }

    /// 403 for an access review itself.
    pub fn review_forbidden() -> Self {
        Refusal::new(StatusCode::FORBIDDEN, "Forbidden", "access reviews are forbidden: simulated")
    }

    /// 404 for an object.
    pub fn no_such_object(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        let mut refusal = Refusal::new(StatusCode::NOT_FOUND, "NotFound", &message);
        refusal.status["details"] = json!({"name": name, "group": resource.group, "kind": resource.plural});
        refusal
    }

    /// 400.
    pub fn bad_request(message: &str) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// The refusal as a response of its own.
    pub fn response(&self) -> Response<Body> {
        json_response(self.code, &self.status)
    }

    /// The refusal as the ERROR line of a watch.
    pub fn line(&self) -> Bytes {
        Bytes::from(format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", self.status))
    }
}

/// A JSON response.
pub fn json_response(code: StatusCode, value: &Value) -> Response<Body> {
    response(code, "application/json", format!("{value}\n"))
}

/// A plain text response.
pub fn text_response(code: StatusCode, text: &str) -> Response<Body> {
    response(code, "text/plain; charset=utf-8", text.to_owned())
}

/// 404 where no API is.
pub fn no_such_path() -> Response<Body> {
    text_response(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// 429 as an overloaded apiserver says it: not a Status.
pub fn too_many_requests(retry_after: u64) -> Response<Body> {
    let text = "Too many requests, please try again later.";
    let mut response = text_response(StatusCode::TOO_MANY_REQUESTS, text);
    response.headers_mut().insert(header::RETRY_AFTER, retry_after.into());
    response
}

fn response(code: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-cache, private")
        .body(Body::whole(text.into()))
        .expect("the header values are valid")
}
