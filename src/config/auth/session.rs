//! Sessions of signed-in browsers.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::grammar::{Paths, Switch, Time};
use crate::config::table::{Section, Table};
use crate::config::{HOUR, MINUTE, SECOND};

/// Sessions of signed-in browsers, in `auth.mode: oidc`.
#[derive(Clone, Debug)]
pub struct Session {
    /// Files with the keys that cookies are sealed with: the first seals, all open.
    pub keys: Vec<PathBuf>,
    /// How long a session lives without a request; zero: as long as it may at all.
    pub idle_timeout: Duration,
    /// How long a session lives at most.
    pub absolute_timeout: Duration,
    /// How often it is refreshed with the provider, where that gives refresh tokens.
    pub refresh_every: Duration,
    /// Whether a live stream keeps its session from going idle.
    pub live_stream_counts: bool,
}

impl Default for Session {
    fn default() -> Self {
        Session {
            keys: Vec::new(),
            idle_timeout: Duration::from_mins(30),
            absolute_timeout: Duration::from_hours(8),
            refresh_every: Duration::from_mins(5),
            live_stream_counts: true,
        }
    }
}

impl Section for Session {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "keys",
            &mut self.keys,
            Paths,
            "Files of at least 32 random bytes each, such as `openssl rand -base64 48` writes, the same at every replica. The first seals sessions' \
             cookies, all open them: to change keys without signing anybody out, put the new file first, and take the old one away after \
             `auth.session.absoluteTimeout`. Read at the start. Needed in `auth.mode: oidc`.",
        );
        table.setting(
            "idleTimeout",
            &mut self.idle_timeout,
            Time(Duration::ZERO, 720 * HOUR),
            "How long a session lives without a request. `0s`: as long as `absoluteTimeout` lets it.",
        );
        table.setting(
            "absoluteTimeout",
            &mut self.absolute_timeout,
            Time(MINUTE, 720 * HOUR),
            "How long a session lives at most; then its user signs in again.",
        );
        table.setting(
            "refreshEvery",
            &mut self.refresh_every,
            Time(10 * SECOND, 24 * HOUR),
            "How often a session in use is refreshed with the provider, which is when its groups are read again. While the provider does not answer, \
             a session goes on for as long again, and then ends.",
        );
        table.setting(
            "liveStreamCounts",
            &mut self.live_stream_counts,
            Switch,
            "Whether a live stream keeps its session from going idle.",
        );
    }
}
