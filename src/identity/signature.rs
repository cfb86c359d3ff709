//! Signatures of tokens: ring, which TLS stands on too, for the crate that reads tokens.
//!
//! That crate ([`jsonwebtoken`]) leaves the arithmetic to a provider, and has one process-wide. Ours only verifies, and only by asymmetric
//! algorithms: there is nothing here that a public key could be misused as a secret for.

use std::fmt;
use std::sync::OnceLock;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{self as ring_signature, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: never_signs,
    verifier_factory: verifier,
    // Never asked for: keys come as JWK, and are only read.
    key_utils: KeyUtils::new_unimplemented(),
};

/// The provider does not do what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the self-test of token signatures fails: this build cannot tell a good signature from a bad one")]
pub struct SelfTestFailed;

/// Makes ring the provider of this process, and tries it on signatures that are known.
///
/// # Errors
/// Where a good signature is refused, or a bad one is not.
pub fn install() -> Result<(), SelfTestFailed> {
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = *WORKS.get_or_init(|| {
        // Where somebody else was first, the test shows whether theirs works.
        let _ = RING.install_default();
        self_test()
    });
    if works { Ok(()) } else { Err(SelfTestFailed) }
}

/// The example of RFC 7515, appendix A.3: an ES256 signature, and its key.
const MESSAGE: &[u8] = b"eyJhbGciOiJFUzI1NiJ9\
    .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

fn self_test() -> bool {
    let Ok(key) = DecodingKey::from_ec_components(X, Y) else { return false };
    let verifies =
        |message: &[u8]| jsonwebtoken::crypto::verify(SIGNATURE, message, &key, Algorithm::ES256) == Ok(true);
    verifies(MESSAGE) && !verifies(&MESSAGE[1..])
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the type of `CryptoProvider::signer_factory`")]
fn never_signs(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(new_error(ErrorKind::UnsupportedAlgorithm))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the type of `CryptoProvider::verifier_factory`")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let way = Way::of(*algorithm).ok_or_else(|| new_error(ErrorKind::UnsupportedAlgorithm))?;
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, way, key: key.clone() }))
}

/// How ring verifies an algorithm.
enum Way {
    Rsa(&'static RsaParameters),
    Other(&'static dyn ring_signature::VerificationAlgorithm),
}

impl Way {
    /// None for HMAC.
    fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::RS256 => Way::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Way::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Way::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Way::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Way::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Way::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Way::Other(&ring_signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Way::Other(&ring_signature::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Way::Other(&ring_signature::ED25519),
            _ => return None,
        })
    }
}

struct RingVerifier {
    algorithm: Algorithm,
    way: Way,
    key: DecodingKey,
}

impl fmt::Debug for RingVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingVerifier({:?})", self.algorithm)
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], given: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (&self.way, self.key.kind()) {
            (Way::Rsa(way), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(way, message, given)
            }
            (Way::Other(way), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(*way, key).verify(message, given)
            }
            // An RSA key in another form than JWK's, which we never have.
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_test_holds() {
        assert_eq!(install(), Ok(()));
        assert_eq!(install(), Ok(()), "a second time as well");
    }

    #[test]
    fn a_public_key_is_no_secret() {
        let secret = DecodingKey::from_secret(b"the text of a public key");
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert!(verifier(&algorithm, &secret).is_err(), "{algorithm:?}");
        }
        assert!(verifier(&Algorithm::ES256, &secret).is_err());
        assert!(verifier(&Algorithm::RS256, &secret).is_err());
    }

    #[test]
    fn nothing_is_signed_here() {
        assert!(never_signs(&Algorithm::ES256, &EncodingKey::from_secret(b"secret")).is_err());
    }
}
