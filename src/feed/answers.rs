//! What is asked of a feed: snapshots, and rows that change nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::block::{Content, Refused};
use super::post::{CoreId, Mail, Specimen};
use super::snapshot::Snapshot;
use super::writing::Batch;
use super::{Feed, Rows, Scope, Writer};

/// Scopes whose snapshot can be waited for before the first sync, on all cores: as many as there may be users with rights of their own
/// when all come back to a cold start. Clients choose them, so there is a bound: some 8 MiB.
const MOST_WAITING: usize = 65_536;

/// How long a list may show a value that follows the clock.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

impl Writer {
    /// Whether a snapshot that was made earlier can be given to those who come now: the journal reaches back to it, and what came
    /// since is smaller than itself; or, where it has to be exact, nothing came since.
    fn still_serves(&self, known: &Snapshot, scope: &Scope, exact: bool) -> bool {
        if exact && known.clocked && known.made.elapsed() > CLOCK_EVERY {
            return false;
        }
        let allowed = if exact { 0 } else { known.frame().len() };
        self.journal.bytes_since(known.place, scope, allowed).is_some_and(|bytes| bytes <= allowed)
    }
}

impl Feed {
    /// Answers a core's wish for a snapshot: now, or when the first sync is there. `exact`: nothing may be missing from it (for
    /// lists); else an older one will do whose stream can catch up from the journal.
    pub fn send_snapshot(&self, core: CoreId, scope: Scope, exact: bool) {
        let mut writer = self.lock();
        let refused = if writer.ended { Some(Refused::Gone) } else { self.status.load().refused() };
        if let Some(why) = refused {
            return self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Err(why)));
        }
        if !writer.synced {
            let waiter = (core, scope);
            if writer.waiting.contains(&waiter) {
                return;
            }
            if writer.waiting.len() >= MOST_WAITING {
                return self
                    .post_self(core, |feed| Mail::Snapshot(feed, waiter.1, true, Err(Refused::Unavailable)));
            }
            writer.waiting.insert(waiter);
            return;
        }
        match self.snapshot(&mut writer, &scope, exact, (!exact).then_some(core)) {
            Ok(snapshot) => self.post_self(core, |feed| Mail::Snapshot(feed, scope, exact, Ok(snapshot))),
            Err(why) => self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Err(why))),
        }
    }

    /// A scope's list as it is now, for who is no core. `None` before the first sync.
    ///
    /// # Errors
    /// Why rows cannot be shown.
    pub fn list(&self, scope: &Scope) -> Result<Option<Arc<Snapshot>>, Refused> {
        let mut writer = self.lock();
        let refused = if writer.ended { Some(Refused::Gone) } else { self.status.load().refused() };
        match refused {
            Some(why) => Err(why),
            None if !writer.synced => Ok(None),
            None => self.snapshot(&mut writer, scope, true, None).map(Some),
        }
    }

    /// Answers a core's wish for a row that changes nothing.
    pub fn send_specimen(&self, core: CoreId, scope: Scope) {
        let writer = self.lock();
        let row = writer.replica.specimen(&scope, self.key.kind.listing).map(|row| {
            let mut json = Vec::with_capacity(row.max_len());
            row.write(Timestamp::now(), &mut json);
            json.into_boxed_slice()
        });
        let specimen = Specimen { place: writer.journal.newest().end(), row };
        self.post_self(core, |feed| Mail::Specimen(feed, scope, specimen));
    }

    /// A scope's list. The core that asked for it is sent its parts while it is being encoded, where streams get it in parts.
    ///
    /// # Errors
    /// Where it would have to be encoded, and there is no memory for it.
    pub(super) fn snapshot(
        &self,
        writer: &mut Writer,
        scope: &Scope,
        exact: bool,
        asker: Option<CoreId>,
    ) -> Result<Arc<Snapshot>, Refused> {
        if let Some(known) = writer.snapshots.get(scope).and_then(Weak::upgrade)
            && writer.still_serves(&known, scope, exact)
        {
            return Ok(known);
        }
        // Many may have been let in before the first of their snapshots was made.
        if !self.ledger.has_room() {
            return Err(Refused::Full);
        }
        // A version that a snapshot names is one that the journal knows.
        if writer.head > writer.journal.newest().head {
            self.publish(writer, Batch::default(), Content::Events);
        }
        let at = (writer.journal.newest().end(), writer.head);
        let asker = asker.filter(|_| self.key.rows == Rows::Full);
        let tell = |part| {
            if let Some(core) = asker {
                self.post_self(core, |feed| Mail::Part(feed, scope.clone(), part));
            }
        };
        let (kind, now) = (self.key.kind, Timestamp::now());
        let snapshot = Snapshot::encode(&writer.replica, kind, scope, at, now, &self.ledger, tell);
        let snapshot = Arc::new(snapshot);
        self.counters.snapshots.add(1);
        if writer.snapshots.len() == writer.snapshots.capacity() {
            // Before it would grow, and not each time: there may be thousands.
            writer.snapshots.retain(|_, known| known.strong_count() > 0);
        }
        writer.snapshots.insert(scope.clone(), Arc::downgrade(&snapshot));
        Ok(snapshot)
    }
}
