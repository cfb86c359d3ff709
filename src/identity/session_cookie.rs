//! The cookie that is a session. Nothing else is kept of it: any replica opens it, after any restart.
//!
//! Opened on the core that read the request, for every request; whatever is wrong with it, it is just no session.

use super::cookies::{self, Manner, Split, TooLong};
use super::seal::{Purpose, Seals};
use super::session::UnixSeconds;
use super::session_code::Session;
use super::tag::Tags;
use super::{Identity, Verified};
use crate::config;

/// What cookies are called, before their prefix.
const STEM: &str = "foretop-session";

/// What of a request's head is left for everything but the session.
const OTHER_HEADERS: usize = 4096;

/// A head's bytes that one piece of a session takes.
const HEAD_PIECE: usize = 4096;

/// How sessions become cookies, and cookies sessions.
#[derive(Debug)]
pub struct SessionCookies {
    seals: Seals,
    manner: Manner,
    split: Split,
    /// How long a session lives without a request, in seconds; zero: as long as it may at all.
    idle: UnixSeconds,
    live_stream_counts: bool,
}

/// A session that a request has shown.
#[derive(Debug)]
pub struct Shown {
    /// What it says.
    pub session: Session,
    /// How many cookies it came in.
    pub pieces: usize,
}

/// What time has made of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It counts.
    Good,
    /// It counts once it was refreshed.
    Stale,
    /// It is no more.
    Over,
}

impl Session {
    /// What this time has made of it.
    #[must_use]
    pub fn life(&self, now: UnixSeconds) -> Life {
        let over = |end: UnixSeconds| end <= now;
        if over(self.reference.until) || self.idle.is_some_and(over) {
            return Life::Over;
        }
        match &self.refresh {
            Some(refresh) if over(refresh.by) => Life::Over,
            Some(refresh) if over(refresh.due) => Life::Stale,
            _ => Life::Good,
        }
    }
}

impl SessionCookies {
    /// By these keys and settings. Heads of requests have at most so many bytes.
    #[must_use]
    pub fn new(seals: Seals, settings: &config::Session, manner: Manner, head_bytes: usize) -> Self {
        let most = head_bytes.saturating_sub(OTHER_HEADERS) / HEAD_PIECE;
        SessionCookies {
            seals,
            manner,
            split: Split::new(&manner.name(STEM), most),
            idle: settings.idle_timeout.as_secs(),
            live_stream_counts: settings.live_stream_counts,
        }
    }

    /// Makes the tags of sessions.
    pub fn tags(&self) -> &Tags {
        self.seals.tags()
    }

    /// The session that a request's headers hold.
    pub fn open<'a>(&self, headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<Shown> {
        let whole = self.split.join(cookies::of(headers))?;
        let bytes = self.seals.open(Purpose::Session, &whole.value)?;
        Some(Shown { session: Session::decode(&bytes)?, pieces: whole.pieces })
    }

    /// Whether a request's headers hold a session's cookie, good or bad.
    pub fn is_shown<'a>(&self, headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
        cookies::of(headers).any(|(name, _)| self.split.has(name))
    }

    /// The lines that give a browser this session.
    ///
    /// # Errors
    /// Where it has more groups than cookies hold.
    pub fn set(&self, session: &Session, had: usize, now: UnixSeconds) -> Result<Box<[Box<str>]>, TooLong> {
        let value = self.seals.seal(Purpose::Session, &session.encode());
        let seconds = session.reference.until.saturating_sub(now);
        Ok(self.split.set(self.manner, &value, seconds, had)?.into())
    }

    /// The lines that take a session away.
    #[must_use]
    pub fn expire(&self) -> Vec<Box<str>> {
        self.split.expire(self.manner)
    }

    /// When a session that is used now goes idle.
    #[must_use]
    pub fn idle_from(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        (self.idle > 0).then(|| now + self.idle)
    }

    /// Who asks, and, where a good part of its idle time has passed, the session renewed. `is_new`: the browser has not got this session yet.
    ///
    /// # Errors
    /// Where a new session has more groups than cookies hold.
    pub fn admit(
        &self,
        shown: Shown,
        used: Used,
        is_new: bool,
        now: UnixSeconds,
    ) -> Result<Verified, TooLong> {
        let Shown { mut session, pieces } = shown;
        let counts = used == Used::Actively || self.live_stream_counts;
        let due = session.idle.is_some_and(|idle| idle.saturating_sub(now) < self.idle - self.idle / 4);
        let renew = counts && due;
        if renew {
            session.idle = self.idle_from(now);
        }
        let cookies = if renew || is_new { self.set(&session, pieces, now)? } else { Box::default() };
        Ok(Verified { identity: self.identity(&session), cookies })
    }

    /// Who a session says asks.
    #[must_use]
    pub fn identity(&self, session: &Session) -> Identity {
        let until = session.reference.until;
        let idle = session.idle.filter(|_| !self.live_stream_counts);
        Identity {
            subject: session.subject.clone(),
            email: session.email.clone(),
            groups: session.groups.clone(),
            session: Some(session.reference.clone()),
            until: Some(idle.map_or(until, |idle| idle.min(until))),
        }
    }

    /// The seals, for what else a browser keeps for us.
    #[must_use]
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// How cookies are written.
    #[must_use]
    pub fn manner(&self) -> Manner {
        self.manner
    }
}

/// What a request tells of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// They do something.
    Actively,
    /// A stream of theirs has come back by itself.
    ByLiveStream,
}

impl Used {
    /// By a request's headers: only an `EventSource` that comes back by itself says where it was.
    pub fn of<'a>(mut headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        if headers.any(|(name, _)| name.eq_ignore_ascii_case("last-event-id")) {
            Used::ByLiveStream
        } else {
            Used::Actively
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::session_code::tests::any_session;
    use super::*;

    const KEY: &[u8] = b"a key of some forty random bytes .......";

    fn cookies_of(key: &'static [u8], settings: &config::Session) -> SessionCookies {
        let seals = Seals::new(std::iter::once(key));
        SessionCookies::new(seals, settings, Manner { secure: true }, 32 * 1024)
    }

    fn by_default() -> SessionCookies {
        cookies_of(KEY, &config::Session::default())
    }

    /// The `Cookie` header of a browser that was given these lines.
    fn header(lines: &[Box<str>]) -> String {
        let pairs: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(';')?.0)).collect();
        pairs.join("; ")
    }

    fn open(cookies: &SessionCookies, header: &str) -> Option<Session> {
        let headers = [("accept", &b"*/*"[..]), ("cookie", header.as_bytes())];
        cookies.open(headers.into_iter()).map(|shown| shown.session)
    }

    /// Used last at second 0, good for 1,000,000 s.
    fn ann(idle: Option<UnixSeconds>) -> Session {
        let bytes = Session {
            reference: super::super::SessionRef { id: 1, began: 0, until: 1_000_000, provider: None },
            subject: "ann".into(),
            email: "".into(),
            groups: [Box::from("ops")].into(),
            idle,
            refresh: None,
        }
        .encode();
        Session::decode(&bytes).expect("its own bytes")
    }

    fn admit(settings: &config::Session, session: Session, used: Used, now: UnixSeconds) -> Verified {
        let cookies = cookies_of(KEY, settings);
        cookies.admit(Shown { session, pieces: 1 }, used, false, now).expect("fits")
    }

    #[test]
    fn a_quarter_of_the_idle_time_renews_it() {
        let settings = config::Session::default();
        let early = admit(&settings, ann(Some(1800)), Used::Actively, 450);
        assert!(early.cookies.is_empty(), "{:?}", early.cookies);
        let later = admit(&settings, ann(Some(1800)), Used::ByLiveStream, 451);
        let renewed = open(&by_default(), &header(&later.cookies)).expect("a session");
        assert_eq!((renewed.idle, renewed.reference), (Some(451 + 1800), ann(None).reference));
    }

    #[test]
    fn a_live_stream_may_count_for_nothing() {
        let settings = config::Session { live_stream_counts: false, ..config::Session::default() };
        let stream = admit(&settings, ann(Some(1800)), Used::ByLiveStream, 1700);
        assert!(stream.cookies.is_empty());
        assert_eq!(stream.identity.until, Some(1800), "and ends with its session");
        assert_eq!(admit(&settings, ann(Some(1800)), Used::Actively, 1700).cookies.len(), 1);
    }

    #[test]
    fn without_an_idle_time_nothing_is_renewed() {
        let settings = config::Session { idle_timeout: Duration::ZERO, ..config::Session::default() };
        assert!(admit(&settings, ann(None), Used::Actively, 900_000).cookies.is_empty());
    }

    #[test]
    fn time_ends_a_session_in_each_of_its_ways() {
        use super::super::session_code::Refresh;
        let refresh = |due, by| Some(Refresh { due, by, generation: 0, token: "t".into() });
        assert_eq!(ann(None).life(999_999), Life::Good);
        assert_eq!(ann(None).life(1_000_000), Life::Over);
        assert_eq!(ann(Some(1800)).life(1800), Life::Over);
        let due = Session { refresh: refresh(100, 200), ..ann(Some(1800)) };
        assert_eq!(
            [99, 100, 199, 200].map(|now| due.life(now)),
            [Life::Good, Life::Stale, Life::Stale, Life::Over]
        );
    }

    #[test]
    fn heads_bound_how_much_a_session_may_hold() {
        let groups: Vec<Box<str>> =
            (0..300).map(|number| format!("group-of-people-{number:020}").into()).collect();
        let session = Session { groups: groups.into(), ..ann(None) };
        let with_head = |bytes| {
            let seals = Seals::new(std::iter::once(KEY));
            let settings = config::Session::default();
            SessionCookies::new(seals, &settings, Manner { secure: true }, bytes).set(&session, 0, 0)
        };
        assert!(with_head(16 * 1024).is_err());
        let lines = with_head(32 * 1024).expect("fits");
        assert!((3..=5).contains(&lines.len()));
        assert_eq!(open(&by_default(), &header(&lines)), Some(session));
    }

    proptest! {
        #[test]
        fn a_cookie_says_the_whole_session(session in any_session()) {
            let cookies = by_default();
            let lines = cookies.set(&session, 0, 0).expect("fits");
            prop_assert_eq!(open(&cookies, &header(&lines)), Some(session));
        }

        #[test]
        fn whatever_is_wrong_with_it_it_is_no_session(session in any_session(), at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_;=-]") {
            let cookies = by_default();
            let header = header(&cookies.set(&session, 0, 0).expect("fits"));
            let at = at.index(header.len());
            prop_assert_eq!(open(&cookies, &header[..at]), None, "truncated");
            let changed = format!("{}{with}{}", &header[..at], &header[at + 1..]);
            if changed != header {
                prop_assert_eq!(open(&cookies, &changed), None);
            }
            prop_assert_eq!(open(&cookies, &format!("{header}; {header}")), None, "twice");
            let other = cookies_of(b"another key, of another deployment ......", &config::Session::default());
            prop_assert_eq!(open(&other, &header), None);
        }
    }
}
