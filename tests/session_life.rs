//! A session's life: refreshed once for all tabs, ended by its user, by its provider or by time, wherever its cookie was copied to.

mod house;
mod issuer;
mod provider;
mod tab;

use std::collections::HashSet;

use house::wire::{Stream, Wire};
use house::{House, eventually, watch};
use issuer::{Key, now};
use provider::{Browser, Disk, Provider, location, session, signing_in};
use serde_json::{Value, json};

struct Scene {
    provider: Provider,
    disk: Disk,
    house: House,
}

impl Scene {
    async fn new() -> Scene {
        let (provider, disk) = (Provider::start().await, Disk::new());
        let house = House::small_with(&signing_in(&provider, &disk)).await;
        eventually("the provider is known", async || {
            tab::get(house.address(), "/api/auth/login", &[]).await.head.status == 302
        })
        .await;
        Scene { provider, disk, house }
    }

    fn config(&self) -> foretop::config::Config {
        signing_in(&self.provider, &self.disk)
    }

    /// A browser with a session whose turn to be refreshed has come.
    fn stale(&self, id: u128, token: &str) -> Browser {
        let session = session(id, token, now() - 1, now() + 600);
        Browser::with(self.house.address(), &self.config(), &session)
    }

    async fn signed_in(&self) -> Browser {
        let mut browser = Browser::new(self.house.address());
        assert_eq!(browser.sign_in(&self.provider).await.head.status, 302);
        browser
    }

    /// A live stream of this browser's, which has its rows.
    async fn stream(&self, browser: &Browser) -> Stream {
        let mut stream =
            Stream::open(self.house.address(), &watch("pods"), &format!("Cookie: {}\r\n", browser.cookie()))
                .await;
        assert_eq!(stream.head.status, 200);
        stream.events(1).await;
        stream
    }

    async fn post_logout_token(&self, token: &str) -> tab::Answer {
        self.post_logout("application/x-www-form-urlencoded", &format!("logout_token={token}")).await
    }

    async fn post_logout(&self, content_type: &str, body: &str) -> tab::Answer {
        let request = format!(
            "POST /api/auth/backchannel-logout HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Wire::with(self.house.address(), &request).await.answer().await
    }
}

async fn ends_with_auth_expired(mut stream: Stream) {
    let events = stream.until_end().await;
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("auth_expired"), "{}", stream.text);
}

async fn is_known(browser: &mut Browser) -> bool {
    browser.get("/api/auth/whoami").await.head.status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_tabs_refresh_a_session_once() {
    let scene = Scene::new().await;
    let browser = scene.stale(1, &scene.provider.refresh_token());
    let tabs: Vec<_> = (0..20)
        .map(|number| {
            let mut tab = browser.clone();
            let path = if number % 2 == 0 { "/api/auth/whoami".to_owned() } else { house::list("pods") };
            tokio::spawn(async move {
                let answer = tab.get(&path).await;
                assert_eq!(answer.head.status, 200, "{path}: {}", answer.text());
                tab
            })
        })
        .collect();
    let mut after = Vec::new();
    for tab in tabs {
        after.push(tab.await.expect("a tab"));
    }
    assert_eq!(scene.provider.books().refreshed, 1);
    assert_eq!(scene.provider.books().reused, 0);
    let mut tags = HashSet::new();
    for mut tab in after {
        let who = tab.get("/api/auth/whoami").await.json();
        assert_eq!(who["groups"], json!(["ops", "web"]), "as the provider says them now");
        tags.insert(who["sessionTag"].to_string());
    }
    assert_eq!(tags.len(), 1, "it is one session: {tags:?}");
    assert_eq!(scene.provider.books().refreshed, 1, "each tab has the new session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_opened_by_a_session_that_has_to_be_refreshed() {
    let scene = Scene::new().await;
    let browser = scene.stale(1, &scene.provider.refresh_token());
    let stream = scene.stream(&browser).await;
    assert!(stream.head.header("set-cookie").is_some_and(|line| line.starts_with("__Host-foretop-session=")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_ends_a_session_no_sooner_than_it_must() {
    let scene = Scene::new().await;
    scene.provider.books().away = true;
    assert!(is_known(&mut scene.stale(1, &scene.provider.refresh_token())).await);
    let session = session(2, "any", now() - 100, now() - 1);
    let mut late = Browser::with(scene.house.address(), &scene.config(), &session);
    assert!(!is_known(&mut late).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_refuses_to_refresh_ends_the_session_and_its_streams() {
    let scene = Scene::new().await;
    let fresh = session(3, "no such token", now() + 600, now() + 1200);
    let stream = scene.stream(&Browser::with(scene.house.address(), &scene.config(), &fresh)).await;
    assert!(!is_known(&mut scene.stale(3, "no such token")).await);
    ends_with_auth_expired(stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_ends_streams_and_copies_of_the_cookie_even_after_a_restart() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let mut other = scene.signed_in().await;
    let (stream, mut copy) = (scene.stream(&browser).await, browser.clone());
    let asked = browser
        .get_with(
            "/api/auth/logout",
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "navigate"),
                ("Sec-Fetch-Dest", "document"),
            ],
        )
        .await;
    assert!(asked.head.status == 200 && asked.text().contains("Sign out?"), "{}", asked.text());
    assert!(is_known(&mut browser).await, "another site's link only asks");
    let answer = browser.get("/api/auth/logout").await;
    assert_eq!((answer.head.status, location(&answer).as_str()), (302, "/"));
    assert!(browser.jar.is_empty());
    ends_with_auth_expired(stream).await;
    assert!(!is_known(&mut copy).await);
    assert!(is_known(&mut other).await, "another session of the same user goes on");
    let Scene { provider, disk, house } = scene;
    drop(house);
    let house = House::small_with(&signing_in(&provider, &disk)).await;
    (copy.address, other.address) = (house.address(), house.address());
    assert!(!is_known(&mut copy).await, "after a restart");
    assert!(is_known(&mut other).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everywhere_is_everywhere() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let mut other = scene.signed_in().await;
    let stream = scene.stream(&other).await;
    let answer = browser.get("/api/auth/logout/everywhere").await;
    let to = location(&answer);
    assert!(to.starts_with(&format!("{}/end?", scene.provider.issuer())), "{to}");
    assert!(to.contains("client_id=foretop") && to.contains("post_logout_redirect_uri="), "{to}");
    ends_with_auth_expired(stream).await;
    assert!(!is_known(&mut other).await);
    assert!(is_known(&mut scene.signed_in().await).await, "and one may sign in again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_providers_word_ends_what_it_names_once() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let stream = scene.stream(&browser).await;
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let claims = |changes: Value| {
        let mut claims = json!({"sub": "ann", "sid": "s1", "jti": "j1", "events": event});
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims
    };
    let signed = |claims: &Value| scene.provider.signed(&scene.provider.key, claims);
    for (why, token) in [
        ("another key", scene.provider.signed(&Key::ec(), &claims(json!({})))),
        ("another audience", signed(&claims(json!({"aud": "other"})))),
        ("another issuer", signed(&claims(json!({"iss": "https://other.example"})))),
        ("too old", signed(&claims(json!({"iat": now() - 3600, "exp": now() - 3000})))),
        ("an ID token", signed(&claims(json!({"events": null})))),
        ("nothing", String::new()),
    ] {
        assert_eq!(scene.post_logout_token(&token).await.head.status, 400, "{why}");
    }
    // What is no such form is answered as the standard has it (Back-Channel Logout 1.0, 2.8).
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", ""),
        ("application/x-www-form-urlencoded", "token=a"),
        ("application/json", r#"{"logout_token":"a"}"#),
    ] {
        let answer = scene.post_logout(content_type, body).await;
        assert_eq!((answer.head.status, &answer.json()["error"]), (400, &json!("invalid_request")), "{body}");
        assert_eq!(answer.head.header("cache-control"), Some("no-store"));
    }
    assert!(is_known(&mut browser).await);
    let token = signed(&claims(json!({})));
    assert_eq!(scene.post_logout_token(&token).await.head.status, 200);
    ends_with_auth_expired(stream).await;
    assert!(!is_known(&mut browser).await);
    assert_eq!(scene.post_logout_token(&token).await.head.status, 400, "a token is taken once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_without_signing_anybody_out() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let mut config = scene.config();
    config.auth.session.keys = vec![scene.disk.key("new"), scene.disk.key("old")];
    let both = House::small_with(&config).await;
    browser.address = both.address();
    assert!(is_known(&mut browser).await);
    config.auth.session.keys.pop();
    let new = House::small_with(&config).await;
    browser.address = new.address();
    assert!(!is_known(&mut browser).await, "another deployment's key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_ends_a_session_and_its_streams() {
    let scene = Scene::new().await;
    let mut session = session(9, "any", now() + 600, now() + 1200);
    session.reference.until = now() + 3;
    let browser = Browser::with(scene.house.address(), &scene.config(), &session);
    ends_with_auth_expired(scene.stream(&browser).await).await;
    eventually("its end", async || !is_known(&mut browser.clone()).await).await;
}
