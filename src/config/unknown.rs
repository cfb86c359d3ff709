//! Keys and variables that no setting has: most are typing errors, which must not pass as if they did something.

use std::collections::BTreeMap;

use super::Mistake;
use super::mistake::{nearest, plain};
use super::periscope;
use super::sources::{self, ALIAS_PREFIX, PREFIX};
use super::yaml::{Entry, Node, Value};

/// A variable this near to one of ours is a typing error and not a stranger.
const NEAR: usize = 3;

/// Finds the keys of a file that are no setting's.
pub(crate) fn file_keys(root: &Node, file: &str, keys: &[String], mistakes: &mut Vec<Mistake>) {
    let mut walk = Walk { file, keys, mistakes };
    match &root.value {
        Value::Nothing => {}
        Value::Map(entries) => walk.entries("", entries),
        Value::Scalar(_) | Value::Understood(_) | Value::List(_) => {
            walk.mistake(root.line, "", "this is no map".into(), "a YAML map of settings".into());
        }
    }
}

/// Finds the variables with our prefix that no setting has.
pub(crate) fn variables(
    environment: &BTreeMap<String, String>,
    keys: &[String],
    mistakes: &mut Vec<Mistake>,
    warnings: &mut Vec<String>,
) {
    let mut known: Vec<String> = keys.iter().flat_map(|key| sources::variables(key)).collect();
    known.extend([periscope::FILE, periscope::MODE].map(str::to_owned));
    let ours = |name: &&String| name.starts_with(PREFIX) || name.starts_with(ALIAS_PREFIX);
    for name in environment.keys().filter(ours).filter(|name| !known.contains(name) && !is_service_link(name))
    {
        let near = nearest(name, known.iter().map(|known| (known.as_str(), known.as_str())));
        match near.filter(|near| strsim::damerau_levenshtein(near, name) <= NEAR) {
            Some(near) => mistakes.push(Mistake {
                source: name.clone(),
                line: None,
                key: String::new(),
                what: "no setting has this variable".into(),
                right: format!("`{near}`"),
            }),
            None => warnings.push(format!("{}: no setting has this variable; it is ignored", plain(name))),
        }
    }
}

/// Whether this is one of the variables that Kubernetes sets in every pod for a Service named `foretop` (or `foretop-…`).
fn is_service_link(name: &str) -> bool {
    let port = name.split("_PORT_").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    port || name.ends_with("_PORT") || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
}

struct Walk<'a> {
    file: &'a str,
    keys: &'a [String],
    mistakes: &'a mut Vec<Mistake>,
}

impl Walk<'_> {
    fn entries(&mut self, path: &str, entries: &[Entry]) {
        for entry in entries {
            let key = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            self.entry(&key, entry);
        }
    }

    fn entry(&mut self, key: &str, entry: &Entry) {
        if let Some((section, name)) = entry.key.split_once('.') {
            let right = format!("`{name}:` below `{section}:`");
            return self.mistake(entry.line, key, "a key with a dot".into(), right);
        }
        if self.keys.iter().any(|known| known == key) {
            return;
        }
        if !self.is_section(key) {
            let right = self.nearest(key).map_or_else(String::new, |near| format!("`{near}`"));
            return self.mistake(entry.line, key, "no setting has this name".into(), right);
        }
        match &entry.node.value {
            Value::Map(entries) => self.entries(key, entries),
            // Everything below it is commented out.
            Value::Nothing => {}
            Value::Scalar(_) | Value::Understood(_) | Value::List(_) => {
                let first = self.keys.iter().find_map(|known| known.strip_prefix(key)?.strip_prefix('.'));
                let right = format!("a map with settings such as `{}`", first.unwrap_or_default());
                self.mistake(entry.line, key, "this is a section and not a setting".into(), right);
            }
        }
    }

    fn is_section(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }

    /// The setting or section that was meant: one of the same name elsewhere, else one of nearly the same path.
    fn nearest(&self, key: &str) -> Option<&str> {
        let paths = || self.keys.iter().flat_map(|known| prefixes(known));
        let same_name = paths().filter(|path| bare(last(path)) == bare(last(key)));
        nearest(key, same_name.map(|path| (path, path)))
            .or_else(|| nearest(key, paths().map(|path| (path, path))))
    }

    fn mistake(&mut self, line: Option<u32>, key: &str, what: String, right: String) {
        self.mistakes.push(Mistake { source: self.file.to_owned(), line, key: key.to_owned(), what, right });
    }
}

/// `a.b.c`, `a.b`, `a`.
fn prefixes(key: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(key), |path| path.rsplit_once('.').map(|(section, _)| section))
}

fn last(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

/// Only letters and digits, in lower case: `per_user` is `perUser`.
fn bare(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_for_a_service_of_our_name_is_no_setting() {
        for name in [
            "FORETOP_PORT",
            "FORETOP_SERVICE_HOST",
            "FORETOP_SERVICE_PORT",
            "FORETOP_SERVICE_PORT_HTTP",
            "FORETOP_PORT_8080_TCP",
            "FORETOP_PORT_8080_TCP_ADDR",
            "FORETOP_WEB_PORT_80_TCP_PROTO",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        assert!(!is_service_link("FORETOP_STREAMS_PER_USR"));
    }
}
