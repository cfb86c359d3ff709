//! Signing in: to the provider, and back.

use std::sync::Arc;

use openidconnect::core::CoreResponseType;
use openidconnect::{AuthenticationFlow, CsrfToken, Nonce, PkceCodeChallenge, Scope};

use super::super::cookies::MOST_PIECES;
use super::super::session::{SessionRef, UnixSeconds};
use super::super::session_code::{Refresh, Session};
use super::super::{Identified, Identity};
use super::claims::{GroupsError, is_name};
use super::login::{self, Login};
use super::provider::{Answer, ProviderError, printable};
use super::return_to::sanitized;
use super::{RefreshError, Sessions, now};

/// Where a browser goes next, and what it is given on the way.
#[derive(Debug)]
pub struct Onward {
    /// A path of this server, or a URL of the provider.
    pub location: String,
    /// `Set-Cookie` lines.
    pub cookies: Vec<Box<str>>,
    /// Who has signed in by this, if anybody.
    pub signed_in: Option<Identity>,
}

/// What the provider sends a browser back with.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Callback {
    /// Which sign-in it is about.
    pub state: Option<String>,
    /// What is exchanged for tokens.
    pub code: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Why somebody is not signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The provider is not there (yet).
    #[error("the identity provider does not answer; try again in a moment")]
    ProviderUnavailable,
    /// The browser has begun no such sign-in, or too long ago.
    #[error("this sign-in was not begun in this browser, or too long ago; sign in again")]
    NotBegun,
    /// The provider has sent neither a code nor an error.
    #[error("the identity provider has sent the browser back with neither a code nor an error")]
    NoCode,
    /// The provider lets the user not in.
    #[error("the identity provider has not signed you in: {0}")]
    Refused(String),
    /// The code was no good, or what came for it.
    #[error("the identity provider's answer could not be used; sign in again")]
    Exchange,
    /// The user is in none of the groups that may come in.
    #[error("you are not in a group that may use this server")]
    NotAllowed,
    /// The user's groups cannot be taken.
    #[error("{0}")]
    Groups(#[from] GroupsError),
    /// The user's name cannot be taken.
    #[error("the identity provider names you by a name that is empty, too long, or not printable")]
    Name,
}

impl SignInError {
    /// The HTTP status (the contract's 1.4).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            SignInError::NotBegun | SignInError::NoCode => 400,
            SignInError::Refused(_) => 401,
            SignInError::NotAllowed | SignInError::Groups(_) | SignInError::Name => 403,
            SignInError::Exchange => 502,
            SignInError::ProviderUnavailable => 503,
        }
    }

    /// The machine-readable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            SignInError::ProviderUnavailable => "provider_unavailable",
            SignInError::NotBegun => "sign_in_not_begun",
            SignInError::NoCode => "no_code",
            SignInError::Refused(_) => "refused_by_provider",
            SignInError::Exchange => "exchange_failed",
            SignInError::NotAllowed => "not_allowed",
            SignInError::Groups(GroupsError::NotNames { .. }) => "groups_unreadable",
            SignInError::Groups(_) => "group_overage",
            SignInError::Name => "name_unusable",
        }
    }
}

impl Sessions {
    /// Sends a browser to the provider, from where it is to return to this path.
    ///
    /// # Errors
    /// [`SignInError::ProviderUnavailable`] as long as nothing is known of the provider.
    pub fn begin<'a>(
        &self,
        return_to: &str,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Onward, SignInError> {
        let known = self.provider.known().ok_or(SignInError::ProviderUnavailable)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid");
        let (url, state, nonce) = known
            .client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes.map(|scope| Scope::new(scope.clone())))
            .set_pkce_challenge(challenge)
            .url();
        let login = Login {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            return_to: sanitized(return_to).to_owned(),
            began: now(),
        };
        let cookies = login.set(self.cookies.seals(), self.cookies.manner(), headers);
        Ok(Onward { location: url.into(), cookies, signed_in: None })
    }

    /// Takes a browser back from the provider: it is signed in, if the provider says so and `admits` lets it. A browser that is signed in
    /// already just goes on.
    ///
    /// # Errors
    /// Why it is not signed in.
    pub async fn finish<'a>(
        self: &Arc<Self>,
        callback: Callback,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
        admits: impl Fn(&Identity) -> bool,
    ) -> Result<Onward, SignInError> {
        let now = now();
        let state = callback.state.clone().unwrap_or_default();
        let (seals, manner) = (self.cookies.seals(), self.cookies.manner());
        let login = Login::find(&state, seals, manner, headers.clone(), now);
        if let Ok(Identified::As(verified)) = self.identify_at(headers, now) {
            let mut cookies = verified.cookies.into_vec();
            cookies.extend(login::forget(manner, &state));
            let location = login.map_or_else(|| "/".into(), |login| login.return_to);
            return Ok(Onward { location, cookies, signed_in: None });
        }
        let login = login.ok_or(SignInError::NotBegun)?;
        if let Some(error) = callback.error {
            return Err(SignInError::Refused(printable(&error)));
        }
        let code = callback.code.ok_or(SignInError::NoCode)?;
        let nonce = Nonce::new(login.nonce);
        let answer =
            self.provider.exchange(code, login.verifier, &nonce).await.map_err(|error| failed(&error))?;
        let session = self.session_of(answer, now).await?;
        let identity = self.cookies.identity(&session);
        if !admits(&identity) {
            return Err(SignInError::NotAllowed);
        }
        let count = session.groups.len();
        let cookies = self
            .cookies
            .set(&session, MOST_PIECES, now)
            .map_err(|_| SignInError::Groups(GroupsError::TooMany { count }))?;
        let mut cookies = cookies.into_vec();
        cookies.extend(login::forget(manner, &login.state));
        Ok(Onward { location: login.return_to, cookies, signed_in: Some(identity) })
    }

    /// The line that has a browser forget a sign-in that has failed.
    #[must_use]
    pub fn forget(&self, state: &str) -> Option<Box<str>> {
        login::forget(self.cookies.manner(), state)
    }

    async fn session_of(&self, answer: Answer, now: UnixSeconds) -> Result<Session, SignInError> {
        let (groups, email) = self.groups_of(&answer).await.map_err(|error| match error {
            RefreshError::Groups(error) => SignInError::Groups(error),
            RefreshError::Provider(error) => failed(&error),
        })?;
        if !is_name(&answer.subject) {
            return Err(SignInError::Name);
        }
        let every = self.session.refresh_every.as_secs();
        let refresh = answer.refresh_token.map(|token| Refresh {
            due: now + every,
            by: now + 2 * every,
            generation: 0,
            token: token.into(),
        });
        if refresh.is_none() {
            tracing::debug!("session.without_refresh_token: groups stay as they are until it ends");
        }
        let sid = answer.claims.as_ref().and_then(super::claims::Claims::sid);
        let mut session = Session {
            reference: SessionRef {
                id: u128::from_be_bytes(super::super::seal::random()),
                began: now,
                until: now + self.session.absolute_timeout.as_secs(),
                provider: sid.map(super::sid_hash),
            },
            subject: answer.subject.into(),
            email: email.into(),
            groups: groups.unwrap_or_default().into(),
            idle: self.cookies.idle_from(now),
            refresh,
        };
        // What was ended in this very second began before it; this session did not.
        if self.is_revoked(&session) {
            session.reference.began = now + 1;
        }
        Ok(session)
    }
}

fn failed(error: &ProviderError) -> SignInError {
    tracing::warn!(%error, "sign_in.failed");
    SignInError::Exchange
}
