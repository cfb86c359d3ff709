//! Who is of which tenant.

use super::{Grammar, Text, Words, Wrong, every};
use crate::config::TenantRule;
use crate::config::mistake::{cut, quoted};
use crate::config::yaml::{Entry, Node, Value};

/// A list of maps, each with a tenant's name and who is of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TenantRules;

const KEYS: [&str; 4] = ["name", "groups", "subjects", "emailDomains"];

/// The longest name of a tenant.
const LONGEST: usize = 63;

impl Grammar<Vec<TenantRule>> for TenantRules {
    fn expected(&self) -> String {
        "a list of maps with `name` and `groups`, `subjects` or `emailDomains`".into()
    }

    fn show(&self, value: &Vec<TenantRule>) -> String {
        value.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<TenantRule>, Vec<Wrong>> {
        match &given.value {
            Value::List(items) => every(items.iter().map(rule)),
            Value::Nothing => Ok(Vec::new()),
            // As an environment variable has it: none.
            Value::Scalar(text) if text.trim().is_empty() => Ok(Vec::new()),
            _ => Err(wrong(given.line, "is no list")),
        }
    }
}

fn rule(item: &Node) -> Result<TenantRule, Vec<Wrong>> {
    let Value::Map(entries) = &item.value else { return Err(wrong(item.line, "one of the list is no map")) };
    if let Some(entry) = entries.iter().find(|entry| !KEYS.contains(&entry.key.as_str())) {
        let what = format!("{} is no key that belongs here", quoted(&cut(&entry.key)));
        return Err(vec![Wrong {
            line: entry.line,
            what,
            right: Some(format!("one of {}", KEYS.join(", "))),
        }]);
    }
    let Some(name) = value(entries, "name") else { return Err(wrong(item.line, "a tenant has no name")) };
    let rule = TenantRule {
        name: Text.read(name).map_err(|wrongs| at(name, wrongs))?,
        groups: words(entries, "groups")?,
        subjects: words(entries, "subjects")?,
        email_domains: words(entries, "emailDomains")?,
    };
    if !name_is_plain(&rule.name) {
        let what = format!("{} is no name for a tenant", quoted(&rule.name));
        let right = Some(format!("1 to {LONGEST} of a-z 0-9 and -"));
        return Err(vec![Wrong { line: name.line, what, right }]);
    }
    if rule.groups.is_empty() && rule.subjects.is_empty() && rule.email_domains.is_empty() {
        let what = format!("nobody is of the tenant {}", quoted(&rule.name));
        let right = Some("`groups`, `subjects` or `emailDomains`; `subjects: ['*']` is everyone".to_owned());
        return Err(vec![Wrong { line: item.line, what, right }]);
    }
    Ok(rule)
}

fn name_is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(allowed)
}

fn words(entries: &[Entry], key: &str) -> Result<Vec<String>, Vec<Wrong>> {
    let Some(node) = value(entries, key) else { return Ok(Vec::new()) };
    Words.read(node).map_err(|wrongs| at(node, wrongs))
}

/// The value of a key; `key:` with nothing behind it counts as absent.
fn value<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Node> {
    let entry = entries.iter().find(|entry| entry.key == key)?;
    (entry.node.value != Value::Nothing).then_some(&entry.node)
}

fn at(node: &Node, wrongs: Vec<Wrong>) -> Vec<Wrong> {
    wrongs.into_iter().map(|wrong| Wrong { line: wrong.line.or(node.line), ..wrong }).collect()
}

fn wrong(line: Option<u32>, what: &str) -> Vec<Wrong> {
    vec![Wrong { line, what: what.into(), right: None }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<TenantRule>, Vec<Wrong>> {
        TenantRules.read(&Node::parse(text).expect("valid"))
    }

    #[test]
    fn a_rule_names_a_tenant_and_who_is_of_it() {
        let rules = read(
            "- name: blue\n  groups: [a, b]\n- name: red\n  emailDomains: red.example\n  subjects: ['*']\n",
        );
        let [blue, red] = &rules.expect("two rules")[..] else { panic!("two rules") };
        assert_eq!((blue.name.as_str(), &blue.groups[..]), ("blue", &["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(
            (&red.email_domains[..], &red.subjects[..]),
            (&["red.example".to_owned()][..], &["*".to_owned()][..])
        );
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        for (text, line, says) in [
            ("- name: blue\n  group: [a]\n", 2, "`group` is no key"),
            ("- name: blue\n", 1, "nobody is of"),
            ("- groups: [a]\n", 1, "has no name"),
            ("- name: Blue Team\n  groups: [a]\n", 1, "no name for a tenant"),
            ("- blue\n", 1, "no map"),
        ] {
            let wrongs = read(text).expect_err(text);
            assert_eq!(wrongs[0].line, Some(line), "{text}: {wrongs:?}");
            assert!(wrongs[0].what.contains(says), "{text}: {wrongs:?}");
        }
        assert!(read("blue: {}\n").is_err());
    }
}
