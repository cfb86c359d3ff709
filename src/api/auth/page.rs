//! The few pages that the server writes itself, for signing in and out and where there is no console: small, without scripts, never in a frame, never kept.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A page that says one thing.
pub(in super::super) struct Page<'a> {
    pub status: u16,
    pub title: &'a str,
    pub text: &'a str,
    /// A path of this server, and what the link to it says.
    pub link: Option<(&'a str, &'a str)>,
}

impl Page<'_> {
    pub(in super::super) fn answer(&self) -> Response {
        let link = self.link.map_or_else(String::new, |(path, says)| {
            format!("<p><a href=\"{}\">{}</a></p>\n", escaped(path), escaped(says))
        });
        let (title, text) = (escaped(self.title), escaped(self.text));
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}</title>\n<h1>{title}</h1>\n<p>{text}</p>\n{link}</html>\n"
        );
        let headers = [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
        ];
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, headers, body).into_response()
    }
}

/// Sends a browser on, with these cookies.
pub(super) fn go_on(location: &str, cookies: &[Box<str>]) -> Response {
    let Ok(location) = HeaderValue::try_from(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    give((StatusCode::FOUND, headers).into_response(), cookies)
}

/// The answer, with these cookies.
pub(super) fn give(mut response: Response, cookies: &[Box<str>]) -> Response {
    for cookie in cookies.iter().filter_map(|cookie| HeaderValue::try_from(&**cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Text as HTML shows it. Some of it is the provider's.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_becomes_markup() {
        assert_eq!(escaped("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
