//! What of feeds survives a restart: saved when the process has drained, restored before it accepts anybody.
//!
//! So a restart in place asks no apiserver for a list, and no tab is sent a snapshot: reflectors go on from the version that was saved, and
//! resumes find the journal that they knew. Whatever is wrong with a file, its feed starts cold, which is told and counted; a start never fails of it.
//!
//! Invariants: nothing is on disk that our keys do not seal; a file is there whole or not at all; what was saved is older than a journal may
//! be for nobody.

mod directory;
pub mod file;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::directory::Directory;
use crate::config::Config;
use crate::feed::hub::Hub;
use crate::feed::saved::{Cold, Moment, Saved};
use crate::feed::{Feed, FeedKey};
use crate::identity::seal::{KeyError, Seals};
use crate::kind::Kind;

/// After so long no further feed is begun to be saved: whoever ends the process waits for no more.
const SAVE_TIME: Duration = Duration::from_secs(10);

/// Feeds that the log names one by one, of those that are not saved or not restored.
const MOST_TOLD: usize = 10;

/// Saves feeds, and restores them.
#[derive(Debug)]
pub struct Shelf {
    directory: Directory,
    seals: Seals,
    most_bytes: usize,
    oldest: Duration,
    kinds: Vec<&'static Kind>,
}

impl Shelf {
    /// As the settings have it. `None`: nothing is saved.
    ///
    /// # Errors
    /// Where a key file is named that is of no use.
    pub fn new(config: &Config) -> Result<Option<Self>, KeyError> {
        let Some(dir) = config.state.dir.as_deref().filter(|_| config.state.feed_bytes > 0) else {
            return Ok(None);
        };
        if config.auth.session.keys.is_empty() {
            tracing::warn!(
                "state.no_keys: feeds are not saved, as `auth.session.keys` names no file to seal them with"
            );
            return Ok(None);
        }
        let seals = Seals::read(&config.auth.session.keys)?;
        Ok(Some(Shelf {
            directory: Directory::within(dir),
            seals,
            most_bytes: config.state.feed_bytes,
            oldest: config.journal.age,
            kinds: config.watch.kinds.clone(),
        }))
    }

    /// Restores what was saved, and has its sources go on. Returns the feeds that are back.
    #[must_use]
    pub fn restore(&self, hub: &Hub) -> Vec<FeedKey> {
        let files = self.directory.files().unwrap_or_else(|error| {
            tracing::warn!(%error, "state.unreadable: every feed starts cold");
            Vec::new()
        });
        let mut restored = Vec::new();
        let mut colds = Colds { hub, told: 0 };
        // A source's feeds go on together; no more than these are in memory beside those that are back.
        for files in files.chunk_by(|one, other| directory::source_of(one) == directory::source_of(other)) {
            restored.extend(self.restore_source(files, hub, &mut colds));
        }
        hub.restores.restored.add(restored.len() as u64);
        tracing::info!(feeds = restored.len(), cold = colds.told, "state.restored");
        restored
    }

    fn restore_source(&self, files: &[PathBuf], hub: &Hub, colds: &mut Colds<'_>) -> Vec<FeedKey> {
        let (mut keys, mut all_saved) = (Vec::new(), Vec::new());
        for file in files {
            match self.read(file, hub) {
                Err(why) => colds.tell(file, why),
                Ok(saved) => {
                    keys.push((file, saved.key.clone()));
                    all_saved.push(saved);
                }
            }
        }
        let restored = hub.restore(all_saved);
        for (file, _) in keys.iter().filter(|(_, key)| !restored.contains(key)) {
            colds.tell(file, Cold::Full);
        }
        restored
    }

    fn read(&self, file: &Path, hub: &Hub) -> Result<Saved, Cold> {
        let bytes = directory::read(file, self.most_bytes)?;
        let saved = file::read(&bytes, &self.seals, Moment::now())?;
        if saved.age > self.oldest {
            return Err(Cold::Old);
        }
        if !self.kinds.contains(&saved.key.kind) || !hub.knows(&saved.key.cluster) {
            return Err(Cold::Unwanted);
        }
        Ok(saved)
    }

    /// Saves these feeds, the smallest first, as far as there are room and time. Blocks for the disk.
    pub fn save(&self, feeds: &[Arc<Feed>]) {
        let began = Instant::now();
        let mut by_size: Vec<_> = feeds.iter().map(|feed| (size(feed), feed)).collect();
        by_size.sort_by_key(|(bytes, _)| *bytes);
        let (mut files, mut bytes, mut failed) = (Vec::new(), 0, 0);
        for (_, feed) in by_size {
            let Some(plain) = feed.save(Moment::now()) else { continue };
            let sealed = file::write(&plain, &self.seals);
            let is_too_much = bytes + sealed.len() > self.most_bytes || began.elapsed() > SAVE_TIME;
            match if is_too_much { Err(no_room()) } else { self.directory.write(&feed.key, &sealed) } {
                Ok(path) => {
                    bytes += sealed.len();
                    files.push(path);
                }
                Err(error) => {
                    failed += 1;
                    if failed > MOST_TOLD {
                        continue;
                    }
                    let FeedKey { cluster, kind, rows, .. } = &feed.key;
                    tracing::warn!(%cluster, kind = kind.name, shows = rows.word(), %error, "state.not_saved: this feed will start cold");
                }
            }
        }
        if let Err(error) = self.directory.settle(&files) {
            tracing::warn!(%error, "state.not_settled: what was saved before may be restored");
        }
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(feeds = files.len(), failed, bytes, ms, "state.saved");
    }
}

/// Counts feeds that start cold, and tells of the first.
struct Colds<'h> {
    hub: &'h Hub,
    told: usize,
}

impl Colds<'_> {
    fn tell(&mut self, file: &Path, why: Cold) {
        self.hub.restores.cold(why).add(1);
        self.told += 1;
        if self.told <= MOST_TOLD {
            tracing::warn!(file = %file.display(), why = why.name(), "state.cold_start: {why}");
        }
    }
}

fn size(feed: &Feed) -> usize {
    let figures = feed.figures();
    figures.replica_bytes + figures.journal_bytes
}

fn no_room() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "`state.feedBytes` or the time for it is used up")
}
