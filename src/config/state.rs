//! What has to survive a restart.

use std::path::PathBuf;

use super::grammar::OptionalPath;
use super::table::{Section, Table};

/// What has to survive a restart.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// A directory of this process alone.
    pub dir: Option<PathBuf>,
}

impl Section for State {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "dir",
            &mut self.dir,
            OptionalPath,
            "A directory that survives restarts, of this process alone. Which sessions were ended is kept there. Needed in `auth.mode: oidc`.",
        );
    }
}
