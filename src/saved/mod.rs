//! What of feeds survives a restart: saved when the process has drained, restored before it accepts anybody.
//!
//! So a restart in place asks no apiserver for a list, and no tab is sent a snapshot: reflectors go on from the version that was saved, and
//! resumes find the journal that they knew. Whatever is wrong with a file, its feed starts cold, which is told and counted; a start never fails of it.
//!
//! Invariants: nothing is on disk that our keys do not seal; a file is there whole or not at all; what was saved is older than a journal may
//! be for nobody.

mod directory;
pub mod file;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::Xxh3;

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
    /// What tells this build from others.
    build: u128,
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
        let build = match fingerprint() {
            Ok(build) => build,
            Err(error) => {
                tracing::warn!(%error, "state.no_build: feeds are not saved, as this build cannot be told from others");
                return Ok(None);
            }
        };
        Ok(Some(Shelf {
            directory: Directory::within(dir),
            seals,
            build,
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
        let (mut restored, mut cold) = (Vec::new(), 0);
        for path in files {
            match self.restore_one(&path, hub) {
                Ok(key) => {
                    hub.restores.restored.add(1);
                    restored.push(key);
                }
                Err(why) => {
                    hub.restores.cold(why).add(1);
                    cold += 1;
                    if cold <= MOST_TOLD {
                        tracing::warn!(file = %path.display(), why = why.name(), "state.cold_start: {why}");
                    }
                }
            }
        }
        tracing::info!(feeds = restored.len(), cold, "state.restored");
        restored
    }

    fn restore_one(&self, path: &std::path::Path, hub: &Hub) -> Result<FeedKey, Cold> {
        let bytes = directory::read(path, self.most_bytes)?;
        let saved: Saved = file::read(&bytes, self.build, &self.seals, Moment::now())?;
        if saved.age > self.oldest {
            return Err(Cold::Old);
        }
        let key = saved.key();
        if !self.kinds.contains(&key.kind) || !hub.knows(&key.cluster) {
            return Err(Cold::Unwanted);
        }
        hub.restore(saved).map_err(|_| Cold::Full)?;
        Ok(key)
    }

    /// Saves these feeds, the smallest first, as far as there are room and time. Blocks for the disk.
    pub fn save(&self, feeds: &[Arc<Feed>]) {
        let began = Instant::now();
        let mut by_size: Vec<_> = feeds.iter().map(|feed| (size(feed), feed)).collect();
        by_size.sort_by_key(|(bytes, _)| *bytes);
        let (mut files, mut bytes, mut failed) = (Vec::new(), 0, 0);
        for (_, feed) in by_size {
            let Some(plain) = feed.save(Moment::now()) else { continue };
            let sealed = file::write(&plain, self.build, &self.seals);
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
                    let (cluster, kind) = (&feed.key.cluster, feed.key.kind.name);
                    tracing::warn!(%cluster, kind, %error, "state.not_saved: this feed will start cold");
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

fn size(feed: &Feed) -> usize {
    let figures = feed.figures();
    figures.replica_bytes + figures.journal_bytes
}

fn no_room() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "`state.feedBytes` or the time for it is used up")
}

/// What tells this build from every other: a hash of its executable.
fn fingerprint() -> io::Result<u128> {
    let path: PathBuf = std::env::current_exe()?;
    let mut executable = std::fs::File::open(path)?;
    let mut hash = Xxh3::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match executable.read(&mut piece)? {
            0 => return Ok(hash.digest128()),
            length => hash.update(&piece[..length]),
        }
    }
}
