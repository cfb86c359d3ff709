//! The static files of a front end, as they were when the server started.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::HeaderValue;
use xxhash_rust::xxh3::xxh3_128;

use super::coding::Coding;
use super::{built_in, policy};
use crate::config;
use crate::wire::head::etag_text;

/// Most files of a front end, and most bytes of all of them.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: usize = 256 << 20;

/// The page of every route of a front end.
const INDEX: &str = "index.html";

/// Why a front end cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Something in the directory cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// There is no page to serve.
    #[error("{0} holds no index.html: name the directory that the front end was built into")]
    NoIndex(PathBuf),
    /// It is more than a front end.
    #[error(
        "{0} holds more than {MOST_FILES} files or {MOST_BYTES} bytes: name the directory that the front end was built into"
    )]
    TooLarge(PathBuf),
    /// No header can hold the policy.
    #[error("console.contentSecurityPolicy holds a character that no header can")]
    Policy,
}

/// A front end; without pages, only what other front ends need of this server.
#[derive(Debug)]
pub struct Console {
    /// What its pages may load and run.
    pub(super) policy: String,
    /// By path, without the slash at the beginning.
    files: HashMap<String, File>,
}

/// A file of it.
#[derive(Debug)]
pub(super) struct File {
    pub(super) content_type: &'static str,
    pub(super) etag: String,
    /// Its name changes with its bytes.
    pub(super) is_immutable: bool,
    pub(super) bytes: Bytes,
    /// The same, compressed, where that was done when it was built.
    pub(super) compressed: Vec<(Coding, Bytes)>,
}

impl Console {
    /// Reads the front end that the settings name; else takes the one that is built in.
    ///
    /// # Errors
    /// Why it cannot be served.
    pub fn load(settings: &config::Console) -> Result<Self, ConsoleError> {
        let mut files = match &settings.dir {
            Some(dir) => read_front_end(dir)?,
            None if settings.built_in => built_in::files(),
            None => HashMap::new(),
        };
        let own_policy = settings.dir.is_none().then(|| policy::OWN.to_owned());
        let policy = match (settings.policy.as_str(), files.get(INDEX)) {
            ("", Some(index)) => own_policy.unwrap_or_else(|| policy::of(&index.bytes)),
            ("", None) => policy::OWN.to_owned(),
            (said, _) => said.to_owned(),
        };
        HeaderValue::try_from(&policy).map_err(|_| ConsoleError::Policy)?;
        if settings.dir.is_none() && settings.built_in && files.is_empty() {
            tracing::info!("console.not_built_in: `make demo` builds a binary that has it");
        }
        // Whose pages they are makes no difference to how their tabs share a connection.
        if let Some(worker) = built_in::worker() {
            files.entry(built_in::WORKER.to_owned()).or_insert(worker);
        }
        Ok(Console { policy, files })
    }

    /// Whether there are pages.
    pub(in super::super) fn has_pages(&self) -> bool {
        self.files.contains_key(INDEX)
    }

    /// The file at a path of the URL; for a route of the front end, its page.
    pub(super) fn find(&self, path: &str) -> Option<&File> {
        let path = unescaped(path.trim_start_matches('/'))?;
        if let Some(file) = self.files.get(&path) {
            return Some(file);
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        // Something that would be a file is none that there is, and a page in its place would be taken for it.
        let is_route = extension(last).is_none_or(|extension| content_type(extension).is_none());
        self.files.get(INDEX).filter(|_| is_route && !path.split('/').any(|part| part.starts_with('.')))
    }
}

fn read_front_end(dir: &Path) -> Result<HashMap<String, File>, ConsoleError> {
    let mut files = HashMap::new();
    read_dir(dir, &mut files)?;
    if !files.contains_key(INDEX) {
        return Err(ConsoleError::NoIndex(dir.to_owned()));
    }
    tracing::info!(files = files.len(), dir = %dir.display(), "console.loaded");
    Ok(files)
}

/// Reads a directory and those in it, without following a link.
fn read_dir(root: &Path, files: &mut HashMap<String, File>) -> Result<(), ConsoleError> {
    let mut bytes = 0;
    let mut waiting = vec![(root.to_owned(), String::new())];
    while let Some((dir, prefix)) = waiting.pop() {
        let unreadable = |source| ConsoleError::Unreadable { path: dir.clone(), source };
        for entry in std::fs::read_dir(&dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let key = format!("{prefix}{name}");
            if kind.is_dir() {
                waiting.push((path, key + "/"));
            } else if kind.is_file() {
                let file = File::read(&path, name)?;
                bytes += file.bytes.len();
                files.insert(key, file);
            }
            if files.len() > MOST_FILES || bytes > MOST_BYTES {
                return Err(ConsoleError::TooLarge(root.to_owned()));
            }
        }
    }
    Ok(())
}

impl File {
    fn read(path: &Path, name: &str) -> Result<Self, ConsoleError> {
        let unreadable = |source| ConsoleError::Unreadable { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > MOST_BYTES as u64 {
            return Err(ConsoleError::TooLarge(path.to_owned()));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Ok(File::of(name, bytes.into(), is_hashed(name)))
    }

    pub(super) fn of(name: &str, bytes: Bytes, is_immutable: bool) -> Self {
        File {
            content_type: extension(name).and_then(content_type).unwrap_or("application/octet-stream"),
            etag: etag_text(xxh3_128(&bytes)),
            is_immutable,
            bytes,
            compressed: Vec::new(),
        }
    }
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

fn content_type(extension: &str) -> Option<&'static str> {
    Some(match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

/// Whether a file's name holds a hash of its bytes, as bundlers write it (`index-D3x9_aQ1.js`, `main.3f2a9c1b.css`): eight or more characters, of
/// which a digit or a capital tells it from a word.
fn is_hashed(name: &str) -> bool {
    let (stem, behind) = name.split_once('.').unwrap_or((name, ""));
    let tail = stem.rsplit_once('-').map(|(_, tail)| tail);
    behind.split('.').chain(tail).any(|part| {
        part.len() >= 8
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && part.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    })
}

/// A path of a URL as it is meant. `None`: as no file is named.
fn unescaped(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundlers_hashes_are_known_and_words_are_not() {
        for hashed in ["index-D3x9_aQ1.js", "main.3f2a9c1b.css", "logo-BfX2k9aQ.svg", "chunk.ABCDEFGH.js.map"]
        {
            assert!(is_hashed(hashed), "{hashed}");
        }
        for word in
            ["index.html", "vendor-components.js", "favicon.ico", "monaco.worker.js", "a-1.js", "robots.txt"]
        {
            assert!(!is_hashed(word), "{word}");
        }
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(unescaped("a%20b%2Fc").as_deref(), Some("a b/c"));
        assert_eq!(unescaped("%252e").as_deref(), Some("%2e"));
        for none in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(unescaped(none), None, "{none}");
        }
    }
}
