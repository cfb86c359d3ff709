//! Where a browser goes once it has signed in: a path of this server, never anywhere else.

/// The longest path that is remembered.
const LONGEST: usize = 2048;

/// The path that a request asks to return to, if it is one of this server, else `/`.
///
/// Browsers take `//host`, `/\host` and either with tabs and line ends in between for another host (WHATWG URL, 4.4).
#[must_use]
pub fn sanitized(path: &str) -> &str {
    let own = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= LONGEST
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    // Back at the sign-in, there would be no end of it.
    if own && !path.starts_with("/api/auth/") { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use openidconnect::url::Url;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_this_server_are_kept() {
        for path in ["/", "/clusters/east/pods?namespace=web#row", "/a//b"] {
            assert_eq!(sanitized(path), path);
        }
    }

    #[test]
    fn everything_else_is_the_front_page() {
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            "evil",
            "/ü",
            "/api/auth/login",
            "/a\\b",
            "/a b",
        ] {
            assert_eq!(sanitized(path), "/", "{path:?}");
        }
        assert_eq!(sanitized(&format!("/{}", "x".repeat(LONGEST))), "/");
    }

    proptest! {
        #[test]
        fn a_browser_stays_at_this_origin(path in prop_oneof!["[/\\\\\\t\\r\\n.@:a-z#?]{0,12}", "/\\PC{0,20}"]) {
            let base = Url::parse("https://foretop.example").expect("a URL");
            let target = base.join(sanitized(&path)).expect("a path");
            prop_assert_eq!(target.origin(), base.origin());
        }
    }
}
