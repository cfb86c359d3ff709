//! Sessions of browsers that have signed in with an `OpenID` Connect provider.
//!
//! Signing in is the authorization-code flow with PKCE, `state` and `nonce` ([`sign_in`]); what it comes to is a session, which is a cookie and nothing else.
//! On a core, [`Sessions::identify`] opens it; where its turn has come to be refreshed, the control plane asks the provider, once for all tabs ([`refresh`]), and reads the
//! user's groups again. What a logout here ([`sign_out`]) or at the provider ([`backchannel`]) ends is in the set of [`Revocations`].

mod backchannel;
mod claims;
mod login;
mod provider;
mod refresh;
mod return_to;
mod sign_in;
mod sign_out;

use std::path::PathBuf;
use std::sync::Arc;

use openidconnect::{IssuerUrl, RedirectUrl};
use secrecy::ExposeSecret;

pub use backchannel::BackchannelError;
pub use sign_in::{Callback, Onward, SignInError};
pub use sign_out::Reach;

use self::backchannel::Replays;
use self::claims::GroupsError;
use self::provider::{Answer, Provider, ProviderError};
use self::refresh::{Outcome, Refreshing};
use super::cookies::Manner;
use super::provider_http::{ClientError, ProviderHttp};
use super::revocation::{RevocationError, Revocations};
use super::seal::{KeyError, Seals};
use super::session::{Revoked, UnixSeconds, now};
use super::session_code::{Refresh, Session};
use super::session_cookie::{Life, SessionCookies, Shown, Used};
use super::tag::Tags;
use super::{Cause, Identified, Stale, Verified};
use crate::config::{self, Config};
use crate::wire::refusal::Refusal;

/// After how many seconds a provider that did not answer is asked again about a session.
const RETRY: UnixSeconds = 30;

/// The sessions of a process.
#[derive(Debug)]
pub struct Sessions {
    settings: config::Oidc,
    session: config::Session,
    /// `server.publicUrl`, without a slash at its end.
    public_url: String,
    cookies: SessionCookies,
    revocations: Revocations,
    provider: Arc<Provider>,
    refreshing: Refreshing,
    replays: Replays,
}

/// Why there can be no sessions with these settings.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// A setting is missing that sign-in needs.
    #[error("auth.mode: oidc needs `{0}`")]
    Missing(&'static str),
    /// The issuer or `publicUrl` is no URL.
    #[error("{0} is not a URL: {1}")]
    NotAUrl(String, String),
    /// The file with the client's secret cannot be read.
    #[error("{} (auth.oidc.clientSecretFile) cannot be read: {source}", path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// The keys are of no use.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What has ended before cannot be read.
    #[error(transparent)]
    Revocations(#[from] RevocationError),
    /// The provider cannot be spoken to.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Sessions {
    /// By these settings.
    ///
    /// # Errors
    /// Where what the settings name is not there, or of no use.
    pub fn new(config: &Config) -> Result<Self, SessionsError> {
        let (settings, session) = (&config.auth.oidc, &config.auth.session);
        let public = config.server.public_url.as_ref().ok_or(SessionsError::Missing("server.publicUrl"))?;
        let dir = config.state.dir.as_deref().ok_or(SessionsError::Missing("state.dir"))?;
        let seals = Seals::read(&session.keys)?;
        let manner = Manner { secure: public.secure };
        let public_url = public.to_string();
        let redirect = format!("{public_url}/api/auth/callback");
        let not_a_url = |text: &str, error: String| SessionsError::NotAUrl(text.to_owned(), error);
        let issuer = IssuerUrl::new(settings.issuer.clone())
            .map_err(|error| not_a_url("auth.oidc.issuer", error.to_string()))?;
        let redirect =
            RedirectUrl::new(redirect).map_err(|error| not_a_url("server.publicUrl", error.to_string()))?;
        let http = ProviderHttp::new(settings.ca_file.as_deref())?;
        let secret = read_secret(settings)?;
        let provider = Provider::new(issuer, &settings.client_id, secret, redirect, http);
        Ok(Sessions {
            settings: settings.clone(),
            session: session.clone(),
            public_url,
            cookies: SessionCookies::new(seals, session, manner, config.server.head_bytes),
            revocations: Revocations::open(dir, session.absolute_timeout.as_secs(), now())?,
            provider: Arc::new(provider),
            refreshing: Refreshing::default(),
            replays: Replays::default(),
        })
    }

    /// Reads what the provider says of itself, for as long as this server runs.
    pub async fn follow_provider(self: Arc<Self>) {
        self.provider.clone().follow().await;
    }

    /// Makes the tags of sessions.
    #[must_use]
    pub fn tags(&self) -> Tags {
        self.cookies.tags().clone()
    }

    /// What a sign-in button calls the provider.
    #[must_use]
    pub fn provider_name(&self) -> &str {
        let guessed = || guessed_name(&self.settings.issuer);
        self.settings.provider_name.as_deref().unwrap_or_else(guessed)
    }

    /// The sessions that were ended.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Whether the request brings a session's cookie, good or bad.
    pub fn has_cookie<'a>(&self, headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
        self.cookies.is_shown(headers)
    }

    /// Who asks, by the session's cookie.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] without a good session.
    pub fn identify<'a>(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<Identified, Refusal> {
        self.identify_at(headers, now())
    }

    fn identify_at<'a>(
        &self,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
        now: UnixSeconds,
    ) -> Result<Identified, Refusal> {
        let shown = self.cookies.open(headers.clone()).ok_or(Refusal::Unauthenticated)?;
        let life = shown.session.life(now);
        if life == Life::Over || self.is_revoked(&shown.session) {
            return Err(Refusal::Unauthenticated);
        }
        let used = Used::of(headers);
        if life == Life::Stale {
            let identity = self.cookies.identity(&shown.session);
            return Ok(Identified::Stale(Stale { identity, cause: Cause::Session(Box::new(shown), used) }));
        }
        let verified = self.cookies.admit(shown, used, false, now);
        verified.map(Identified::As).map_err(|_| Refusal::Unauthenticated)
    }

    fn is_revoked(&self, session: &Session) -> bool {
        self.revocations.contains(&session.subject, &session.reference)
    }

    /// Refreshes a session with the provider. All who ask for the same session share one question.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where the provider has ended the session.
    pub async fn refresh(self: &Arc<Self>, shown: Shown, used: Used) -> Result<Verified, Refusal> {
        let now = now();
        let Shown { session, pieces } = shown;
        let sessions = self.clone();
        let before = session.clone();
        let outcome = self
            .refreshing
            .run(&session, now, || async move { sessions.ask_provider(before, now).await })
            .await
            .ok_or(Refusal::Unavailable)?;
        let Outcome::Session(session) = outcome else { return Err(Refusal::Unauthenticated) };
        if session.life(now) == Life::Over || self.is_revoked(&session) {
            return Err(Refusal::Unauthenticated);
        }
        let shown = Shown { session: *session, pieces };
        self.cookies.admit(shown, used, true, now).map_err(|_| Refusal::Unauthenticated)
    }

    async fn ask_provider(self: Arc<Self>, mut session: Session, now: UnixSeconds) -> Outcome {
        let Some(refresh) = session.refresh.clone() else { return Outcome::Over };
        match self.refreshed(&session, &refresh, now).await {
            Ok(session) => Outcome::Session(Box::new(session)),
            Err(RefreshError::Provider(ProviderError::Away(why) | ProviderError::Wrong(why))) => {
                tracing::warn!(subject = %session.subject, why, "session.not_refreshed");
                session.refresh = Some(Refresh { due: (now + RETRY).min(refresh.by), ..refresh });
                Outcome::Session(Box::new(session))
            }
            Err(why) => {
                tracing::info!(subject = %session.subject, %why, "session.ended_by_provider");
                if let Err(error) = self.end(Revoked::Session(session.reference.id)).await {
                    tracing::error!(%error, "revocation.not_kept");
                }
                Outcome::Over
            }
        }
    }

    async fn refreshed(
        &self,
        session: &Session,
        refresh: &Refresh,
        now: UnixSeconds,
    ) -> Result<Session, RefreshError> {
        let answer = self.provider.refresh(&refresh.token, &session.subject).await?;
        let (groups, email) = self.groups_of(&answer).await?;
        let every = self.session.refresh_every.as_secs();
        let token = answer.refresh_token.map_or_else(|| refresh.token.clone(), Into::into);
        let refreshed = Session {
            groups: groups.map_or_else(|| session.groups.clone(), Into::into),
            email: if email.is_empty() { session.email.clone() } else { email.into() },
            refresh: Some(Refresh {
                due: now + every,
                by: now + 2 * every,
                generation: refresh.generation + 1,
                token,
            }),
            ..session.clone()
        };
        if self.cookies.set(&refreshed, 0, now).is_err() {
            return Err(GroupsError::TooMany { count: refreshed.groups.len() }.into());
        }
        Ok(refreshed)
    }

    /// A user's groups and e-mail: as the ID token has them, else as the userinfo endpoint has. `None`: neither names groups.
    async fn groups_of(&self, answer: &Answer) -> Result<(Option<Vec<Box<str>>>, String), RefreshError> {
        let claim = &self.settings.groups_claim;
        if let Some(claims) = &answer.claims
            && let Some(groups) = claims.groups(claim)?
        {
            return Ok((Some(groups), answer.email.clone()));
        }
        match self.provider.user_info(answer).await? {
            Some((claims, email)) => {
                Ok((claims.groups(claim)?, email.unwrap_or_else(|| answer.email.clone())))
            }
            None => Ok((None, answer.email.clone())),
        }
    }

    /// Ends sessions: what ends is on disk, and told, when this returns.
    async fn end(self: &Arc<Self>, what: Revoked) -> Result<(), RevocationError> {
        let sessions = self.clone();
        let ended = tokio::task::spawn_blocking(move || sessions.revocations.revoke(&what, now())).await;
        ended.expect("revoking does not panic")
    }
}

/// Why a session was not refreshed.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Groups(#[from] GroupsError),
}

fn read_secret(settings: &config::Oidc) -> Result<Option<String>, SessionsError> {
    let Some(path) = &settings.client_secret_file else {
        return Ok(settings.client_secret.as_ref().map(|secret| secret.expose_secret().to_owned()));
    };
    let text = std::fs::read_to_string(path)
        .map_err(|source| SessionsError::Secret { path: path.clone(), source })?;
    Ok(Some(text.trim().to_owned()))
}

/// What stands for the provider's name for a session.
fn sid_hash(sid: &str) -> u128 {
    let digest = ring::digest::digest(&ring::digest::SHA256, sid.as_bytes());
    let half = digest.as_ref().first_chunk().expect("32 bytes");
    u128::from_be_bytes(*half)
}

/// What a provider is called, by its issuer's host (the contract's 1.4).
fn guessed_name(issuer: &str) -> &'static str {
    const NAMES: [(&str, &str); 7] = [
        ("auth0.com", "Auth0"),
        ("okta", "Okta"),
        ("microsoftonline", "Microsoft Entra"),
        ("sts.windows.net", "Microsoft Entra"),
        ("accounts.google.com", "Google"),
        ("keycloak", "Keycloak"),
        ("/realms/", "Keycloak"),
    ];
    let issuer = issuer.to_ascii_lowercase();
    NAMES.iter().find(|(part, _)| issuer.contains(part)).map_or("OIDC", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_their_hosts() {
        for (issuer, name) in [
            ("https://acme.eu.auth0.com/", "Auth0"),
            ("https://acme.okta.com/oauth2/default", "Okta"),
            ("https://login.microsoftonline.com/x/v2.0", "Microsoft Entra"),
            ("https://accounts.google.com", "Google"),
            ("https://sso.example/realms/acme", "Keycloak"),
            ("https://sso.example", "OIDC"),
        ] {
            assert_eq!(guessed_name(issuer), name);
        }
    }
}
