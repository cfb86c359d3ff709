//! What a feed is a feed of, and with whose rights its source asks.

use std::sync::Arc;

use crate::kind::Kind;
use crate::wire::selector::Selector;

/// What a feed is a feed of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeedKey {
    /// The cluster's name in the registry.
    pub cluster: Arc<str>,
    /// The kind.
    pub kind: &'static Kind,
    /// With whose rights it is watched.
    pub eyes: Eyes,
    /// What its rows show.
    pub rows: Rows,
    /// Which objects have a row; `None`: all of them.
    pub selector: Option<Arc<Selector>>,
}

/// What rows show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rows {
    /// What the contract's rows show.
    #[default]
    Plain,
    /// The same, and behind it `uid`, `labels` and `owner`.
    Full,
}

impl Rows {
    /// The word in requests, figures and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Rows::Plain => "plain",
            Rows::Full => "full",
        }
    }

    /// Those with this word.
    #[must_use]
    pub fn by_word(word: &str) -> Option<Self> {
        [Rows::Plain, Rows::Full].into_iter().find(|rows| rows.word() == word)
    }
}

impl FeedKey {
    /// Plain rows of all objects.
    #[must_use]
    pub fn new(cluster: Arc<str>, kind: &'static Kind, eyes: Eyes) -> Self {
        FeedKey { cluster, kind, eyes, rows: Rows::Plain, selector: None }
    }

    /// What Foretop's own account sees.
    #[must_use]
    pub fn own(cluster: Arc<str>, kind: &'static Kind) -> Self {
        FeedKey::new(cluster, kind, Eyes::Own)
    }

    /// The same with these rows, of these objects.
    #[must_use]
    pub fn showing(self, rows: Rows, selector: Option<Arc<Selector>>) -> Self {
        FeedKey { rows, selector, ..self }
    }

    /// What names its source, which it shares with all feeds that differ in rows or selector alone: the key of the plainest of them.
    #[must_use]
    pub fn source(&self) -> FeedKey {
        self.clone().showing(Rows::Plain, None)
    }

    /// Whether it shows all objects as Foretop's own account sees them, so that it is the same for everybody and no client's choice. Such feeds survive a restart, and
    /// siblings are told of them.
    #[must_use]
    pub fn is_everybodys(&self) -> bool {
        self.eyes == Eyes::Own && self.selector.is_none()
    }

    /// Whether more has to be known of objects than their plain rows.
    #[must_use]
    pub fn needs_details(&self) -> bool {
        self.rows == Rows::Full || self.selector.is_some()
    }
}

/// With whose rights a feed is watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Eyes {
    /// Foretop's own account; who may see which rows is asked for each user.
    Own,
    /// A user's, impersonated: only that user's streams see it.
    Of {
        /// The user.
        user: Arc<KubeUser>,
        /// The one namespace that is watched; `None` for all.
        namespace: Option<Arc<str>>,
    },
}

/// Someone as an apiserver knows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KubeUser {
    /// The user's name.
    pub name: Box<str>,
    /// The user's groups, sorted, without `system:authenticated`, which an apiserver adds by itself when it is impersonated.
    pub groups: Box<[Box<str>]>,
}
