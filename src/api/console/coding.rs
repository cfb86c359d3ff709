//! How a file comes compressed (RFC 9110, 8.4.1 and 12.5.3).

use axum::http::{HeaderMap, header};
use bytes::Bytes;

use super::files::File;

/// A way to compress, the better one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    pub(super) const ALL: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// How the compressed form of a file is called, behind the file's own name.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Gzip => ".gz",
        }
    }

    /// The tag of the compressed bytes, which are others.
    pub(super) fn etag(self, etag: &str) -> String {
        format!("{}-{}\"", etag.trim_end_matches('"'), self.word())
    }

    fn is_accepted(self, accepted: &str) -> bool {
        accepted.split(',').any(|part| {
            let (word, parameters) = part.split_once(';').unwrap_or((part, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
            word.trim().eq_ignore_ascii_case(self.word()) && weight.is_ok_and(|weight| weight > 0.0)
        })
    }
}

impl File {
    /// The bytes that the client takes, and what has been done to them.
    pub(super) fn as_accepted(&self, headers: &HeaderMap) -> (Option<Coding>, &Bytes) {
        let said =
            headers.get(header::ACCEPT_ENCODING).and_then(|said| said.to_str().ok()).unwrap_or_default();
        let compressed = self.compressed.iter().find(|(coding, _)| coding.is_accepted(said));
        compressed.map_or((None, &self.bytes), |(coding, bytes)| (Some(*coding), bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_that_is_accepted_is_given() {
        let forms = Coding::ALL.map(|coding| (coding, Bytes::from_static(coding.word().as_bytes())));
        let mut file = File::of("a.js", Bytes::from_static(b"plain"), true);
        file.compressed = forms.to_vec();
        for (said, given) in [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("GZIP", "gzip"),
            ("identity", "plain"),
            ("", "plain"),
            ("br;q=much", "plain"),
            ("brotli", "plain"),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, said.parse().expect("a header"))]);
            assert_eq!(file.as_accepted(&headers).1, given, "{said}");
        }
        assert_eq!(file.as_accepted(&HeaderMap::new()).1, "plain");
        assert_eq!(Coding::Brotli.etag("\"abc\""), "\"abc-br\"");
    }
}
