//! The directory of saved feeds, `feeds` in `state.dir`: a file each, written whole or not at all. The names of a source's files begin with the same digits, and the files
//! of its further feeds have these feeds' rows behind them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use crate::feed::saved::Cold;
use crate::feed::{FeedKey, Rows};

/// Its name.
const NAME: &str = "feeds";

/// The digits of a source.
const DIGITS: usize = 32;

/// What files end with, and those that are being written.
const ENDS: &str = "feed";
const NEW: &str = "new";

/// The directory.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// The one in this `state.dir`.
    #[must_use]
    pub fn within(state: &Path) -> Self {
        Directory(state.join(NAME))
    }

    /// The files in it that have the names of saved feeds, those of a source together ([`source_of`]).
    ///
    /// # Errors
    /// Where it cannot be read. One that is not there yet is empty.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        self.named(&[ENDS])
    }

    /// Writes a feed's file beside the one that there may be, and puts it in its place. It is there for good only after [`Directory::settle`].
    ///
    /// # Errors
    /// Where that cannot be done; the old file is as it was.
    pub fn write(&self, key: &FeedKey, bytes: &[u8]) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let new = self.0.join(stem(key)).with_extension(NEW);
        let written = write_new(&new, bytes);
        if let Err(error) = written {
            // What there is of it takes room that others need.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        let path = new.with_extension(ENDS);
        fs::rename(&new, &path)?;
        Ok(path)
    }

    /// Takes away the files of all feeds but these, and has the disk know of all that was done.
    ///
    /// # Errors
    /// Where the disk does not.
    pub fn settle(&self, kept: &[PathBuf]) -> io::Result<()> {
        for path in self.named(&[ENDS, NEW])? {
            if !kept.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        match File::open(&self.0) {
            Ok(directory) => directory.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn named(&self, ends: &[&str]) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if ends.iter().any(|end| is_named(&path, end)) {
                files.push(path);
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

/// A file of at most so many bytes.
///
/// # Errors
/// [`Cold::Unreadable`], [`Cold::TooLong`].
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>, Cold> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|_| Cold::Unreadable)?;
    file.take((most as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(|_| Cold::Unreadable)?;
    if bytes.len() > most { Err(Cold::TooLong) } else { Ok(bytes) }
}

/// The name of a feed's file.
fn stem(key: &FeedKey) -> String {
    let source = xxh3_128(format!("{} {}", key.cluster, key.kind.name).as_bytes());
    match key.rows {
        Rows::Plain => format!("{source:0DIGITS$x}"),
        Rows::Full => format!("{source:0DIGITS$x}-{}", key.rows.word()),
    }
}

/// What the names of the files of one source begin with.
pub fn source_of(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()?.get(..DIGITS)
}

fn is_named(path: &Path, end: &str) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let (digits, rows) = stem.split_at_checked(DIGITS).unwrap_or_default();
    let is_of_rows =
        rows.is_empty() || rows.strip_prefix('-').is_some_and(|word| Rows::by_word(word).is_some());
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && is_of_rows
        && path.extension().is_some_and(|extension| extension == end)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
