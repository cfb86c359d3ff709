//! A provider's keys as they are known here: fetched by the control plane, read by the cores.
//!
//! They are fetched on a clock, and, so often at most, when a token names a key that is not among them. While the provider is away the last ones go on,
//! within a bound; past it there are none, and no token is good.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::keys::{BadKeySet, KeySet};
use super::provider_http::{CallError, ClientError, ProviderHttp};
use super::{UnixSeconds, now};
use crate::config::{BearerAuth, is_safe_url};

/// Between two fetches that tokens have caused, in seconds.
const GAP: u64 = 10;

/// The first wait after a fetch that has failed.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The keys of a provider.
#[derive(Debug)]
pub struct Jwks {
    http: ProviderHttp,
    issuer: String,
    /// Where they are; `None`: where the issuer's discovery document says.
    url: Option<String>,
    algorithms: Vec<Algorithm>,
    refresh: Duration,
    keep: Duration,
    known: ArcSwap<Known>,
    none: Arc<Known>,
    /// When a token has last caused a fetch.
    asked: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
    turn: Mutex<()>,
}

/// The keys that were fetched last.
#[derive(Debug, Default)]
pub struct Known {
    /// Grows with each change of the keys; 0: there are none.
    pub generation: u64,
    /// The keys.
    pub set: KeySet,
    fetched: UnixSeconds,
    document: Bytes,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The provider does not answer as it should.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its discovery document is none.
    #[error("its discovery document has no `issuer` and `jwks_uri`")]
    Discovery,
    /// It is another's.
    #[error("its discovery document is another issuer's")]
    OtherIssuer,
    /// Keys that anybody on the way could replace.
    #[error("its keys are not at an `https` URL")]
    Unsafe,
    /// What is there is of no use.
    #[error("its keys are of no use: {0}")]
    Set(#[from] BadKeySet),
}

/// `OpenID` Connect Discovery 1.0, section 3; RFC 8414.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Jwks {
    /// No keys yet.
    ///
    /// # Errors
    /// Where the provider could not be asked with these settings.
    pub fn new(settings: &BearerAuth) -> Result<Self, ClientError> {
        let none = Arc::new(Known::default());
        Ok(Jwks {
            http: ProviderHttp::new(settings.ca_file.as_deref())?,
            issuer: settings.issuer.clone(),
            url: settings.jwks_url.clone(),
            algorithms: settings.algorithms.clone(),
            refresh: settings.refresh,
            keep: settings.keep_keys,
            known: ArcSwap::new(none.clone()),
            none,
            asked: AtomicU64::new(0),
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            turn: Mutex::default(),
        })
    }

    /// The keys, as long as they may be used. Takes no lock.
    #[must_use]
    pub fn known(&self, now: UnixSeconds) -> Arc<Known> {
        let known = self.known.load_full();
        if now.saturating_sub(known.fetched) <= self.keep.as_secs() { known } else { self.none.clone() }
    }

    /// Whether asking for newer keys makes sense now. Takes no lock.
    ///
    /// Where it does not, the keys that are looked up *after* this was asked are the newest: the marks are set in the order `started`, `asked`, the keys,
    /// `finished`, and read here against it.
    #[must_use]
    pub fn may_be_asked(&self, now: UnixSeconds) -> bool {
        let asked = self.asked.load(Acquire);
        let under_way = self.started.load(Acquire) != self.finished.load(Acquire);
        under_way || now >= asked + GAP
    }

    /// Fetches the keys, unless that was just done. All who ask at once share one answer.
    pub async fn ask(&self) {
        let before = self.finished.load(Acquire);
        let turn = self.turn.lock().await;
        let now = now();
        if self.finished.load(Acquire) != before || now < self.asked.load(Acquire) + GAP {
            return;
        }
        if let Err(error) = self.fetch(Some(now)).await {
            tracing::warn!(issuer = self.issuer, %error, "bearer.no_new_keys");
        }
        drop(turn);
    }

    /// Fetches the keys on a clock, for as long as it is polled.
    pub async fn follow(&self) {
        let mut wait = FIRST_WAIT;
        loop {
            let turn = self.turn.lock().await;
            let fetched = self.fetch(None).await;
            drop(turn);
            match fetched {
                Ok(()) => wait = FIRST_WAIT,
                Err(error) => {
                    tracing::warn!(issuer = self.issuer, %error, "bearer.no_new_keys");
                    tokio::time::sleep(jittered(wait.min(self.refresh))).await;
                    wait = wait.saturating_mul(2);
                    continue;
                }
            }
            tokio::time::sleep(jittered(self.refresh)).await;
        }
    }

    /// Fetches the keys now. Returns how many there are.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn look(&self) -> Result<usize, KeysError> {
        self.fetch(None).await?;
        Ok(self.known.load().set.len())
    }

    /// Fetches the keys; `asked`: because of a token, at this time.
    async fn fetch(&self, asked: Option<UnixSeconds>) -> Result<(), KeysError> {
        let number = self.started.fetch_add(1, Relaxed) + 1;
        if let Some(asked) = asked {
            self.asked.store(asked, Release);
        }
        let fetched = self.fetch_from_provider().await;
        let learned = fetched.and_then(|document| self.learn(document, now()));
        self.finished.store(number, Release);
        learned
    }

    async fn fetch_from_provider(&self) -> Result<Bytes, KeysError> {
        if let Some(url) = &self.url {
            return Ok(self.http.get(url).await?);
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = self.http.get(&url).await?;
        let found: Discovery = serde_json::from_slice(&document).map_err(|_| KeysError::Discovery)?;
        if found.issuer != self.issuer {
            return Err(KeysError::OtherIssuer);
        }
        if !is_safe_url(&found.jwks_uri) {
            return Err(KeysError::Unsafe);
        }
        Ok(self.http.get(&found.jwks_uri).await?)
    }

    fn learn(&self, document: Bytes, now: UnixSeconds) -> Result<(), KeysError> {
        let before = self.known.load_full();
        let set = KeySet::parse(&document, &self.algorithms)?;
        let is_new = before.generation == 0 || document != before.document;
        if is_new {
            tracing::info!(issuer = self.issuer, keys = set.len(), "bearer.keys");
        }
        let generation = before.generation + u64::from(is_new);
        self.known.store(Arc::new(Known { generation, set, fetched: now, document }));
        Ok(())
    }
}

/// So that replicas that started together do not ask together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.8 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwks() -> Jwks {
        let settings = BearerAuth {
            issuer: "https://issuer.example".into(),
            keep_keys: Duration::from_secs(100),
            ..BearerAuth::default()
        };
        Jwks::new(&settings).expect("a client")
    }

    fn document(ids: &[&str]) -> Bytes {
        let key = |id| json!({"kty": "RSA", "kid": id, "n": "AQAB", "e": "AQAB"});
        json!({ "keys": ids.iter().map(key).collect::<Vec<_>>() }).to_string().into()
    }

    #[test]
    fn keys_go_on_while_the_provider_is_away_but_not_for_ever() {
        let jwks = jwks();
        assert_eq!(jwks.known(1000).generation, 0);
        jwks.learn(document(&["a"]), 1000).expect("keys");
        assert_eq!(jwks.known(1100).generation, 1);
        assert!(jwks.learn(Bytes::from_static(b"<html>"), 1100).is_err());
        assert_eq!(jwks.known(1100).generation, 1, "a bad answer takes nothing away");
        assert_eq!(jwks.known(1101).generation, 0);
        assert_eq!(jwks.known(1101).set.len(), 0);
    }

    #[test]
    fn only_other_keys_are_a_new_generation() {
        let jwks = jwks();
        jwks.learn(document(&["a"]), 1000).expect("keys");
        jwks.learn(document(&["a"]), 1090).expect("keys");
        assert_eq!(jwks.known(1190).generation, 1, "the same keys, fresh again");
        jwks.learn(document(&["b"]), 1091).expect("keys");
        assert_eq!(jwks.known(1091).generation, 2);
    }

    #[test]
    fn tokens_cause_a_fetch_now_and_then() {
        let jwks = jwks();
        assert!(jwks.may_be_asked(1000));
        jwks.asked.store(1000, Relaxed);
        assert!(!jwks.may_be_asked(1009));
        assert!(jwks.may_be_asked(1010));
        jwks.started.store(1, Relaxed);
        assert!(jwks.may_be_asked(1001), "the answer is on its way");
    }
}
