//! From an identity to the Kubernetes user that it asks as.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::{Authorization, AuthorizationMode, Config, Tier};
use crate::feed::KubeUser;
use crate::identity::Identity;
use crate::wire::refusal::Refusal;

/// Names that start so are Kubernetes' own: nobody from outside is one of them.
const RESERVED: &str = "system:";

/// How identities become Kubernetes users.
#[derive(Clone, Debug)]
pub struct Mapping {
    mode: AuthorizationMode,
    user_prefix: String,
    group_prefix: String,
    group_tiers: HashMap<String, Tier>,
    default_tier: Option<Tier>,
    allowed_groups: HashSet<String>,
}

/// As whom an apiserver is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// Foretop's own account.
    Own,
    /// This user.
    User(Arc<KubeUser>),
}

impl Mapping {
    /// The mapping of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let authorization: Authorization = config.authorization.clone();
        let mut group_tiers = HashMap::new();
        for (group, tier) in authorization.group_tiers {
            let highest = group_tiers.entry(group).or_insert(tier);
            *highest = tier.max(*highest);
        }
        Mapping {
            mode: authorization.mode,
            user_prefix: authorization.user_prefix,
            group_prefix: authorization.group_prefix,
            group_tiers,
            default_tier: authorization.default_tier,
            allowed_groups: authorization.allowed_groups.into_iter().collect(),
        }
    }

    /// How it maps.
    #[must_use]
    pub fn mode(&self) -> AuthorizationMode {
        self.mode
    }

    /// Whether they may come in at all: `authorization.allowedGroups`.
    #[must_use]
    pub fn admits(&self, who: &Identity) -> bool {
        self.allowed_groups.is_empty()
            || who.groups.iter().any(|group| self.allowed_groups.contains(&**group))
    }

    /// Their tier: the highest that one of their groups gives. `None` in other modes, and where there is none.
    #[must_use]
    pub fn tier_of(&self, who: &Identity) -> Option<Tier> {
        if self.mode != AuthorizationMode::Tier {
            return None;
        }
        let given = who.groups.iter().filter_map(|group| self.group_tiers.get(&**group));
        given.max().copied().or(self.default_tier)
    }

    /// As whom this identity asks.
    ///
    /// # Errors
    /// [`Refusal::Denied`] for who is in none of the allowed groups; [`Refusal::IdentityRefused`] where the mapped name or a mapped group
    /// is one that no user may have.
    pub fn map(&self, who: &Identity) -> Result<Asker, Refusal> {
        if !self.admits(who) {
            return Err(Refusal::Denied);
        }
        let groups = match self.mode {
            AuthorizationMode::Shared => return Ok(Asker::Own),
            AuthorizationMode::Tier => self
                .tier_of(who)
                .map(|tier| format!("periscope-tier:{}", tier.word()).into())
                .into_iter()
                .collect(),
            AuthorizationMode::Raw => self.prefixed(&who.groups),
        };
        let name: Box<str> = format!("{}{}", self.user_prefix, who.subject).into();
        let refused = who.subject.trim().is_empty() || is_reserved(&name);
        if refused || groups.iter().any(|group| is_reserved(group)) {
            tracing::warn!(subject = ?who.subject, "access.identity_refused: it maps to a name that no user may have");
            return Err(Refusal::IdentityRefused);
        }
        Ok(Asker::User(Arc::new(KubeUser { name, groups })))
    }

    fn prefixed(&self, groups: &[Box<str>]) -> Box<[Box<str>]> {
        let named = groups.iter().filter(|group| !group.trim().is_empty());
        let mut groups: Vec<Box<str>> =
            named.map(|group| format!("{}{group}", self.group_prefix).into()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.into()
    }
}

/// Leading space counts for nothing: as the value of a header it would be lost on the way.
fn is_reserved(name: &str) -> bool {
    name.trim_start().starts_with(RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(subject: &str, groups: &[&str]) -> Identity {
        Identity {
            subject: subject.into(),
            email: "".into(),
            groups: groups.iter().map(|group| (*group).into()).collect(),
            session: None,
            until: None,
        }
    }

    fn mapping(authorization: Authorization) -> Mapping {
        Mapping::new(&Config { authorization, ..Config::default() })
    }

    fn raw(group_prefix: &str) -> Mapping {
        let (mode, group_prefix) = (AuthorizationMode::Raw, group_prefix.to_owned());
        mapping(Authorization { mode, group_prefix, ..Authorization::default() })
    }

    fn tiers() -> Mapping {
        let group_tiers =
            vec![("ops".into(), Tier::Admin), ("dev".into(), Tier::Write), ("all".into(), Tier::Read)];
        mapping(Authorization { mode: AuthorizationMode::Tier, group_tiers, ..Authorization::default() })
    }

    fn user(asker: Result<Asker, Refusal>) -> (String, Vec<String>) {
        let Ok(Asker::User(user)) = asker else { panic!("a user: {asker:?}") };
        (user.name.to_string(), user.groups.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn shared_is_nobody_in_particular() {
        let shared = mapping(Authorization::default());
        assert_eq!(shared.map(&who("system:admin", &["system:masters"])), Ok(Asker::Own));
        assert_eq!(shared.tier_of(&who("ann", &["ops"])), None);
    }

    #[test]
    fn raw_prefixes_groups_and_skips_blank_ones() {
        let mapped = user(raw("periscope:").map(&who("ann", &["web", " ", "", "ops", "web"])));
        assert_eq!(mapped, ("ann".into(), vec!["periscope:ops".into(), "periscope:web".into()]));
        assert_eq!(
            user(raw("periscope:").map(&who("ann", &["system:masters"]))).1,
            ["periscope:system:masters"]
        );
    }

    #[test]
    fn the_order_of_groups_makes_no_other_user() {
        let mapping = raw("p:");
        assert_eq!(mapping.map(&who("ann", &["a", "b"])), mapping.map(&who("ann", &["b", "a"])));
    }

    #[test]
    fn the_highest_tier_counts_and_comes_alone() {
        let mapping = tiers();
        assert_eq!(user(mapping.map(&who("ann", &["all", "ops", "dev"]))).1, ["periscope-tier:admin"]);
        assert_eq!(user(mapping.map(&who("ann", &["all", "else"]))).1, ["periscope-tier:read"]);
        assert_eq!(user(mapping.map(&who("ann", &["system:masters"]))), ("ann".into(), Vec::new()));
        assert_eq!(mapping.tier_of(&who("ann", &["dev"])), Some(Tier::Write));
    }

    #[test]
    fn kubernetes_own_names_are_refused() {
        let refused = Err(Refusal::IdentityRefused);
        assert_eq!(raw("p:").map(&who("system:admin", &[])), refused);
        assert_eq!(tiers().map(&who("system:serviceaccount:kube-system:x", &["ops"])), refused);
        assert_eq!(raw("").map(&who("ann", &["web", "system:masters"])), refused);
        assert_eq!(raw("").map(&who("ann", &[" system:masters"])), refused);
        assert_eq!(raw("p:").map(&who(" ", &[])), refused);
        assert!(raw("").map(&who("ann", &["systems"])).is_ok());
    }

    #[test]
    fn only_those_of_an_allowed_group_come_in() {
        let allowed_groups = vec!["web".into(), "ops".into()];
        let mapping = mapping(Authorization { allowed_groups, ..Authorization::default() });
        assert_eq!(mapping.map(&who("ann", &["ops"])), Ok(Asker::Own));
        assert_eq!(mapping.map(&who("ann", &["dev"])), Err(Refusal::Denied));
    }
}
