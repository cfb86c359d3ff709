//! An identity provider that signs everybody in at once, and a browser that is signed in by it.
//!
//! The provider does what is tried here and no more, but that strictly: a code is good once and only with its verifier, a refresh token is good once, and one that
//! comes twice ends all that came of its sign-in. A test that has this module has the modules `house`, `issuer` and `tab` too.

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use foretop::config::{AuthMode, Config};
use foretop::identity::SessionRef;
use foretop::identity::cookies::Manner;
use foretop::identity::seal::Seals;
use foretop::identity::session_code::{Refresh, Session};
use foretop::identity::session_cookie::SessionCookies;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::issuer::{Key, encode, now};
use crate::tab::{self, Answer};

/// The server's name at the provider.
pub const CLIENT: &str = "foretop";

/// The server's secret at the provider, and as a form has it (RFC 6749, 2.3.1).
pub const SECRET: &str = "what only the client knows";
pub const SECRET_IN_FORM: &str = "what+only+the+client+knows";

/// Who browsers know the server as.
pub const PUBLIC_URL: &str = "https://foretop.example";

/// What the provider is at, and what it has done.
pub struct Books {
    /// What ID tokens say beyond what they must.
    pub claims: Value,
    /// While it is away, it answers nothing that is of use.
    pub away: bool,
    /// How often tokens were refreshed.
    pub refreshed: usize,
    /// How often a refresh token came that had been used.
    pub reused: usize,
    /// What codes were given for: nonce and challenge.
    codes: HashMap<String, (String, String)>,
    /// All that it has given away, or was told, and that is nobody else's business.
    pub confided: Vec<String>,
    /// The refresh tokens that are good.
    good: Vec<String>,
    count: usize,
}

/// An identity provider.
#[derive(Clone)]
pub struct Provider {
    pub address: SocketAddr,
    pub key: Arc<Key>,
    books: Arc<Mutex<Books>>,
}

impl Provider {
    pub async fn start() -> Provider {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let books = Books {
            claims: json!({"sub": "ann", "email": "ann@example.org", "groups": ["ops", "web"], "sid": "s1"}),
            away: false,
            refreshed: 0,
            reused: 0,
            codes: HashMap::new(),
            confided: Vec::new(),
            good: Vec::new(),
            count: 0,
        };
        let address = listener.local_addr().expect("bound");
        let provider = Provider { address, key: Arc::new(Key::ec()), books: Arc::new(Mutex::new(books)) };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no panic holds it")
    }

    /// A refresh token that is good.
    pub fn refresh_token(&self) -> String {
        let mut books = self.books();
        books.count += 1;
        let token = format!("a-refresh-token-{}", books.count);
        books.good.push(token.clone());
        books.confided.push(token.clone());
        token
    }

    /// A token with these claims beside issuer, audience and times.
    pub fn signed(&self, key: &Key, claims: &Value) -> String {
        let mut all = json!({"iss": self.issuer(), "aud": CLIENT, "iat": now(), "exp": now() + 300});
        merge(&mut all, claims);
        key.token(&json!({"alg": "ES256", "kid": "k1", "typ": "JWT"}), &all)
    }
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().expect("an object") {
        into[name] = value.clone();
    }
}

fn as_json(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

async fn discovery(State(provider): State<Provider>) -> Response {
    if provider.books().away {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let at = |path: &str| format!("{}/{path}", provider.issuer());
    as_json(&json!({
        "issuer": provider.issuer(), "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
        "jwks_uri": at("keys"), "end_session_endpoint": at("end"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn keys(State(provider): State<Provider>) -> Response {
    as_json(&json!({"keys": [provider.key.jwk("k1")]}))
}

async fn authorize(
    State(provider): State<Provider>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT));
    assert_eq!(asked["code_challenge_method"], "S256");
    assert!(asked["scope"].split(' ').any(|scope| scope == "openid"), "{}", asked["scope"]);
    let mut books = provider.books();
    books.count += 1;
    let code = format!("a-code-of-a-sign-in-{}", books.count);
    books.confided.push(code.clone());
    books.codes.insert(code.clone(), (asked["nonce"].clone(), asked["code_challenge"].clone()));
    let back = format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"]);
    (StatusCode::FOUND, [(header::LOCATION, back)]).into_response()
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(asked): Form<HashMap<String, String>>,
) -> Response {
    let given = headers.get("authorization").and_then(|given| given.to_str().ok()).unwrap_or_default();
    assert!(basics().iter().any(|basic| given == format!("Basic {basic}")), "{given}");
    if provider.books().away {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let nonce = match asked["grant_type"].as_str() {
        "authorization_code" => match exchanged(&provider, &asked) {
            Some(nonce) => Some(nonce),
            None => return invalid_grant(),
        },
        _ => {
            if !was_good(&provider, &asked["refresh_token"]) {
                return invalid_grant();
            }
            None
        }
    };
    let mut claims = provider.books().claims.clone();
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let id_token = provider.signed(&provider.key, &claims);
    provider.books().confided.extend([id_token.clone(), ACCESS.to_owned()]);
    as_json(&json!({
        "access_token": ACCESS, "token_type": "Bearer", "expires_in": 300, "id_token": id_token,
        "refresh_token": provider.refresh_token(),
    }))
}

/// The access token that everybody gets.
const ACCESS: &str = "an-access-token-for-userinfo";

/// What the server may say of itself: its id and secret, form-encoded before (RFC 6749, 2.3.1), or as they are.
pub fn basics() -> [String; 2] {
    [SECRET, SECRET_IN_FORM]
        .map(|secret| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{CLIENT}:{secret}")))
}

/// The nonce of the sign-in that the code is for.
fn exchanged(provider: &Provider, asked: &HashMap<String, String>) -> Option<String> {
    let (nonce, challenge) = provider.books().codes.remove(&asked["code"])?;
    provider.books().confided.push(asked["code_verifier"].clone());
    let digest = ring::digest::digest(&ring::digest::SHA256, asked["code_verifier"].as_bytes());
    (encode(digest) == challenge).then_some(nonce)
}

fn was_good(provider: &Provider, token: &str) -> bool {
    let mut books = provider.books();
    let before = books.good.len();
    books.good.retain(|good| good != token);
    let was_good = books.good.len() < before;
    if was_good {
        books.refreshed += 1;
    } else {
        books.reused += 1;
        books.good.clear();
    }
    was_good
}

fn invalid_grant() -> Response {
    (StatusCode::BAD_REQUEST, as_json(&json!({"error": "invalid_grant"}))).into_response()
}

/// What a server keeps on disk: keys, and what has ended.
pub struct Disk {
    dir: TempDir,
}

impl Disk {
    pub fn new() -> Disk {
        let disk = Disk { dir: tempfile::tempdir().expect("a directory") };
        for name in ["old", "new"] {
            std::fs::write(disk.key(name), format!("{name} key of more than thirty-two bytes .."))
                .expect("written");
        }
        disk
    }

    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A server that signs browsers in with this provider.
pub fn signing_in(provider: &Provider, disk: &Disk) -> Config {
    let mut config = crate::house::config();
    config.server.public_url = Some(PUBLIC_URL.parse().expect("an origin"));
    config.server.hosts = ["127.0.0.1", "localhost"].map(|host| host.parse().expect("a host")).into();
    config.auth.mode = AuthMode::Oidc;
    config.auth.oidc.issuer = provider.issuer();
    config.auth.oidc.client_id = CLIENT.into();
    config.auth.oidc.client_secret = Some(SECRET.into());
    config.auth.session.keys = vec![disk.key("old")];
    config.state.dir = Some(disk.dir.path().join("state"));
    config
}

/// A session of ann's that was refreshed some time ago.
pub fn session(id: u128, refresh_token: &str, due: u64, by: u64) -> Session {
    let refresh = Refresh { due, by, generation: 0, token: refresh_token.into() };
    Session {
        reference: SessionRef { id, began: now() - 100, until: now() + 3600, provider: None },
        subject: "ann".into(),
        email: "".into(),
        groups: [].into(),
        idle: None,
        refresh: Some(refresh),
    }
}

/// A browser.
#[derive(Clone)]
pub struct Browser {
    pub address: SocketAddr,
    /// Its cookies.
    pub jar: Vec<(String, String)>,
}

impl Browser {
    pub fn new(address: SocketAddr) -> Browser {
        Browser { address, jar: Vec::new() }
    }

    /// A browser that has this session, as a server with these settings would have given it.
    pub fn with(address: SocketAddr, config: &Config, session: &Session) -> Browser {
        let seals = Seals::read(&config.auth.session.keys).expect("keys");
        let manner = Manner { secure: true };
        let cookies = SessionCookies::new(seals, &config.auth.session, manner, config.server.head_bytes);
        let mut browser = Browser::new(address);
        for line in &cookies.set(session, 0, now()).expect("fits") {
            browser.take(line);
        }
        browser
    }

    fn take(&mut self, line: &str) {
        let (name, rest) = line.split_once('=').expect("a pair");
        let (value, attributes) = rest.split_once(';').expect("attributes");
        for needed in ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"] {
            assert!(attributes.contains(needed), "{line}");
        }
        assert!(name.starts_with("__Host-") && !attributes.contains("Domain"), "{line}");
        self.jar.retain(|(known, _)| known != name);
        if !attributes.contains("Max-Age=0") {
            self.jar.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The `Cookie` header's value.
    pub fn cookie(&self) -> String {
        let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let cookie = self.cookie();
        let headers = [headers, &[("Cookie", cookie.as_str())]].concat();
        let answer = tab::get(self.address, path, &headers).await;
        for (_, line) in answer.head.headers.iter().filter(|(name, _)| name == "set-cookie") {
            self.take(line);
        }
        answer
    }

    /// To the provider, and with its answer's path and query back.
    pub async fn visit_provider(&mut self, provider: &Provider, login: &str) -> String {
        let out = self.get(login).await;
        assert_eq!(out.head.status, 302, "{}", out.text());
        let path = location(&out);
        let path = path.strip_prefix(&provider.issuer()).expect("to the provider");
        let back = location(&tab::get(provider.address, path, &[]).await);
        back.strip_prefix(PUBLIC_URL).expect("back to the server").to_owned()
    }

    /// Signs in, and returns the callback's answer.
    pub async fn sign_in(&mut self, provider: &Provider) -> Answer {
        let back = self.visit_provider(provider, "/api/auth/login").await;
        self.get(&back).await
    }
}

/// Where an answer sends a browser.
pub fn location(answer: &Answer) -> String {
    answer.head.header("location").unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}
