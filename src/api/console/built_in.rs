//! Foretop's own console, where it was built into the binary (`build.rs`).

use std::collections::HashMap;

use bytes::Bytes;

use super::coding::Coding;
use super::files::File;

/// Paths and bytes of what `web/console` was built into. Beside a file stand its compressed forms, as they were made with it.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

/// What the tabs of a browser share their connection by: a script of this server's own origin.
pub(super) const WORKER: &str = "foretop-worker-v1.js";

/// Below this, the bundler puts files whose names change with their bytes.
const HASHED: &str = "assets/";

/// Whether the console was built in.
#[must_use]
pub fn is_there() -> bool {
    !FILES.is_empty()
}

/// All of its files.
pub(super) fn files() -> HashMap<String, File> {
    let is_form_of_another = |path: &str| {
        Coding::ALL
            .iter()
            .any(|coding| path.strip_suffix(coding.suffix()).is_some_and(|file| bytes(file).is_some()))
    };
    let names = FILES.iter().map(|(path, _)| *path).filter(|path| !is_form_of_another(path));
    names.filter_map(|path| Some((path.to_owned(), file(path)?))).collect()
}

/// The script that other front ends need, too.
pub(super) fn worker() -> Option<File> {
    file(WORKER)
}

fn file(path: &str) -> Option<File> {
    let compressed = |coding: Coding| Some((coding, bytes(&format!("{path}{}", coding.suffix()))?));
    let mut file = File::of(path, bytes(path)?, path.starts_with(HASHED));
    file.compressed = Coding::ALL.into_iter().filter_map(compressed).collect();
    Some(file)
}

fn bytes(path: &str) -> Option<Bytes> {
    let at = FILES.binary_search_by_key(&path, |(path, _)| path).ok()?;
    Some(Bytes::from_static(FILES[at].1))
}
