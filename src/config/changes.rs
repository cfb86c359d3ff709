//! What is different between two trees of settings.

use super::Config;
use super::table::{Row, Table, Visit};

/// The settings whose values differ, by their keys, in the order of the reference page.
#[must_use]
pub fn changes(one: &Config, other: &Config) -> Vec<String> {
    let (one, other) = (digests(one), digests(other));
    // Both are of the same table.
    one.into_iter().zip(other).filter(|(one, other)| one != other).map(|((key, _), _)| key).collect()
}

fn digests(config: &Config) -> Vec<(String, String)> {
    let mut digests = Digests(Vec::new());
    Table::walk(&mut config.clone(), &mut digests);
    digests.0
}

struct Digests(Vec<(String, String)>);

impl Visit for Digests {
    fn section(&mut self, _: &str, _: &'static str) {}

    fn setting(&mut self, row: Row<'_>) {
        self.0.push((row.key, row.field.digest()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_differs_is_named_secrets_too() {
        let before = Config::default();
        assert!(changes(&before, &before.clone()).is_empty());
        let mut after = before.clone();
        after.drain.lame = Duration::from_secs(3);
        after.log.level = "debug".into();
        after.auth.oidc.client_secret = Some("one".to_owned().into());
        assert_eq!(changes(&before, &after), ["auth.oidc.clientSecret", "drain.lame", "log.level"]);
        let mut again = after.clone();
        again.auth.oidc.client_secret = Some("two".to_owned().into());
        assert_eq!(changes(&after, &again), ["auth.oidc.clientSecret"]);
    }
}
