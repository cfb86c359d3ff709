//! Requests that a browser was talked into: under a name that was bent to our address, or by another site's page. And pages of listed origins,
//! which may ask.

mod house;
mod tab;

use foretop::config::Config;
use house::wire::{Stream, Wire};
use house::{House, config, list, watch};
use tab::Answer;

const PORTAL: &str = "https://portal.example";

/// A server that the world knows as `https://foretop.example`, and a portal's pages may ask.
fn public() -> Config {
    let mut config = config();
    config.server.public_url = Some("https://foretop.example".parse().expect("an origin"));
    config.cors.allowed_origins = vec![PORTAL.parse().expect("an origin")];
    config
}

/// The answer to a request of these lines, the first being `METHOD TARGET`.
async fn ask(house: &House, lines: &[&str]) -> Answer {
    let (first, rest) = lines.split_first().expect("a request line");
    let rest: String = rest.iter().map(|line| format!("{line}\r\n")).collect();
    let mut wire = Wire::with(house.address(), format!("{first} HTTP/1.1\r\n{rest}\r\n")).await;
    if first.starts_with("HEAD") { wire.answer_to_head().await } else { wire.answer().await }
}

/// What is refused there, and why.
async fn refusal(house: &House, lines: &[&str]) -> (u16, String) {
    let mut lines = lines.to_vec();
    lines.push("Accept: application/json");
    let answer = ask(house, &lines).await;
    for header in ["access-control-allow-origin", "access-control-allow-credentials"] {
        assert_eq!(answer.head.header(header), None, "{lines:?}");
    }
    let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    (answer.head.status, code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_bent_to_our_address_is_421() {
    let house = House::small().await;
    for path in [list("pods"), watch("pods"), "/api/features".into(), "/api/auth/config".into(), "/".into()] {
        let get = format!("GET {path}");
        for host in ["rebound.example", "10.0.0.1", "localhost.example", "127.1"] {
            let refused = refusal(&house, &[&get, &format!("Host: {host}")]).await;
            assert_eq!(refused, (421, "wrong_host".into()), "{path} {host}");
        }
        let absolute = format!("GET http://rebound.example{path}");
        assert_eq!(refusal(&house, &[&absolute, "Host: localhost"]).await.0, 421, "{path}");
        assert_eq!(refusal(&house, &[&get, "Host: a@localhost"]).await.0, 400, "{path}");
    }
    for host in ["localhost", "LOCALHOST.:1234", "127.0.0.1", "[::1]:8080"] {
        let answer = ask(&house, &[&format!("GET {}", list("pods")), &format!("Host: {host}")]).await;
        assert_eq!(answer.head.status, 200, "{host}");
    }
    for probe in ["/healthz", "/readyz"] {
        let answer = ask(&house, &[&format!("GET {probe}"), "Host: 10.244.1.7:8080"]).await;
        assert_eq!(answer.head.status, 200, "a kubelet asks by the pod's address");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_public_url_it_is_the_name() {
    let house = House::small_with(&public()).await;
    for path in [list("pods"), "/api/features".into()] {
        let get = format!("GET {path}");
        assert_eq!(ask(&house, &[&get, "Host: foretop.example"]).await.head.status, 200);
        assert_eq!(refusal(&house, &[&get, "Host: localhost"]).await.0, 421, "{path}");
        let no_host = Wire::with(house.address(), format!("{get} HTTP/1.0\r\n\r\n")).await.answer().await;
        assert_eq!(no_host.head.status, 200, "no browser sends that, and it comes from this machine");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_sites_page_is_403() {
    let house = House::small_with(&public()).await;
    let foreign = [
        &["Origin: https://evil.example"][..],
        &["Origin: null"],
        &["Origin: http://foretop.example", "Sec-Fetch-Site: same-site"],
        &["Origin: https://a.foretop.example", "Sec-Fetch-Site: same-site"],
        &["Origin: https://portal.example.evil", "Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"],
        &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
        &["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
    ];
    for path in [list("pods"), watch("pods"), "/api/clusters".into(), "/debug/streams".into()] {
        for method in ["GET", "POST", "OPTIONS"] {
            for lines in foreign {
                let first = format!("{method} {path}");
                let lines = [&[&first, "Host: foretop.example"], lines].concat();
                assert_eq!(refusal(&house, &lines).await, (403, "cross_site".into()), "{lines:?}");
            }
        }
    }
    assert!(house.server.cores.iter().all(|core| core.counters.opened.get() == 0), "no stream was opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_to_pages_and_to_the_sign_in_only() {
    let house = House::small_with(&public()).await;
    let link = [
        "Host: foretop.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: document",
    ];
    for page in ["/", "/clusters/east/pods", "/api/auth/login", "/api/auth/callback?code=x&state=y"] {
        let get = format!("GET {page}");
        assert_ne!(ask(&house, &[&[&*get], &link[..]].concat()).await.head.status, 403, "{page}");
    }
    for route in [list("pods"), watch("pods"), "/api/clusters".into(), "/debug/streams".into()] {
        let get = format!("GET {route}");
        assert_eq!(refusal(&house, &[&[&*get], &link[..]].concat()).await.0, 403, "{route}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_origin_may_ask_and_read() {
    let house = House::small_with(&public()).await;
    let portal = ["Host: foretop.example", "Origin: https://portal.example", "Sec-Fetch-Site: cross-site"];
    for path in [list("pods"), "/api/features".into(), "/api/clusters/nowhere/pods".into(), "/nowhere".into()]
    {
        let answer = ask(&house, &[&[&*format!("GET {path}")], &portal[..]].concat()).await;
        assert_eq!(answer.head.header("access-control-allow-origin"), Some(PORTAL), "{path}");
        assert_eq!(answer.head.header("access-control-allow-credentials"), Some("true"), "{path}");
        assert!(answer.head.headers.contains(&("vary".into(), "Origin".into())), "{path}");
    }
    let lines = "Origin: https://portal.example\r\n";
    let request = format!("GET {} HTTP/1.1\r\nHost: foretop.example\r\n{lines}\r\n", watch("pods"));
    let wire = Wire::with(house.address(), request).await;
    let mut stream = Stream::on(wire, tab::http::Version::Http11).await;
    assert_eq!(stream.head.header("access-control-allow-origin"), Some(PORTAL));
    assert_eq!(stream.events(1).await[0].name, "snapshot");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_its_own_page_names_no_origin_but_says_that_it_could_differ() {
    let house = House::small_with(&public()).await;
    for path in [list("pods"), "/api/features".into()] {
        for own in [&["Origin: https://foretop.example"][..], &[]] {
            let get = format!("GET {path}");
            let answer = ask(&house, &[&[&*get, "Host: foretop.example"], own].concat()).await;
            assert_eq!((answer.head.status, answer.head.header("access-control-allow-origin")), (200, None));
            assert!(answer.head.headers.contains(&("vary".into(), "Origin".into())), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_is_answered_to_listed_origins_only() {
    let house = House::small_with(&public()).await;
    for path in [list("pods"), watch("pods"), "/api/clusters/east/can-i".into()] {
        let first = format!("OPTIONS {path}");
        let lines = [&*first, "Host: foretop.example", "Access-Control-Request-Method: POST"];
        let answer = ask(&house, &[&lines[..], &["Origin: https://portal.example"]].concat()).await;
        assert_eq!((answer.head.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.head.header("access-control-allow-origin"), Some(PORTAL));
        let may_send = answer.head.header("access-control-allow-headers").expect("a list");
        assert!(may_send.contains("Last-Event-ID") && may_send.contains("Content-Type"), "{may_send}");
        let foreign = [&lines[..], &["Origin: https://evil.example"]].concat();
        assert_eq!(refusal(&house, &foreign).await, (403, "cross_site".into()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_something_must_call_itself_json() {
    let house = House::small().await;
    for path in ["/api/features", "/api/clusters", "/nowhere"] {
        for media in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; x=application/json",
            "application/jsonx",
        ] {
            let lines = [
                &*format!("POST {path}"),
                "Host: localhost",
                &format!("Content-Type: {media}"),
                "Content-Length: 0",
            ];
            assert_eq!(refusal(&house, &lines).await, (415, "not_json".into()), "{path} {media}");
        }
        let lines = [
            &*format!("POST {path}"),
            "Host: localhost",
            "Content-Type: Application/JSON; charset=utf-8",
            "Content-Length: 0",
        ];
        assert_ne!(ask(&house, &lines).await.head.status, 415, "{path}");
    }
}
