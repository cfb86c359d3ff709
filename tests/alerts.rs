//! The alerts and the dashboard: each names metrics that there are, has its entry in the runbook, fires on what it is for and stays quiet otherwise;
//! some of it on a real cause, planted in a server that is scraped.

mod house;
mod issuer;
mod prom;
mod tab;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::sim::{Command, Fault};
use house::wire::Stream;
use house::{House, config, eventually, list, watch};
use prom::Promtool;

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(at_root(path)).expect("a file of the repository")
}

const TROUBLE: &str = "foretop_cluster_trouble_seconds";

/// The names of the alerts, in their order.
fn alerts() -> Vec<String> {
    let rules = read("deploy/alerts/foretop.yaml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let rules = read("deploy/alerts/foretop.yaml");
    prom::all_exist("deploy/alerts/foretop.yaml", &rules);
    prom::all_exist("deploy/alerts/foretop.test.yaml", &read("deploy/alerts/foretop.test.yaml"));
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/dashboards/foretop.json")).expect("JSON");
    let mut queries = String::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            prom::all_exist(panel["title"].as_str().expect("a title"), query);
            queries.push_str(query);
        }
    }
    assert!(queries.contains("foretop_streams"));
}

#[test]
fn each_alert_has_an_entry_in_the_runbook_and_a_test_of_its_own() {
    let (runbook, tests) = (read("docs/runbook.md"), read("deploy/alerts/foretop.test.yaml"));
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    let entries: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(entries, alerts, "the runbook's entries, in the rules' order");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} is not seen to fire");
    }
}

#[test]
fn each_alert_fires_on_what_it_is_for_and_stays_quiet_otherwise() {
    let Some(promtool) = Promtool::find() else { return };
    let folder = at_root("deploy/alerts");
    let (good, said) = promtool.within(&folder, &["check", "rules", "foretop.yaml"]);
    assert!(good, "{said}");
    let (good, said) = promtool.within(&folder, &["test", "rules", "foretop.test.yaml"]);
    assert!(good, "{said}");
}

/// What a server told before something was the matter, and while it was.
struct Scraped {
    before: String,
    after: String,
}

async fn scrape(house: &House) -> String {
    tab::get(house.managed(), "/metrics", &[]).await.text()
}

/// A server's figures, with its fault planted after the first of two looks; at the second all of these have grown.
async fn planted<F: Future<Output = ()>>(house: &House, plant: F, shows: &[&str]) -> Scraped {
    let before = scrape(house).await;
    plant.await;
    for series in shows {
        eventually(series, async || value_sum(&scrape(house).await, series) > value_sum(&before, series))
            .await;
    }
    Scraped { before, after: scrape(house).await }
}

/// The samples of a text, by series.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, value)| (series, value.parse().expect("a number")))
        .collect()
}

/// The sum of the samples whose series begin so.
fn value_sum(text: &str, series: &str) -> f64 {
    samples(text).into_iter().filter(|(name, _)| name.starts_with(series)).map(|(_, value)| value).sum()
}

fn is_counted(series: &str) -> bool {
    let name = series.split('{').next().unwrap_or(series);
    ["_total", "_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix))
}

/// A test of the rules: ten minutes of what was told before; then an hour in which levels are as they were while the fault stood, and counts grow by as
/// much in each minute as they did by the fault. `expected` fire at the end of it, and nothing before.
fn rule_test(scraped: &Scraped, expected: &[&str]) -> String {
    let (before, after) = (samples(&scraped.before), samples(&scraped.after));
    let mut test =
        "rule_files: [foretop.yaml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n"
            .to_owned();
    for (series, now) in &after {
        let then = before.get(series).copied();
        let first = then.map_or_else(|| "_x9".to_owned(), |then| format!("{then}+0x9"));
        // The time of a thread that has ended is told no more.
        let step = if is_counted(series) { (now - then.unwrap_or(0.0)).max(0.0) } else { 0.0 };
        writeln!(test, "      - {{series: '{series}', values: '{first} {now}+{step}x60'}}")
            .expect("a String");
    }
    let firing = r#"group by (alertname) (ALERTS{alertstate="firing"})"#;
    let samples: Vec<String> =
        expected.iter().map(|alert| format!("{{labels: '{{alertname=\"{alert}\"}}', value: 1}}")).collect();
    for (at, samples) in [("9m", String::new()), ("58m", samples.join(", "))] {
        let at_first = if at == "9m" { "    promql_expr_test:\n" } else { "" };
        writeln!(
            test,
            "{at_first}      - expr: {firing}\n        eval_time: {at}\n        exp_samples: [{samples}]"
        )
        .expect("a String");
    }
    test
}

fn fires(promtool: &Promtool, scraped: &Scraped, expected: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(at_root("deploy/alerts/foretop.yaml"), folder.path().join("foretop.yaml")).expect("a copy");
    std::fs::write(folder.path().join("test.yaml"), rule_test(scraped, expected)).expect("a file");
    let (good, said) = promtool.within(folder.path(), &["test", "rules", "test.yaml"]);
    assert!(good, "{expected:?}: {said}");
}

/// A server that is ready, with a stream of pods.
async fn watched(config: &Config) -> (House, Stream) {
    let house = House::small_with(config).await;
    house.warm("pods").await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    eventually("readiness", async || value_sum(&scrape(&house).await, "foretop_ready") > 0.0).await;
    (house, stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_goes_away_and_one_that_refuses_are_alerts() {
    let Some(promtool) = Promtool::find() else { return };
    let (house, _stream) = watched(&config()).await;
    let east = house.east();
    let lost = r#"foretop_upstream_requests_total{verb="watch",code="none"}"#;
    let away = planted(
        &house,
        async {
            east.command(Command::Refuse { seconds: None });
            east.command(Command::DropConnections);
        },
        &[lost, TROUBLE],
    )
    .await;
    fires(&promtool, &away, &["ForetopClusterAway", "ForetopUpstreamErrors"]);

    let (house, _stream) = watched(&config()).await;
    let east = house.east();
    let refused = planted(
        &house,
        async {
            east.faults().add(Fault::Forbidden.on("pods"));
            east.command(Command::DropConnections);
        },
        &[r#"foretop_feeds{state="forbidden"}"#],
    )
    .await;
    fires(&promtool, &refused, &["ForetopClusterRefuses"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_no_events_are_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let (house, _stream) = watched(&config()).await;
    let east = house.east();
    let mut garbage = planted(
        &house,
        async {
            east.faults().add(Fault::Garbage.on("pods"));
            east.command(Command::EndWatches { resource: None });
        },
        &["foretop_upstream_bad_lines_total"],
    )
    .await;
    eventually("the watch is mended", async || value_sum(&scrape(&house).await, TROUBLE) == 0.0).await;
    garbage.after = scrape(&house).await;
    fires(&promtool, &garbage, &["ForetopBadLines"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.streams.per_core = 1;
    config.server.cores = 1;
    let (house, _stream) = watched(&config).await;
    let full = planted(
        &house,
        async {
            let refused = tab::get(house.address(), &watch("pods"), &[]).await;
            assert_eq!(refused.head.status, 503);
        },
        &[r#"foretop_requests_refused_total{code="full"}"#],
    )
    .await;
    fires(&promtool, &full, &["ForetopFull"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_that_nobody_tells_of_are_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().unwrap()];
    config.authorization.mode = AuthorizationMode::Raw;
    let house = House::small_with(&config).await;
    eventually("readiness", async || value_sum(&scrape(&house).await, "foretop_ready") > 0.0).await;
    let unsaid = planted(
        &house,
        async {
            house.east().faults().add(Fault::Internal.on("subjectaccessreviews"));
            let headers = [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", "ops")];
            assert_eq!(tab::get(house.address(), &list("pods"), &headers).await.head.status, 503);
        },
        &[r#"foretop_access_questions_total{answer="unsaid"}"#],
    )
    .await;
    fires(&promtool, &unsaid, &["ForetopRightsUnanswered", "ForetopUpstreamErrors"]);
}

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
