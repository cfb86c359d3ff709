//! Names and origins of servers.

use super::{Grammar, Wrong, every, scalar, scalars};
use crate::config::mistake::quoted;
use crate::config::yaml::Node;
use crate::config::{Authority, NotAnOrigin, Origin};

/// An origin, or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionalOrigin;

impl Grammar<Option<Origin>> for OptionalOrigin {
    fn expected(&self) -> String {
        "an origin such as `https://foretop.example`".into()
    }

    fn show(&self, value: &Option<Origin>) -> String {
        value.as_ref().map(Origin::to_string).unwrap_or_default()
    }

    fn read(&self, given: &Node) -> Result<Option<Origin>, Vec<Wrong>> {
        origin(None, scalar(given)?).map(Some)
    }
}

/// A list of origins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginList;

impl Grammar<Vec<Origin>> for OriginList {
    fn expected(&self) -> String {
        "a list of origins such as `https://portal.example`".into()
    }

    fn show(&self, value: &Vec<Origin>) -> String {
        value.iter().map(Origin::to_string).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<Origin>, Vec<Wrong>> {
        every(scalars(given)?.into_iter().map(|(line, text)| origin(line, text)))
    }
}

fn origin(line: Option<u32>, text: &str) -> Result<Origin, Vec<Wrong>> {
    text.parse().map_err(|error: NotAnOrigin| {
        let bare = text.trim_end_matches('/');
        let right = match error {
            NotAnOrigin::Path if bare.parse::<Origin>().is_ok() => Some(format!("`{bare}`")),
            NotAnOrigin::Scheme if format!("https://{bare}").parse::<Origin>().is_ok() => {
                Some(format!("`https://{bare}`"))
            }
            _ => None,
        };
        vec![Wrong { line, what: format!("{} {error}", quoted(text)), right }]
    })
}

/// A list of hosts, each perhaps with a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts;

impl Grammar<Vec<Authority>> for Hosts {
    fn expected(&self) -> String {
        "a list of host names, each with a port or without".into()
    }

    fn show(&self, value: &Vec<Authority>) -> String {
        value.iter().map(Authority::to_string).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, given: &Node) -> Result<Vec<Authority>, Vec<Wrong>> {
        every(scalars(given)?.into_iter().map(|(line, text)| {
            text.parse().map_err(|error: NotAnOrigin| {
                vec![Wrong { line, what: format!("{} {error}", quoted(text)), right: None }]
            })
        }))
    }
}
