//! The provider's own word that a user has signed out (`OpenID` Connect Back-Channel Logout 1.0): a token that it posts to this server.
//!
//! It is signed as ID tokens are, but is none, and each is taken once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::Validation;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::keys::{ASYMMETRIC, KeySet, NoKey};
use super::super::revocation::RevocationError;
use super::super::session::{Revoked, UnixSeconds};
use super::provider::Known;
use super::{Sessions, now, sid_hash};

/// The event that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The longest token, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

/// How far the provider's clock may be from ours.
const SKEW: Duration = Duration::from_mins(1);

/// How old a token may be, in seconds: providers post them at once.
const OLDEST: UnixSeconds = 600;

/// The most tokens that are remembered; more in [`OLDEST`] seconds are refused.
const MOST_REMEMBERED: usize = 50_000;

/// Why a logout token ends nothing.
#[derive(Debug, thiserror::Error)]
pub enum BackchannelError {
    /// Nothing is known of the provider yet.
    #[error("the identity provider is not known yet")]
    ProviderUnavailable,
    /// It is not good.
    #[error("the logout token is not good: {0}")]
    Bad(&'static str),
    /// What it ends could not be kept.
    #[error(transparent)]
    NotKept(#[from] RevocationError),
}

/// What a logout token says.
#[derive(Deserialize)]
struct LogoutClaims {
    iat: UnixSeconds,
    jti: String,
    events: Map<String, Value>,
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<Value>,
}

/// The tokens that were taken, with when they may be forgotten.
#[derive(Debug, Default)]
pub(super) struct Replays {
    seen: Mutex<HashMap<String, UnixSeconds>>,
}

impl Replays {
    /// Takes a token by its name. False: it was taken before, or there are too many.
    fn take(&self, jti: &str, now: UnixSeconds) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_REMEMBERED {
            seen.retain(|_, until| *until > now);
        }
        if seen.len() >= MOST_REMEMBERED {
            return false;
        }
        let until = seen.entry(jti.to_owned()).or_default();
        let is_new = *until <= now;
        if is_new {
            *until = now + OLDEST + 2 * SKEW.as_secs();
        }
        is_new
    }
}

impl Sessions {
    /// Ends what a logout token names: the sessions that came of one at the provider, or all of a user's. Returns what that is.
    ///
    /// # Errors
    /// Why it ends nothing.
    pub async fn end_by_token(self: &Arc<Self>, token: &str) -> Result<Revoked, BackchannelError> {
        let claims = self.verified_logout(token).await?;
        let now = now();
        let what = ends(&claims, now).map_err(BackchannelError::Bad)?;
        if !self.replays.take(&claims.jti, now) {
            return Err(BackchannelError::Bad("it was used before"));
        }
        self.end(what.clone()).await?;
        Ok(what)
    }

    async fn verified_logout(&self, token: &str) -> Result<LogoutClaims, BackchannelError> {
        let known = self.provider.known().ok_or(BackchannelError::ProviderUnavailable)?;
        let issuer = self.provider.issuer().as_str();
        let audience = self.provider.client_id().as_str();
        match verified(token, &known, issuer, audience) {
            Err(Fault::UnknownKey) if self.provider.look_again().await => {
                let known = self.provider.known().ok_or(BackchannelError::ProviderUnavailable)?;
                verified(token, &known, issuer, audience)
            }
            other => other,
        }
        .map_err(|fault| match fault {
            Fault::UnknownKey => BackchannelError::Bad("its key is not known"),
            Fault::Bad(why) => BackchannelError::Bad(why),
        })
    }
}

/// What a logout token that is signed as it should be ends.
fn ends(claims: &LogoutClaims, now: UnixSeconds) -> Result<Revoked, &'static str> {
    if claims.nonce.is_some() {
        return Err("it has a nonce, as an ID token has");
    }
    if !claims.events.get(EVENT).is_some_and(Value::is_object) {
        return Err("it is of no logout");
    }
    if claims.iat + OLDEST + SKEW.as_secs() < now || claims.iat > now + SKEW.as_secs() {
        return Err("it is too old, or of the future");
    }
    match (&claims.sid, &claims.sub) {
        (Some(sid), _) => Ok(Revoked::Provider(sid_hash(sid), now)),
        (None, Some(sub)) => Ok(Revoked::Subject(sub.as_str().into(), now)),
        (None, None) => Err("it names neither a session nor a user"),
    }
}

enum Fault {
    UnknownKey,
    Bad(&'static str),
}

fn verified(token: &str, known: &Known, issuer: &str, audience: &str) -> Result<LogoutClaims, Fault> {
    if token.len() > LONGEST_TOKEN {
        return Err(Fault::Bad("it is too long"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Fault::Bad("it is no signed token"))?;
    if header.crit.is_some() {
        return Err(Fault::Bad("it has critical extensions"));
    }
    let published = serde_json::to_vec(known.metadata.jwks()).expect("keys that were JSON");
    let keys =
        KeySet::parse(&published, &ASYMMETRIC).map_err(|_| Fault::Bad("the provider has no key for it"))?;
    let key = keys.find(&header).map_err(|error| match error {
        NoKey::Unknown => Fault::UnknownKey,
        NoKey::NotNamed | NoKey::OtherAlgorithm => Fault::Bad("its key is not for it"),
    })?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = SKEW.as_secs();
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    // Tokens of drafts of the standard have no `exp`; their age is bounded by `iat`.
    validation.set_required_spec_claims(&["iss", "aud"]);
    let decoded = jsonwebtoken::decode::<LogoutClaims>(token, key, &validation);
    decoded.map(|token| token.claims).map_err(|_| {
        Fault::Bad("its signature, issuer, audience or time is not right, or a claim is missing")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(changes: &[(&str, Value)]) -> Result<Revoked, &'static str> {
        let mut claims = json!({"iat": 1000, "jti": "1", "sub": "ann", "events": {EVENT: {}}});
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        ends(&serde_json::from_value(claims).expect("claims"), 1000)
    }

    #[test]
    fn a_logout_names_a_session_or_a_user() {
        assert_eq!(said(&[]), Ok(Revoked::Subject("ann".into(), 1000)));
        assert_eq!(said(&[("sid", json!("s"))]), Ok(Revoked::Provider(sid_hash("s"), 1000)));
        assert!(said(&[("sub", Value::Null)]).is_err());
    }

    #[test]
    fn what_is_no_logout_ends_nothing() {
        assert!(said(&[("nonce", json!("n"))]).is_err(), "an ID token");
        assert!(said(&[("events", json!({"http://other.example": {}}))]).is_err());
        assert!(said(&[("events", json!({EVENT: "yes"}))]).is_err());
        assert!(said(&[("iat", json!(1000 - OLDEST - 61))]).is_err());
        assert!(said(&[("iat", json!(1061))]).is_err());
    }

    #[test]
    fn each_token_is_taken_once() {
        let replays = Replays::default();
        assert!(replays.take("a", 1) && replays.take("b", 1));
        assert!(!replays.take("a", OLDEST));
        assert!(replays.take("a", OLDEST + 121), "it would be refused for its age by now");
    }
}
