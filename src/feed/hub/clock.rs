//! The clock's turn: feeds that nobody uses end, and journals are held to their total.

use std::time::Instant;

use super::Hub;
use crate::feed::ledger::Thing;

impl Hub {
    /// The clock's turn, once a second: feeds tick, and those that nobody uses end.
    pub(super) fn tick(&self, now: Instant) {
        for feed in self.feeds() {
            feed.tick(now);
        }
        self.shrink_journals(now);
        let mut feeds = self.lock();
        let before = feeds.entries.len();
        let kept = self.lock_kept().clone();
        let siblings = self.lock_siblings().clone();
        feeds.entries.retain(|key, entry| {
            let lists = entry.feed.uses.count();
            let used = kept.contains(key) || entry.feed.is_followed() || lists != entry.lists_seen;
            entry.lists_seen = lists;
            if used {
                entry.idle_since = None;
                return true;
            }
            let idle = now.saturating_duration_since(*entry.idle_since.get_or_insert(now));
            let stays = idle < self.limits.linger || siblings.contains(key);
            if !stays {
                entry.end();
                self.remember(&entry.feed);
                tracing::info!(cluster = %key.cluster, kind = key.kind.name, shows = key.rows.word(), "feed.ended");
            }
            stays
        });
        if feeds.entries.len() != before {
            feeds.sources.retain(|_, source| source.strong_count() > 0);
            self.changed(&mut feeds);
        }
    }

    /// Holds all journals together to their total, and to less where memory is short: the past goes before anybody is refused. The largest
    /// give first.
    fn shrink_journals(&self, now: Instant) {
        let ledger = &self.shared.ledger;
        let excess = || {
            let journals = ledger.spent(Thing::Journals);
            journals.saturating_sub(self.limits.journal_total).max(ledger.short_by().min(journals))
        };
        if excess() == 0 {
            return;
        }
        let mut feeds: Vec<_> =
            self.feeds().into_iter().map(|feed| (feed.figures().journal_bytes, feed)).collect();
        feeds.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, feed) in feeds {
            let excess = excess();
            if excess == 0 {
                return;
            }
            feed.shrink(bytes.saturating_sub(excess.max(bytes / 4)), now);
        }
    }
}
