//! The front end.

use std::path::PathBuf;

use super::grammar::{AnyText, OptionalPath, Switch};
use super::table::{Section, Table};

/// The front end.
#[derive(Clone, Debug)]
pub struct Console {
    /// Whether Foretop's own front end is served, where it was built in and there is no other.
    pub built_in: bool,
    /// Static files that are served in place of Foretop's own front end.
    pub dir: Option<PathBuf>,
    /// What its pages may load and run; empty: what [`crate::api::console`] has for front ends of others.
    pub policy: String,
}

impl Default for Console {
    fn default() -> Self {
        Console { built_in: true, dir: None, policy: String::new() }
    }
}

impl Section for Console {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "builtIn",
            &mut self.built_in,
            Switch,
            "Whether Foretop's own console is served, where it was built into the binary (`make demo` and the image do that). Its files hold nothing \
             of anybody and are given to everybody who reaches the server; all that it shows comes from the API, by the user's own rights. \
             `/foretop-worker-v1.js`, which clients of other pages share their connection by, is served in any case.",
        );
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
