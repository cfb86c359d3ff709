//! What a server told before something was the matter and while it was, put before the rules by promtool.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use foretop::config::Config;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::house::wire::Stream;
use crate::house::{House, eventually, pod, watch};
use crate::prom::Promtool;
use crate::{at_root, tab};

/// What a server told before something was the matter, and while it was.
pub struct Scraped {
    pub before: String,
    pub after: String,
}

pub async fn scrape(house: &House) -> String {
    scrape_at(house.managed()).await
}

pub async fn scrape_at(managed: SocketAddr) -> String {
    tab::get(managed, "/metrics", &[]).await.text()
}

/// A server's figures, with its fault planted after the first of two looks; at the second all of these have grown.
pub async fn planted<F: Future<Output = ()>>(house: &House, plant: F, shows: &[&str]) -> Scraped {
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
pub fn value_sum(text: &str, series: &str) -> f64 {
    samples(text).into_iter().filter(|(name, _)| name.starts_with(series)).map(|(_, value)| value).sum()
}

fn is_counted(series: &str) -> bool {
    let name = series.split('{').next().unwrap_or(series);
    ["_total", "_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix))
}

/// A test of the rules: ten minutes of what was told before; then an hour and a half in which levels are as they were while the fault stood, and counts grow by as
/// much in each minute as they did by the fault. What is not told any more is gone. `expected` fire at these minutes, and nothing before.
fn rule_test(scraped: &Scraped, expected: &[&str], at: &str) -> String {
    let (before, after) = (samples(&scraped.before), samples(&scraped.after));
    let mut test =
        "rule_files: [foretop.yaml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n"
            .to_owned();
    for (series, now) in &after {
        let then = before.get(series).copied();
        let first = then.map_or_else(|| "_x9".to_owned(), |then| format!("{then}+0x9"));
        // The time of a thread that has ended is told no more.
        let step = if is_counted(series) { (now - then.unwrap_or(0.0)).max(0.0) } else { 0.0 };
        writeln!(test, "      - {{series: '{series}', values: '{first} {now}+{step}x90'}}")
            .expect("a String");
    }
    for (series, then) in before.iter().filter(|(series, _)| !after.contains_key(*series)) {
        writeln!(test, "      - {{series: '{series}', values: '{then}+0x9 stale'}}").expect("a String");
    }
    let firing = r#"group by (alertname) (ALERTS{alertstate="firing"})"#;
    let samples: Vec<String> =
        expected.iter().map(|alert| format!("{{labels: '{{alertname=\"{alert}\"}}', value: 1}}")).collect();
    for (at, samples) in [("9m", String::new()), (at, samples.join(", "))] {
        let at_first = if at == "9m" { "    promql_expr_test:\n" } else { "" };
        writeln!(
            test,
            "{at_first}      - expr: {firing}\n        eval_time: {at}\n        exp_samples: [{samples}]"
        )
        .expect("a String");
    }
    test
}

/// Fails the test unless these alerts fire on it, and no others: three quarters of an hour after it was planted.
pub fn fires(promtool: &Promtool, scraped: &Scraped, expected: &[&str]) {
    fires_at(promtool, scraped, expected, "58m");
}

/// The same as late as that.
pub fn fires_at(promtool: &Promtool, scraped: &Scraped, expected: &[&str], at: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(at_root("deploy/alerts/foretop.yaml"), folder.path().join("foretop.yaml")).expect("a copy");
    std::fs::write(folder.path().join("test.yaml"), rule_test(scraped, expected, at)).expect("a file");
    let (good, said) = promtool.within(folder.path(), &["test", "rules", "test.yaml"]);
    assert!(good, "{expected:?}: {said}");
}

/// A server that is ready, with a stream of pods.
pub async fn watched(config: &Config) -> (House, Stream) {
    let house = House::small_with(config).await;
    house.warm("pods").await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    eventually("readiness", async || value_sum(&scrape(&house).await, "foretop_ready") > 0.0).await;
    (house, stream)
}

/// A pod that was created so long ago, by its apiserver's clock.
pub fn pod_of(namespace: &str, name: &str, phase: &str, age: Duration) -> Value {
    let created = Timestamp::now() - SignedDuration::try_from(age).expect("a short time");
    let mut pod = pod(namespace, name, phase);
    pod["metadata"]["creationTimestamp"] =
        Timestamp::from_second(created.as_second()).expect("a time").to_string().into();
    pod
}

/// A pod that has just been created.
pub fn young_pod(name: &str, phase: &str) -> Value {
    pod_of("team-x", name, phase, Duration::ZERO)
}
