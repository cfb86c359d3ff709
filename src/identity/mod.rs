//! Who asks. Verified locally on the core that read the request; no core waits for anybody here.
//!
//! [`Authenticator::identify`] is called for every request, on a core or on the control plane, and only computes. What needs the provider (a session
//! whose turn it is to be refreshed) is [`Identified::Stale`]: the task of that one connection waits while the control plane asks.

pub mod addresses;
pub mod cookies;
pub mod forwarded;
mod header;
pub mod oidc;
pub mod origin;
mod peer;
pub mod provider_http;
pub mod revocation;
pub mod seal;
mod session;
pub mod session_code;
pub mod session_cookie;

use std::sync::Arc;

use crate::config::{AuthMode, Config};
use crate::wire::refusal::Refusal;
pub use header::TrustedHeader;
pub use peer::{Peer, TlsPeer};
pub use session::{Revoked, SessionRef, UnixSeconds, now};

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
    /// Known here and now, and the browser need not be told anything.
    fn plainly(identity: Identity) -> Self {
        Identified::As(Verified { identity, cookies: Box::default() })
    }

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

/// Why nobody could be identified as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {}

/// How identities come about.
#[derive(Debug)]
pub struct Authenticator {
    primary: Primary,
}

/// The way of a browser.
#[derive(Debug)]
enum Primary {
    /// Everyone is the dev identity.
    Dev(Identity),
    /// A trusted proxy says who asks.
    Header(TrustedHeader),
    /// A session's cookie does.
    Oidc(oidc::Sessions),
    /// There is no browser: a bearer token says who asks, or nobody does.
    Bearer,
}

impl Authenticator {
    /// The authenticator of a configuration.
    ///
    /// # Errors
    /// Where what the settings name is not there, or of no use.
    pub fn new(config: &Config) -> Result<Self, AuthError> {
        let auth = &config.auth;
        let primary = match auth.mode {
            AuthMode::Dev => Primary::Dev(Identity {
                subject: auth.dev.subject.as_str().into(),
                email: auth.dev.email.as_str().into(),
                groups: auth.dev.groups.iter().map(|group| group.as_str().into()).collect(),
                session: None,
                until: None,
            }),
            AuthMode::Header => Primary::Header(TrustedHeader::new(&auth.header)),
            AuthMode::Oidc => Primary::Oidc(oidc::Sessions::new(config)?),
            AuthMode::Bearer => Primary::Bearer,
        };
        Ok(Authenticator { primary })
    }

    /// The sessions, where browsers sign in with a provider.
    #[must_use]
    pub fn sessions(&self) -> Option<&oidc::Sessions> {
        match &self.primary {
            Primary::Oidc(sessions) => Some(sessions),
            _ => None,
        }
    }

    /// Refreshes a session with the provider, on the control plane. All who ask for the same session share one question.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where the provider has ended the session.
    pub async fn refresh(self: Arc<Self>, stale: Stale) -> Result<Verified, Refusal> {
        match &self.primary {
            Primary::Oidc(sessions) => sessions.refresh(stale).await,
            Primary::Dev(_) | Primary::Header(_) | Primary::Bearer => Err(Refusal::Unauthenticated),
        }
    }

    /// Who asks, by the peer and the request's headers.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where nothing says who asks, or not clearly.
    pub fn identify<'a>(
        &self,
        peer: &Peer,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<Identified, Refusal> {
        match &self.primary {
            Primary::Dev(identity) => Ok(Identified::plainly(identity.clone())),
            Primary::Header(header) => header.identify(peer, headers).map(Identified::plainly),
            Primary::Oidc(sessions) => sessions.identify(headers),
            Primary::Bearer => Err(Refusal::Unauthenticated),
        }
    }
}
