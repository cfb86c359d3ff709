//! A feed as bytes: what of it survives a restart.
//!
//! Saved are its rows, the retained journal with its frames as they went out, and the version at which both stand: whoever was shown
//! that version, and comes back after the restart, is told what it missed and nothing else, and the source goes on from there. Places are as they were; they mean
//! nothing to anybody else.
//!
//! Rows and frames are good for whoever would make the same: each kind says which version of its rows it makes ([`crate::kind::Kind::row_version`]), and of the frames
//! around them, and of all else here, the file's version tells (`saved::file`).
//!
//! Reading trusts nothing that could break an invariant of a journal or a replica: such bytes are no saved feed.

mod cold;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::block::Block;
use super::journal::{Journal, Past};
use super::ledger::Thing;
use super::replica::Replica;
use super::{Feed, FeedKey, Heard, Rows, Shared, State};
use crate::kind::{self, Rv};
use crate::wire::fields::{Rest, put_number, put_text, put_wide};
pub use cold::{Cold, Restores};

/// One moment on both clocks: of the two, only the wall's goes on over a restart.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// As the process counts.
    pub instant: Instant,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl Moment {
    /// The present one.
    #[must_use]
    pub fn now() -> Self {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Moment { instant: Instant::now(), unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    /// The moment so long ago; the earliest there is, where the process cannot count so far back.
    fn before(self, time: Duration) -> Instant {
        self.instant.checked_sub(time).unwrap_or(self.instant)
    }
}

/// A feed as it was saved.
#[derive(Debug)]
pub struct Saved {
    /// What it was a feed of.
    pub key: FeedKey,
    /// How long ago it was saved; nothing where the wall's clock was set back since.
    pub age: Duration,
    /// As of when its rows are, where that is known and the process can count so far back.
    pub heard_at: Option<Instant>,
    epoch: Option<String>,
    head: Rv,
    /// Since when nothing has come from the source: since it was saved, or longer.
    away_since: Instant,
    past: Past,
    blocks: Vec<Block>,
    replica: Replica,
}

impl Saved {
    /// Reads what [`Feed::save`] has written.
    ///
    /// # Errors
    /// [`Cold::Unwanted`] where it is of a kind that there is not, [`Cold::Version`] where its kind had other rows then, [`Cold::Broken`] where it was not written by that.
    pub fn read(bytes: &[u8], now: Moment) -> Result<Self, Cold> {
        let mut rest = Rest(bytes);
        let key = read_key(&mut rest)?;
        Saved::read_rest(&mut rest, key, now).ok_or(Cold::Broken)
    }

    fn read_rest(rest: &mut Rest<'_>, key: FeedKey, now: Moment) -> Option<Self> {
        let age = Duration::from_millis(now.unix_ms.saturating_sub(rest.number()?));
        let away = Duration::from_millis(rest.number()?);
        let quiet = if rest.switch()? { Some(Duration::from_millis(rest.number()?)) } else { None };
        let heard_at = quiet.and_then(|quiet| now.instant.checked_sub(age.saturating_add(quiet)));
        let epoch = if rest.switch()? { Some(rest.text()?.to_owned()) } else { None };
        let head = Rv(rest.wide()?);
        let replica = Replica::read(rest)?;
        let (past, blocks) = Past::read(rest, |since| now.before(age.saturating_add(since)))?;
        let is_whole = rest.is_empty() && blocks.last().is_some_and(|newest| newest.head <= head);
        let away_since = now.before(age.saturating_add(away));
        is_whole.then_some(Saved { key, age, heard_at, epoch, head, away_since, past, blocks, replica })
    }
}

fn write_key(key: &FeedKey, out: &mut Vec<u8>) {
    put_text(out, &key.cluster);
    put_text(out, key.kind.name);
    put_number(out, key.kind.row_version.into());
    put_text(out, key.rows.word());
}

fn read_key(rest: &mut Rest<'_>) -> Result<FeedKey, Cold> {
    let cluster = rest.text().ok_or(Cold::Broken)?.into();
    let kind = kind::by_name(rest.text().ok_or(Cold::Broken)?).ok_or(Cold::Unwanted)?;
    if rest.number().ok_or(Cold::Broken)? != u64::from(kind.row_version) {
        return Err(Cold::Version);
    }
    let rows = rest.text().and_then(Rows::by_word).ok_or(Cold::Broken)?;
    Ok(FeedKey::own(cluster, kind).showing(rows, None))
}

impl Feed {
    /// The feed as bytes. `None`: it has nothing to show (any more), or is not everybody's: a user's rights may be others by then, and a selector was a client's to choose.
    #[must_use]
    pub fn save(&self, now: Moment) -> Option<Vec<u8>> {
        if !self.key.is_everybodys() || self.status().refused().is_some() {
            return None;
        }
        let writer = self.lock();
        if !writer.synced || writer.ended {
            return None;
        }
        let away =
            writer.away.map_or(Duration::ZERO, |(since, _)| now.instant.saturating_duration_since(since));
        let mut out = Vec::with_capacity(writer.replica.memory() + writer.journal.size().0);
        write_key(&self.key, &mut out);
        put_number(&mut out, now.unix_ms);
        put_number(&mut out, milliseconds(away));
        let heard = self.heard.at();
        out.push(heard.is_some().into());
        if let Some(heard) = heard {
            // Up, so that it is no later than the truth.
            put_number(&mut out, milliseconds(now.instant.saturating_duration_since(heard)) + 1);
        }
        out.push(writer.epoch.is_some().into());
        if let Some(epoch) = &writer.epoch {
            put_text(&mut out, epoch);
        }
        put_wide(&mut out, writer.head.0);
        writer.replica.write(&mut out);
        writer.journal.write(now.instant, &mut out);
        Some(out)
    }

    /// The feed that was saved. Its source goes on from where it stood; until that is heard of, it counts as away.
    #[must_use]
    pub fn restored(saved: Saved, shared: &Shared, heard: Arc<Heard>) -> Arc<Self> {
        let Saved { key, epoch, head, away_since, past, blocks, replica, .. } = saved;
        let feed = Feed::of_source(key, shared, heard);
        let mut writer = feed.lock();
        writer.journal = Journal::of(past, blocks, shared.ledger.charge(Thing::Journals, 0));
        writer.replica_charge.set(replica.memory());
        writer.replica = replica;
        (writer.head, writer.epoch, writer.synced) = (head, epoch, true);
        writer.away = Some((away_since, false));
        feed.tail.store(Arc::new(writer.tail()));
        drop(writer);
        feed.set_status(State::Syncing, true);
        feed
    }

    /// The cluster's incarnation that its rows are of, where it could be read.
    #[must_use]
    pub fn epoch(&self) -> Option<String> {
        self.lock().epoch.clone()
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
