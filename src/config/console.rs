//! The front end.

use std::path::PathBuf;

use super::grammar::{AnyText, OptionalPath};
use super::table::{Section, Table};

/// The front end.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// Static files that are served in place of Foretop's own front end.
    pub dir: Option<PathBuf>,
    /// What its pages may load and run; empty: what [`crate::api::console`] has for front ends of others.
    pub policy: String,
}

impl Section for Console {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "dir",
            &mut self.dir,
            OptionalPath,
            "A directory of static files with an `index.html`: a front end that is written for the contract, served in place of Foretop's own. It \
             is read once, at the start; links and dotfiles in it are not served. The files are given to everybody who reaches the server, signed in or not. \
             Such a front end mostly knows no refusal of a stream but one that is a stream: see `streams.refusal`.",
        );
        table.setting(
            "contentSecurityPolicy",
            &mut self.policy,
            AnyText,
            "The `Content-Security-Policy` of its pages. Empty: they run their own scripts (inline ones of `index.html` too, by their hashes), style \
             themselves as they like, load nothing from elsewhere and ask nobody else.",
        );
    }
}
