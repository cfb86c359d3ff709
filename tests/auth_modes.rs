//! Who the server thinks one is, in each mode; and the routes that a front end asks as it boots.

mod house;
mod tab;

use foretop::config::{AuthMode, Config};
use house::process::{Process, run};
use house::{EAST, House, WEST, cluster, config, list, watch};
use serde_json::Value;
use tab::Answer;

fn by_header(peers: &[&str]) -> Config {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = peers.iter().map(|peer| peer.parse().expect("a block")).collect();
    config
}

async fn ask(house: &House, path: &str, headers: &[(&str, &str)]) -> Answer {
    tab::get(house.address(), path, headers).await
}

#[test]
fn dev_refuses_to_let_everybody_in_from_afar() {
    let (status, said) = run(&["demo", "--clusters", "1", "--pods", "0", "--listen", "0.0.0.0:0"], &[]);
    assert!(!status.success() && said.contains("--insecure"), "{said}");
    let settings = "auth: {mode: dev}\nserver: {listen: \"0.0.0.0:0\"}\n";
    let (status, said) = run(&["serve", "--config", "foretop.yaml"], &[("foretop.yaml", settings)]);
    assert!(!status.success() && said.contains("--insecure"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_lets_everybody_in_from_afar_where_that_is_said() {
    let arguments = ["demo", "--clusters", "1", "--pods", "0", "--listen", "0.0.0.0:0", "--insecure"];
    let process = Process::start(&arguments, &[]);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], process.address.port()));
    assert_eq!(tab::get(address, "/api/auth/whoami", &[]).await.head.status, 200);
}

#[test]
fn a_mode_must_be_said_and_be_one() {
    for settings in ["server: {listen: \"127.0.0.1:0\"}\n", "auth: {mode: oicd}\n", "auth: {mode: header}\n"]
    {
        let (status, said) = run(&["serve", "--config", "foretop.yaml"], &[("foretop.yaml", settings)]);
        assert!(!status.success() && said.contains("auth."), "{settings}: {said}");
    }
}

/// What names the session, as `whoami` says.
fn tag(who: &Value) -> String {
    let tag = who["sessionTag"].as_str().expect("a tag");
    assert!(tag.len() == 16 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{tag}");
    tag.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_dev_everybody_is_the_dev_identity() {
    let house = House::small().await;
    for headers in [&[][..], &[("X-Forwarded-User", "ann"), ("Authorization", "Bearer x")]] {
        let answer = ask(&house, "/api/auth/whoami", headers).await;
        assert_eq!((answer.head.status, answer.head.header("content-type")), (200, Some("application/json")));
        let tag = tag(&answer.json());
        assert_eq!(
            answer.text(),
            format!(
                "{{\"subject\":\"dev@local\",\"email\":\"dev@local\",\"groups\":[\"dev\"],\"mode\":\"dev\",\
                 \"authzMode\":\"shared\",\"auditEnabled\":false,\"expiresAt\":0,\"sessionTag\":\"{tag}\"}}\n"
            )
        );
    }
    let short = ask(&house, "/api/whoami", &[]).await;
    assert_eq!(
        short.text(),
        "{\"actor\":\"dev@local\",\"auditEnabled\":false,\"auditScope\":\"self\",\"mode\":\"shared\",\"tier\":\"\"}\n"
    );
    let how = ask(&house, "/api/auth/config", &[]).await;
    assert_eq!(
        (how.text().as_str(), how.head.header("cache-control")),
        ("{\"authMode\":\"dev\"}\n", Some("no-cache"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_peer_says_who_asks() {
    let house = House::small_with(&by_header(&["127.0.0.0/8"])).await;
    let headers = [
        ("x-forwarded-user", "ann@example.org"),
        ("X-Forwarded-Groups", "ops, dev"),
        ("X-Forwarded-Groups", "web,"),
    ];
    let who = ask(&house, "/api/auth/whoami", &headers).await.json();
    assert_eq!(who["subject"], "ann@example.org");
    assert_eq!(who["groups"], serde_json::json!(["ops", "dev", "web"]));
    assert_eq!(who["mode"], "header");
    let alone = ask(&house, "/api/auth/whoami", &headers[..1]).await.json();
    assert_eq!(alone["groups"], serde_json::json!([]), "an array, whatever there is");
    let other = House::small_with(&by_header(&["127.0.0.0/8"])).await;
    let elsewhere = ask(&other, "/api/auth/whoami", &headers).await.json();
    assert_eq!(tag(&who), tag(&elsewhere), "on every replica");
    assert_ne!(tag(&who), tag(&alone), "with other groups one sees other rows");
    assert_eq!(ask(&house, &list("pods"), &headers).await.head.status, 200);
    assert_eq!(ask(&house, "/api/auth/config", &[]).await.json()["authMode"], "header");
}

/// Fails unless nothing but the public routes is answered.
async fn is_locked(house: &House, headers: &[(&str, &str)]) {
    for path in [
        list("pods"),
        watch("pods"),
        "/api/auth/whoami".into(),
        "/api/whoami".into(),
        "/api/features".into(),
        "/api/clusters".into(),
        "/debug/streams".into(),
        "/debug/feeds".into(),
        "/api/clusters/nowhere/pods".into(),
        "/nowhere".into(),
        "/".into(),
    ] {
        let answer = ask(house, &path, headers).await;
        assert_eq!((answer.head.status, answer.text().as_str()), (401, "unauthenticated\n"), "{path}");
        assert_eq!(answer.head.header("www-authenticate"), Some("Cookie realm=\"periscope\""), "{path}");
        assert_eq!(answer.head.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        let mut with_json = headers.to_vec();
        with_json.push(("Accept", "application/json"));
        let answer = ask(house, &path, &with_json).await;
        assert_eq!(
            (answer.head.status, answer.json()["error"]["code"].as_str()),
            (401, Some("unauthenticated"))
        );
    }
    for path in ["/healthz", "/api/auth/config"] {
        assert_eq!(ask(house, path, headers).await.head.status, 200, "{path}");
    }
    assert_eq!(ask(house, "/healthz", headers).await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untrusted_peer_says_nothing() {
    let house = House::small_with(&by_header(&["10.0.0.0/8", "::1"])).await;
    is_locked(&house, &[("X-Forwarded-User", "ann"), ("X-Forwarded-For", "10.0.0.1")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_peer_that_does_not_say_it_clearly_says_nothing() {
    let house = House::small_with(&by_header(&["127.0.0.1"])).await;
    is_locked(&house, &[]).await;
    is_locked(&house, &[("X-Forwarded-User", "")]).await;
    is_locked(&house, &[("X-Forwarded-User", "ann"), ("X-Forwarded-User", "bob")]).await;
    is_locked(&house, &[("X-Forwarded-Groups", "ops")]).await;
    is_locked(&house, &[("X-Forwarded-User", &"x".repeat(300))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_name_the_kinds_with_a_stream_in_the_registrys_order() {
    let house = House::small().await;
    let answer = ask(&house, "/api/features", &[]).await;
    let all =
        foretop::kind::all().iter().map(|kind| format!("\"{}\"", kind.name)).collect::<Vec<_>>().join(",");
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "{{\"channel\":\"stable\",\"commit\":\"unknown\",\"version\":\"{version}\",\"watchStreams\":[{all}]}}\n"
    );
    assert_eq!((answer.head.status, answer.text()), (200, expected));
    let mut config = config();
    config.watch.kinds.clear();
    let none = House::small_with(&config).await;
    assert!(ask(&none, "/api/features", &[]).await.text().ends_with("\"watchStreams\":[]}\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_are_told_in_the_registrys_order_without_credentials() {
    let house = House::start(&config(), vec![cluster(WEST, 0), cluster(EAST, 0)]).await;
    let answer = ask(&house, "/api/clusters", &[]).await;
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.text(),
        "{\"clusters\":[{\"name\":\"west\",\"backend\":\"kubeconfig\",\"execEnabled\":true},\
         {\"name\":\"east\",\"backend\":\"kubeconfig\",\"execEnabled\":true}]}\n"
    );
    let none = House::start(&config(), Vec::new()).await;
    assert_eq!(ask(&none, "/api/clusters", &[]).await.text(), "{\"clusters\":[]}\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_planes_routes_know_their_methods() {
    let house = House::small().await;
    for path in ["/api/features", "/api/clusters", "/api/auth/whoami", "/healthz"] {
        let request = house::wire::get(path, "Content-Type: application/json\r\n").replacen("GET", "POST", 1);
        let answer = house::wire::Wire::with(house.address(), &request).await.answer().await;
        assert_eq!((answer.head.status, answer.body.len()), (405, 0), "{path}");
        assert!(answer.head.header("allow").is_some_and(|allow| allow.contains("GET")), "{path}");
    }
    assert_eq!(ask(&house, &list("pods"), &[]).await.head.status, 200, "{EAST}");
}
