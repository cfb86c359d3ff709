//! Who asks. Verified locally on the core that read the request; no core waits for anybody here.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::{Auth, AuthMode, Cidr};
use crate::wire::refusal::Refusal;

/// Someone who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The name that limits are counted for and logs show.
    pub subject: Arc<str>,
    /// E-mail; empty where it is not known.
    pub email: Arc<str>,
    /// Groups.
    pub groups: Arc<[Box<str>]>,
}

/// The longest subject or group that is taken from a header.
const LONGEST_NAME: usize = 256;

/// The most groups that are taken from headers.
const MOST_GROUPS: usize = 256;

/// How identities come about.
#[derive(Debug)]
pub enum Authenticator {
    /// Everyone is the dev identity.
    Dev(Identity),
    /// A trusted proxy says who asks.
    Header {
        /// Name of the header with the user.
        user: String,
        /// Name of the header with the groups.
        groups: String,
        /// Peers that may set them.
        trusted: Vec<Cidr>,
    },
}

impl Authenticator {
    /// The authenticator of a configuration.
    #[must_use]
    pub fn new(auth: &Auth) -> Self {
        match auth.mode {
            AuthMode::Dev => Authenticator::Dev(Identity {
                subject: auth.dev.subject.as_str().into(),
                email: auth.dev.email.as_str().into(),
                groups: auth.dev.groups.iter().map(|group| group.as_str().into()).collect(),
            }),
            AuthMode::Header => Authenticator::Header {
                user: auth.header.user.clone(),
                groups: auth.header.groups.clone(),
                trusted: auth.header.trusted_peers.clone(),
            },
        }
    }

    /// The word for it in `/api/auth/config` and `/api/auth/whoami`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Authenticator::Dev(_) => "dev",
            Authenticator::Header { .. } => "header",
        }
    }

    /// Who asks, by the peer's address and the request's headers.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where the peer may not say who asks, or does not say it in one clear name.
    pub fn identify<'a>(
        &self,
        peer: IpAddr,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Identity, Refusal> {
        let (user, groups, trusted) = match self {
            Authenticator::Dev(identity) => return Ok(identity.clone()),
            Authenticator::Header { user, groups, trusted } => (user, groups, trusted),
        };
        if !trusted.iter().any(|block| block.contains(peer)) {
            return Err(Refusal::Unauthenticated);
        }
        let mut subject = None;
        let mut member_of: Vec<Box<str>> = Vec::new();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case(user) {
                let again = subject.replace(name_of(value)?).is_some();
                if again {
                    return Err(Refusal::Unauthenticated);
                }
            } else if name.eq_ignore_ascii_case(groups) {
                for group in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    if !group.is_empty() {
                        member_of.push(name_of(group)?.into());
                    }
                }
            }
        }
        let subject = subject.ok_or(Refusal::Unauthenticated)?;
        if member_of.len() > MOST_GROUPS {
            return Err(Refusal::Unauthenticated);
        }
        Ok(Identity { subject: subject.into(), email: "".into(), groups: member_of.into() })
    }
}

/// A name from a header: printable, not empty, not too long.
fn name_of(value: &[u8]) -> Result<&str, Refusal> {
    let name = std::str::from_utf8(value.trim_ascii()).map_err(|_| Refusal::Unauthenticated)?;
    let fine = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    if fine { Ok(name) } else { Err(Refusal::Unauthenticated) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy() -> Authenticator {
        Authenticator::Header {
            user: "X-User".into(),
            groups: "X-Groups".into(),
            trusted: vec![Cidr { address: "10.0.0.0".parse().expect("an address"), bits: 8 }],
        }
    }

    fn ask(peer: &str, headers: &[(&'static str, &'static [u8])]) -> Result<Identity, Refusal> {
        proxy().identify(peer.parse().expect("an address"), headers.iter().copied())
    }

    #[test]
    fn a_trusted_proxy_says_who_asks() {
        let identity = ask("10.1.2.3", &[("x-user", b"ann"), ("x-groups", b"a, b"), ("x-groups", b"c,")])
            .expect("a trusted peer");
        assert_eq!(&*identity.subject, "ann");
        assert_eq!(identity.groups.iter().map(|group| &**group).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(ask("::ffff:10.1.2.3", &[("x-user", b"ann")]).is_ok(), "an IPv4 address in IPv6's clothes");
    }

    #[test]
    fn nobody_else_does_and_nobody_twice() {
        assert!(ask("11.0.0.1", &[("x-user", b"ann")]).is_err());
        assert!(ask("10.0.0.1", &[]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", b"")]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", b"a"), ("X-USER", b"b")]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", b"a\x01b")]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", b"\xff")]).is_err());
    }
}
