//! Bearer tokens (RFC 6750) of API clients: JSON Web Tokens, verified on the core that read them.
//!
//! A token comes in the `Authorization` header and nowhere else: what stands in a URL ends up in logs. A core verifies with the keys that the control
//! plane has fetched; where a token's key is not among them, its connection waits while they are fetched again.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::jwks::Jwks;
use super::keys::NoKey;
use super::provider_http::ClientError;
use super::token::{Policy, TokenFault};
use super::verified::{Fingerprint, VerifiedTokens};
use super::{Cause, Identified, Identity, Stale, UnixSeconds, now};
use crate::config::BearerAuth;
use crate::wire::refusal::Refusal;

/// Verifies bearer tokens.
#[derive(Debug)]
pub struct Bearer {
    policy: Policy,
    keys: Jwks,
    verified: VerifiedTokens,
}

/// The token that a request brings. `None`: none, or other credentials than a token.
///
/// # Errors
/// [`Refusal::BadToken`] where there is more than one, or what there is cannot be one.
pub fn presented<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Option<&'a str>, Refusal> {
    let mut token = None;
    let mut lines = 0;
    for (_, value) in headers.filter(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        lines += 1;
        let value = value.trim_ascii();
        let scheme = value.split(|byte| *byte == b' ' || *byte == b'\t').next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            token = Some(&value[scheme.len()..]);
        }
    }
    match token {
        None => Ok(None),
        Some(token) if lines == 1 => text(token.trim_ascii()).map(Some).ok_or(Refusal::BadToken),
        Some(_) => Err(Refusal::BadToken),
    }
}

/// Whether a request brings a token, good or bad.
pub fn is_presented<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
    !matches!(presented(headers), Ok(None))
}

/// RFC 6750's `b64token`.
fn text(token: &[u8]) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if token.is_empty() || !token.iter().all(plain) {
        return None;
    }
    std::str::from_utf8(token).ok()
}

impl Bearer {
    /// By these settings; the keys are fetched by [`Bearer::follow_keys`].
    ///
    /// # Errors
    /// Where the provider cannot be asked for keys with such settings.
    pub fn new(settings: &BearerAuth) -> Result<Self, ClientError> {
        let keys = Jwks::new(settings)?;
        Ok(Bearer { policy: Policy::new(settings), keys, verified: VerifiedTokens::default() })
    }

    /// Keeps the keys fresh, for as long as it is polled. On the control plane.
    pub async fn follow_keys(self: Arc<Self>) {
        self.keys.follow().await;
    }

    /// Who a token is. On a core: it only computes.
    ///
    /// # Errors
    /// [`Refusal::BadToken`] where it is not good; [`Refusal::NoKeys`] where there are no keys to tell by.
    pub fn identify(&self, token: &str) -> Result<Identified, Refusal> {
        let now = now();
        // Before the keys are looked up: those that come in between would be missed.
        let may_be_asked = self.keys.may_be_asked(now);
        match self.verify(token, now) {
            Ok(identity) => Ok(Identified::plainly(identity)),
            Err(TokenFault::Key(NoKey::Unknown)) if may_be_asked => {
                let identity = self.policy.claimed(token).map_err(refuse)?;
                Ok(Identified::Stale(Stale { identity, cause: Cause::Token(token.into()) }))
            }
            Err(fault) => Err(self.refuse(fault, now)),
        }
    }

    /// Who a token is whose key was not known, after the keys were fetched again. On the control plane.
    ///
    /// # Errors
    /// As [`Bearer::identify`].
    pub async fn refresh(&self, token: &SecretString) -> Result<Identity, Refusal> {
        self.keys.ask().await;
        let now = now();
        self.verify(token.expose_secret(), now).map_err(|fault| self.refuse(fault, now))
    }

    fn verify(&self, token: &str, now: UnixSeconds) -> Result<Identity, TokenFault> {
        let keys = self.keys.known(now);
        let fingerprint = Fingerprint::of(token);
        if let Some(identity) = self.verified.find(fingerprint, keys.generation, now) {
            return Ok(identity);
        }
        let identity = self.policy.verify(token, &keys.set, now)?;
        let until = identity.until.unwrap_or(now);
        self.verified.keep(fingerprint, keys.generation, until, &identity);
        Ok(identity)
    }

    fn refuse(&self, fault: TokenFault, now: UnixSeconds) -> Refusal {
        if fault == TokenFault::Key(NoKey::Unknown) && self.keys.known(now).set.is_empty() {
            return Refusal::NoKeys;
        }
        refuse(fault)
    }
}

fn refuse(fault: TokenFault) -> Refusal {
    tracing::debug!(%fault, "bearer.refused");
    Refusal::BadToken
}
