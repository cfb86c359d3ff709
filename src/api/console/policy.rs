//! What the pages of a front end may load and run, where the settings do not say it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};

/// The policy of Foretop's own console: files of this server, and nothing that stands in a page.
pub(super) const OWN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The policy of a front end of others with this page. Scripts that stand in the page itself run by their hashes (CSP 3, 2.3.1), so that no other can.
pub(super) fn of(index: &[u8]) -> String {
    let hash = |script| BASE64_STANDARD.encode(digest(&SHA256, script));
    let scripts =
        inline_scripts(index).fold(String::new(), |all, script| all + &format!(" 'sha256-{}'", hash(script)));
    format!(
        "default-src 'self'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; \
         worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// What stands between `<script>` and `</script>`, where the tag names no source.
fn inline_scripts(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lower = page.to_ascii_lowercase();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let tag = at + memchr::memmem::find(&lower[at..], b"<script")?;
            let open = tag + memchr::memchr(b'>', &lower[tag..])? + 1;
            let close = open + memchr::memmem::find(&lower[open..], b"</script")?;
            at = close;
            let names_source = memchr::memmem::find(&lower[tag..open], b"src=").is_some();
            if !names_source && close > open {
                return Some(&page[open..close]);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_in_the_page_run_by_their_hashes() {
        let page = br#"<!doctype html><SCRIPT type="module" src="/a.js"></SCRIPT><script>
            theme()</script ><script></script><p>"#;
        let scripts: Vec<&[u8]> = inline_scripts(page).collect();
        assert_eq!(scripts, [b"\n            theme()"]);
        // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        let policy = of(b"<script>alert(1)</script>");
        assert!(
            policy.contains("script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=';"),
            "{policy}"
        );
        assert!(of(b"<p>").contains("script-src 'self';"));
        assert_eq!(inline_scripts(b"<script>never ends").count(), 0);
    }
}
