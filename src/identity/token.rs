//! What makes a bearer token good, and who it is. Pure: a token, keys and a time in, an identity or a fault out.
//!
//! [`jsonwebtoken`] verifies the signature, the issuer, the audience and the times; what it lets pass and RFC 7515, 7519 and 9068 do not is refused here.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde_json::{Map, Value};

use super::keys::{KeySet, NoKey};
use super::{Identity, UnixSeconds};
use crate::config::BearerAuth;

/// The longest token, in bytes. Longer ones are groups gone wild.
const LONGEST_TOKEN: usize = 8 * 1024;

/// The longest user name or group, in bytes.
const LONGEST_NAME: usize = 256;

/// The most groups.
const MOST_GROUPS: usize = 256;

/// No token is good for longer than this: 2106.
const LAST: UnixSeconds = u32::MAX as UnixSeconds;

type Claims = Map<String, Value>;

/// Which tokens are taken, and which of their claims say who it is.
#[derive(Debug)]
pub struct Policy {
    /// The algorithms.
    pub algorithms: Vec<Algorithm>,
    validation: Validation,
    issuer: String,
    username: String,
    groups: String,
    skew: u64,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is no token at all.
    #[error("it is no JSON Web Token")]
    Shape,
    /// It is too long.
    #[error("it is longer than {LONGEST_TOKEN} bytes")]
    TooLong,
    /// Something else than an access token, or one with conditions that we do not know.
    #[error("it is not an access token, or has critical extensions")]
    OtherKind,
    /// No key verifies it.
    #[error(transparent)]
    Key(#[from] NoKey),
    /// An algorithm that is not allowed.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// Forged, or signed by another key of the same name.
    #[error("its signature is not by that key")]
    Signature,
    /// Of another issuer.
    #[error("its issuer is another one, or missing")]
    Issuer,
    /// For another audience.
    #[error("its audience is another one, or missing")]
    Audience,
    /// `exp` is over or missing; `nbf` or `iat` is yet to come; or one of them is no time.
    #[error("its time is over, not yet come, or missing")]
    Time,
    /// The claim with the user's name is missing, or no name.
    #[error("the claim with the user's name is missing or is no name")]
    Username,
    /// The claim with the groups is no list of names.
    #[error("the claim with the groups is no list of names, or has more than {MOST_GROUPS}")]
    Groups,
    /// The provider left the groups out, since there are too many (`_claim_names`).
    #[error("the provider left the groups out because there are too many; have it send fewer")]
    Overage,
}

impl Policy {
    /// By these settings.
    #[must_use]
    pub fn new(settings: &BearerAuth) -> Self {
        let skew = settings.clock_skew.as_secs();
        // The algorithm of each token is put in its place: see `verify`.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = skew;
        validation.validate_nbf = true;
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&settings.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        Policy {
            algorithms: settings.algorithms.clone(),
            validation,
            issuer: settings.issuer.clone(),
            username: settings.username_claim.clone(),
            groups: settings.groups_claim.clone(),
            skew,
        }
    }

    /// Who a token is; its identity is over with it.
    ///
    /// # Errors
    /// Where anything about it is not as it has to be.
    pub fn verify(&self, token: &str, keys: &KeySet, now: UnixSeconds) -> Result<Identity, TokenFault> {
        let header = self.header(token)?;
        let key = keys.find(&header)?;
        let validation = Validation { algorithms: vec![header.alg], ..self.validation.clone() };
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation)
            .map_err(|error| fault(error.kind()))?
            .claims;
        let until = self.until(&claims, now)?;
        if !is_text(&claims, "iss") || claims.contains_key("events") {
            // Several issuers, which no standard knows; or a security event (RFC 8417), such as a logout token.
            return Err(TokenFault::OtherKind);
        }
        Ok(Identity { until: Some(until), ..self.identity(&claims)? })
    }

    /// Who a token claims to be, which nobody has verified: good for finding the core that is to ask for its key, and for nothing else.
    ///
    /// # Errors
    /// Where it could not be verified whatever the keys are.
    pub fn claimed(&self, token: &str) -> Result<Identity, TokenFault> {
        self.header(token)?;
        let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(token)
            .map_err(|_: jsonwebtoken::errors::Error| TokenFault::Shape)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(TokenFault::Issuer);
        }
        self.identity(&claims)
    }

    fn header(&self, token: &str) -> Result<Header, TokenFault> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenFault::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            ErrorKind::Json(_) if names_unknown_algorithm(token) => TokenFault::Algorithm,
            _ => TokenFault::Shape,
        })?;
        if !self.algorithms.contains(&header.alg) {
            return Err(TokenFault::Algorithm);
        }
        // RFC 7515, 4.1.11: extensions that have to be understood. RFC 9068, 2.1: the types of access tokens.
        let is_access_token = header.typ.as_deref().is_none_or(|typ| {
            let typ = typ.strip_prefix("application/").unwrap_or(typ);
            typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt")
        });
        if header.crit.is_some() || !is_access_token {
            return Err(TokenFault::OtherKind);
        }
        Ok(header)
    }

    /// When it is over, with the time by which clocks may differ; its other times are looked at as well.
    fn until(&self, claims: &Claims, now: UnixSeconds) -> Result<UnixSeconds, TokenFault> {
        let issued = claims.get("iat").map(seconds).transpose()?;
        if issued.is_some_and(|issued| issued > now.saturating_add(self.skew)) {
            return Err(TokenFault::Time);
        }
        let expires = claims.get("exp").ok_or(TokenFault::Time).and_then(seconds)?;
        let until = expires.saturating_add(self.skew).min(LAST);
        if now < until { Ok(until) } else { Err(TokenFault::Time) }
    }

    fn identity(&self, claims: &Claims) -> Result<Identity, TokenFault> {
        // As Kubernetes has it: an address that the provider itself doubts is no name.
        if self.username == "email" && claims.get("email_verified").is_some_and(|is| *is != Value::Bool(true))
        {
            return Err(TokenFault::Username);
        }
        let subject = claims.get(&self.username).and_then(name).ok_or(TokenFault::Username)?;
        let email = claims.get("email").and_then(name).unwrap_or_default();
        let groups = self.groups(claims)?;
        Ok(Identity {
            subject: subject.into(),
            email: email.into(),
            groups: groups.into(),
            session: None,
            until: None,
        })
    }

    fn groups(&self, claims: &Claims) -> Result<Vec<Box<str>>, TokenFault> {
        let left_out = claims.get("_claim_names").is_some_and(|names| names.get(&self.groups).is_some());
        let given = match claims.get(&self.groups) {
            None if left_out => return Err(TokenFault::Overage),
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(groups)) => groups.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        if given.len() > MOST_GROUPS {
            return Err(TokenFault::Groups);
        }
        given.iter().map(|group| name(group).map(Into::into).ok_or(TokenFault::Groups)).collect()
    }
}

/// A name: printable, not empty, not too long.
fn name(value: &Value) -> Option<&str> {
    let name = value.as_str()?;
    let fine = !name.trim().is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
    fine.then_some(name)
}

fn is_text(claims: &Claims, claim: &str) -> bool {
    claims.get(claim).is_some_and(Value::is_string)
}

/// Seconds since the Unix epoch (RFC 7519's `NumericDate`).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn seconds(value: &Value) -> Result<UnixSeconds, TokenFault> {
    value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds as u64)).ok_or(TokenFault::Time)
}

/// Whether the header could be read but for its algorithm, as with `none`.
fn names_unknown_algorithm(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

fn fault(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::InvalidSignature => TokenFault::Signature,
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature | ErrorKind::InvalidClaimFormat(_) => {
            TokenFault::Time
        }
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => TokenFault::Issuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => TokenFault::Audience,
        ErrorKind::MissingRequiredClaim(_) => TokenFault::Time,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenFault::Algorithm,
        _ => TokenFault::Shape,
    }
}
