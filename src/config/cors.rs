//! Other sites' pages that may ask.

use super::Origin;
use super::grammar::OriginList;
use super::table::{Section, Table};

/// Other sites' pages that may ask.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Origins whose pages may ask, with their users' cookies, and read the answers.
    pub allowed_origins: Vec<Origin>,
}

impl Section for Cors {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "allowedOrigins",
            &mut self.allowed_origins,
            OriginList,
            "Origins whose pages may ask in their users' names and read the answers; each exact, there is no wildcard. Requests that other \
             sites make are answered 403.",
        );
    }
}
