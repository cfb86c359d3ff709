//! The keys that a provider signs with (a JWK set, RFC 7517), and which of them may have signed a token.
//!
//! A key says what it is good for, never a token: its own `alg`, or what keys of its type sign with, as far as the settings allow that. Symmetric keys,
//! and keys for encryption, are passed over, so that no token can be signed with what everybody may read.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;

/// The most keys that are taken from a set.
const MOST_KEYS: usize = 64;

/// Keys that tokens may be signed with.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// Why a JWK set is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    /// Not a JSON object with a list of `keys`.
    #[error("it is no JWK set")]
    Shape,
    /// More than could be meant.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    /// No key for signatures by an algorithm that is allowed.
    #[error("none of its keys is for signatures by an algorithm that the settings allow")]
    NoKey,
}

/// Why no key of a set verifies a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The set does not have it. A newer one may.
    #[error("its key is not known")]
    Unknown,
    /// The token names no key, and there are several.
    #[error("it names no key, and the provider has several")]
    NotNamed,
    /// The key is not for the token's algorithm.
    #[error("its key is not for its algorithm")]
    OtherAlgorithm,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a JWK set. Keys that are of no use here are passed over: providers publish keys for other purposes too.
    ///
    /// # Errors
    /// Where that leaves nothing.
    pub fn parse(json: &[u8], allowed: &[Algorithm]) -> Result<Self, BadKeySet> {
        let document: Document = serde_json::from_slice(json).map_err(|_| BadKeySet::Shape)?;
        if document.keys.len() > MOST_KEYS {
            return Err(BadKeySet::TooMany);
        }
        let jwks = document.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        let keys: Vec<Key> = jwks.filter_map(|jwk| key(&jwk, allowed)).collect();
        if keys.is_empty() { Err(BadKeySet::NoKey) } else { Ok(KeySet { keys }) }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a token with this header has to be signed with.
    ///
    /// # Errors
    /// Where there is none.
    pub fn find(&self, header: &Header) -> Result<&DecodingKey, NoKey> {
        let is_named = |key: &&Key| header.kid.as_deref().is_none_or(|id| key.id.as_deref() == Some(id));
        let mut named = self.keys.iter().filter(is_named).peekable();
        if named.peek().is_none() {
            return Err(NoKey::Unknown);
        }
        if header.kid.is_none() && self.keys.len() > 1 {
            return Err(NoKey::NotNamed);
        }
        let fitting = named.find(|key| key.algorithms.contains(&header.alg));
        fitting.map(|key| &key.decoding).ok_or(NoKey::OtherAlgorithm)
    }
}

/// The key, if it verifies signatures by an algorithm that is allowed.
fn key(jwk: &Jwk, allowed: &[Algorithm]) -> Option<Key> {
    let common = &jwk.common;
    let for_signatures = common.public_key_use.as_ref().is_none_or(|is| *is == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|can| can.contains(&KeyOperations::Verify));
    if !for_signatures || !verifies {
        return None;
    }
    let mut algorithms = of_type(&jwk.algorithm).to_vec();
    if let Some(own) = common.key_algorithm {
        let own = Algorithm::try_from(own).ok()?;
        algorithms.retain(|algorithm| *algorithm == own);
    }
    algorithms.retain(|algorithm| allowed.contains(algorithm));
    if algorithms.is_empty() {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(Key { id: common.key_id.as_deref().map(Into::into), algorithms, decoding: key })
}

/// What private keys sign with: whoever verifies knows no secret.
pub(crate) const ASYMMETRIC: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What keys of this type sign with.
fn of_type(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    match parameters {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ALL: &[Algorithm] = &[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

    fn rsa(id: &str) -> Value {
        json!({"kty": "RSA", "kid": id, "n": "AQAB", "e": "AQAB"})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn set(keys: &[Value]) -> Result<KeySet, BadKeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), ALL)
    }

    fn header(algorithm: Algorithm, id: Option<&str>) -> Header {
        Header { kid: id.map(Into::into), ..Header::new(algorithm) }
    }

    fn found(set: &KeySet, algorithm: Algorithm, id: Option<&str>) -> Result<(), NoKey> {
        set.find(&header(algorithm, id)).map(|_| ())
    }

    #[test]
    fn a_key_is_good_for_its_type_within_the_settings() {
        let set = set(&[rsa("a")]).expect("a key");
        assert_eq!(found(&set, Algorithm::RS256, Some("a")), Ok(()));
        assert_eq!(found(&set, Algorithm::PS256, Some("a")), Ok(()));
        assert_eq!(found(&set, Algorithm::RS384, Some("a")), Err(NoKey::OtherAlgorithm), "not allowed");
        for other in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256] {
            assert_eq!(found(&set, other, Some("a")), Err(NoKey::OtherAlgorithm), "{other:?}");
        }
    }

    #[test]
    fn its_own_alg_pins_it() {
        let set = set(&[with(rsa("a"), "alg", json!("PS256"))]).expect("a key");
        assert_eq!(found(&set, Algorithm::PS256, Some("a")), Ok(()));
        assert_eq!(found(&set, Algorithm::RS256, Some("a")), Err(NoKey::OtherAlgorithm));
    }

    #[test]
    fn several_keys_have_to_be_named() {
        let two = set(&[rsa("a"), rsa("b")]).expect("keys");
        assert_eq!(found(&two, Algorithm::RS256, Some("b")), Ok(()));
        assert_eq!(found(&two, Algorithm::RS256, Some("c")), Err(NoKey::Unknown));
        assert_eq!(found(&two, Algorithm::RS256, None), Err(NoKey::NotNamed));
        let one = set(&[rsa("a")]).expect("a key");
        assert_eq!(found(&one, Algorithm::RS256, None), Ok(()));
        assert_eq!(found(&one, Algorithm::RS256, Some("b")), Err(NoKey::Unknown));
        assert_eq!(found(&KeySet::default(), Algorithm::RS256, None), Err(NoKey::Unknown));
    }

    #[test]
    fn what_is_no_key_for_signatures_is_passed_over() {
        let secret = json!({"kty": "oct", "kid": "a", "k": "c2VjcmV0"});
        let point = json!({"kty": "EC", "kid": "a", "crv": "P-521", "x": "AQAB", "y": "AQAB"});
        for useless in [
            secret.clone(),
            with(secret, "alg", json!("HS256")),
            with(rsa("a"), "use", json!("enc")),
            with(rsa("a"), "key_ops", json!(["encrypt"])),
            with(rsa("a"), "alg", json!("HS256")),
            with(rsa("a"), "alg", json!("none")),
            with(rsa("a"), "alg", json!("ES256")),
            with(rsa("a"), "alg", json!("RSA-OAEP")),
            with(rsa("a"), "n", json!("no base64!")),
            point,
            json!({"kty": "LMS", "kid": "a"}),
            json!("a"),
            json!(null),
        ] {
            assert_eq!(set(std::slice::from_ref(&useless)).err(), Some(BadKeySet::NoKey), "{useless}");
            let beside = set(&[useless.clone(), rsa("b")]).expect("the other");
            assert_eq!(found(&beside, Algorithm::RS256, Some("a")), Err(NoKey::Unknown), "{useless}");
            assert_eq!(found(&beside, Algorithm::RS256, None), Ok(()), "{useless} does not count");
        }
        assert!(set(&[with(rsa("a"), "use", json!("sig"))]).is_ok());
        assert!(set(&[with(rsa("a"), "key_ops", json!(["verify"]))]).is_ok());
    }

    #[test]
    fn a_set_has_a_shape_and_a_size() {
        assert_eq!(KeySet::parse(b"<html>", ALL).err(), Some(BadKeySet::Shape));
        assert_eq!(KeySet::parse(b"{}", ALL).err(), Some(BadKeySet::Shape));
        assert_eq!(KeySet::parse(br#"{"keys":{}}"#, ALL).err(), Some(BadKeySet::Shape));
        assert_eq!(set(&[]).err(), Some(BadKeySet::NoKey));
        let many: Vec<Value> = (0..=MOST_KEYS).map(|id| rsa(&id.to_string())).collect();
        assert_eq!(set(&many).err(), Some(BadKeySet::TooMany));
        assert!(set(&many[1..]).is_ok());
    }
}
