//! An issuer of tokens: it signs whatever it is asked to, and serves its keys.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A key that tokens are signed with.
pub enum Key {
    /// ES256.
    Ec(EcdsaKeyPair),
    /// RS256, PS256 and so on.
    Rsa(Box<RsaKeyPair>),
    /// `EdDSA`.
    Ed(Ed25519KeyPair),
    /// HMAC, with any bytes as the secret.
    Secret(Vec<u8>),
}

impl Key {
    /// A new key of the curve P-256.
    pub fn ec() -> Key {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("random bytes");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Key::Ec(pair.expect("what was just made"))
    }

    /// A new Ed25519 key.
    pub fn ed() -> Key {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
        Key::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("what was just made"))
    }

    /// An RSA key that nobody uses for anything else.
    pub fn rsa() -> Key {
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("nobodys-rsa-2048.pk8"));
        Key::Rsa(Box::new(pair.expect("a key of openssl's making")))
    }

    /// What everybody may know of it, as ring writes it: an RSA key in DER, of other keys the point.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Key::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Key::Rsa(pair) => pair.public().as_ref().to_vec(),
            Key::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Key::Secret(secret) => secret.clone(),
        }
    }

    /// Its public half as a JWK.
    pub fn jwk(&self, id: &str) -> Value {
        let public = self.public();
        match self {
            Key::Ec(_) => {
                let (x, y) = public[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": encode(x), "y": encode(y)})
            }
            Key::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "use": "sig", "kid": id, "n": encode(&n), "e": encode(&e)})
            }
            Key::Ed(_) => {
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": encode(&public)})
            }
            Key::Secret(secret) => json!({"kty": "oct", "kid": id, "k": encode(secret)}),
        }
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Key::Ec(pair) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Key::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Key::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match algorithm {
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signed).expect("signed");
                signed
            }
            Key::Secret(secret) => {
                let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                ring::hmac::sign(&secret, message).as_ref().to_vec()
            }
        }
    }

    /// A token with this header and these claims, signed by this key whatever the header says.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signed = self.sign(header["alg"].as_str().unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", encode(signed))
    }
}

/// As tokens write bytes.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// An issuer that serves its keys on this machine.
pub struct Issuer {
    /// Where.
    pub address: SocketAddr,
    /// How often its keys were fetched.
    pub fetched: Arc<AtomicUsize>,
    /// While it is away it takes connections, and closes them.
    pub away: Arc<AtomicBool>,
    keys: Arc<Mutex<Value>>,
}

impl Issuer {
    /// Serves these keys.
    pub async fn start(keys: &[Value]) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let issuer = Issuer {
            address,
            fetched: Arc::default(),
            away: Arc::default(),
            keys: Arc::new(Mutex::new(json!({ "keys": keys }))),
        };
        let (fetched, away, keys) = (issuer.fetched.clone(), issuer.away.clone(), issuer.keys.clone());
        let discovery = json!({"issuer": issuer.name(), "jwks_uri": format!("{}/keys", issuer.name())});
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let mut head = vec![0; 4096];
                let read = socket.read(&mut head).await.unwrap_or(0);
                if away.load(Relaxed) {
                    continue;
                }
                let body = if head[..read].starts_with(b"GET /keys ") {
                    fetched.fetch_add(1, Relaxed);
                    keys.lock().expect("no panic holds it").to_string()
                } else {
                    discovery.to_string()
                };
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        issuer
    }

    /// Its name, which is its URL.
    pub fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it serves these.
    pub fn serve(&self, keys: &[Value]) {
        *self.keys.lock().expect("no panic holds it") = json!({ "keys": keys });
    }
}
