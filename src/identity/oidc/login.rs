//! A sign-in that is under way: what the browser keeps from its way out to the provider until it comes back.
//!
//! A cookie for each, named for its `state`, so that tabs that sign in side by side do not get in each other's way; at most [`MOST`], for [`LIFE`] seconds.

use serde::{Deserialize, Serialize};

use super::super::cookies::{self, Manner};
use super::super::seal::{Purpose, Seals};
use super::super::session::UnixSeconds;

/// The most sign-ins of a browser at once; one more, and the oldest is forgotten.
pub const MOST: usize = 5;

/// How long a sign-in may take, in seconds.
pub const LIFE: UnixSeconds = 600;

/// What the names begin with, before the state.
const STEM: &str = "foretop-login-";

/// A sign-in that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// What the provider must send back.
    pub state: String,
    /// What the ID token must name.
    pub nonce: String,
    /// What the code's challenge was made of (RFC 7636).
    pub verifier: String,
    /// Where the browser then goes.
    pub return_to: String,
    /// When it began.
    pub began: UnixSeconds,
}

impl Login {
    /// The lines that have a browser keep it, beside those that it keeps already.
    pub fn set<'a>(
        &self,
        seals: &Seals,
        manner: Manner,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Vec<Box<str>> {
        let stem = manner.name(STEM);
        let mut others: Vec<(UnixSeconds, &str)> = cookies::of(headers)
            .filter(|(name, _)| name.starts_with(&stem) && is_state(&name[stem.len()..]))
            .map(|(name, value)| (opened(seals, value).map_or(0, |login| login.began), name))
            .collect();
        others.sort_unstable();
        let too_many = (others.len() + 1).saturating_sub(MOST);
        let mut lines: Vec<Box<str>> =
            others.iter().take(too_many).map(|(_, name)| manner.expire(name)).collect();
        let plain = serde_json::to_vec(self).expect("texts and a number");
        let value = seals.seal(Purpose::Login, &plain);
        lines.push(manner.set(&name_of(manner, &self.state), &value, LIFE));
        lines
    }

    /// The one of this state, if the browser has it, and it is not too long ago.
    pub fn find<'a>(
        state: &str,
        seals: &Seals,
        manner: Manner,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        now: UnixSeconds,
    ) -> Option<Self> {
        let wanted = name_of(manner, state);
        let mut found = cookies::of(headers).filter(|(name, _)| *name == wanted);
        let (_, value) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        let login = opened(seals, value)?;
        (login.state == state && now.saturating_sub(login.began) < LIFE).then_some(login)
    }
}

/// The line that has a browser forget the sign-in of this state.
#[must_use]
pub fn forget(manner: Manner, state: &str) -> Option<Box<str>> {
    is_state(state).then(|| manner.expire(&name_of(manner, state)))
}

/// Whether it could be one of our states: what goes into a header must not end its line.
fn is_state(state: &str) -> bool {
    (1..=64).contains(&state.len())
        && state.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn name_of(manner: Manner, state: &str) -> String {
    format!("{}{state}", manner.name(STEM))
}

fn opened(seals: &Seals, value: &str) -> Option<Login> {
    serde_json::from_slice(&seals.open(Purpose::Login, value)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: Manner = Manner { secure: true };

    fn seals() -> Seals {
        Seals::new(std::iter::once(&b"a key of some forty random bytes ......."[..]))
    }

    fn login(state: &str, began: UnixSeconds) -> Login {
        Login { state: state.into(), nonce: "n".into(), verifier: "v".into(), return_to: "/".into(), began }
    }

    /// A browser's cookies, as it takes these lines.
    fn take(jar: &mut Vec<(String, String)>, lines: &[Box<str>]) {
        for line in lines {
            let (name, rest) = line.split_once('=').expect("a pair");
            let (value, attributes) = rest.split_once(';').expect("attributes");
            jar.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0") {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn header(jar: &[(String, String)]) -> String {
        jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn find(jar: &[(String, String)], state: &str, now: UnixSeconds) -> Option<Login> {
        let header = header(jar);
        Login::find(state, &seals(), TLS, [("cookie", header.as_bytes())].into_iter(), now)
    }

    #[test]
    fn sign_ins_side_by_side_are_kept_apart_and_the_oldest_goes() {
        let mut jar = Vec::new();
        for number in 0..7 {
            let header = header(&jar);
            let login = login(&format!("state{number}"), 100 + number);
            take(&mut jar, &login.set(&seals(), TLS, [("cookie", header.as_bytes())].into_iter()));
        }
        assert_eq!(jar.len(), MOST);
        assert_eq!(find(&jar, "state1", 110), None, "the oldest went");
        assert_eq!(find(&jar, "state2", 110), Some(login("state2", 102)));
        take(&mut jar, &[forget(TLS, "state2").expect("a state")]);
        assert_eq!(find(&jar, "state2", 110), None);
    }

    #[test]
    fn too_late_or_by_another_name_it_is_none() {
        let mut jar = Vec::new();
        take(&mut jar, &login("one", 100).set(&seals(), TLS, std::iter::empty()));
        assert!(find(&jar, "one", 100 + LIFE - 1).is_some());
        assert!(find(&jar, "one", 100 + LIFE).is_none());
        let renamed: Vec<_> = jar.iter().map(|(_, value)| (name_of(TLS, "two"), value.clone())).collect();
        assert!(find(&renamed, "two", 101).is_none(), "sealed for another state");
        let twice = [jar.clone(), jar].concat();
        assert!(find(&twice, "one", 101).is_none());
    }

    #[test]
    fn no_state_ends_a_header() {
        for state in ["", "a\r\nSet-Cookie: b", "a;b", "a=b", &"x".repeat(65)] {
            assert_eq!(forget(TLS, state), None, "{state:?}");
        }
    }
}
