//! Lists: words, peers, kinds, feeds to keep warm.

use std::path::PathBuf;

use super::{Grammar, Text, Wrong, every, scalars, verbatim};
use crate::config::Cidr;
use crate::config::kinds::{self, UnknownToken};
use crate::config::mistake::quoted;
use crate::config::yaml::{Node, Value};
use crate::kind::Kind;

/// A list of texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words;

impl Grammar<Vec<String>> for Words {
    fn expected(&self) -> String {
        "a list of texts".into()
    }

    fn show(&self, value: &Vec<String>) -> String {
        value.join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<String>, Vec<Wrong>> {
        match &given.value {
            Value::List(items) => every(items.iter().map(|item| Text.read(item))),
            Value::Understood(_) => verbatim(given).map(|text| vec![text.to_owned()]),
            _ => Ok(scalars(given)?.into_iter().map(|(_, text)| text.to_owned()).collect()),
        }
    }
}

/// A list of paths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paths;

impl Grammar<Vec<PathBuf>> for Paths {
    fn expected(&self) -> String {
        "a list of paths".into()
    }

    fn show(&self, value: &Vec<PathBuf>) -> String {
        value.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<PathBuf>, Vec<Wrong>> {
        Ok(Words.read(given)?.into_iter().map(PathBuf::from).collect())
    }
}

/// A list of addresses and blocks of addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peers;

impl Grammar<Vec<Cidr>> for Peers {
    fn expected(&self) -> String {
        "a list of addresses or CIDR blocks".into()
    }

    fn show(&self, value: &Vec<Cidr>) -> String {
        value.iter().map(Cidr::to_string).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<Cidr>, Vec<Wrong>> {
        every(scalars(given)?.into_iter().map(|(line, text)| {
            text.parse()
                .map_err(|error| vec![Wrong { line, what: format!("{} {error}", quoted(text)), right: None }])
        }))
    }
}

/// The kinds grammar, over a registry.
#[derive(Clone, Copy)]
pub(crate) struct KindNames(pub &'static [Kind]);

impl Grammar<Vec<&'static Kind>> for KindNames {
    fn expected(&self) -> String {
        "`all`, `off`, or a list of kinds and groups".into()
    }

    fn show(&self, value: &Vec<&'static Kind>) -> String {
        match value.len() {
            0 => "off".to_owned(),
            count if count == self.0.len() => "all".to_owned(),
            _ => value.iter().map(|kind| kind.name).collect::<Vec<_>>().join(","),
        }
    }

    fn read(&self, given: &Node) -> Result<Vec<&'static Kind>, Vec<Wrong>> {
        let Value::List(items) = &given.value else {
            return match &given.value {
                Value::Scalar(text) | Value::Understood(text) => {
                    kinds::parse(text, self.0).map_err(|unknown| unknown.iter().map(wrong).collect())
                }
                _ => scalars(given).and_then(|_| Err(Wrong::new("has no value"))),
            };
        };
        // The grammar's empty text means all, and an empty list would so mean the opposite of what it looks like.
        if items.is_empty() {
            let right = Some("`off` for no kinds, or `all`".to_owned());
            return Err(vec![Wrong { line: None, what: "is an empty list".into(), right }]);
        }
        let names = scalars(given)?;
        if let [(_, whole)] = names[..] {
            return kinds::parse(whole, self.0).map_err(|unknown| unknown.iter().map(wrong).collect());
        }
        let chosen = every(names.into_iter().map(|(line, name)| {
            kinds::named(name, self.0).map_err(|unknown| vec![Wrong { line, ..wrong(&unknown) }])
        }))?;
        Ok(kinds::in_order(&chosen.concat(), self.0))
    }
}

/// Feeds to keep warm: `CLUSTER/KIND`, or `*/KIND` for every cluster.
#[derive(Clone, Copy)]
pub(crate) struct Prewarm(pub &'static [Kind]);

impl Grammar<Vec<(String, &'static Kind)>> for Prewarm {
    fn expected(&self) -> String {
        "a list of `CLUSTER/KIND` or `*/KIND`".into()
    }

    fn show(&self, value: &Vec<(String, &'static Kind)>) -> String {
        value.iter().map(|(cluster, kind)| format!("{cluster}/{}", kind.name)).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<(String, &'static Kind)>, Vec<Wrong>> {
        every(
            scalars(given)?.into_iter().map(|(line, text)| {
                self.feed(text).map_err(|(what, right)| vec![Wrong { line, what, right }])
            }),
        )
    }
}

impl Prewarm {
    fn feed(self, text: &str) -> Result<(String, &'static Kind), (String, Option<String>)> {
        let shape = || (format!("{} is not a cluster and a kind", quoted(text)), None);
        let (cluster, name) = text.rsplit_once('/').ok_or_else(shape)?;
        if cluster.is_empty() || name.is_empty() {
            return Err(shape());
        }
        if let Some(kind) = self.0.iter().find(|kind| kind.name == name) {
            return Ok((cluster.to_owned(), kind));
        }
        let near = kinds::nearest_kind(name, self.0).map(|near| format!("`{cluster}/{near}`"));
        Err((format!("{} is not a kind", quoted(name)), near))
    }
}

fn wrong(unknown: &UnknownToken) -> Wrong {
    let right = unknown.nearest.map(|near| format!("`{near}`"));
    Wrong { line: None, what: format!("{} is neither a kind nor a group", quoted(&unknown.token)), right }
}
