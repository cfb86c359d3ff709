//! Session tags: how a browser's tabs notice that somebody else is signed in now.
//!
//! A tag is equal for all requests of one session (or, where every request says anew who asks, of one user with the same groups), on every replica, and tells nothing
//! of what it is made of. It is no credential: nobody is let in by it.

use ring::hmac;

use super::Identity;

/// Makes tags.
#[derive(Clone, Debug)]
pub struct Tags {
    key: hmac::Key,
}

impl Tags {
    /// By a key that all replicas have.
    #[must_use]
    pub fn by(key: &[u8]) -> Self {
        Tags { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Where there is no such key: all deployments' tags of the same user are the same.
    #[must_use]
    pub fn unkeyed() -> Self {
        Tags::by(b"foretop tag")
    }

    /// The tag of someone who asks, in a mode of signing in: 16 hexadecimal digits.
    #[must_use]
    pub fn of(&self, mode: &str, who: &Identity) -> String {
        let mut hash = hmac::Context::with_key(&self.key);
        // With their lengths, lest two lists of texts read the same.
        let mut add = |text: &[u8]| {
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        add(mode.as_bytes());
        add(who.subject.as_bytes());
        match &who.session {
            Some(session) => add(&session.id.to_be_bytes()),
            None => who.groups.iter().for_each(|group| add(group.as_bytes())),
        }
        let digest = hash.sign();
        let (tag, _) = digest.as_ref().split_first_chunk().expect("a hash of 32 bytes");
        format!("{:016x}", u64::from_be_bytes(*tag))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::SessionRef;

    fn someone(subject: &str, groups: &[&str], session: Option<u128>) -> Identity {
        let session = session.map(|id| SessionRef { id, began: 1, until: 2, provider: None });
        let groups: Arc<[Box<str>]> = groups.iter().map(|group| Box::from(*group)).collect();
        Identity { subject: subject.into(), email: "".into(), groups, session, until: None }
    }

    #[test]
    fn a_tag_is_that_of_a_session_or_of_a_user_with_their_groups() {
        let tags = Tags::by(b"a key");
        let tag = |who: &Identity| tags.of("oidc", who);
        let ann = someone("ann", &["a"], Some(7));
        assert_eq!(tag(&ann).len(), 16);
        assert!(tag(&ann).bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(tag(&ann), tag(&someone("ann", &["b"], Some(7))), "a refreshed session is the same one");
        let others = [
            someone("ann", &["a"], Some(8)),
            someone("bob", &["a"], Some(7)),
            someone("ann", &["a"], None),
            someone("ann", &["a", ""], None),
            someone("ann", &[], None),
        ];
        let mut all: Vec<String> =
            others.iter().map(tag).chain([tag(&ann), tags.of("header", &ann)]).collect();
        all.push(Tags::unkeyed().of("oidc", &ann));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "all others have other tags");
    }
}
