//! The trusted proxy of `auth.mode: header`.

use crate::config::Cidr;
use crate::config::grammar::{HeaderWord, Peers, Words};
use crate::config::table::{Section, Table};

/// The trusted proxy of `header`.
#[derive(Clone, Debug)]
pub struct HeaderAuth {
    /// Name of the header with the user.
    pub user: String,
    /// Name of the header with the groups (comma-separated, may be repeated).
    pub groups: String,
    /// Peers that may set them: addresses or CIDR blocks.
    pub trusted_peers: Vec<Cidr>,
    /// Peers that may set them: DNS or URI names in a client certificate that was verified.
    pub trusted_names: Vec<String>,
}

impl Default for HeaderAuth {
    fn default() -> Self {
        HeaderAuth {
            user: "X-Forwarded-User".into(),
            groups: "X-Forwarded-Groups".into(),
            trusted_peers: Vec::new(),
            trusted_names: Vec::new(),
        }
    }
}

impl Section for HeaderAuth {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting("user", &mut self.user, HeaderWord, "The header that holds the user.");
        table.setting(
            "groups",
            &mut self.groups,
            HeaderWord,
            "The header that holds the groups, separated by commas; it may be repeated.",
        );
        table.setting(
            "trustedPeers",
            &mut self.trusted_peers,
            Peers,
            "The peers that may set these headers, by address. From any other peer the headers are ignored. `auth.mode: header` needs \
             this or `trustedNames`.",
        );
        table.setting(
            "trustedNames",
            &mut self.trusted_names,
            Words,
            "The peers that may set these headers, by a subject alternative name (DNS or URI) of the client certificate that they have \
             shown, whole and without wildcards.",
        );
    }
}
