//! Signing in with a provider: out to it, back, and everything that can go wrong on the way.

mod house;
mod issuer;
mod provider;
mod tab;

use house::{EAST, House, eventually, list};
use provider::{Browser, Disk, Provider, location, signing_in};
use serde_json::json;

/// A server before one small cluster, once its provider is known.
async fn house(provider: &Provider, disk: &Disk) -> House {
    let house = House::small_with(&signing_in(provider, disk)).await;
    ready(&house).await;
    house
}

async fn ready(house: &House) {
    eventually("the provider is known", async || {
        tab::get(house.address(), "/api/auth/login", &[]).await.head.status == 302
    })
    .await;
}

fn code(answer: &tab::Answer) -> (u16, String) {
    (answer.head.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

const JSON: (&str, &str) = ("Accept", "application/json");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_signs_in_and_is_known() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let house = house(&provider, &disk).await;
    let mut browser = Browser::new(house.address());
    let back = browser.visit_provider(&provider, "/api/auth/login?returnTo=/clusters/east/pods%3Fa=b").await;
    assert_eq!(browser.jar.len(), 1, "a cookie for the sign-in");
    let home = browser.get(&back).await;
    assert_eq!((home.head.status, location(&home).as_str()), (302, "/clusters/east/pods?a=b"));
    let names: Vec<&str> = browser.jar.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["__Host-foretop-session"], "and the sign-in's is gone");
    let who = browser.get("/api/auth/whoami").await.json();
    assert_eq!((who["subject"].as_str(), who["email"].as_str()), (Some("ann"), Some("ann@example.org")));
    assert_eq!((&who["groups"], &who["mode"]), (&json!(["ops", "web"]), &json!("oidc")));
    let left = who["expiresAt"].as_u64().expect("a time") - issuer::now();
    assert!((8 * 3600 - 60..=8 * 3600).contains(&left), "{left}");
    assert_eq!(browser.get(&list("pods")).await.head.status, 200);
    let how = tab::get(house.address(), "/api/auth/config", &[]).await.text();
    assert_eq!(how, "{\"authMode\":\"oidc\",\"providerName\":\"OIDC\"}\n");
    let again = browser.get("/api/auth/callback?code=x&state=y").await;
    assert_eq!((again.head.status, location(&again).as_str()), (302, "/"), "who is signed in just goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_lead_to_the_sign_in_and_nothing_else_does() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let house = house(&provider, &disk).await;
    for (path, to) in
        [("/", "%2F"), (&*list("pods"), "%2Fapi%2Fclusters%2Feast%2Fpods"), ("/a?b=c", "%2Fa%3Fb%3Dc")]
    {
        let mut browser = Browser::new(house.address());
        let page = browser.get_with(path, &[("Accept", "text/html,*/*;q=0.8")]).await;
        assert_eq!(
            (page.head.status, location(&page)),
            (302, format!("/api/auth/login?returnTo={to}")),
            "{EAST}"
        );
        assert_eq!(browser.get(path).await.head.status, 401);
        assert_eq!(code(&browser.get_with(path, &[JSON]).await), (401, "unauthenticated".into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replayed_mixed_up_or_refused_signs_nobody_in() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let house = house(&provider, &disk).await;
    let mut ann = Browser::new(house.address());
    let back = ann.visit_provider(&provider, "/api/auth/login").await;
    let before = ann.clone();
    let mut mallory = Browser::new(house.address());
    assert_eq!(
        code(&mallory.get_with(&back, &[JSON]).await),
        (400, "sign_in_not_begun".into()),
        "another browser"
    );
    let other = mallory.visit_provider(&provider, "/api/auth/login").await;
    let (_, state) = other.split_once("&state=").expect("a state");
    let (with_code, _) = back.split_once("&state=").expect("a state");
    let mixed = format!("{with_code}&state={state}");
    assert_eq!(
        code(&mallory.clone().get_with(&mixed, &[JSON]).await),
        (502, "exchange_failed".into()),
        "ann's code with mallory's state: the verifier is another one"
    );
    let again = ann.visit_provider(&provider, "/api/auth/login").await;
    assert_eq!(ann.get(&again).await.head.status, 302);
    let mut copy = before.clone();
    assert_eq!(code(&copy.get_with(&back, &[JSON]).await).0, 502, "a code is good once");
    for (query, expected) in [
        (format!("error=access_denied&state={state}"), (401, "refused_by_provider")),
        (format!("state={state}"), (400, "no_code")),
        ("code=x&state=made-up".to_owned(), (400, "sign_in_not_begun")),
        ("code=x".to_owned(), (400, "sign_in_not_begun")),
    ] {
        let answer = mallory.clone().get_with(&format!("/api/auth/callback?{query}"), &[JSON]).await;
        assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{query}");
    }
    let page = mallory.get(&format!("/api/auth/callback?error=%3Cscript%3E&state={state}")).await;
    assert!(page.text().contains("&lt;script&gt;") && !page.text().contains("<script"), "{}", page.text());
    assert!(!mallory.jar.iter().any(|(name, _)| name.contains("session")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_no_allowed_group_is_not_let_in() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let mut config = signing_in(&provider, &disk);
    config.authorization.allowed_groups = vec!["admins".into()];
    let house = House::small_with(&config).await;
    ready(&house).await;
    let mut browser = Browser::new(house.address());
    let answer = browser.sign_in(&provider).await;
    assert_eq!(answer.head.status, 403, "{}", answer.text());
    assert!(browser.jar.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_groups_are_a_clear_error() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    let house = house(&provider, &disk).await;
    let some: Vec<String> = (0..150).map(|number| format!("a-group-with-a-name-{number:016}")).collect();
    provider.books().claims["groups"] = json!(some);
    let mut browser = Browser::new(house.address());
    assert_eq!(browser.sign_in(&provider).await.head.status, 302);
    assert!(browser.jar.len() > 1, "over several cookies");
    assert_eq!(browser.get("/api/auth/whoami").await.json()["groups"], json!(some));
    let many: Vec<String> = (0..1500).map(|number| format!("a-group-with-a-name-{number:016}")).collect();
    provider.books().claims["groups"] = json!(many);
    let answer = Browser::new(house.address()).sign_in(&provider).await;
    assert!(answer.head.status == 403 && answer.text().contains("1500 groups"), "{}", answer.text());
    provider.books().claims = json!({"sub": "ann", "_claim_names": {"groups": "src1"}});
    let answer = Browser::new(house.address()).sign_in(&provider).await;
    assert!(answer.head.status == 403 && answer.text().contains("too many"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_without_its_provider() {
    let (provider, disk) = (Provider::start().await, Disk::new());
    provider.books().away = true;
    let house = House::small_with(&signing_in(&provider, &disk)).await;
    let mut browser = Browser::new(house.address());
    assert_eq!(
        code(&browser.get_with("/api/auth/login", &[JSON]).await),
        (503, "provider_unavailable".into())
    );
    assert_eq!(tab::get(house.address(), "/healthz", &[]).await.head.status, 200);
    provider.books().away = false;
    ready(&house).await;
    assert_eq!(browser.sign_in(&provider).await.head.status, 302);
}
