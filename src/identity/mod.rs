//! Who asks. Verified locally on the core that read the request; no core waits for anybody here.
//!
//! [`Authenticator::identify`] is called for every request, on a core or on the control plane, and only computes. What needs the provider (a session
//! whose turn it is to be refreshed) is [`Identified::Stale`]: the task of that one connection waits while the control plane asks.

pub mod addresses;
pub mod bearer;
pub mod cookies;
pub mod forwarded;
mod header;
pub mod jwks;
pub mod keys;
pub mod oidc;
pub mod origin;
mod peer;
pub mod provider_http;
pub mod revocation;
pub mod seal;
mod session;
pub mod session_code;
pub mod session_cookie;
pub mod signature;
pub mod tag;
pub mod token;
pub mod verified;

use std::sync::Arc;

use secrecy::SecretString;

use crate::config::{AuthMode, Config};
use crate::wire::refusal::Refusal;
use bearer::Bearer;
pub use header::TrustedHeader;
pub use peer::{Peer, TlsPeer};
pub use session::{Revoked, SessionRef, UnixSeconds, now};
use session_cookie::{Shown, Used};
use tag::Tags;

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
    /// Something that has to be asked of the provider first. See [`Authenticator::refresh`].
    Stale(Stale),
}

impl Identified {
    /// Known here and now, and the browser need not be told anything.
    fn plainly(identity: Identity) -> Self {
        Identified::As(Verified { identity, cookies: Box::default() })
    }

    /// Who asks; of what is stale, who it was or claims to be: good for finding their core, and for nothing else.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        match self {
            Identified::As(verified) => &verified.identity,
            Identified::Stale(stale) => &stale.identity,
        }
    }
}

/// What the provider has to be asked about before it counts.
#[derive(Debug)]
pub struct Stale {
    /// Who it was, or claims to be.
    pub identity: Identity,
    cause: Cause,
}

/// What has to be asked.
#[derive(Debug)]
enum Cause {
    /// For the key of this token.
    Token(SecretString),
    /// About this session, whose turn it is to be refreshed.
    Session(Box<Shown>, Used),
}

/// Why nobody could be identified as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Tokens cannot be verified.
    #[error(transparent)]
    Signature(#[from] signature::SelfTestFailed),
    /// The issuer of bearer tokens cannot be asked for its keys.
    #[error("auth.bearer: {0}")]
    Bearer(#[source] provider_http::ClientError),
    /// There can be no sessions.
    #[error(transparent)]
    Sessions(#[from] oidc::SessionsError),
}

/// How identities come about.
#[derive(Debug)]
pub struct Authenticator {
    primary: Primary,
    /// Takes bearer tokens beside that.
    bearer: Option<Arc<Bearer>>,
    mode: AuthMode,
    tags: Tags,
}

/// The way of a browser.
#[derive(Debug)]
enum Primary {
    /// Everyone is the dev identity.
    Dev(Identity),
    /// A trusted proxy says who asks.
    Header(TrustedHeader),
    /// A session's cookie does.
    Oidc(Arc<oidc::Sessions>),
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
            AuthMode::Oidc => Primary::Oidc(Arc::new(oidc::Sessions::new(config)?)),
            AuthMode::Bearer => Primary::Bearer,
        };
        signature::install()?;
        let bearer = auth.bearer.is_on().then(|| Bearer::new(&auth.bearer)).transpose();
        let bearer = bearer.map_err(AuthError::Bearer)?.map(Arc::new);
        let tags = match &primary {
            Primary::Oidc(sessions) => sessions.tags(),
            Primary::Dev(_) | Primary::Header(_) | Primary::Bearer => Tags::unkeyed(),
        };
        Ok(Authenticator { primary, bearer, mode: auth.mode, tags })
    }

    /// What names someone's session to their browser: 16 hexadecimal digits, the same on every replica, another where somebody else is signed in.
    #[must_use]
    pub fn session_tag(&self, who: &Identity) -> String {
        self.tags.of(self.mode.word(), who)
    }

    /// The sessions, where browsers sign in with a provider.
    #[must_use]
    pub fn sessions(&self) -> Option<&Arc<oidc::Sessions>> {
        match &self.primary {
            Primary::Oidc(sessions) => Some(sessions),
            _ => None,
        }
    }

    /// Bearer tokens, where they are taken.
    #[must_use]
    pub fn bearer(&self) -> Option<&Arc<Bearer>> {
        self.bearer.as_ref()
    }

    /// The headers that say who asks, in any mode but a cookie's; they mean nothing to anybody else.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        let proxy = match &self.primary {
            Primary::Header(header) => Some(header.headers()),
            Primary::Dev(_) | Primary::Oidc(_) | Primary::Bearer => None,
        };
        proxy.into_iter().flatten().chain(["authorization"])
    }

    /// Asks the provider, on the control plane. All who ask the same share one question.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where the provider has ended the session; as [`Bearer::identify`] for a token.
    pub async fn refresh(self: Arc<Self>, stale: Stale) -> Result<Verified, Refusal> {
        match (stale.cause, &self.bearer, &self.primary) {
            (Cause::Token(token), Some(bearer), _) => {
                let identity = bearer.refresh(&token).await?;
                Ok(Verified { identity, cookies: Box::default() })
            }
            (Cause::Session(shown, used), _, Primary::Oidc(sessions)) => sessions.refresh(*shown, used).await,
            _ => Err(Refusal::Unauthenticated),
        }
    }

    /// Who asks, by the peer and the request's headers.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where nothing says who asks, or not clearly; [`Refusal::BadToken`] where a token is not good;
    /// [`Refusal::TwoCredentials`] where a token comes beside other credentials.
    pub fn identify<'a>(
        &self,
        peer: &Peer,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<Identified, Refusal> {
        if let Some(bearer) = &self.bearer
            && let Some(token) = bearer::presented(headers.clone())?
        {
            return if self.says_more(peer, headers) {
                Err(Refusal::TwoCredentials)
            } else {
                bearer.identify(token)
            };
        }
        match &self.primary {
            Primary::Dev(identity) => Ok(Identified::plainly(identity.clone())),
            Primary::Header(header) => header.identify(peer, headers).map(Identified::plainly),
            Primary::Oidc(sessions) => {
                // Of no use, and yet meant as credentials: which of the two was meant is not for us to guess.
                let also = sessions.has_cookie(headers.clone()) && bearer::is_presented(headers.clone());
                if also { Err(Refusal::TwoCredentials) } else { sessions.identify(headers) }
            }
            Primary::Bearer => Err(Refusal::Unauthenticated),
        }
    }

    /// Whether a request brings other credentials than a token.
    fn says_more<'a>(&self, peer: &Peer, headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
        match &self.primary {
            Primary::Dev(_) | Primary::Bearer => false,
            Primary::Header(header) => header.speaks(peer, headers),
            Primary::Oidc(sessions) => sessions.has_cookie(headers),
        }
    }
}
