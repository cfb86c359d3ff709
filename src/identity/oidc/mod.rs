//! Sessions of browsers that have signed in with an OpenID Connect provider.

use super::{AuthError, Identified};
use crate::config::Config;
use crate::wire::refusal::Refusal;

/// The sessions of a process.
#[derive(Debug)]
pub struct Sessions {}

impl Sessions {
    /// By these settings.
    ///
    /// # Errors
    /// Where what the settings name is not there, or of no use.
    pub fn new(_config: &Config) -> Result<Self, AuthError> {
        Ok(Sessions {})
    }

    /// Whether the request brings a session's cookie, good or bad.
    pub fn has_cookie<'a>(&self, _headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
        false
    }

    /// Who asks, by the session's cookie.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] without a good session.
    pub fn identify<'a>(
        &self,
        _headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Identified, Refusal> {
        Err(Refusal::Unauthenticated)
    }
}
