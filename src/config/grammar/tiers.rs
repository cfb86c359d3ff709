//! Which group gives which tier.

use super::{Choice, Grammar, Wrong, every, scalars};
use crate::config::authorization::{TIERS, Tier};
use crate::config::mistake::quoted;
use crate::config::yaml::{Node, Value};

/// A map from groups to tiers, or one text such as `ops=admin,dev=write`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupTiers;

impl Grammar<Vec<(String, Tier)>> for GroupTiers {
    fn expected(&self) -> String {
        "a map from groups to tiers".into()
    }

    fn show(&self, value: &Vec<(String, Tier)>) -> String {
        value.iter().map(|(group, tier)| format!("{group}={}", tier.word())).collect::<Vec<_>>().join(",")
    }

    fn read(&self, given: &Node) -> Result<Vec<(String, Tier)>, Vec<Wrong>> {
        let Value::Map(entries) = &given.value else {
            return every(scalars(given)?.into_iter().map(|(line, text)| {
                let (group, word) = text.rsplit_once('=').ok_or_else(|| wrong(line, text))?;
                let tier = Choice(TIERS).read(&Node::scalar(word)).map_err(|_| wrong(line, text))?;
                Ok((group.trim().to_owned(), tier))
            }));
        };
        every(entries.iter().map(|entry| {
            match Choice(TIERS).read(&entry.node) {
                Ok(tier) => Ok((entry.key.clone(), tier)),
                Err(wrongs) => Err(wrongs
                    .into_iter()
                    .map(|wrong| Wrong {
                        line: entry.node.line.or(wrong.line),
                        what: format!("group {} {}", quoted(&entry.key), wrong.what),
                        right: Some(Choice(TIERS).expected()),
                    })
                    .collect()),
            }
        }))
    }
}

fn wrong(line: Option<u32>, text: &str) -> Vec<Wrong> {
    let right = Some("a group and its tier, such as `ops=admin`".to_owned());
    vec![Wrong { line, what: format!("{} is not a group and its tier", quoted(text)), right }]
}
