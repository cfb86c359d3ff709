//! Kubeconfig files, each parsed once while it stays as it is.
//!
//! One file may lead to thousands of clusters, and each of them looks into it twice at the start: parsed each time, a file of 2,500 contexts
//! would keep a process from starting for minutes. What is kept is the file that was read last; whether it is still the same is asked of the
//! file system each time.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kube::config::{Kubeconfig, KubeconfigError};

/// A file that was written so short a time before it was read may have been written again since, in the same tick of the file system's clock.
const FRESH: Duration = Duration::from_secs(2);

static LAST: Mutex<Option<Kept>> = Mutex::new(None);

/// A file as it was read.
struct Kept {
    path: PathBuf,
    stamp: Stamp,
    kubeconfig: Arc<Kubeconfig>,
}

/// What differs where a file does.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: SystemTime,
}

impl Stamp {
    /// Of the file as it is now. `None` where that cannot be told, or tells too little.
    fn of(path: &Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        let modified = file.modified().ok()?;
        let is_old = modified.elapsed().is_ok_and(|age| age > FRESH);
        is_old.then(|| Stamp { device: file.dev(), inode: file.ino(), length: file.len(), modified })
    }
}

/// The kubeconfig at this path.
///
/// # Errors
/// What kept it from being read.
pub(super) fn read(path: &Path) -> Result<Arc<Kubeconfig>, KubeconfigError> {
    // Before the file is read: one that changes meanwhile is read again the next time.
    let stamp = Stamp::of(path);
    if let Some(kept) = LAST.lock().expect("nothing panics under this lock").as_ref()
        && kept.path == path
        && stamp.as_ref() == Some(&kept.stamp)
    {
        return Ok(kept.kubeconfig.clone());
    }
    let kubeconfig = Arc::new(Kubeconfig::read_from(path)?);
    if let Some(stamp) = stamp {
        let kept = Kept { path: path.to_owned(), stamp, kubeconfig: kubeconfig.clone() };
        *LAST.lock().expect("nothing panics under this lock") = Some(kept);
    }
    Ok(kubeconfig)
}

/// Of a kubeconfig, the context of this name (without one, the current), and what belongs to it.
pub(super) fn only(whole: &Kubeconfig, context: Option<&String>) -> Kubeconfig {
    let current_context = context.or(whole.current_context.as_ref()).cloned();
    let contexts: Vec<_> = whole
        .contexts
        .iter()
        .filter(|named| Some(&named.name) == current_context.as_ref())
        .cloned()
        .collect();
    let of_it = || contexts.iter().filter_map(|named| named.context.as_ref());
    let clusters = whole.clusters.iter().filter(|named| of_it().any(|context| context.cluster == named.name));
    let users = whole
        .auth_infos
        .iter()
        .filter(|named| of_it().any(|context| context.user.as_ref() == Some(&named.name)));
    Kubeconfig {
        clusters: clusters.cloned().collect(),
        auth_infos: users.cloned().collect(),
        contexts,
        current_context,
        ..Kubeconfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(server: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: one,
             clusters: [{{name: a, cluster: {{server: '{server}'}}}}, {{name: b, cluster: {{server: 'https://b'}}}}],
             contexts: [{{name: one, context: {{cluster: a, user: u}}}}, {{name: two, context: {{cluster: b, user: v}}}}],
             users: [{{name: u, user: {{}}}}, {{name: v, user: {{}}}}]}}"
        )
    }

    fn server(path: &Path) -> String {
        let read = read(path).expect("a kubeconfig");
        let first = read.clusters[0].cluster.as_ref().expect("a cluster");
        first.server.clone().expect("a server")
    }

    fn age(path: &Path, by: Duration) {
        let file = std::fs::File::options().write(true).open(path).expect("open");
        file.set_modified(SystemTime::now() - by).expect("set");
    }

    #[test]
    fn a_file_that_stays_as_it_is_is_parsed_once_and_one_that_changes_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        std::fs::write(&path, yaml("https://a")).expect("write");
        age(&path, Duration::from_mins(1));
        let first = read(&path).expect("a kubeconfig");
        assert!(Arc::ptr_eq(&first, &read(&path).expect("the same")));
        std::fs::write(&path, yaml("https://c")).expect("write");
        assert_eq!(server(&path), "https://c");
        std::fs::write(&path, yaml("https://d")).expect("write");
        assert_eq!(server(&path), "https://d", "in the same tick, and as long");
        age(&path, Duration::from_secs(30));
        assert_eq!(server(&path), "https://d");
        std::fs::remove_file(&path).expect("remove");
        assert!(read(&path).is_err());
    }

    #[test]
    fn of_many_contexts_one_is_taken_with_what_belongs_to_it() {
        let whole = Kubeconfig::from_yaml(&yaml("https://a")).expect("a kubeconfig");
        let names = |part: &Kubeconfig| {
            let clusters: Vec<_> = part.clusters.iter().map(|named| named.name.clone()).collect();
            let users: Vec<_> = part.auth_infos.iter().map(|named| named.name.clone()).collect();
            (clusters.join(" "), users.join(" "), part.contexts.len())
        };
        assert_eq!(names(&only(&whole, None)), ("a".into(), "u".into(), 1));
        assert_eq!(names(&only(&whole, Some(&"two".into()))), ("b".into(), "v".into(), 1));
        let none = only(&whole, Some(&"three".into()));
        assert_eq!(names(&none), (String::new(), String::new(), 0));
        assert_eq!(none.current_context.as_deref(), Some("three"));
    }
}
