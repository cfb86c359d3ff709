//! `foretop doctor`: each fault that is planted is named, with what mends it; what is well is said to be; no secret is told.

mod front;
mod house;
mod issuer;
mod tab;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foretop::cluster::ClusterSpec;
use foretop::config::{AccessUpstream, AuthMode, AuthorizationMode, Config};
use foretop::doctor::{Finding, Report, Verdict, Visit, examine};
use foretop::sim::{AccessRule, AccessTable, Cluster, Fault};
use front::{Manner, front};
use house::process::run;
use house::tls::Authority;
use house::{EAST, House, cluster, config};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Settings under which little is wrong with the machine of a test.
fn settings() -> Config {
    let mut config = config();
    config.memory.limit = Some(64 << 20);
    config.streams.per_core = 100;
    config.server.connections_per_core = 100;
    config.streams.heartbeat = Duration::from_secs(1);
    config
}

fn visit(config: &Config, clusters: Vec<ClusterSpec>) -> Visit {
    Visit {
        config: Arc::new(config.clone()),
        clusters: clusters.into_iter().map(Arc::new).collect(),
        url: None,
        headers: Vec::new(),
        authorities: None,
    }
}

async fn east() -> Cluster {
    Cluster::start(cluster(EAST, 5)).await.expect("a simulated cluster starts")
}

/// A kubeconfig to a server, as this user.
fn spec(url: &str, user: &Value) -> ClusterSpec {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    ClusterSpec::from_kubeconfig_text(EAST, &kubeconfig.to_string(), None)
}

/// The one finding of this check that is not fine, which names all of these.
fn names(report: &Report, check: &str, verdict: Verdict, words: &[&str]) -> Finding {
    let found: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.check == check && finding.verdict == verdict)
        .collect();
    let named = found.iter().find(|finding| words.iter().all(|word| finding.to_string().contains(word)));
    let named = named.unwrap_or_else(|| panic!("no {check} with {words:?}:\n{report}"));
    assert!(named.fix.as_ref().is_some_and(|fix| !fix.is_empty()), "{named}");
    (*named).clone()
}

fn is_fine(report: &Report, check: &str) {
    let found: Vec<&Finding> = report.findings.iter().filter(|finding| finding.check == check).collect();
    assert!(!found.is_empty(), "no {check}:\n{report}");
    assert!(found.iter().all(|finding| finding.verdict == Verdict::Fine), "{check}:\n{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_well_is_said_to_be() {
    let house = House::small_with(&settings()).await;
    let mut visit = visit(&settings(), vec![ClusterSpec::from_url(EAST, &house.east().url())]);
    let through = front(house.server.address, Manner::Passing).await;
    visit.url = Some(format!("http://{through}").parse().expect("a URL"));
    let report = examine(&visit).await;
    for check in [
        "registry",
        "apiserver",
        "clock",
        "watch",
        "rights",
        "memory",
        "descriptors",
        "tls",
        "front",
        "stream",
    ] {
        is_fine(&report, check);
    }
    assert_eq!(report.errors, 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apiserver_that_is_not_there() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let report =
        examine(&visit(&settings(), vec![ClusterSpec::from_url(EAST, &format!("http://{closed}"))])).await;
    names(&report, "apiserver", Verdict::Broken, &["cluster east", "not reached", "firewalls"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubeconfig_that_is_not_there() {
    let mut spec = ClusterSpec::new(EAST, foretop::cluster::Backend::Kubeconfig);
    spec.kubeconfig_path = Some("/no/such/kubeconfig".into());
    let report = examine(&visit(&settings(), vec![spec])).await;
    names(&report, "apiserver", Verdict::Broken, &["/no/such/kubeconfig", "mend the kubeconfig"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_refused() {
    let east = east().await;
    east.faults().add(Fault::Unauthorized);
    let token = "a-token-of-nobody";
    let report = examine(&visit(&settings(), vec![spec(&east.url(), &json!({"token": token}))])).await;
    names(&report, "apiserver", Verdict::Broken, &["401", "renew"]);
    assert!(!format!("{report}").contains(token));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exec_plugin_that_is_missing() {
    let east = east().await;
    let exec = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "no-such-authenticator",
    }});
    let report = examine(&visit(&settings(), vec![spec(&east.url(), &exec)])).await;
    names(&report, "exec plugin", Verdict::Broken, &["no-such-authenticator", "execPlugins"]);
}

/// A cluster in which the account may do everything but this.
async fn without(verb: &str, resource: &str) -> (Cluster, ClusterSpec) {
    let east = east().await;
    let rule = AccessRule {
        verb: Some(verb.into()),
        resource: Some(resource.into()),
        allow: false,
        ..AccessRule::default()
    };
    east.set_access(AccessTable { default: true, rules: vec![rule] });
    let spec = spec(&east.url(), &json!({"as": "foretop"}));
    (east, spec)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_that_are_missing_for_the_mode() {
    let mut config = settings();
    config.auth.mode = AuthMode::Header;
    config.authorization.mode = AuthorizationMode::Raw;
    let (_nodes, spec) = without("watch", "nodes").await;
    let report = examine(&visit(&config, vec![spec])).await;
    names(
        &report,
        "rights",
        Verdict::Broken,
        &["no right to watch nodes", "resources: [nodes], verbs: [watch]"],
    );

    let (_reviews, spec) = without("create", "subjectaccessreviews").await;
    let report = examine(&visit(&config, vec![spec.clone()])).await;
    names(&report, "rights", Verdict::Broken, &["create subjectaccessreviews", "nobody sees anything"]);
    config.authorization.mode = AuthorizationMode::Shared;
    is_fine(&examine(&visit(&config, vec![spec])).await, "rights");

    config.authorization.mode = AuthorizationMode::Raw;
    config.access.upstream = AccessUpstream::Impersonate;
    let (_groups, spec) = without("impersonate", "groups").await;
    let report = examine(&visit(&config, vec![spec])).await;
    names(
        &report,
        "rights",
        Verdict::Broken,
        &["no right to impersonate groups", "deploy/rbac/impersonate.yaml"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initial_events_that_an_apiserver_does_not_send() {
    let east = east().await;
    for fault in [Fault::GateOff, Fault::Etcd34, Fault::NoEndBookmark] {
        east.faults().clear();
        east.faults().add(fault);
        let report = examine(&visit(&settings(), vec![ClusterSpec::from_url(EAST, &east.url())])).await;
        names(&report, "watch", Verdict::Doubtful, &["WatchList"]);
        assert_eq!(report.errors, 0, "{fault:?}: {report}");
    }
}

/// Something that answers every request over HTTP/1.1 with this, and this date.
async fn answers(date: &'static str, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let _ = socket.read(&mut head).await;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_another() {
    let old = answers("Sun, 06 Nov 1994 08:49:37 GMT", r#"{"gitVersion":"v1.33.0"}"#).await;
    let report =
        examine(&visit(&settings(), vec![ClusterSpec::from_url(EAST, &format!("http://{old}"))])).await;
    names(&report, "clock", Verdict::Broken, &["ahead of the apiserver's", "NTP"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_that_is_no_apiserver() {
    let other = answers("Sun, 06 Nov 1994 08:49:37 GMT", "<html>").await;
    let report =
        examine(&visit(&settings(), vec![ClusterSpec::from_url(EAST, &format!("http://{other}"))])).await;
    names(&report, "apiserver", Verdict::Broken, &["no apiserver"]);
}

async fn stream_through(manner: Manner) -> Report {
    let house = House::small_with(&settings()).await;
    let mut visit = visit(&settings(), vec![ClusterSpec::from_url(EAST, &house.east().url())]);
    visit.url = Some(format!("http://{}", front(house.server.address, manner).await).parse().expect("a URL"));
    examine(&visit).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_buffers() {
    let report = stream_through(Manner::Buffering).await;
    names(&report, "stream", Verdict::Broken, &["holds it back", "proxy_buffering off"]);
    is_fine(&report, "front");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_cuts_what_is_quiet() {
    let report = stream_through(Manner::Cutting(Duration::from_millis(400))).await;
    names(&report, "stream", Verdict::Broken, &["it was cut after", "proxy_read_timeout"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_url_that_foretop_does_not_take_for_its_own() {
    let mut config = settings();
    config.server.public_url = Some("https://foretop.example".parse().expect("an origin"));
    let house = House::small_with(&config).await;
    let mut visit = visit(&config, vec![ClusterSpec::from_url(EAST, &house.east().url())]);
    visit.url = Some(format!("http://{}", house.server.address).parse().expect("a URL"));
    let report = examine(&visit).await;
    names(&report, "front", Verdict::Doubtful, &["publicUrl"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_have_expired_or_whom_nobody_trusts() {
    let authority = Authority::new();
    let mut config = settings();
    authority.serves(&mut config);
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let expired = params.self_signed(&key).expect("a certificate");
    std::fs::write(authority.path("tls.crt"), expired.pem()).expect("a file");
    std::fs::write(authority.path("tls.key"), key.serialize_pem()).expect("a file");
    let house = House::small_with(&config).await;
    let mut visit = visit(&config, Vec::new());
    let address = house.server.tls_address.expect("it speaks TLS");
    visit.url = Some(format!("https://localhost:{}", address.port()).parse().expect("a URL"));
    let report = examine(&visit).await;
    names(&report, "certificate", Verdict::Broken, &["has expired, on 2020-01-01"]);
    names(&report, "tls", Verdict::Broken, &["do not trust its certificate"]);

    let mut config = settings();
    authority.serves(&mut config);
    let house = House::small_with(&config).await;
    let address = house.server.tls_address.expect("it speaks TLS");
    visit.url = Some(format!("https://localhost:{}", address.port()).parse().expect("a URL"));
    names(&examine(&visit).await, "tls", Verdict::Broken, &["UnknownIssuer", "--ca-file"]);
    visit.authorities = Some(authority.path("ca.crt"));
    let report = examine(&visit).await;
    is_fine(&report, "tls");
    names(&report, "http", Verdict::Doubtful, &["six connections"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_provider_that_is_another_or_has_no_keys() {
    let issuer = issuer::Issuer::start(&[]).await;
    let mut config = settings();
    config.auth.mode = AuthMode::Bearer;
    config.auth.bearer.audiences = vec!["foretop".into()];
    config.auth.bearer.issuer = issuer.name();
    names(&examine(&visit(&config, Vec::new())).await, "identity", Verdict::Broken, &["none of its keys"]);
    issuer.serve(&[issuer::Key::ec().jwk("k")]);
    is_fine(&examine(&visit(&config, Vec::new())).await, "identity");
    config.auth.bearer.issuer = format!("{}/", issuer.name());
    names(
        &examine(&visit(&config, Vec::new())).await,
        "identity",
        Verdict::Broken,
        &["another issuer's", "last slash"],
    );
}

#[test]
fn memory_and_descriptors_that_are_too_few_for_the_settings() {
    let settings = "auth: {mode: dev}\nmemory: {limit: 4096GiB}\nserver: {cores: 64}\n";
    let (status, said) = run(&["doctor", "--config", "foretop.yaml"], &[("foretop.yaml", settings)]);
    assert_eq!(status.code(), Some(1), "{said}");
    for text in [
        "error   this machine (memory): `memory.limit` is 4194304 MiB",
        "warning this process (descriptors):",
        "fix: raise the limit",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
}

#[test]
fn mistakes_in_the_settings_are_findings_and_json_is_json() {
    let files = [("foretop.yaml", "auth: {mode: dev}\nstreams: {perUser: many}\n")];
    let (status, said) = run(&["doctor", "--config", "foretop.yaml", "--json"], &files);
    assert_eq!(status.code(), Some(1));
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(
        (&report["errors"], &report["findings"][0]["check"]),
        (&1.into(), &"settings".into()),
        "{said}"
    );
    assert!(report["findings"][0]["what"].as_str().expect("a text").contains("streams.perUser"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_signed_in_by_a_file_is_not_told_of() {
    let mut config = settings();
    config.auth.mode = AuthMode::Bearer;
    config.auth.bearer.audiences = vec!["foretop".into()];
    let issuer = issuer::Issuer::start(&[issuer::Key::ec().jwk("k")]).await;
    config.auth.bearer.issuer = issuer.name();
    let house = House::small_with(&config).await;
    let mut visit = visit(&config, vec![ClusterSpec::from_url(EAST, &house.east().url())]);
    visit.url = Some(format!("http://{}", house.server.address).parse().expect("a URL"));
    names(&examine(&visit).await, "stream", Verdict::Doubtful, &["nobody is signed in", "--header-file"]);
    let secret = "e30.e30.of-nobody";
    let value = format!("Bearer {secret}").parse().expect("a value");
    visit.headers = vec![(http::header::AUTHORIZATION, value)];
    let report = examine(&visit).await;
    names(&report, "stream", Verdict::Broken, &["401"]);
    assert!(!format!("{report}{:?}", report).contains(secret));
    let (status, said) = run(
        &["doctor", "--config", "foretop.yaml", "--url", "http://127.0.0.1:1", "--header-file", "headers"],
        &[("foretop.yaml", "auth: {mode: dev}\n"), ("headers", "this-is-a-secret\n")],
    );
    assert!(!status.success() && said.contains("headers") && !said.contains("this-is-a-secret"), "{said}");
}
