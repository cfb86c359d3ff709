//! What proves who asks is over at some time, or is revoked before: the streams that were opened by it end then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Core;
use super::pass::Holder;
use super::rights::Loss;
use crate::identity::{Identity, Revoked, SessionRef, UnixSeconds};

/// Streams end spread over so many of the last seconds, lest all who signed in together sign in together again.
const SPREAD: UnixSeconds = 60;

/// How long a revocation is remembered here for the sake of requests that were verified before it came: longer than any of them waits.
const REMEMBERED: Duration = Duration::from_mins(10);

/// When the streams of a proof end that is over at `until` and was first seen `since` (seconds since the Unix epoch): milliseconds since the
/// Unix epoch. Never later than `until`, and in its last minute; where it was seen late, in the second half of what was left.
#[must_use]
pub fn end_of_streams(since: UnixSeconds, until: UnixSeconds, hash: u64) -> u64 {
    let spread = SPREAD.min(until.saturating_sub(since) / 2) * 1000;
    let early = if spread == 0 { 0 } else { hash % spread };
    until.saturating_mul(1000).saturating_sub(early)
}

/// Revocations of the last minutes.
#[derive(Default)]
pub struct Revocations(VecDeque<(Instant, Arc<Revoked>)>);

impl Revocations {
    fn remember(&mut self, revoked: Arc<Revoked>, now: Instant) {
        self.0.push_back((now, revoked));
    }

    fn forget_old(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(when, _)| now.saturating_duration_since(*when) > REMEMBERED) {
            self.0.pop_front();
        }
    }

    fn end(&self, subject: &str, session: &SessionRef) -> bool {
        self.0.iter().any(|(_, revoked)| revoked.ends(subject, session))
    }
}

impl Core {
    /// A session is over, or all of a subject: its streams end, and those that are just being opened do not begin.
    pub(super) fn revoke(&mut self, revoked: &Arc<Revoked>) {
        self.revocations.remember(revoked.clone(), Instant::now());
        self.end_held(&Loss::Revoked, |holder| {
            holder.session.as_ref().is_some_and(|session| revoked.ends(&holder.subject, session))
        });
    }

    /// Ends the streams whose time has come. `now`: milliseconds since the Unix epoch.
    pub(super) fn expire_passes(&mut self, now: u64) {
        self.end_held(&Loss::Expired, |holder| holder.ends_at().is_some_and(|end| end <= now));
    }

    pub(super) fn forget_revocations(&mut self, now: Instant) {
        self.revocations.forget_old(now);
    }

    /// Whether what proved this identity is over by now: it may have waited for a decision, or for its feed.
    pub(super) fn is_over(&self, who: &impl Proven) -> bool {
        let ended = who.until().is_some_and(|until| until <= unix_ms() / 1000);
        ended || who.session().is_some_and(|session| self.revocations.end(who.subject(), session))
    }
}

/// Someone, as something has proved.
pub(super) trait Proven {
    fn subject(&self) -> &str;
    fn session(&self) -> Option<&SessionRef>;
    fn until(&self) -> Option<UnixSeconds>;
}

impl Proven for Identity {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn session(&self) -> Option<&SessionRef> {
        self.session.as_ref()
    }

    fn until(&self) -> Option<UnixSeconds> {
        self.until
    }
}

impl Proven for Holder {
    fn subject(&self) -> &str {
        &self.subject
    }

    fn session(&self) -> Option<&SessionRef> {
        self.session.as_deref()
    }

    fn until(&self) -> Option<UnixSeconds> {
        self.until
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn streams_end_in_the_last_minute_and_never_late(since in 0u64..10_000, lasts in 0u64..100_000, hash: u64) {
            let until = since + lasts;
            let end = end_of_streams(since, until, hash);
            prop_assert!(end <= until * 1000);
            prop_assert!(end + 60_000 > until * 1000, "in the last minute");
            prop_assert!(end * 2 >= (since + until) * 1000, "not before half of what was left");
        }
    }

    #[test]
    fn those_who_signed_in_together_do_not_end_together() {
        let until = 1_000_000;
        let ends = (0..10_000u64).map(|who| {
            let hash = xxhash_rust::xxh3::xxh3_64(&who.to_le_bytes());
            end_of_streams(0, until, hash) / 1000
        });
        let mut each_second = std::collections::BTreeMap::new();
        ends.for_each(|second| *each_second.entry(second).or_insert(0) += 1);
        assert!(each_second.len() >= 60, "they are spread over a minute: {each_second:?}");
        assert!(each_second.values().all(|count| *count < 300), "10,000 in 60 s: {each_second:?}");
    }

    #[test]
    fn revocations_are_remembered_for_a_while() {
        let mut revocations = Revocations::default();
        let now = Instant::now();
        revocations.remember(Arc::new(Revoked::Subject("ann".into(), 100)), now);
        let session = |began| SessionRef { id: 7, began, until: 1000, provider: None };
        revocations.forget_old(now + REMEMBERED);
        assert!(revocations.end("ann", &session(100)));
        assert!(!revocations.end("ann", &session(101)), "she has signed in again");
        assert!(!revocations.end("bob", &session(100)));
        revocations.forget_old(now + REMEMBERED + Duration::from_secs(1));
        assert!(!revocations.end("ann", &session(100)));
    }
}
