//! A session as bytes: what is sealed into its cookie.
//!
//! A version, then fields of fixed size, then texts with their lengths. A session of another version, with bytes missing, or with bytes left over, is
//! none: its user signs in again.

use std::sync::Arc;

use super::session::{SessionRef, UnixSeconds};
use crate::wire::fields::{Rest, put_number, put_text};

/// The version that is written, and the only one that is read.
const VERSION: u8 = 1;

/// A session in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What its streams are told of it.
    pub reference: SessionRef,
    /// The user's name at the provider (`sub`).
    pub subject: Arc<str>,
    /// Their e-mail; empty where the provider tells none.
    pub email: Arc<str>,
    /// Their groups, as of the last refresh.
    pub groups: Arc<[Box<str>]>,
    /// When it is over unless it is used; `None`: idleness does not end it.
    pub idle: Option<UnixSeconds>,
    /// How it is refreshed; `None` where the provider gave no refresh token.
    pub refresh: Option<Refresh>,
}

/// When and by what a session is refreshed.
#[derive(Clone, PartialEq, Eq)]
pub struct Refresh {
    /// From when on it is to be refreshed before it counts.
    pub due: UnixSeconds,
    /// When it is over if the provider has not answered until then.
    pub by: UnixSeconds,
    /// How often it was refreshed.
    pub generation: u32,
    /// The provider's refresh token.
    pub token: Box<str>,
}

impl std::fmt::Debug for Refresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Refresh(due {}, by {}, generation {})", self.due, self.by, self.generation)
    }
}

impl Session {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        let SessionRef { id, began, until, provider } = self.reference;
        bytes.extend_from_slice(&id.to_be_bytes());
        put_number(&mut bytes, began);
        put_number(&mut bytes, until);
        put_number(&mut bytes, self.idle.unwrap_or(NEVER));
        bytes.push(provider.is_some().into());
        bytes.extend_from_slice(&provider.unwrap_or_default().to_be_bytes());
        bytes.push(self.refresh.is_some().into());
        if let Some(refresh) = &self.refresh {
            put_number(&mut bytes, refresh.due);
            put_number(&mut bytes, refresh.by);
            put_number(&mut bytes, refresh.generation.into());
            put_text(&mut bytes, &refresh.token);
        }
        put_text(&mut bytes, &self.subject);
        put_text(&mut bytes, &self.email);
        put_number(&mut bytes, self.groups.len() as u64);
        for group in self.groups.iter() {
            put_text(&mut bytes, group);
        }
        bytes
    }

    /// The session that these bytes are.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        if rest.byte()? != VERSION {
            return None;
        }
        let id = rest.wide()?;
        let (began, until) = (rest.number()?, rest.number()?);
        let idle = Some(rest.number()?).filter(|idle| *idle != NEVER);
        let has_provider = rest.switch()?;
        let provider = Some(rest.wide()?).filter(|_| has_provider);
        let refresh = if rest.switch()? {
            Some(Refresh {
                due: rest.number()?,
                by: rest.number()?,
                generation: rest.number()?.try_into().ok()?,
                token: rest.text()?.into(),
            })
        } else {
            None
        };
        let (subject, email) = (rest.text()?.into(), rest.text()?.into());
        // Each takes the bytes of its length at least.
        let count = rest.count(size_of::<u32>())?;
        let groups: Option<Arc<[Box<str>]>> = (0..count).map(|_| Some(rest.text()?.into())).collect();
        let reference = SessionRef { id, began, until, provider };
        let session = Session { reference, subject, email, groups: groups?, idle, refresh };
        rest.is_empty().then_some(session)
    }
}

/// An idle time that never comes.
const NEVER: UnixSeconds = UnixSeconds::MAX;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any session.
    pub(in crate::identity) fn any_session() -> impl Strategy<Value = Session> {
        let numbers = (any::<u128>(), 0u64..1 << 40, 0u64..1 << 40, any::<Option<u128>>());
        let refresh = prop::option::of((0u64..1 << 40, 0u64..1 << 40, any::<u32>(), "\\PC{0,40}"));
        let names = ("\\PC{1,20}", "\\PC{0,20}", prop::collection::vec("\\PC{0,20}", 0..8));
        (numbers, refresh, names, prop::option::of(0u64..1 << 40)).prop_map(
            |((id, began, until, provider), refresh, (subject, email, groups), idle)| Session {
                reference: SessionRef { id, began, until, provider },
                subject: subject.into(),
                email: email.into(),
                groups: groups.into_iter().map(String::into_boxed_str).collect(),
                idle,
                refresh: refresh.map(|(due, by, generation, token)| Refresh {
                    due,
                    by,
                    generation,
                    token: token.into(),
                }),
            },
        )
    }

    #[test]
    fn a_refresh_token_is_not_shown() {
        let refresh = Refresh { due: 1, by: 2, generation: 3, token: "secret".into() };
        assert!(!format!("{refresh:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn bytes_say_the_whole_session(session in any_session()) {
            prop_assert_eq!(Session::decode(&session.encode()), Some(session));
        }

        #[test]
        fn bytes_too_few_or_too_many_are_none(session in any_session(), at in any::<prop::sample::Index>()) {
            let mut bytes = session.encode();
            prop_assert_eq!(Session::decode(&bytes[..at.index(bytes.len())]), None);
            bytes.push(0);
            prop_assert_eq!(Session::decode(&bytes), None);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), version in any::<bool>()) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (version, bytes.first_mut()) {
                *first = VERSION;
            }
            let _ = Session::decode(&bytes);
        }
    }
}
