//! Causes at the clusters: away, refusing, unusable, late, not understood, silent about rights.

use std::sync::Arc;
use std::time::Duration;

use foretop::cluster::{Backend, ClusterSpec};
use foretop::config::{AuthMode, AuthorizationMode};
use foretop::sim::{Command, Fault};

use crate::house::{House, config, eventually, list};
use crate::prom::Promtool;
use crate::scraped::{fires, planted, pod_of, scrape, value_sum, watched};
use crate::tab;

const TROUBLE: &str = "foretop_cluster_trouble_seconds";

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
async fn a_kubeconfig_that_is_not_there_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let (house, _stream) = watched(&config()).await;
    let unusable = planted(
        &house,
        async {
            let mut west = ClusterSpec::new("west", Backend::Kubeconfig);
            west.kubeconfig_path = Some("/nowhere/kubeconfig".into());
            house.server.clusters.add(Arc::new(west));
        },
        &["foretop_clusters_unusable"],
    )
    .await;
    fires(&promtool, &unusable, &["ForetopClusterUnusable"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_clock_is_behind_is_an_alert() {
    let Some(promtool) = Promtool::find() else { return };
    let (house, _stream) = watched(&config()).await;
    let late = planted(
        &house,
        async {
            for number in 0..20 {
                let name = format!("late-{number}");
                house
                    .east()
                    .put("pods", pod_of("team-x", &name, "Running", Duration::from_mins(2)))
                    .expect("a pod");
            }
        },
        &["foretop_event_lateness_seconds_count"],
    )
    .await;
    fires(&promtool, &late, &["ForetopEventsLate"]);
}
