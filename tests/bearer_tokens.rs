//! Bearer tokens: whom they let in, and that no forged one does.

mod house;
mod issuer;
mod tab;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use foretop::config::{AuthMode, BearerAuth, Config};
use foretop::identity::keys::{KeySet, NoKey};
use foretop::identity::token::{Policy, TokenFault};
use foretop::identity::{Identity, signature};
use house::wire::Stream;
use house::{House, config, eventually, list, watch};
use issuer::{Issuer, Key, encode, now};
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};
use tab::Answer;

const ISSUER: &str = "https://issuer.example";

/// What a token is judged by, without a server.
struct Court {
    settings: BearerAuth,
    keys: KeySet,
    ec: Key,
    rsa: Key,
    ed: Key,
}

impl Court {
    fn new() -> Court {
        let (ec, rsa, ed) = (Key::ec(), Key::rsa(), Key::ed());
        let settings = BearerAuth {
            issuer: ISSUER.into(),
            audiences: vec!["foretop".into(), "other".into()],
            algorithms: vec![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA],
            ..BearerAuth::default()
        };
        signature::install().expect("ring works");
        let keys = json!({"keys": [ec.jwk("ec"), rsa.jwk("rsa"), ed.jwk("ed")]}).to_string();
        let keys = KeySet::parse(keys.as_bytes(), &settings.algorithms).expect("keys");
        Court { settings, keys, ec, rsa, ed }
    }

    fn judge(&self, token: &str) -> Result<Identity, TokenFault> {
        Policy::new(&self.settings).verify(token, &self.keys, now())
    }

    /// The verdict on a token by the EC key, with these claims in place of good ones; `null` takes a claim away.
    fn of_claims(&self, other: &Value) -> Result<Identity, TokenFault> {
        self.judge(&self.ec.token(&json!({"alg": "ES256", "kid": "ec"}), &with(claims(), other)))
    }

    fn of_header(&self, other: &Value) -> Result<Identity, TokenFault> {
        self.judge(&self.ec.token(&with(json!({"alg": "ES256", "kid": "ec"}), other), &claims()))
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "foretop", "sub": "ann", "exp": now() + 300, "iat": now(), "groups": ["ops", "web"]})
}

fn with(mut map: Value, other: &Value) -> Value {
    for (name, value) in other.as_object().expect("a map") {
        match value {
            Value::Null => drop(map.as_object_mut().expect("a map").remove(name)),
            value => map[name] = value.clone(),
        }
    }
    map
}

#[test]
fn a_good_token_is_its_user() {
    let court = Court::new();
    let identity = court.of_claims(&json!({"email": "ann@example.org"})).expect("good");
    assert_eq!((&*identity.subject, &*identity.email), ("ann", "ann@example.org"));
    assert_eq!(identity.groups.iter().map(|group| &**group).collect::<Vec<_>>(), ["ops", "web"]);
    let until = identity.until.expect("tokens end");
    assert!((now() + 320..=now() + 330).contains(&until), "its exp and the skew of 30 s");
    for (key, header) in [
        (&court.rsa, json!({"alg": "RS256", "kid": "rsa"})),
        (&court.rsa, json!({"alg": "PS256", "kid": "rsa"})),
        (&court.ed, json!({"alg": "EdDSA", "kid": "ed"})),
        (&court.ec, json!({"alg": "ES256", "kid": "ec", "typ": "at+jwt"})),
        (&court.ec, json!({"alg": "ES256", "kid": "ec", "typ": "application/at+jwt"})),
        (&court.ec, json!({"alg": "ES256", "kid": "ec", "typ": "JWT"})),
    ] {
        assert!(court.judge(&key.token(&header, &claims())).is_ok(), "{header}");
    }
    assert!(court.of_claims(&json!({"aud": ["someone", "other"]})).is_ok());
    assert!(court.of_claims(&json!({"groups": null})).expect("good").groups.is_empty());
    assert_eq!(court.of_claims(&json!({"groups": "ops"})).expect("good").groups.len(), 1);
}

#[test]
fn a_forged_token_is_nobody() {
    let court = Court::new();
    let unsigned =
        |header: Value| format!("{}.{}.", encode(header.to_string()), encode(claims().to_string()));
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        assert_eq!(
            court.judge(&unsigned(json!({"alg": alg, "kid": "ec"}))),
            Err(TokenFault::Algorithm),
            "{alg}"
        );
    }
    assert!(court.judge(&unsigned(json!({"kid": "ec"}))).is_err());
    assert_eq!(court.judge(&unsigned(json!({"alg": "ES256", "kid": "ec"}))), Err(TokenFault::Signature));
    let stranger = Key::ec().token(&json!({"alg": "ES256", "kid": "ec"}), &claims());
    assert_eq!(court.judge(&stranger), Err(TokenFault::Signature), "a key of the same name");
    let kid_of_another = court.ec.token(&json!({"alg": "ES256", "kid": "rsa"}), &claims());
    assert_eq!(court.judge(&kid_of_another), Err(TokenFault::Key(NoKey::OtherAlgorithm)));
    let kid_of_another = court.ec.token(&json!({"alg": "RS256", "kid": "rsa"}), &claims());
    assert_eq!(court.judge(&kid_of_another), Err(TokenFault::Signature));
    assert_eq!(court.of_header(&json!({"kid": "new"})), Err(TokenFault::Key(NoKey::Unknown)));
    assert_eq!(court.of_header(&json!({"kid": null})), Err(TokenFault::Key(NoKey::NotNamed)));
    let not_allowed = court.rsa.token(&json!({"alg": "RS512", "kid": "rsa"}), &claims());
    assert_eq!(court.judge(&not_allowed), Err(TokenFault::Algorithm));
    // What a token says of its own key counts for nothing.
    let thief = Key::ec();
    let own_key =
        json!({"alg": "ES256", "kid": "ec", "jwk": thief.jwk("ec"), "jku": "https://thief.example/keys"});
    assert_eq!(court.judge(&thief.token(&own_key, &claims())), Err(TokenFault::Signature));
}

#[test]
fn a_public_key_is_no_secret() {
    let court = Court::new();
    let der = court.rsa.public();
    let pem = format!(
        "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &der)
    );
    let jwk = court.rsa.jwk("rsa");
    let modulus = jwk["n"].as_str().expect("a text").to_owned();
    for secret in
        [der, pem.into_bytes(), jwk.to_string().into_bytes(), modulus.into_bytes(), court.ec.public()]
    {
        for kid in ["rsa", "ec"] {
            let forged = Key::Secret(secret.clone()).token(&json!({"alg": "HS256", "kid": kid}), &claims());
            assert_eq!(court.judge(&forged), Err(TokenFault::Algorithm));
        }
    }
}

#[test]
fn a_token_for_others_is_nobody_here() {
    let court = Court::new();
    for (claim, fault) in [
        (json!({"iss": "https://other.example"}), TokenFault::Issuer),
        (json!({"iss": format!("{ISSUER}/")}), TokenFault::Issuer),
        (json!({"iss": null}), TokenFault::Issuer),
        (json!({"iss": [ISSUER, "https://other.example"]}), TokenFault::OtherKind),
        (json!({"aud": "someone"}), TokenFault::Audience),
        (json!({"aud": ["someone"]}), TokenFault::Audience),
        (json!({"aud": []}), TokenFault::Audience),
        (json!({"aud": null}), TokenFault::Audience),
        (
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            TokenFault::OtherKind,
        ),
    ] {
        assert_eq!(court.of_claims(&claim), Err(fault), "{claim}");
    }
    for header in
        [json!({"typ": "logout+jwt"}), json!({"typ": "dpop+jwt"}), json!({"crit": ["b64"], "b64": false})]
    {
        assert_eq!(court.of_header(&header), Err(TokenFault::OtherKind), "{header}");
    }
}

#[test]
fn a_token_has_its_time() {
    let court = Court::new();
    for claim in [
        json!({"exp": now() - 40}),
        json!({"exp": 0}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"exp": -5}),
        json!({"exp": 1e300}),
        json!({"nbf": now() + 40}),
        json!({"nbf": "now"}),
        json!({"iat": now() + 40}),
        json!({"iat": "now"}),
    ] {
        assert_eq!(court.of_claims(&claim), Err(TokenFault::Time), "{claim}");
    }
    for claim in [json!({"exp": now() - 10}), json!({"nbf": now() + 20, "iat": now() + 20})] {
        assert!(court.of_claims(&claim).is_ok(), "{claim}");
    }
}

#[test]
fn a_token_names_one_user() {
    let court = Court::new();
    for claim in [
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": " "}),
        json!({"sub": 7}),
        json!({"sub": "a\nb"}),
    ] {
        assert_eq!(court.of_claims(&claim), Err(TokenFault::Username), "{claim}");
    }
    assert_eq!(court.of_claims(&json!({"sub": "x".repeat(257)})), Err(TokenFault::Username));
    for claim in [json!({"groups": [7]}), json!({"groups": {"a": 1}}), json!({"groups": ["a\u{7f}"]})] {
        assert_eq!(court.of_claims(&claim), Err(TokenFault::Groups), "{claim}");
    }
    assert_eq!(court.of_claims(&json!({"groups": vec!["g"; 257]})), Err(TokenFault::Groups));
    let overage = json!({"groups": null, "_claim_names": {"groups": "src1"}});
    assert_eq!(court.of_claims(&overage), Err(TokenFault::Overage));
    let by_email = BearerAuth { username_claim: "email".into(), ..court.settings.clone() };
    let court = Court { settings: by_email, ..court };
    assert!(court.of_claims(&json!({"email": "a@example.org"})).is_ok());
    assert!(court.of_claims(&json!({"email": "a@example.org", "email_verified": true})).is_ok());
    let doubted = json!({"email": "a@example.org", "email_verified": false});
    assert_eq!(court.of_claims(&doubted), Err(TokenFault::Username));
}

#[test]
fn a_token_has_a_shape_and_a_size() {
    let court = Court::new();
    let good = court.ec.token(&json!({"alg": "ES256", "kid": "ec"}), &claims());
    assert!(court.judge(&good).is_ok());
    for length in 0..good.len() {
        assert!(court.judge(&good[..length]).is_err(), "cut to {length}");
    }
    for odd in
        ["", ".", "..", "...", "a.b.c", &format!("{good}."), &format!(".{good}"), &format!("{good}.{good}")]
    {
        assert!(court.judge(odd).is_err(), "{odd}");
    }
    assert_eq!(court.of_claims(&json!({"much": "x".repeat(8192)})), Err(TokenFault::TooLong));
}

proptest! {
    /// Whatever is changed about a good token, it is good no more: but for spellings of the same bytes, of which base64 has none here.
    #[test]
    fn no_byte_of_a_token_may_change(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let court = Court::new();
        let good = court.ec.token(&json!({"alg": "ES256", "kid": "ec"}), &claims());
        let at = at.index(good.len());
        prop_assume!(good[at..=at] != to);
        let mut other = good.clone();
        other.replace_range(at..=at, &to);
        prop_assert!(court.judge(&other).is_err(), "{other}");
    }

    /// Whatever the settings and the header say, nothing gets in by a key that the issuer does not have.
    #[test]
    fn only_the_issuers_keys_let_in(
        alg in prop::sample::select(vec!["none", "HS256", "HS384", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"]),
        kid in prop::option::of(prop::sample::select(vec!["ec", "rsa", "ed", "thief", ""])),
        which in 0usize..4,
    ) {
        let court = Court::new();
        let key = match which {
            0 => Key::ec(),
            1 => Key::ed(),
            2 => Key::Secret(court.rsa.public()),
            _ => Key::Secret(Vec::new()),
        };
        let header = with(json!({"alg": alg}), &json!({"kid": kid}));
        prop_assert!(court.judge(&key.token(&header, &claims())).is_err());
    }
}

/// A server that takes this issuer's tokens.
fn taking(issuer: &Issuer, mode: AuthMode) -> Config {
    let mut config = config();
    config.auth.mode = mode;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().expect("a block")];
    config.auth.bearer.issuer = issuer.name();
    config.auth.bearer.audiences = vec!["foretop".into()];
    config
}

fn token(issuer: &Issuer, key: &Key, id: &str, other: &Value) -> String {
    let claims = with(with(claims(), &json!({"iss": issuer.name()})), other);
    key.token(&json!({"alg": "ES256", "kid": id}), &claims)
}

async fn ask(house: &House, path: &str, headers: &[(&str, &str)]) -> Answer {
    tab::get(house.address(), path, headers).await
}

async fn whoami(house: &House, token: &str) -> Answer {
    ask(house, "/api/auth/whoami", &[("Authorization", &format!("Bearer {token}"))]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_token_is_served() {
    let key = Key::ec();
    let issuer = Issuer::start(&[key.jwk("a")]).await;
    let house = House::small_with(&taking(&issuer, AuthMode::Bearer)).await;
    let token = token(&issuer, &key, "a", &json!({}));
    eventually("the keys are here", async || whoami(&house, &token).await.head.status == 200).await;
    let who = whoami(&house, &token).await.json();
    assert_eq!((who["subject"].as_str(), who["mode"].as_str()), (Some("ann"), Some("bearer")));
    let lower = format!("bearer   {token}");
    assert_eq!(ask(&house, &list("pods"), &[("authorization", &lower)]).await.head.status, 200);
    let mut stream =
        Stream::open(house.address(), &watch("pods"), &format!("Authorization: Bearer {token}\r\n")).await;
    stream.events(1).await;
    assert_eq!(issuer.fetched.load(Relaxed), 1, "the keys were fetched once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is() {
    let key = Key::ec();
    let issuer = Issuer::start(&[key.jwk("a")]).await;
    let house = House::small_with(&taking(&issuer, AuthMode::Bearer)).await;
    let good = token(&issuer, &key, "a", &json!({}));
    eventually("the keys are here", async || whoami(&house, &good).await.head.status == 200).await;
    let line = format!("Bearer {good}");
    let over = format!("Bearer {}", token(&issuer, &key, "a", &json!({"exp": now() - 100})));
    for headers in [
        &[("Authorization", over.as_str())][..],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Bearer x")],
        &[("Authorization", &format!("{line}, {line}"))],
        &[("Authorization", &line), ("Authorization", &line)],
        &[("Authorization", &line), ("Authorization", "Basic eA==")],
    ] {
        for path in [list("pods"), watch("pods"), "/api/auth/whoami".into(), "/nowhere".into()] {
            let answer = ask(&house, &path, headers).await;
            assert_eq!(answer.head.status, 401, "{path} {headers:?}");
            assert_eq!(
                answer.head.header("www-authenticate"),
                Some("Bearer error=\"invalid_token\""),
                "{path}"
            );
            assert_eq!(answer.json()["error"]["code"], "invalid_token", "{path}");
            assert!(!answer.text().contains(&good), "no answer repeats a token");
        }
    }
    for headers in [&[][..], &[("Authorization", "Basic eA==")], &[("X-Forwarded-User", "ann")]] {
        for path in [list("pods"), format!("{}?access_token={good}", list("pods")), "/api/features".into()] {
            let answer = ask(&house, &path, headers).await;
            assert_eq!((answer.head.status, answer.text().as_str()), (401, "unauthenticated\n"), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxys_word_and_a_token_are_two_credentials() {
    let key = Key::ec();
    let issuer = Issuer::start(&[key.jwk("a")]).await;
    let house = House::small_with(&taking(&issuer, AuthMode::Header)).await;
    let line = format!("Bearer {}", token(&issuer, &key, "a", &json!({})));
    let by_token = [("Authorization", line.as_str())];
    let token_alone = async || ask(&house, "/api/auth/whoami", &by_token).await.head.status == 200;
    eventually("the keys are here", token_alone).await;
    let by_proxy = [("X-Forwarded-User", "bob")];
    let answer = ask(&house, "/api/auth/whoami", &by_proxy).await;
    assert_eq!(answer.json()["subject"], "bob");
    for path in [list("pods"), "/api/auth/whoami".into()] {
        let both = ask(&house, &path, &[by_proxy[0], by_token[0]]).await;
        assert_eq!((both.head.status, both.json()["error"]["code"].as_str()), (400, Some("two_credentials")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_fetched_by_the_first_token_that_names_it() {
    let (old, new) = (Key::ec(), Key::ec());
    let issuer = Issuer::start(&[old.jwk("old")]).await;
    let house = House::small_with(&taking(&issuer, AuthMode::Bearer)).await;
    let before = token(&issuer, &old, "old", &json!({}));
    eventually("the keys are here", async || whoami(&house, &before).await.head.status == 200).await;
    let fetched = issuer.fetched.load(Relaxed);
    issuer.serve(&[new.jwk("new")]);
    let after = token(&issuer, &new, "new", &json!({"sub": "bob"}));
    let (address, line) = (house.address(), format!("Bearer {after}"));
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let line = line.clone();
            tokio::spawn(
                async move { tab::get(address, "/api/auth/whoami", &[("Authorization", &line)]).await },
            )
        })
        .collect();
    for answer in asked {
        let answer = answer.await.expect("no panic");
        assert_eq!((answer.head.status, answer.json()["subject"].as_str()), (200, Some("bob")));
    }
    assert_eq!(issuer.fetched.load(Relaxed), fetched + 1, "all who asked shared one answer");
    assert_eq!(
        whoami(&house, &before).await.head.status,
        401,
        "what was verified with the old key is forgotten"
    );
    for id in ["x", "y", "z"] {
        assert_eq!(whoami(&house, &token(&issuer, &new, id, &json!({}))).await.head.status, 401);
    }
    assert_eq!(issuer.fetched.load(Relaxed), fetched + 1, "made-up keys cause no fetches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_outlive_the_issuer_and_none_is_no_fault_of_the_token() {
    let key = Key::ec();
    let issuer = Issuer::start(&[key.jwk("a")]).await;
    issuer.away.store(true, Relaxed);
    let house = House::small_with(&taking(&issuer, AuthMode::Bearer)).await;
    let token = token(&issuer, &key, "a", &json!({}));
    let answer = whoami(&house, &token).await;
    assert_eq!((answer.head.status, answer.json()["error"]["code"].as_str()), (503, Some("no_keys")));
    issuer.away.store(false, Relaxed);
    eventually("the issuer is back", async || whoami(&house, &token).await.head.status == 200).await;
    issuer.away.store(true, Relaxed);
    assert_eq!(whoami(&house, &token).await.head.status, 200);
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_token() {
    let key = Key::ec();
    let issuer = Issuer::start(&[key.jwk("a")]).await;
    let mut config = taking(&issuer, AuthMode::Bearer);
    config.auth.bearer.clock_skew = Duration::ZERO;
    let house = House::small_with(&config).await;
    let long = token(&issuer, &key, "a", &json!({}));
    eventually("the keys are here", async || whoami(&house, &long).await.head.status == 200).await;
    let short = token(&issuer, &key, "a", &json!({"exp": now() + 3}));
    let mut stream =
        Stream::open(house.address(), &watch("pods"), &format!("Authorization: Bearer {short}\r\n")).await;
    let events = stream.until_end().await;
    assert_eq!(events.last().expect("an end").name, "auth_expired");
}
