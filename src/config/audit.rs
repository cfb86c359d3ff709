//! What is recorded of who saw what.

use std::path::PathBuf;

use super::grammar::{OptionalPath, Size, Switch, Whole};
use super::table::{Section, Table};
use super::{GIB, KIB};

/// What is recorded of who saw what. Without an output there is no audit.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Lines to standard output.
    pub stdout: bool,
    /// Lines to a file.
    pub file: Option<PathBuf>,
    /// Bytes at which the file is rotated.
    pub max_bytes: usize,
    /// Files in all, the one that is written among them.
    pub files: usize,
}

impl Default for Audit {
    fn default() -> Self {
        Audit { stdout: false, file: None, max_bytes: 64 << 20, files: 10 }
    }
}

impl Section for Audit {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "stdout",
            &mut self.stdout,
            Switch,
            "A JSON object per record on standard output, among the lines of the log.",
        );
        table.setting(
            "file",
            &mut self.file,
            OptionalPath,
            "A JSON object per record in this file, which is made with mode 0600 and rotated to `NAME.1`, `NAME.2` and so on. No two processes may share it.",
        );
        table.setting(
            "maxBytes",
            &mut self.max_bytes,
            Size(64 * KIB, 64 * GIB),
            "The size at which the file is rotated.",
        );
        table.setting(
            "files",
            &mut self.files,
            Whole(1, 1000),
            "Files in all, the one that is written among them. The oldest is removed.",
        );
    }
}
