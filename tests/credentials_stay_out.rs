//! Credentials stay out: what browsers, clients and the provider confide to the server (sessions, codes, tokens, keys) reaches no log, figure,
//! error, record, debug page or file, however it is misused.

mod house;
mod issuer;
mod provider;
mod tab;

use std::collections::BTreeSet;
use std::path::Path;

use foretop::sim::Cluster;
use house::process::Process;
use house::wire::{Stream, Wire};
use house::{EAST, cluster, eventually, list, watch};
use issuer::{Key, now};
use provider::{Browser, CLIENT, Disk, Provider, SECRET, SECRET_IN_FORM, basics, session, signing_in};
use serde_json::json;

const CLUSTERS: &str = "clusters:\n- {name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}\n";

/// A cluster's token.
const TOKEN: &str = "the-token-of-a-service-account";

fn settings(provider: &Provider, disk: &Disk) -> String {
    let issuer = provider.issuer();
    let (key, old, state) = (disk.key("new"), disk.key("old"), disk.key("state"));
    format!(
        "auth:\n  mode: oidc\n  oidc: {{issuer: \"{issuer}\", clientId: {CLIENT}, clientSecret: \"{SECRET}\"}}\n  \
         bearer: {{issuer: \"{issuer}\", audiences: [{CLIENT}], algorithms: [ES256]}}\n  session: {{keys: [{key:?}, {old:?}]}}\n\
         authorization: {{mode: shared}}\n\
         access: {{adminGroups: [ops]}}\n\
         server: {{listen: \"127.0.0.1:0\", cores: 2, publicUrl: \"https://foretop.example\", hosts: [127.0.0.1, localhost]}}\n\
         manage: {{listen: \"127.0.0.1:0\"}}\n\
         state: {{dir: {state:?}}}\n\
         audit: {{stdout: true, file: audit.jsonl}}\n\
         drain: {{lame: 0s, window: 0s}}\n\
         log: {{level: trace}}\n\
         clustersFile: clusters.yaml\n"
    )
}

/// What was confided to the server, and what it said to anybody but the browser whose it is.
#[derive(Default)]
struct Notes {
    secrets: BTreeSet<String>,
    answers: String,
}

impl Notes {
    /// A token counts as told where its claims or its signature are.
    fn secret(&mut self, text: &str) {
        self.secrets.extend(text.split('.').filter(|part| part.len() > 15).map(str::to_owned));
    }

    fn jar(&mut self, browser: &Browser) {
        for (_, value) in &browser.jar {
            self.secret(value);
        }
    }

    async fn get(&mut self, browser: &mut Browser, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.jar(browser);
        let answer = browser.get_with(path, headers).await;
        self.jar(browser);
        self.answers += &answer.text();
        answer.head.status
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confided_is_told_to_nobody() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let east = Cluster::start(cluster(EAST, 5)).await.expect("a simulated cluster");
    east.set_token(Some(TOKEN.into()));
    let files = [
        ("foretop.yaml", &*settings(&provider, &disk)),
        ("clusters.yaml", CLUSTERS),
        ("kubeconfig", &Cluster::kubeconfig(&[&east])),
    ];
    let process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    eventually("the provider is known", async || {
        tab::get(process.address, "/api/auth/login", &[]).await.head.status == 302
    })
    .await;
    let mut notes = Notes::default();
    for secret in [SECRET, SECRET_IN_FORM, TOKEN].into_iter().chain(basics().iter().map(|basic| &**basic)) {
        notes.secret(secret);
    }
    for name in ["old", "new"] {
        notes.secret(&std::fs::read_to_string(disk.key(name)).expect("a key"));
    }

    let mut ann = signs_in(&process, &provider, &mut notes).await;
    refreshes(&process, &provider, &disk, &mut notes).await;
    misuses_cookies(&ann, &mut notes).await;
    sends_tokens(&process, &provider, &ann, &mut notes).await;
    looks_around(&process, &mut ann, &mut notes).await;
    signs_out(&process, &provider, &mut ann, &mut notes).await;

    for confided in provider.books().confided.clone() {
        notes.secret(&confided);
    }
    let audit = process.read("audit.jsonl");
    assert!(["sign_in", "stream.opened"].iter().all(|event| audit.contains(event)), "{audit}");
    let kept = everything_in(&disk.key("state"));
    let log = process.terminate();
    assert!(log.contains("TRACE") && log.contains("stream.closed"), "the log was read");
    assert!(notes.secrets.len() > 25, "{} secrets", notes.secrets.len());
    for (what, text) in
        [("an answer", &notes.answers), ("the audit", &audit), ("the log", &log), ("the state", &kept)]
    {
        for secret in &notes.secrets {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{what} tells {secret:?}: {}", line.unwrap_or_default());
        }
    }
}

async fn signs_in(process: &Process, provider: &Provider, notes: &mut Notes) -> Browser {
    let mut ann = Browser::new(process.address);
    let back = ann.visit_provider(provider, "/api/auth/login?returnTo=/").await;
    let (_, state) = back.split_once("&state=").expect("a state");
    notes.secret(state);
    let (begun, mut mallory) = (ann.clone(), Browser::new(process.address));
    assert_eq!(notes.get(&mut mallory, &back, &[]).await, 400, "another browser's");
    assert_eq!(notes.get(&mut ann, &back, &[]).await, 302);
    assert_eq!(notes.get(&mut begun.clone(), &back, &[]).await, 502, "a code is good once");
    provider.books().away = true;
    notes.get(&mut begun.clone(), &back, &[]).await;
    provider.books().away = false;
    assert_eq!(notes.get(&mut ann, "/api/auth/whoami", &[]).await, 200);
    let mut rows =
        Stream::open(process.address, &watch("pods"), &format!("Cookie: {}\r\n", ann.cookie())).await;
    rows.events(1).await;
    notes.answers += &rows.text;
    ann
}

async fn refreshes(process: &Process, provider: &Provider, disk: &Disk, notes: &mut Notes) {
    let config = signing_in(provider, disk);
    let stale = |id: u128, token: &str| {
        Browser::with(process.address, &config, &session(id, token, now() - 1, now() + 600))
    };
    assert_eq!(notes.get(&mut stale(1, &provider.refresh_token()), "/api/auth/whoami", &[]).await, 200);
    assert_eq!(
        notes.get(&mut stale(2, "a-refresh-token-that-was-taken-back"), "/api/auth/whoami", &[]).await,
        401
    );
    notes.secret("a-refresh-token-that-was-taken-back");
    provider.books().away = true;
    notes.get(&mut stale(3, &provider.refresh_token()), "/api/auth/whoami", &[]).await;
    provider.books().away = false;
}

async fn misuses_cookies(ann: &Browser, notes: &mut Notes) {
    let (name, value) = ann.jar.iter().find(|(name, _)| name.contains("session")).expect("a session").clone();
    let mut changed = value.clone();
    changed.replace_range(20..24, "AAAA");
    for bad in [changed, value[..value.len() / 2].to_owned(), format!("{value}{value}"), value.repeat(30)] {
        let mut browser = ann.clone();
        browser.jar = vec![(name.clone(), bad)];
        for path in
            ["/api/auth/whoami".to_owned(), list("pods"), watch("pods"), "/api/auth/callback?code=x".into()]
        {
            let status = notes.get(&mut browser.clone(), &path, &[]).await;
            assert!((400..500).contains(&status), "{path}: {status}");
        }
    }
    // Where no cookie belongs.
    let misplaced = format!("/api/clusters/east/pods?session={value}&namespace={value}");
    notes.get(&mut ann.clone(), &misplaced, &[("Last-Event-ID", &*value), ("X-Request-Id", &*value)]).await;
}

async fn sends_tokens(process: &Process, provider: &Provider, ann: &Browser, notes: &mut Notes) {
    let claims = json!({"sub": "robot", "groups": ["ops"]});
    let good = provider.signed(&provider.key, &claims);
    let forged = provider.signed(&Key::ec(), &claims);
    let old = provider.signed(&provider.key, &json!({"sub": "robot", "exp": now() - 600}));
    let other = provider.signed(&provider.key, &json!({"sub": "robot", "aud": "another"}));
    let unsigned =
        provider.key.token(&json!({"alg": "none"}), &json!({"sub": "robot", "iss": provider.issuer()}));
    let nobody = Browser::new(process.address);
    for (token, status) in [(&good, 200), (&forged, 401), (&old, 401), (&other, 401), (&unsigned, 401)] {
        notes.secret(token);
        let bearer = format!("Bearer {token}");
        for path in ["/api/auth/whoami".to_owned(), list("pods")] {
            let found = notes.get(&mut nobody.clone(), &path, &[("Authorization", &*bearer)]).await;
            assert_eq!(found, status, "{path}");
        }
        let both = notes.get(&mut ann.clone(), &list("pods"), &[("Authorization", &*bearer)]).await;
        assert_eq!(both, 400, "a cookie and a token");
        let query = format!("{}?access_token={token}&token={token}", list("pods"));
        notes.get(&mut nobody.clone(), &query, &[]).await;
    }
}

async fn looks_around(process: &Process, ann: &mut Browser, notes: &mut Notes) {
    for path in
        ["/debug/streams", "/debug/feeds", "/debug/limits", "/api/clusters", "/api/features", "/nowhere"]
    {
        notes.get(ann, path, &[]).await;
    }
    let explain = "/api/access/explain?cluster=east&kind=pods&user=ann";
    assert_eq!(notes.get(ann, explain, &[]).await, 200);
    for path in ["/metrics", "/readyz", "/debug/threads", "/debug/memory"] {
        notes.answers += &tab::get(process.managed, path, &[]).await.text();
    }
    assert!(notes.answers.contains("foretop_streams"), "the pages were read");
}

async fn signs_out(process: &Process, provider: &Provider, ann: &mut Browser, notes: &mut Notes) {
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let token = provider.signed(&provider.key, &json!({"sub": "ann", "jti": "one", "events": event}));
    let forged = provider.signed(&Key::ec(), &json!({"sub": "ann", "jti": "two", "events": event}));
    for token in [&forged, &token] {
        notes.secret(token);
        let body = format!("logout_token={token}");
        let request = format!(
            "POST /api/auth/backchannel-logout HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        notes.answers += &Wire::with(process.address, request).await.answer().await.text();
    }
    eventually("she is signed out", async || ann.clone().get("/api/auth/whoami").await.head.status == 401)
        .await;
    notes.get(ann, "/api/auth/logout", &[]).await;
}

/// The text of all files of a folder.
fn everything_in(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let bytes = files.filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("a file"));
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}
