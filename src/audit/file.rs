//! A file that is rotated by size: `NAME` is written, `NAME.1` was written before it, and so on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// A file for its owner's eyes alone.
const MODE: u32 = 0o600;

/// A file that never grows beyond a size.
#[derive(Debug)]
pub struct Rotating {
    path: PathBuf,
    /// Bytes.
    most: u64,
    /// Files in all.
    files: usize,
    file: File,
    /// Bytes in the file.
    size: u64,
}

impl Rotating {
    /// Goes on with this file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: PathBuf, most: u64, files: usize) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Rotating { path, most, files, file, size })
    }

    /// Writes a line, in whole, behind those that are there.
    ///
    /// # Errors
    /// When the file takes nothing, or cannot be rotated.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.most {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(line) {
            // What there is of it would be the beginning of the next line.
            let _ = self.file.set_len(self.size);
            return Err(error);
        }
        self.size += length;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.files).rev() {
            match std::fs::rename(self.numbered(number - 1), self.numbered(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.files == 1 {
            std::fs::remove_file(&self.path)?;
        }
        *self = Rotating::open(self.path.clone(), self.most, self.files)?;
        Ok(())
    }

    /// The file that was written so many files ago.
    fn numbered(&self, number: usize) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn contents(folder: &std::path::Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                assert_eq!(path.metadata().expect("a file").permissions().mode() & 0o777, MODE);
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).expect("a text"))
            })
            .collect();
        files.sort();
        files
    }

    fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn the_oldest_goes_when_there_are_enough() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = Rotating::open(folder.path().join("audit"), 4, 3).expect("a file");
        for line in ["a\n", "b\n", "c\n", "d\n", "e\n", "f\n", "g\n"] {
            file.write(line.as_bytes()).expect("room");
        }
        let expected = [("audit", "g\n"), ("audit.1", "e\nf\n"), ("audit.2", "c\nd\n")];
        assert_eq!(contents(folder.path()), named(&expected));
    }

    #[test]
    fn a_restart_goes_on_where_it_was_and_one_file_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        for line in ["a\n", "b\n", "c\n"] {
            let mut file = Rotating::open(folder.path().join("audit"), 4, 1).expect("a file");
            file.write(line.as_bytes()).expect("room");
        }
        assert_eq!(contents(folder.path()), named(&[("audit", "c\n")]));
    }
}
