//! Signing out: of one session, of all of a user's, and of the provider's.

use std::sync::Arc;

use openidconnect::{LogoutRequest, PostLogoutRedirectUrl};

use super::super::Identity;
use super::super::revocation::RevocationError;
use super::super::session::Revoked;
use super::{Life, Sessions, now};

/// How far a logout reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This session.
    Here,
    /// All of the user's sessions, and the provider's.
    Everywhere,
}

impl Sessions {
    /// Ends the session that a request shows, if it shows one. Returns whose it was.
    ///
    /// # Errors
    /// Where the end could not be kept: a copy of the cookie might be good again after a restart.
    pub async fn sign_out<'a>(
        self: &Arc<Self>,
        reach: Reach,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Option<Identity>, RevocationError> {
        let Some(shown) = self.cookies.open(headers) else { return Ok(None) };
        let session = shown.session;
        if session.life(now()) == Life::Over || self.is_revoked(&session) {
            return Ok(None);
        }
        let what = match reach {
            Reach::Here => Revoked::Session(session.reference.id),
            Reach::Everywhere => Revoked::Subject(session.subject.clone(), now()),
        };
        self.end(what).await?;
        Ok(Some(self.cookies.identity(&session)))
    }

    /// The lines that take the session's cookies from a browser.
    #[must_use]
    pub fn expire(&self) -> Vec<Box<str>> {
        self.cookies.expire()
    }

    /// Where the provider ends its own session (`OpenID` Connect RP-Initiated Logout 1.0), if it can.
    #[must_use]
    pub fn end_session_url(&self) -> Option<String> {
        let known = self.provider.known()?;
        let url = known.metadata.additional_metadata().end_session_endpoint.clone()?;
        let own = || format!("{}/api/auth/loggedout", self.public_url);
        let back = self.settings.post_logout_redirect.clone().unwrap_or_else(own);
        let request = LogoutRequest::from(url).set_client_id(self.provider.client_id().clone());
        let request = match PostLogoutRedirectUrl::new(back) {
            Ok(back) => request.set_post_logout_redirect_uri(back),
            Err(_) => request,
        };
        Some(request.http_get_url().into())
    }
}
