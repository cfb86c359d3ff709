//! The registry file on disk, followed as it changes.
//!
//! The contents are compared, not only the time stamp: a mounted config map is swapped by a symbolic link, and an edit may
//! keep the size and the second. A file that is bad or unreadable keeps the registry as it was, and is reported once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::registry::{Changes, Registry};
use crate::config::{self, Mistake, Mistakes};

/// How often the file is looked at.
pub const EVERY: Duration = Duration::from_secs(2);

/// The longest registry file that is read.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// What was last read of a registry file.
#[derive(Debug)]
pub struct RegistryFile {
    path: PathBuf,
    tenants: config::Tenants,
    seen: Option<Result<String, String>>,
    registry: Registry,
}

impl RegistryFile {
    /// A file that was not read yet: the registry is empty, and the first [`RegistryFile::look`] adds every cluster.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        RegistryFile { path, tenants: config::Tenants::default(), seen: None, registry: Registry::default() }
    }

    /// The same, where there are these tenants.
    #[must_use]
    pub fn for_tenants(self, tenants: config::Tenants) -> Self {
        RegistryFile { tenants, ..self }
    }

    /// The registry as it was last good.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Reads the file; `None` if it is as it was.
    ///
    /// # Errors
    /// Every mistake in it; the registry stays as it was.
    pub async fn look(&mut self) -> Option<Result<Changes, Mistakes>> {
        let contents = read(&self.path).await;
        if self.seen.as_ref() == Some(&contents) {
            return None;
        }
        let name = self.path.display().to_string();
        let parsed = match &contents {
            Ok(text) => Registry::parse_for(&self.tenants, &name, text),
            Err(why) => Err(Mistakes(vec![Mistake::unreadable(name, why)])),
        };
        self.seen = Some(contents);
        Some(parsed.map(|next| {
            let changes = self.registry.changes_to(&next);
            self.registry = next;
            changes
        }))
    }
}

async fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).await.map_err(unreadable)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "clusters: [{name: a, backend: in-cluster}]";
    const TWO: &str = "clusters: [{name: a, backend: in-cluster}, {name: b, backend: in-cluster}]";

    #[tokio::test]
    async fn a_bad_file_keeps_the_old_registry_and_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clusters.yaml");
        let mut file = RegistryFile::new(path.clone());
        assert!(file.look().await.unwrap().is_err(), "a missing file is a mistake");
        assert!(file.look().await.is_none(), "told once");

        std::fs::write(&path, ONE).unwrap();
        assert_eq!(file.look().await.unwrap().unwrap().added.len(), 1);
        assert!(file.look().await.is_none());

        std::fs::write(&path, "clusters: 3").unwrap();
        assert_eq!(file.look().await.unwrap().unwrap_err().0.len(), 1);
        assert!(file.registry().get("a").is_some());
        std::fs::remove_file(&path).unwrap();
        assert!(file.look().await.unwrap().is_err());
        assert!(file.registry().get("a").is_some());

        std::fs::write(&path, TWO).unwrap();
        let changes = file.look().await.unwrap().unwrap();
        assert_eq!(changes.added.len(), 1);
        assert!(changes.removed.is_empty() && changes.changed.is_empty());
    }
}
