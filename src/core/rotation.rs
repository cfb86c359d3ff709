//! Rotation: a stream that has been open for long is ended where that loses nothing, and its client comes back by id.
//!
//! The new response can renew a session's cookie, and goes wherever new streams go. A stream is ended only where it stands at the log's end, between
//! two frames: the id that its client has then names exactly what it has got.

use std::time::Duration;

use super::Core;
use super::reason::Reason;
use super::slot::{AHEAD, At, BLOCKED, ENDING, HELD, Slot, SlotId};
use crate::wire::line::Bye;
use crate::wire::sse;

/// What a client waits before it comes back, in milliseconds: it misses nothing, but sees it later by so much.
const COMES_BACK: std::ops::RangeInclusive<u64> = 250..=1000;

/// At most so many streams are ended in a second, or one in so many where that is more: a clock that jumps must not end all at once.
const AT_ONCE: usize = 16;
const ONE_IN: usize = 60;

/// How long the stream of this number stays open, in milliseconds: within a tenth of `max_age`.
fn age_of(number: u64, max_age: Duration) -> u64 {
    let max_age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX / 1100);
    let hash = xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes());
    max_age.saturating_mul(900 + hash % 201) / 1000
}

impl Core {
    /// Ends streams that are old enough. `now`: milliseconds since the Unix epoch.
    pub(super) fn rotate(&mut self, now: u64) {
        let max_age = self.everywhere.streams.max_age;
        if max_age.is_zero() || self.lame {
            return;
        }
        let most = AT_ONCE.max(self.slots.len() / ONE_IN);
        let old: Vec<SlotId> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.opened.age(now) >= age_of(slot.number, max_age))
            .filter(|(_, slot)| slot.socket.own().is_some() && self.stands_at_end(slot))
            .map(|(id, _)| id)
            .take(most)
            .collect();
        for id in old {
            if self.is_of_line(id) {
                self.say_bye(id, Bye::MaxAge, Reason::Rotated);
                continue;
            }
            let mut bytes = Vec::new();
            sse::write_chunk(&mut bytes, format!("retry: {}\n\n", fastrand::u64(COMES_BACK)).as_bytes());
            self.end_with(id, bytes, Reason::Rotated);
        }
    }

    /// Whether a stream has got all there is, and its client an id that says so. While the source is away, coming back would change nothing.
    pub(super) fn stands_at_end(&self, slot: &Slot) -> bool {
        if let At::Line(line) = slot.at {
            return !slot.is(BLOCKED | HELD | ENDING) && self.line_stands_at_end(line);
        }
        let At::Log(cursor) = slot.at else { return false };
        if slot.is(BLOCKED | HELD | ENDING | AHEAD) {
            return false;
        }
        let Some(view) = self.views[slot.view as usize].as_ref() else { return false };
        let away = self.feeds[view.key.feed as usize].as_ref().is_none_or(|followed| followed.away);
        !away && view.log.unseen(cursor).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_opened_together_do_not_end_together() {
        let ages: Vec<u64> = (1..=1000).map(|number| age_of(number, Duration::from_mins(20))).collect();
        let (least, most) = (18 * 60 * 1000, 22 * 60 * 1000);
        assert!(ages.iter().all(|age| (least..=most).contains(age)));
        let mut different = ages.clone();
        different.sort_unstable();
        different.dedup();
        assert!(different.len() > 100, "{}", different.len());
    }
}
