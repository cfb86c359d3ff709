//! Causes in Foretop itself: gone, not ready, short of memory or descriptors, on epoll, unable to write its audit or to get keys.

use std::net::SocketAddr;
use std::time::Duration;

use foretop::config::AuthMode;
use foretop::sim::Cluster;
use rustix::process::{Resource, Rlimit, prlimit};

use crate::house::process::Process;
use crate::house::tls::Authority;
use crate::house::wire::{Stream, Wire};
use crate::house::{EAST, House, cluster, config, eventually, list, watch};
use crate::prom::Promtool;
use crate::scraped::{Scraped, fires, fires_at, planted, scrape, scrape_at, value_sum, watched, young_pod};
use crate::{issuer, tab};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_on_a_full_disk_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.audit.file = Some("/dev/full".into());
    let (house, _stream) = watched(&config).await;
    let lost = planted(
        &house,
        async {
            let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
            stream.events(1).await;
        },
        &[r#"foretop_audit_records_total{outcome="lost"}"#],
    )
    .await;
    fires(&promtool, &lost, &["ForetopAuditLost"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_without_keys_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let issuer = issuer::Issuer::start(&[]).await;
    issuer.away.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut config = config();
    config.auth.mode = AuthMode::Bearer;
    config.auth.bearer.issuer = issuer.name();
    config.auth.bearer.audiences = vec!["foretop".into()];
    config.feeds.wait = Duration::from_secs(1);
    let house = House::small_with(&config).await;
    eventually("readiness", async || value_sum(&scrape(&house).await, "foretop_ready") > 0.0).await;
    let without = planted(&house, async {
        let header = serde_json::json!({"alg": "ES256", "kid": "k"});
        let claims = serde_json::json!({
            "iss": issuer.name(), "aud": "foretop", "sub": "ann", "iat": issuer::now(), "exp": issuer::now() + 600,
        });
        let token = issuer::Key::ec().token(&header, &claims);
        let headers = [("Authorization", &*format!("Bearer {token}"))];
        assert_eq!(tab::get(house.address(), &list("pods"), &headers).await.head.status, 503);
    }, &[r#"foretop_requests_refused_total{code="no_keys"}"#])
    .await;
    fires(&promtool, &without, &["ForetopNoKeys"]);
}

/// The binary before a cluster, ready, with this in its environment.
async fn process(east: &Cluster, environment: Option<(&str, &str)>) -> Process {
    let kubeconfig = Cluster::kubeconfig(&[east]);
    let clusters = "clusters: [{name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}]\n";
    let settings =
        "auth: {mode: dev}\nserver: {listen: \"127.0.0.1:0\", cores: 1}\nclustersFile: clusters.yaml\n";
    let files = [("foretop.yaml", settings), ("clusters.yaml", clusters), ("kubeconfig", &*kubeconfig)];
    let arguments = ["serve", "--config", "foretop.yaml"];
    let process = Process::prepared(&arguments, &files, |command| {
        command.envs(environment);
    });
    eventually("readiness", async || is_ready(process.managed).await).await;
    process
}

async fn is_ready(managed: SocketAddr) -> bool {
    value_sum(&scrape_at(managed).await, "foretop_ready") > 0.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_any_more_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let east = Cluster::start(cluster(EAST, 5)).await.expect("a simulated cluster");
    let process = process(&east, None).await;
    let (managed, before) = (process.managed, scrape_at(process.managed).await);
    // It is killed.
    drop(process);
    assert!(tab::try_get(managed, "/metrics", &[]).await.is_err());
    fires(&promtool, &Scraped { before, after: String::new() }, &["ForetopAbsent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drains_for_too_long_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.drain.lame = Duration::from_hours(1);
    let (house, _stream) = watched(&config).await;
    let before = scrape(&house).await;
    let lame = tokio::time::timeout(Duration::from_millis(1), house.server.drain());
    assert!(lame.await.is_err(), "it is lame for an hour");
    fires(&promtool, &Scraped { before, after: scrape(&house).await }, &["ForetopNotReady"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_that_is_nearly_spent_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.memory.limit = Some(1 << 20);
    let (house, _stream) = watched(&config).await;
    let is_near = |figures: &str| {
        value_sum(figures, "foretop_memory_bytes") > 0.9 * value_sum(figures, "foretop_memory_limit_bytes")
    };
    let before = scrape(&house).await;
    assert!(!is_near(&before), "{before}");
    let (mut after, mut number) = (before.clone(), 0);
    while !is_near(&after) {
        for _ in 0..100 {
            number += 1;
            house.east().put("pods", young_pod(&format!("one-of-many-{number}"), "Running")).expect("a pod");
        }
        let rows = async || value_sum(&scrape(&house).await, "foretop_feed_rows");
        eventually("they are there", async || rows().await >= f64::from(20 + number)).await;
        after = scrape(&house).await;
    }
    fires(&promtool, &Scraped { before, after }, &["ForetopMemoryNearCeiling"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_that_are_nearly_used_up_are_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let east = Cluster::start(cluster(EAST, 5)).await.expect("a simulated cluster");
    let process = process(&east, None).await;
    let before = scrape_at(process.managed).await;
    let few = value_sum(&before, "process_open_fds") + 50.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let limit = Rlimit { current: Some(few as u64), maximum: Some(few as u64) };
    prlimit(Some(process.pid()), Resource::Nofile, limit).expect("a limit of a child's");
    let mut idle = Vec::new();
    for _ in 0..46 {
        idle.push(Wire::connect(process.address).await);
    }
    let is_near = async || value_sum(&scrape_at(process.managed).await, "process_open_fds") > 0.9 * few;
    eventually("they are open", is_near).await;
    let after = scrape_at(process.managed).await;
    fires(&promtool, &Scraped { before, after }, &["ForetopDescriptorsNearLimit"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_has_renewed_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let (mut config, authority) = (config(), Authority::new());
    authority.serves(&mut config);
    let (house, _stream) = watched(&config).await;
    let ends_in = |figures: &str| value_sum(figures, r#"foretop_certificate_seconds_left{of="server"}"#);
    let before = scrape(&house).await;
    assert!(ends_in(&before) > 0.0, "{before}");
    authority.write(&authority.signs_expired(&["localhost"]));
    eventually("it is taken up", async || ends_in(&scrape(&house).await) < 0.0).await;
    // Whatever this test runs on: as late as that the other alert fires too.
    let figures = |text: String| text.replace(r#"{driver="epoll"}"#, r#"{driver="io_uring"}"#);
    let scraped = Scraped { before: figures(before), after: figures(scrape(&house).await) };
    fires_at(&promtool, &scraped, &["ForetopCertificateEnds"], "88m");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_io_uring_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let east = Cluster::start(cluster(EAST, 5)).await.expect("a simulated cluster");
    let on_epoll = process(&east, Some(("MONOIO_FORCE_LEGACY_DRIVER", "1"))).await;
    let after = scrape_at(on_epoll.managed).await;
    // Before it there was another, which had io_uring, wherever this test runs.
    let before = after.replace(r#"foretop_driver{driver="epoll"}"#, r#"foretop_driver{driver="io_uring"}"#);
    fires_at(&promtool, &Scraped { before, after }, &["ForetopOnEpoll"], "88m");
}
