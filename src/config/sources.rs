//! Where settings come from, and under which names.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::{Mistake, periscope};

/// Everything that [`load`](super::load()) reads; it looks at nothing else.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The settings file.
    pub file: Option<File>,
    /// The reference's auth file.
    pub auth_file: Option<AuthFile>,
    /// Environment variables; only names with one of our prefixes are looked at.
    pub environment: BTreeMap<String, String>,
    /// Flags of the command line that set one setting each.
    pub flags: Vec<Flag>,
    /// The flag `--insecure`: lets `auth.mode: dev` listen beyond loopback.
    pub insecure: bool,
}

/// A settings file that was read.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, as mistakes are to give it.
    pub name: String,
    /// Its contents.
    pub text: String,
}

/// The reference's auth file, as it was read.
#[derive(Clone, Debug)]
pub struct AuthFile {
    /// The file.
    pub file: File,
    /// The environment, of which it may name any variable.
    pub environment: BTreeMap<String, String>,
}

/// A flag that sets one setting.
#[derive(Clone, Debug)]
pub struct Flag {
    /// Its name, such as `--listen`.
    pub name: &'static str,
    /// The path of the setting, such as `server.listen`.
    pub key: &'static str,
    /// Its value, as it was written.
    pub value: String,
}

/// The prefix of our environment variables.
pub(crate) const PREFIX: &str = "FORETOP_";

/// The prefix of the reference's environment variables.
pub(crate) const ALIAS_PREFIX: &str = "PERISCOPE_";

/// Settings that the wire contract's deployments know under names of their own, below either prefix.
const CONTRACT_NAMES: [(&str, &str); 3] = [
    ("watch.kinds", "WATCH_STREAMS"),
    ("streams.perUser", "WATCH_PER_USER_LIMIT"),
    ("clustersFile", "CLUSTERS_FILE"),
];

/// The environment variables that set a setting; the first that is set wins.
pub(crate) fn variables(key: &str) -> Vec<String> {
    let mut names = vec![own_variable(key)];
    if let Some((_, name)) = CONTRACT_NAMES.iter().find(|(contract_key, _)| *contract_key == key) {
        names.push(format!("{PREFIX}{name}"));
        names.push(format!("{ALIAS_PREFIX}{name}"));
        names.dedup();
    }
    names
}

/// `streams.perUser` is `FORETOP_STREAMS_PER_USER`, `authorization.canICacheTTL` is `FORETOP_AUTHORIZATION_CAN_I_CACHE_TTL`.
fn own_variable(key: &str) -> String {
    let mut name = PREFIX.to_owned();
    let mut before = '.';
    let mut rest = key.chars().peekable();
    while let Some(c) = rest.next() {
        // A word begins with a capital; the letters of `TTL` are one word.
        let in_capitals =
            before.is_ascii_uppercase() && rest.peek().is_none_or(|next| !next.is_ascii_lowercase());
        match c {
            '.' => name.push('_'),
            c if c.is_ascii_uppercase() && !in_capitals => name.extend(['_', c]),
            c => name.push(c.to_ascii_uppercase()),
        }
        before = c;
    }
    name
}

impl AuthFile {
    /// The file that the process's environment names, if it names one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn of_process() -> Result<Option<Self>, Mistake> {
        let Some(name) = std::env::var_os(periscope::FILE).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let shown = name.to_string_lossy().into_owned();
        let text =
            std::fs::read_to_string(&name).map_err(|error| Mistake::unreadable(shown.clone(), &error))?;
        Ok(Some(AuthFile {
            file: File { name: shown, text },
            environment: std::env::vars_os().map(lossy).collect(),
        }))
    }
}

fn lossy((name, value): (OsString, OsString)) -> (String, String) {
    (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
}

impl Sources {
    /// The process's environment, as far as it could be meant for us.
    #[must_use]
    pub fn process_environment() -> BTreeMap<String, String> {
        std::env::vars_os()
            .map(lossy)
            .filter(|(name, _)| name.starts_with(PREFIX) || name.starts_with(ALIAS_PREFIX))
            .collect()
    }
}
