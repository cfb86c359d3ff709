//! What the provider says of a user, beyond the standard claims: groups above all.

use std::collections::HashSet;

use openidconnect::AdditionalClaims;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest name of a user or a group, in bytes.
pub const LONGEST_NAME: usize = 256;

/// All claims of a token that are not standard ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Claims {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for Claims {}

/// Why a user's groups cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsError {
    /// There are more than the provider puts into a token, which names a place to ask instead.
    #[error(
        "the provider does not name this user's groups, because they are too many; let it name only those that are assigned to this application"
    )]
    Elsewhere,
    /// There are more than a session holds.
    #[error(
        "this user is in {count} groups, more than a session holds; let the provider name only those that this application needs"
    )]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The claim is not a list of names.
    #[error("the claim `{claim}` is not a list of names of at most {LONGEST_NAME} bytes")]
    NotNames {
        /// Its name.
        claim: String,
    },
}

impl Claims {
    /// The groups in this claim. `None`: it is not there.
    ///
    /// # Errors
    /// Where it is something else, or the provider says that they are elsewhere (Entra's group overage; `OpenID` Connect Core 1.0, 5.6.2).
    pub fn groups(&self, claim: &str) -> Result<Option<Vec<Box<str>>>, GroupsError> {
        let not_names = || GroupsError::NotNames { claim: claim.to_owned() };
        let names: Vec<&str> = match self.all.get(claim) {
            None | Some(Value::Null) => {
                return if self.are_elsewhere(claim) { Err(GroupsError::Elsewhere) } else { Ok(None) };
            }
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => {
                names.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(not_names)?
            }
            Some(_) => return Err(not_names()),
        };
        let mut seen = HashSet::new();
        let mut groups = Vec::new();
        for name in names {
            if !is_name(name) {
                return Err(not_names());
            }
            if seen.insert(name) {
                groups.push(Box::from(name));
            }
        }
        Ok(Some(groups))
    }

    fn are_elsewhere(&self, claim: &str) -> bool {
        let named = self.all.get("_claim_names").and_then(|names| names.get(claim)).is_some();
        named || self.all.get("hasgroups") == Some(&Value::Bool(true))
    }

    /// The provider's name for its session.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.all.get("sid").and_then(Value::as_str)
    }
}

/// Whether it can be the name of a user or a group: not empty, not too long, printable.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn groups(claims: Value) -> Result<Option<Vec<String>>, GroupsError> {
        let claims: Claims = serde_json::from_value(claims).expect("claims");
        let groups = claims.groups("groups")?;
        Ok(groups.map(|groups| groups.into_iter().map(String::from).collect()))
    }

    #[test]
    fn groups_are_a_list_or_one_name() {
        assert_eq!(groups(json!({"groups": ["a", "b", "a"]})), Ok(Some(vec!["a".into(), "b".into()])));
        assert_eq!(groups(json!({"groups": "a"})), Ok(Some(vec!["a".into()])));
        assert_eq!(groups(json!({"groups": []})), Ok(Some(vec![])));
        assert_eq!(groups(json!({"roles": ["a"]})), Ok(None));
    }

    #[test]
    fn anything_else_is_told() {
        for wrong in [
            json!(1),
            json!({"a": 1}),
            json!(["a", 1]),
            json!([""]),
            json!(["a\nb"]),
            json!(["x".repeat(257)]),
        ] {
            assert!(matches!(groups(json!({"groups": wrong})), Err(GroupsError::NotNames { .. })), "{wrong}");
        }
    }

    #[test]
    fn an_overage_is_no_membership_in_nothing() {
        let entra = json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example"}}});
        assert_eq!(groups(entra), Err(GroupsError::Elsewhere));
        assert_eq!(groups(json!({"hasgroups": true})), Err(GroupsError::Elsewhere));
        assert_eq!(groups(json!({"_claim_names": {"address": "src1"}})), Ok(None));
    }
}
