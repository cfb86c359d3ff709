//! `docs/metrics.md` says what the code says; and what the server tells is what is on the page, in a form that Prometheus finds nothing wrong with.
//!
//! `FORETOP_BLESS=1` writes the page's tables anew.

mod house;
mod prom;
mod tab;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use foretop::api::metrics;
use foretop::config::AuthMode;
use house::wire::Stream;
use house::{House, config, watch};

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")
}

#[test]
fn the_page_has_the_tables_of_the_code() {
    let page_now = std::fs::read_to_string(page()).expect("the page");
    let begin = page_now.find("<!-- metrics:begin").expect("a begin marker");
    let begin = begin + page_now[begin..].find("-->\n").expect("the marker's end") + "-->\n".len();
    let end = page_now.find("<!-- metrics:end -->").expect("an end marker");
    let right = format!("{}{}\n{}", &page_now[..begin], metrics::page(), &page_now[end..]);
    if std::env::var_os("FORETOP_BLESS").is_some() {
        std::fs::write(page(), right).expect("the page is written");
        return;
    }
    assert!(page_now == right, "docs/metrics.md is not what the code says: FORETOP_BLESS=1 writes it");
}

#[test]
fn queries_on_the_page_name_metrics_that_there_are() {
    let text = std::fs::read_to_string(page()).expect("the page");
    let queries = text.split("<!-- metrics:begin").next().expect("the part before the tables");
    prom::all_exist("docs/metrics.md", queries);
}

/// A server with a stream, and a user whose rights were asked for.
async fn busy_house() -> (House, Stream) {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().unwrap()];
    let house = House::small_with(&config).await;
    let lines = "X-Forwarded-User: ann\r\nX-Forwarded-Groups: ops\r\n";
    let mut stream = Stream::open(house.address(), &watch("pods"), lines).await;
    stream.events(1).await;
    (house, stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_what_is_on_the_page() {
    let (house, _stream) = busy_house().await;
    let text = tab::get(house.managed(), "/metrics", &[]).await.text();
    let told: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    let named: BTreeSet<String> = metrics::names().collect();
    assert_eq!(told, named.iter().map(String::as_str).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_asker_gets_the_format_that_it_reads() {
    let house = House::small().await;
    let open = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")];
    for (headers, kind, end) in
        [(&open[..], "application/openmetrics-text", true), (&[], "text/plain; version=0.0.4", false)]
    {
        let answer = tab::get(house.managed(), "/metrics", headers).await;
        assert!(answer.head.header("content-type").expect("a type").starts_with(kind));
        assert_eq!(answer.text().ends_with("# EOF\n"), end, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_finds_nothing_wrong_with_it() {
    let Some(promtool) = prom::Promtool::find() else { return };
    let (house, _stream) = busy_house().await;
    let text = tab::get(house.managed(), "/metrics", &[]).await.text();
    let (good, said) = promtool.with_input(&["check", "metrics"], &text);
    assert!(good, "{said}");
}
