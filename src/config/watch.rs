//! Which kinds have streams, and what is kept warm.

use std::path::PathBuf;
use std::time::Duration;

use super::grammar::{KindNames, Places, Prewarm, Time};
use super::table::{Section, Table};
use super::{HOUR, SECOND};
use crate::kind::{self, Kind};

/// Where a document is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// At an `http` or `https` URL.
    Url(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Url(url) => f.write_str(url),
        }
    }
}

/// Which kinds have streams, and what is kept warm.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The kinds that have a stream, in registry order.
    pub kinds: Vec<&'static Kind>,
    /// Feeds that are synced from the start and never end: (cluster or `*`, kind).
    pub prewarm: Vec<(String, &'static Kind)>,
    /// Where siblings say which views they serve.
    pub siblings: Vec<Place>,
    /// How often they are asked.
    pub siblings_every: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            kinds: kind::all().iter().collect(),
            prewarm: Vec::new(),
            siblings: Vec::new(),
            siblings_every: Duration::from_secs(10),
        }
    }
}

impl Section for Watch {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "kinds",
            &mut self.kinds,
            KindNames(kind::all()),
            "The kinds that have a stream, by the kinds grammar above.",
        );
        table.setting(
            "prewarm",
            &mut self.prewarm,
            Prewarm(kind::all()),
            "Feeds that are synced from the start and never end, such as `prod/pods` or `*/nodes`. `/readyz` waits for them.",
        );
        table.setting(
            "siblings",
            &mut self.siblings,
            Places,
            "Where other replicas say what they serve: URLs such as `http://foretop-1.foretop:8081/-/views` (their `manage.listen`), or files of the \
             same form. What they serve is followed here too, and `/readyz` waits for it, so that tabs can move from one to the other without a \
             snapshot.",
        );
        table.setting(
            "siblingsEvery",
            &mut self.siblings_every,
            Time(SECOND, HOUR),
            "How often they are asked.",
        );
    }
}
