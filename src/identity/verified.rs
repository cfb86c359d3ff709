//! Tokens that were verified already, so that ten thousand tabs that come back at once do not cost ten thousand signatures.
//!
//! A table of fixed size: a token has one place in it, by its hash, and the newest token of a place stays. Cores read and write it without a lock.
//! Only a token whose signature was good gets in, and it counts only while the keys are those that it was verified with.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ring::digest::{SHA256, digest};

use super::{Identity, UnixSeconds};

/// Places. With 10,000 tokens in use, three of four keep theirs.
const PLACES: usize = 1 << 14;

/// A token's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of this token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Fingerprint(bytes)
    }

    fn place(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]])) % PLACES
    }
}

/// Tokens that were verified.
#[derive(Debug)]
pub struct VerifiedTokens {
    places: Box<[ArcSwapOption<Entry>]>,
}

#[derive(Debug)]
struct Entry {
    token: Fingerprint,
    /// Of the keys that it was verified with.
    generation: u64,
    until: UnixSeconds,
    identity: Identity,
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        VerifiedTokens { places: (0..PLACES).map(|_| ArcSwapOption::empty()).collect() }
    }
}

impl VerifiedTokens {
    /// Who this token was found to be, by keys of this generation, if it is not over.
    #[must_use]
    pub fn find(&self, token: Fingerprint, generation: u64, now: UnixSeconds) -> Option<Identity> {
        let entry = self.places[token.place()].load();
        let entry = entry.as_ref()?;
        let counts = entry.token == token && entry.generation == generation && now < entry.until;
        counts.then(|| entry.identity.clone())
    }

    /// This token was verified by keys of this generation.
    pub fn keep(&self, token: Fingerprint, generation: u64, until: UnixSeconds, identity: &Identity) {
        let entry = Entry { token, generation, until, identity: identity.clone() };
        self.places[token.place()].store(Some(Arc::new(entry)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn identity(name: u8) -> Identity {
        Identity {
            subject: name.to_string().into(),
            email: "".into(),
            groups: Arc::default(),
            session: None,
            until: None,
        }
    }

    /// A few tokens, of which some share a place.
    fn token(name: u8) -> Fingerprint {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (name % 3, name);
        Fingerprint(bytes)
    }

    proptest! {
        /// Against a map that forgets nothing: what is found is what was kept last of that token, and what was kept last of a place is found.
        #[test]
        fn it_never_takes_one_token_for_another(steps in vec((0u8..8, 0u64..3, 0u64..20, any::<bool>()), 1..80)) {
            let table = VerifiedTokens::default();
            let mut kept: HashMap<u8, (u64, u64)> = HashMap::new();
            let mut last: HashMap<usize, u8> = HashMap::new();
            for (name, generation, time, keep) in steps {
                if keep {
                    table.keep(token(name), generation, time, &identity(name));
                    kept.insert(name, (generation, time));
                    last.insert(token(name).place(), name);
                    continue;
                }
                let counts = kept.get(&name).is_some_and(|(by, until)| *by == generation && time < *until);
                let found = table.find(token(name), generation, time);
                prop_assert!(found.is_none() || counts);
                prop_assert!(found.as_ref().is_none_or(|found| *found == identity(name)));
                if counts && last.get(&token(name).place()) == Some(&name) {
                    prop_assert!(found.is_some());
                }
            }
        }
    }
}
