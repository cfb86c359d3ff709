//! What has to survive a restart.

use std::path::PathBuf;

use super::GIB;
use super::grammar::{OptionalPath, Size};
use super::table::{Section, Table};

/// What has to survive a restart.
#[derive(Clone, Debug)]
pub struct State {
    /// A directory of this process alone.
    pub dir: Option<PathBuf>,
    /// Bytes that saved feeds may take in it; 0: none are saved.
    pub feed_bytes: usize,
}

impl Default for State {
    fn default() -> Self {
        State { dir: None, feed_bytes: 512 << 20 }
    }
}

impl Section for State {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "dir",
            &mut self.dir,
            OptionalPath,
            "A directory that survives restarts, of this process alone. Which sessions were ended is kept there, and, sealed with `auth.session.keys`, \
             the feeds of a process that ends in order. Needed in `auth.mode: oidc`.",
        );
        table.setting(
            "feedBytes",
            &mut self.feed_bytes,
            Size(0, 64 * GIB),
            "What saved feeds may take in `state.dir`; the smallest are saved first. `0`: none are, and each begins with a LIST after a restart.",
        );
    }
}
