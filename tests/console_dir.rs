//! A front end of others: its files, its routes, and nothing beside them.

mod house;
mod tab;

use std::os::unix::fs::symlink;
use std::path::Path;

use foretop::config::{AuthMode, Config};
use foretop::serve::{ServeError, Server};
use house::wire::{Wire, get as request};
use house::{House, config};
use tab::Answer;
use tempfile::TempDir;

const PAGE: &str = "<!doctype html><title>theirs</title><script>theme()</script><script src=\"/assets/index-D3x9_aQ1.js\"></script>";

/// A front end as bundlers write it, with what does not belong into one beside it.
fn front_end() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    write("dist/index.html", PAGE);
    write("dist/assets/index-D3x9_aQ1.js", "export {}");
    write("dist/assets/style.css", "p {}");
    write("dist/logo.svg", "<svg/>");
    write("dist/.env", "planted-secret");
    write("dist/.git/config", "planted-secret");
    write("dist/with space.txt", "a blank");
    write("beside.txt", "planted-secret");
    let dist = dir.path().join("dist");
    symlink(dir.path().join("beside.txt"), dist.join("link.txt")).expect("a link");
    symlink(dir.path(), dist.join("up")).expect("a link");
    dir
}

fn with(dir: &Path) -> Config {
    let mut config = config();
    config.console.dir = Some(dir.join("dist"));
    config
}

async fn ask(house: &House, path: &str) -> Answer {
    tab::get(house.address(), path, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_with_their_types_and_hashed_ones_for_ever() {
    let dir = front_end();
    let house = House::small_with(&with(dir.path())).await;
    for (path, content_type, caching, body) in [
        ("/", "text/html; charset=utf-8", "no-cache", PAGE),
        ("/index.html", "text/html; charset=utf-8", "no-cache", PAGE),
        (
            "/assets/index-D3x9_aQ1.js",
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
            "export {}",
        ),
        ("/assets/style.css", "text/css; charset=utf-8", "no-cache", "p {}"),
        ("/logo.svg?v=1", "image/svg+xml", "no-cache", "<svg/>"),
        ("/with%20space.txt", "text/plain; charset=utf-8", "no-cache", "a blank"),
    ] {
        let answer = ask(&house, path).await;
        assert_eq!((answer.head.status, answer.text().as_str()), (200, body), "{path}");
        assert_eq!(answer.head.header("content-type"), Some(content_type), "{path}");
        assert_eq!(answer.head.header("cache-control"), Some(caching), "{path}");
        assert_eq!(answer.head.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.head.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains("default-src 'self'; script-src 'self' 'sha256-")
                && !policy.contains("script-src 'self' 'unsafe"),
            "{policy}"
        );
        let etag = answer.head.header("etag").expect("an ETag").to_owned();
        let again = tab::get(house.address(), path, &[("If-None-Match", &etag)]).await;
        assert_eq!((again.head.status, again.body.len()), (304, 0), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_routes_get_its_page_and_the_servers_stay_the_servers() {
    let dir = front_end();
    let house = House::small_with(&with(dir.path())).await;
    for route in [
        "/clusters/east/pods",
        "/clusters/east/pods/team-a/web",
        "/login",
        "/clusters/10.0.0.1/overview",
        "/a.b.c",
    ] {
        let answer = ask(&house, route).await;
        assert_eq!((answer.head.status, answer.text().as_str()), (200, PAGE), "{route}");
    }
    for missing in
        ["/assets/gone-D3x9_aQ1.js", "/favicon.ico", "/api/nowhere", "/api", "/metrics", "/debug/nowhere"]
    {
        let answer = ask(&house, missing).await;
        assert_eq!((answer.head.status, answer.text().as_str()), (404, "404 page not found\n"), "{missing}");
    }
    assert_eq!(ask(&house, "/healthz").await.text(), "ok");
    assert_eq!(ask(&house, "/api/clusters").await.head.header("content-type"), Some("application/json"));
    let lines = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    let post = request("/login", lines).replacen("GET", "POST", 1) + "{}";
    let answer = Wire::with(house.address(), post).await.answer().await;
    assert_eq!((answer.head.status, answer.head.header("allow")), (405, Some("GET, HEAD")));
    let head = request("/logo.svg", "").replacen("GET", "HEAD", 1);
    let answer = Wire::with(house.address(), head).await.answer_to_head().await;
    assert_eq!((answer.head.status, answer.head.header("content-length")), (200, Some("6")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leads_out_of_the_directory() {
    let dir = front_end();
    let house = House::small_with(&with(dir.path())).await;
    for path in [
        "/../beside.txt",
        "/%2e%2e/beside.txt",
        "/..%2fbeside.txt",
        "/assets/../../beside.txt",
        "/assets/..%5c..%5cbeside.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/link.txt",
        "/up/beside.txt",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/index.html%00.txt",
        "/%ff",
    ] {
        let answer = Wire::with(house.address(), request(path, "")).await.answer().await;
        let text = answer.text();
        assert!(
            matches!(answer.head.status, 404 | 400) || text == PAGE,
            "{path}: {} {text}",
            answer.head.status
        );
        assert!(!text.contains("planted-secret") && !text.contains("root:"), "{path}: {text}");
    }
    for path in ["/link.txt", "/up/beside.txt", "/.env", "/.git/config", "/../beside.txt"] {
        assert_eq!(
            Wire::with(house.address(), request(path, "")).await.answer().await.head.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_are_public_and_what_they_show_is_not() {
    let dir = front_end();
    let mut config = with(dir.path());
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    let house = House::small_with(&config).await;
    assert_eq!(ask(&house, "/").await.text(), PAGE);
    for api in ["/api/fleet", "/api/clusters/east/dashboard", "/api/clusters/east/pods/a/b", "/api/nowhere"] {
        assert_eq!(ask(&house, api).await.head.status, 401, "{api}");
    }
    let elsewhere = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let elsewhere = Wire::with(house.address(), elsewhere).await.answer().await;
    assert_eq!(elsewhere.head.status, 421, "another host's front end it is not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_of_ones_own_wins_and_a_bad_directory_is_told_at_the_start() {
    let dir = front_end();
    let mut settings = with(dir.path());
    settings.console.policy = "default-src https:".into();
    let house = House::small_with(&settings).await;
    assert_eq!(ask(&house, "/").await.head.header("content-security-policy"), Some("default-src https:"));
    let start = |config: &Config| match Server::start(config, Vec::new()) {
        Err(ServeError::Console(error)) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it starts"),
    };
    settings.console.policy = "two\nlines".into();
    assert!(start(&settings).contains("contentSecurityPolicy"));
    settings.console.dir = Some(dir.path().join("dist/assets"));
    assert!(start(&settings).contains("holds no index.html"));
    settings.console.dir = Some(dir.path().join("nowhere"));
    assert!(start(&settings).contains("cannot read"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_no_console_the_front_says_so() {
    let house = House::small().await;
    let front = ask(&house, "/").await;
    assert_eq!(front.head.status, 404);
    assert_eq!(front.head.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(front.text().contains("This server has no console (console.builtIn)"), "{}", front.text());
    let policy = front.head.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let to_a_program = tab::get(house.address(), "/", &[("Accept", "application/json")]).await;
    assert_eq!(to_a_program.head.status, 404);
    assert!(to_a_program.text().contains("\"code\":\"not_found\""), "{}", to_a_program.text());
    assert_eq!(
        ask(&house, "/clusters/east/pods").await.head.status,
        404,
        "there are no routes of a front end"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_that_is_built_in_is_whole() {
    let mut settings = config();
    settings.console.built_in = true;
    let house = House::small_with(&settings).await;
    let front = ask(&house, "/").await;
    if !foretop::api::console::built_in::is_there() {
        assert!(front.text().contains("built without the console"), "{}", front.text());
        return;
    }
    assert_eq!((front.head.status, front.head.header("cache-control")), (200, Some("no-cache")));
    let policy = front.head.header("content-security-policy").expect("a policy");
    assert!(policy.contains("script-src 'self'; style-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = front.text();
    let script =
        page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(".js")).expect("a script");
    let plain = ask(&house, script).await;
    assert_eq!(plain.head.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let small = tab::get(house.address(), script, &[("Accept-Encoding", "gzip, br")]).await;
    assert_eq!(
        (small.head.header("content-encoding"), small.head.header("vary")),
        (Some("br"), Some("Accept-Encoding"))
    );
    assert!(small.body.len() * 2 < plain.body.len(), "{} of {} bytes", small.body.len(), plain.body.len());
    assert_ne!(small.head.header("etag"), plain.head.header("etag"));
    let worker = ask(&house, "/foretop-worker-v1.js").await;
    assert_eq!((worker.head.status, worker.head.header("cache-control")), (200, Some("no-cache")));
    let nowhere = ask(&house, "/assets/nothing.js").await;
    assert_eq!(nowhere.head.status, 404, "{}", nowhere.text());
}
