//! The front end: Foretop's own ([`built_in`]), or one of others (`console.dir`). Its static files, from memory.
//!
//! A directory is read once ([`files`]), so a request finds a file by its whole path or finds none: no path leads out of the directory, and none to a
//! link or a dotfile. What is no file and no API is the front end's own route, and gets `index.html`. The files are public, as they hold nothing of
//! anybody; all that they show comes from the API.

pub mod built_in;
mod coding;
pub mod files;
mod policy;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use self::files::{Console, File};
use super::auth::page::Page;
use super::{Api, accepts_json, refuse};
use crate::wire::refusal::Refusal;

/// Branches of the path that are the server's own.
const OWN: [&str; 3] = ["/api", "/debug", "/metrics"];

/// Answers what is no route of the server's.
pub(super) async fn serve(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let (console, path) = (&api.console, request.uri().path());
    let found = console.find(path);
    if is_own(path) || found.is_none() && !console.has_pages() {
        return next.run(request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    match found {
        Some(file) => answer(console, file, request.headers()),
        None => refuse(Refusal::NotFound, accepts_json(&request)),
    }
}

/// What stands at the front where there is no front end.
pub(super) fn none(settings_want_one: bool) -> Response {
    let text = if settings_want_one {
        "This binary was built without the console, which needs Node: `make demo` builds one that has it. The API is here all the same."
    } else {
        "This server has no console (console.builtIn). The API is here all the same."
    };
    Page { status: 404, title: "No console", text, link: None }.answer()
}

fn is_own(path: &str) -> bool {
    OWN.iter().any(|own| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn answer(console: &Console, file: &File, headers: &HeaderMap) -> Response {
    let (coding, bytes) = file.as_accepted(headers);
    let etag = coding.map_or_else(|| file.etag.clone(), |coding| coding.etag(&file.etag));
    let caching = if file.is_immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (header::ETAG, etag.as_str()),
        (header::VARY, "Accept-Encoding"),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_SECURITY_POLICY, console.policy.as_str()),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    if is_known(headers, &etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, file.content_type)];
    let coding = coding.map(|coding| [(header::CONTENT_ENCODING, coding.word())]);
    (common, content_type, coding, Body::from(bytes.clone())).into_response()
}

/// Whether the client has the file as it is (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut known = lines.flat_map(|line| line.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn the_servers_own_branches_are_not_the_front_ends() {
        for own in ["/api", "/api/", "/api/fleet", "/debug/streams", "/metrics"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["/", "/clusters/east/pods", "/apis", "/assets/api/x.js", "/debugger"] {
            assert!(!is_own(other), "{other}");
        }
    }
}
