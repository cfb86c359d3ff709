//! Who may do what in a simulated cluster: a table of rules, first match wins. Where [`rbac`](super::rbac) decides, it is
//! not asked.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// Who asks, by impersonation or in an access review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

/// A group was impersonated without a user.
#[derive(Debug, PartialEq, Eq)]
pub struct GroupWithoutUser;

impl Identity {
    /// Whom the request impersonates, if anybody.
    pub fn impersonated(headers: &HeaderMap) -> Result<Option<Self>, GroupWithoutUser> {
        let texts = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let mut groups: Vec<String> = texts("impersonate-group").map(str::to_owned).collect();
        let Some(user) = texts("impersonate-user").next() else {
            return if groups.is_empty() { Ok(None) } else { Err(GroupWithoutUser) };
        };
        groups.push("system:authenticated".to_owned());
        Ok(Some(Identity { user: user.to_owned(), groups }))
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// Such as `list`.
    pub verb: &'a str,
    /// The API group.
    pub group: &'a str,
    /// The plural.
    pub resource: &'a str,
    /// Such as `log`; empty for the resource itself.
    pub subresource: &'a str,
    /// Empty for all namespaces, or for a cluster-scoped resource.
    pub namespace: &'a str,
    /// One object; empty for the collection.
    pub name: &'a str,
}

/// One line of the table. A field that is `None` matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// The user's name.
    pub user: Option<String>,
    /// A group of the user.
    pub group: Option<String>,
    /// The verb.
    pub verb: Option<String>,
    /// The API group; empty for the core group.
    pub api_group: Option<String>,
    /// The plural.
    pub resource: Option<String>,
    /// The namespace; an empty one matches questions about all namespaces.
    pub namespace: Option<String>,
    /// Whether this is a permission or a ban.
    pub allow: bool,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The answer where no rule matches.
    pub default: bool,
    /// The rules, in order.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

impl Default for Table {
    fn default() -> Self {
        Table { default: true, rules: Vec::new() }
    }
}

/// The table of one simulated cluster.
#[derive(Default)]
pub struct Access {
    table: Mutex<Table>,
}

impl Access {
    /// Replaces the table.
    pub fn set(&self, table: Table) {
        *self.table.lock().unwrap_or_else(PoisonError::into_inner) = table;
    }

    /// The answer to a question.
    pub fn allows(&self, who: &Identity, question: &Question<'_>) -> bool {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.rules.iter().find(|rule| rule.matches(who, question)).map_or(table.default, |rule| rule.allow)
    }
}

impl Rule {
    fn matches(&self, who: &Identity, question: &Question<'_>) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        fits(&self.user, &who.user)
            && self.group.as_ref().is_none_or(|group| who.groups.contains(group))
            && fits(&self.verb, question.verb)
            && fits(&self.api_group, question.group)
            && fits(&self.resource, question.resource)
            && fits(&self.namespace, question.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_decides() {
        let access = Access::default();
        let rules = vec![
            Rule {
                user: Some("alice".to_owned()),
                namespace: Some("team-a".to_owned()),
                allow: true,
                ..Rule::default()
            },
            Rule { group: Some("ops".to_owned()), allow: true, ..Rule::default() },
        ];
        access.set(Table { default: false, rules });
        let alice = Identity { user: "alice".to_owned(), groups: Vec::new() };
        let bob = Identity { user: "bob".to_owned(), groups: vec!["ops".to_owned()] };
        let ask = |namespace| Question { verb: "list", resource: "pods", namespace, ..Question::default() };
        assert!(access.allows(&alice, &ask("team-a")));
        assert!(!access.allows(&alice, &ask("team-b")));
        assert!(!access.allows(&alice, &ask("")));
        assert!(access.allows(&bob, &ask("")));
    }
}
