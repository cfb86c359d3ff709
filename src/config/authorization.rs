//! As whom apiservers are asked about a user.

use std::time::Duration;

use super::HOUR;
use super::grammar::{AnyText, Choice, GroupTiers, MustBeSaid, Switch, Time, Words};
use super::table::{Section, Table};

/// As whom apiservers are asked about a user.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// How identities become Kubernetes users; there is no default in a file, save in `auth.mode: dev`: it must be said.
    pub mode: AuthorizationMode,
    /// What is put before each group, in `raw`.
    pub group_prefix: String,
    /// What is put before the user's name, in `tier` and `raw`.
    pub user_prefix: String,
    /// Lets `group_prefix` be empty.
    pub allow_unprefixed: bool,
    /// The tier that a group gives, in `tier`.
    pub group_tiers: Vec<(String, Tier)>,
    /// The tier of those whose groups give none, in `tier`.
    pub default_tier: Option<Tier>,
    /// How long an answer of `can-i` is good for.
    pub can_i_life: Duration,
    /// The groups of which a user must have one; none: everyone who is signed in may come in.
    pub allowed_groups: Vec<String>,
}

/// How identities become Kubernetes users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationMode {
    /// They do not: everyone who is signed in sees what Foretop's own account sees.
    Shared,
    /// By the user's name and the one group of their tier.
    Tier,
    /// By the user's name and their own groups.
    Raw,
}

/// How much a user may do, in steps; a later one is the higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Looks.
    Read,
    /// Looks, and restarts what hangs.
    Triage,
    /// Writes.
    Write,
    /// Writes, and maintains.
    Maintain,
    /// Everything.
    Admin,
}

/// The tiers by their words, the lowest first.
pub(crate) const TIERS: &[(&str, Tier)] = &[
    ("read", Tier::Read),
    ("triage", Tier::Triage),
    ("write", Tier::Write),
    ("maintain", Tier::Maintain),
    ("admin", Tier::Admin),
];

const TIER_OR_NONE: &[(&str, Option<Tier>)] = &[
    ("none", None),
    ("read", Some(Tier::Read)),
    ("triage", Some(Tier::Triage)),
    ("write", Some(Tier::Write)),
    ("maintain", Some(Tier::Maintain)),
    ("admin", Some(Tier::Admin)),
];

const MODES: &[(&str, AuthorizationMode)] = &[
    ("shared", AuthorizationMode::Shared),
    ("tier", AuthorizationMode::Tier),
    ("raw", AuthorizationMode::Raw),
];

impl AuthorizationMode {
    /// The word for it, in settings and in `/api/whoami`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            AuthorizationMode::Shared => "shared",
            AuthorizationMode::Tier => "tier",
            AuthorizationMode::Raw => "raw",
        }
    }
}

impl Tier {
    /// The word for it, in settings and in the name of its group.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Tier::Read => "read",
            Tier::Triage => "triage",
            Tier::Write => "write",
            Tier::Maintain => "maintain",
            Tier::Admin => "admin",
        }
    }
}

impl Default for Authorization {
    fn default() -> Self {
        Authorization {
            mode: AuthorizationMode::Shared,
            group_prefix: "periscope:".into(),
            user_prefix: String::new(),
            allow_unprefixed: false,
            group_tiers: Vec::new(),
            default_tier: None,
            can_i_life: Duration::from_secs(30),
            allowed_groups: Vec::new(),
        }
    }
}

impl Section for Authorization {
    fn settings(&mut self, table: &mut Table<'_>) {
        table.setting(
            "mode",
            &mut self.mode,
            MustBeSaid(Choice(MODES)),
            "Which Kubernetes user someone is. `shared`: none, everyone who is signed in sees what Foretop's own account sees. `tier`: \
             their name and the one group `periscope-tier:TIER`. `raw`: their name and their groups, prefixed. There is no default, save \
             `shared` in `auth.mode: dev`: it must be set.",
        );
        table.setting(
            "groupPrefix",
            &mut self.group_prefix,
            AnyText,
            "Put before each of the user's groups, in `raw`, so that no group of the identity provider is by chance one that a cluster \
             knows. Empty only with `allowUnprefixed`.",
        );
        table.setting(
            "userPrefix",
            &mut self.user_prefix,
            AnyText,
            "Put before the user's name, in `tier` and `raw`.",
        );
        table.setting(
            "allowUnprefixed",
            &mut self.allow_unprefixed,
            Switch,
            "Lets `groupPrefix` be empty: whoever may name groups at the identity provider then names groups of the clusters.",
        );
        table.setting(
            "groupTiers",
            &mut self.group_tiers,
            GroupTiers,
            "The tier that each group gives, in `tier`; of several the highest counts (`read`, `triage`, `write`, `maintain`, `admin`).",
        );
        table.setting(
            "canICacheTTL",
            &mut self.can_i_life,
            Time(Duration::ZERO, HOUR),
            "How long an answer of `POST /api/clusters/{cluster}/can-i` is good for. What a user sees does not depend on it.",
        );
        table.setting(
            "defaultTier",
            &mut self.default_tier,
            Choice(TIER_OR_NONE),
            "The tier of those whose groups give none, in `tier`. With `none` they are users without groups.",
        );
        table.setting(
            "allowedGroups",
            &mut self.allowed_groups,
            Words,
            "The groups of which a user must have one to see anything, in every mode. None: everyone who is signed in.",
        );
    }
}
