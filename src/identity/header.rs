//! The trusted header: a proxy in front has signed the user in, and says who it is.
//!
//! Whoever may set these headers may be anybody, so they count only from a peer that is configured: by its address, or by a name in the certificate
//! that it has shown. From everyone else they are as if they were not there. What is not one clear name is refused and never mended.

use super::{Identity, Peer};
use crate::config::{Cidr, HeaderAuth};
use crate::wire::refusal::Refusal;

/// The longest subject or group that is taken, in bytes.
const LONGEST_NAME: usize = 256;

/// The most groups that are taken.
const MOST_GROUPS: usize = 256;

/// A proxy that says who asks.
#[derive(Debug)]
pub struct TrustedHeader {
    user: String,
    groups: String,
    peers: Vec<Cidr>,
    names: Vec<String>,
}

impl TrustedHeader {
    /// By these settings.
    #[must_use]
    pub fn new(settings: &HeaderAuth) -> Self {
        TrustedHeader {
            user: settings.user.clone(),
            groups: settings.groups.clone(),
            peers: settings.trusted_peers.clone(),
            names: settings.trusted_names.clone(),
        }
    }

    /// The names of its headers.
    #[must_use]
    pub fn headers(&self) -> [&str; 2] {
        [&self.user, &self.groups]
    }

    /// Whether this peer may say who asks.
    #[must_use]
    pub fn trusts(&self, peer: &Peer) -> bool {
        let by_address = self.peers.iter().any(|block| block.contains(peer.address.ip()));
        let shown = peer.tls.as_ref().map_or(&[][..], |tls| &tls.names);
        by_address || shown.iter().any(|name| self.names.iter().any(|trusted| is_same_name(trusted, name)))
    }

    /// Whether the headers name somebody, from a peer that may.
    pub fn speaks<'a>(&self, peer: &Peer, mut headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
        self.trusts(peer) && headers.any(|(name, _)| name.eq_ignore_ascii_case(&self.user))
    }

    /// Who asks.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where the peer may not say who asks, or does not say it in one clear name.
    pub fn identify<'a>(
        &self,
        peer: &Peer,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Identity, Refusal> {
        if !self.trusts(peer) {
            return Err(Refusal::Unauthenticated);
        }
        let mut subject = None;
        let mut member_of: Vec<Box<str>> = Vec::new();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case(&self.user) {
                let again = subject.replace(name_of(value)?).is_some();
                if again {
                    return Err(Refusal::Unauthenticated);
                }
            } else if name.eq_ignore_ascii_case(&self.groups) {
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

/// DNS names have no case; the names of URIs have, as far as their path goes, so that those must be equal.
fn is_same_name(trusted: &str, shown: &str) -> bool {
    if trusted.contains("://") { trusted == shown } else { trusted.eq_ignore_ascii_case(shown) }
}

/// A name from a header: printable, not empty, not too long.
fn name_of(value: &[u8]) -> Result<&str, Refusal> {
    let name = std::str::from_utf8(value.trim_ascii()).map_err(|_| Refusal::Unauthenticated)?;
    let fine = !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    if fine { Ok(name) } else { Err(Refusal::Unauthenticated) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::TlsPeer;
    use super::*;

    fn proxy() -> TrustedHeader {
        TrustedHeader::new(&HeaderAuth {
            user: "X-User".into(),
            groups: "X-Groups".into(),
            trusted_peers: vec!["10.0.0.0/8".parse().expect("a block")],
            trusted_names: vec!["proxy.example".into(), "spiffe://example/ns/Edge".into()],
        })
    }

    fn cleartext(peer: &str) -> Peer {
        Peer::cleartext(std::net::SocketAddr::new(peer.parse().expect("an address"), 1))
    }

    fn ask(peer: &str, headers: &[(&'static str, &'static [u8])]) -> Result<Identity, Refusal> {
        proxy().identify(&cleartext(peer), headers.iter().copied())
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
        assert!(ask("10.0.0.1", &[("x-user", b"a"), ("x-user", b"a")]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", b"a\x01b")]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", b"\xff")]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", &[b'a'; 257])]).is_err());
        assert!(ask("10.0.0.1", &[("x-user", b"a"), ("x-groups", b"g\x7f")]).is_err());
    }

    #[test]
    fn an_underscore_is_no_hyphen() {
        assert!(ask("10.0.0.1", &[("x_user", b"ann")]).is_err());
        let identity = ask("10.0.0.1", &[("x-user", b"ann"), ("x_user", b"bob"), ("x_groups", b"admins")])
            .expect("one clear name");
        assert_eq!((&*identity.subject, identity.groups.len()), ("ann", 0));
    }

    #[test]
    fn groups_have_a_limit() {
        let many = |count: usize| vec![("x-groups", &b"g"[..]); count];
        let ask = |count| {
            let headers = many(count).into_iter().chain([("x-user", &b"ann"[..])]);
            proxy().identify(&cleartext("10.0.0.1"), headers)
        };
        assert!(ask(256).is_ok());
        assert!(ask(257).is_err());
    }

    #[test]
    fn a_verified_certificate_stands_for_an_address() {
        let by_name = |name: &str| {
            let tls = Some(Arc::new(TlsPeer { names: vec!["other.example".into(), name.into()] }));
            proxy().identify(&Peer { tls, ..cleartext("11.0.0.1") }, [("x-user", &b"ann"[..])].into_iter())
        };
        assert!(by_name("proxy.example").is_ok());
        assert!(by_name("Proxy.Example").is_ok());
        assert!(by_name("spiffe://example/ns/Edge").is_ok());
        assert!(by_name("spiffe://example/ns/edge").is_err());
        assert!(by_name("a.proxy.example").is_err());
        assert!(by_name("*").is_err());
    }
}
