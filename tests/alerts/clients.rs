//! Causes that clients bring: more streams, connections and resumes than there is room for, and sockets that take nothing.

use crate::house::wire::{Stream, Wire};
use crate::house::{EAST, config, eventually, watch};
use crate::prom::Promtool;
use crate::scraped::{fires, planted, scrape, value_sum, watched, young_pod};
use crate::tab::{self, Open, Tab};

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
async fn more_connections_than_one_address_may_have_are_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.server.connections_per_address = 10;
    let (house, _stream) = watched(&config).await;
    let mut flood = Vec::new();
    let turned_away = planted(
        &house,
        async {
            for _ in 0..100 {
                flood.push(Wire::connect_from([127, 0, 0, 2], house.address()).await);
            }
            let away =
                async || value_sum(&scrape(&house).await, "foretop_connections_turned_away_total") > 70.0;
            eventually("most are turned away", away).await;
        },
        &["foretop_connections_turned_away_total"],
    )
    .await;
    fires(&promtool, &turned_away, &["ForetopConnectionsTurnedAway"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_asks_for_more_than_they_may_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.streams.per_user = 1;
    let (house, _stream) = watched(&config).await;
    let refused = planted(
        &house,
        async {
            for _ in 0..10 {
                assert_eq!(tab::get(house.address(), &watch("pods"), &[]).await.head.status, 429);
            }
        },
        &[r#"foretop_requests_refused_total{code="too_many_streams"}"#],
    )
    .await;
    fires(&promtool, &refused, &["ForetopUserLimits"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_that_come_back_to_a_journal_that_is_too_short_are_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.streams.per_user = 0;
    let (house, _stream) = watched(&config).await;
    let anew = planted(
        &house,
        async {
            for _ in 0..20 {
                let mut stream = Stream::open(house.address(), &watch("pods"), "Last-Event-ID: 1\r\n").await;
                stream.events(1).await;
            }
        },
        &[r#"foretop_resumes_total{outcome="too_old"}"#],
    )
    .await;
    fires(&promtool, &anew, &["ForetopSnapshotsForResumes"]);
}

/// Streams that are not up to date, over all cores.
fn behind(figures: &str) -> f64 {
    let is_late = |line: &&str| {
        line.starts_with("foretop_streams{")
            && ["behind", "catching_up"].iter().any(|state| line.contains(state))
    };
    let lines = figures.lines().filter(is_late);
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_take_nothing_are_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let mut config = config();
    config.streams.per_user = 0;
    config.streams.lag = 64 * 1024;
    let (house, _stream) = watched(&config).await;
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None).receive_buffer(4096)).await;
        tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
        slow.push(tab);
    }
    let behind = planted(
        &house,
        async {
            while behind(&scrape(&house).await) < 50.0 {
                for number in 0..200 {
                    let phase = if number % 2 == 0 { "Running" } else { "Pending" };
                    house.east().put("pods", young_pod(&"long".repeat(60), phase)).expect("a pod");
                }
            }
        },
        &[],
    )
    .await;
    fires(&promtool, &behind, &["ForetopStreamsBehind"]);
}
