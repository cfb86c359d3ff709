//! Who asks. Verified locally on the core that read the request; no core waits for anybody here.
//!
//! [`Authenticator::identify`] is called for every request, on a core or on the control plane, and only computes. What needs the provider (a session
//! whose turn it is to be refreshed) is [`Identified::Stale`]: the task of that one connection waits while the control plane asks.

pub mod forwarded;
pub mod origin;
mod peer;
mod session;

use std::sync::Arc;

use crate::config::{Auth, AuthMode, Cidr};
use crate::wire::refusal::Refusal;
pub use peer::{Peer, TlsPeer};
pub use session::{Revoked, SessionRef, UnixSeconds};

/// Someone who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The name that limits are counted for and logs show.
    pub subject: Arc<str>,
    /// E-mail; empty where it is not known.
    pub email: Arc<str>,
    /// Groups.
    pub groups: Arc<[Box<str>]>,
    /// The session that it was read from; `None` where every request says anew who asks.
    pub session: Option<SessionRef>,
    /// When what proved it is over (a session's end, a token's `exp`), in seconds since the Unix epoch. Streams end by then.
    pub until: Option<UnixSeconds>,
}

/// Someone who asks, and what their browser is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who asks.
    pub identity: Identity,
    /// `Set-Cookie` lines for the answer: the session, renewed.
    pub cookies: Box<[Box<str>]>,
}

/// What a request's credentials come to.
#[derive(Debug)]
pub enum Identified {
    /// Known here and now.
    As(Verified),
    /// A good session that has to be refreshed with the provider first. See [`Authenticator::refresh`].
    Stale(Stale),
}

impl Identified {
    /// Who asks; of a stale session, who it was.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        match self {
            Identified::As(verified) => &verified.identity,
            Identified::Stale(stale) => &stale.identity,
        }
    }
}

/// A session that has to be refreshed with the provider before it counts.
#[derive(Debug)]
pub struct Stale {
    /// Who asked when it was last refreshed.
    pub identity: Identity,
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
                session: None,
                until: None,
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

    /// Refreshes a session with the provider, on the control plane. All who ask for the same session share one question.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where the provider has ended the session.
    #[expect(clippy::unused_async, reason = "no mode has sessions yet")]
    pub async fn refresh(self: Arc<Self>, stale: Stale) -> Result<Verified, Refusal> {
        Ok(Verified { identity: stale.identity, cookies: Box::default() })
    }

    /// Who asks, by the peer and the request's headers.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where the peer may not say who asks, or does not say it in one clear name.
    pub fn identify<'a>(
        &self,
        peer: &Peer,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Identified, Refusal> {
        let identity = self.identity(peer, headers)?;
        Ok(Identified::As(Verified { identity, cookies: Box::default() }))
    }

    fn identity<'a>(
        &self,
        peer: &Peer,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Identity, Refusal> {
        let (user, groups, trusted) = match self {
            Authenticator::Dev(identity) => return Ok(identity.clone()),
            Authenticator::Header { user, groups, trusted } => (user, groups, trusted),
        };
        if !trusted.iter().any(|block| block.contains(peer.address.ip())) {
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
        Ok(Identity {
            subject: subject.into(),
            email: "".into(),
            groups: member_of.into(),
            session: None,
            until: None,
        })
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
        let address = std::net::SocketAddr::new(peer.parse().expect("an address"), 1);
        proxy().identity(&Peer::cleartext(address), headers.iter().copied())
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
