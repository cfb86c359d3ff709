//! `GET /api/fleet`: all clusters of a caller at a glance.
//!
//! A cluster is looked at where its feeds are held, or where their turn comes to be started; others read as unknown, and nothing is asked about
//! them. Clusters are looked at in any order, so that each has its turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::{Api, Asker, json, refuse, wants_json};
use super::demand::Rank;
use super::glance::{Glance, Seen, Starts, Unseen};
use super::tally::{Signal, Tally};
use super::version;
use crate::access;
use crate::cluster::ClusterSpec;
use crate::config::AuthorizationMode;
use crate::kind;
use crate::wire::refusal::Refusal;

/// Clusters that one request looks at at once.
const AT_ONCE: usize = 32;

/// How long each cluster's decisions and first syncs are waited for, and how long those of all are.
const PATIENCE: Duration = Duration::from_secs(2);
const PER_CLUSTER: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(8);

/// The kinds that a cluster is summed up from.
const KINDS: [&str; 3] = ["nodes", "pods", "namespaces"];

/// Their feeds.
const FEEDS: u32 = 3;

#[derive(Serialize)]
struct Fleet {
    rollup: Rollup,
    clusters: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rollup {
    total_clusters: usize,
    by_status: BTreeMap<&'static str, usize>,
    by_environment: BTreeMap<String, usize>,
    generated_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    backend: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    region: String,
    #[serde(rename = "accountID", skip_serializing_if = "String::is_empty")]
    account_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    environment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    status: &'static str,
    last_contact: Timestamp,
    #[serde(skip_serializing_if = "String::is_empty")]
    kubernetes_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
    hot_signals: Vec<Signal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Trouble>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    nodes: Nodes,
    pods: Pods,
    namespaces: usize,
    stuck_or_failed: usize,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Nodes {
    ready: usize,
    total: usize,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Pods {
    running: usize,
    pending: usize,
    failed: usize,
    total: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Trouble {
    code: &'static str,
    message: &'static str,
}

pub(in super::super) async fn fleet(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
) -> Response {
    let mapping = &api.access.mapping;
    if mapping.mode() == AuthorizationMode::Tier && mapping.tier_of(&asker.identity).is_none() {
        return without_tier();
    }
    match mapping.map(&asker.identity) {
        Ok(asks_as) => json(&looked_at(&api, &asker, &asks_as).await),
        Err(why) => refuse(why, wants_json(&headers)),
    }
}

/// The contract's text, which its front end has a page for.
fn without_tier() -> Response {
    let headers = [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ];
    let text = "tier_denied: your tier does not grant access to any clusters\n";
    let mut response = (StatusCode::FORBIDDEN, headers, text).into_response();
    response.extensions_mut().insert(Refusal::Denied);
    response
}

async fn looked_at(api: &Arc<Api>, asker: &Asker, asks_as: &access::Asker) -> Fleet {
    let specs = api.clusters.specs();
    let theirs: Vec<Arc<ClusterSpec>> =
        specs.into_iter().filter(|spec| api.access.admits(&asker.identity, &spec.name)).collect();
    let clusters = u32::try_from(theirs.len()).unwrap_or(u32::MAX);
    let until = Instant::now() + (PATIENCE + PER_CLUSTER.saturating_mul(clusters)).min(LONGEST);
    let mut order: Vec<usize> = (0..theirs.len()).collect();
    fastrand::shuffle(&mut order);
    let (places, mut looking) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for place in order {
        let (api, spec, asker) = (api.clone(), theirs[place].clone(), asks_as.clone());
        let places = places.clone();
        looking.spawn(async move {
            let _place = places.acquire().await;
            let until = until.min(Instant::now() + PATIENCE);
            let (cluster, starts) = (spec.name.clone(), Starts::Each(Rank::Fleet));
            let glance = Glance { api, cluster, asker, until, starts };
            (place, of_cluster(glance).await)
        });
    }
    let mut looks: Vec<Look> = theirs.iter().map(|_| Look::unknown()).collect();
    while let Some(looked) = looking.join_next().await {
        if let Ok((place, look)) = looked {
            looks[place] = look;
        }
    }
    let clusters: Vec<Entry> = theirs.iter().zip(looks).map(|(spec, look)| entry(spec, look)).collect();
    Fleet { rollup: rollup(&clusters), clusters }
}

/// A cluster of which nothing is held has to have its turn before anything is asked about it, be it who may see it.
async fn of_cluster(mut glance: Glance) -> Look {
    let is_held = |kind: &&str| glance.is_held(kind::by_name(kind).expect("a kind of ours"));
    if !KINDS.iter().any(is_held) {
        let (alive, now) = (glance.api.hub.count(), std::time::Instant::now());
        if glance.api.overviews.demand.take(FEEDS, alive, Rank::Fleet, now).is_err() {
            return Look::unknown();
        }
        glance.starts = Starts::Paid;
    }
    let looked = glance.see_all(KINDS).await;
    let version = version::seen_by(&glance.api, &glance.cluster, &looked[0], glance.until).await;
    Look { version, ..Look::of(&looked) }
}

/// What a cluster comes to.
struct Look {
    status: &'static str,
    contact: Timestamp,
    version: String,
    summary: Option<Summary>,
    signals: Vec<Signal>,
    trouble: Option<Trouble>,
}

impl Look {
    fn unknown() -> Self {
        Look::of(&[Err(Unseen::Unknown), Err(Unseen::Unknown), Err(Unseen::Unknown)])
    }

    fn of(looked: &[Result<Seen, Unseen>; 3]) -> Self {
        let stale = looked.iter().flatten().filter_map(|seen| seen.stale).min_by_key(|(since, _)| *since);
        let unavailable = looked.iter().find_map(|seen| match seen {
            Err(Unseen::Unavailable(code)) => Some(*code),
            _ => None,
        });
        let is_unknown = looked.iter().any(|seen| matches!(seen, Err(Unseen::Unknown)));
        let code = stale.map(|(_, code)| code).or(unavailable);
        let nothing = Arc::new(Tally::default());
        let [nodes, pods, namespaces] =
            looked.each_ref().map(|seen| seen.as_ref().map_or(&nothing, |seen| &seen.tally));
        let stuck_or_failed = pods.phases.stuck + pods.phases.failed;
        let (status, code) = match code {
            Some("timeout" | "unknown") => ("unknown", code),
            Some(_) => ("unreachable", code),
            None if is_unknown => ("unknown", Some("unknown")),
            None if looked.iter().all(Result::is_err) => ("denied", Some("denied")),
            None if nodes.good < nodes.total || stuck_or_failed > 0 => ("degraded", None),
            None => ("healthy", None),
        };
        let summary = Summary {
            nodes: Nodes { ready: nodes.good, total: nodes.total },
            pods: Pods {
                running: pods.phases.running,
                pending: pods.phases.pending,
                failed: pods.phases.failed,
                total: pods.total,
            },
            namespaces: namespaces.total,
            stuck_or_failed,
        };
        Look {
            status,
            contact: stale.map_or_else(Timestamp::now, |(since, _)| since),
            version: String::new(),
            summary: looked.iter().any(Result::is_ok).then_some(summary),
            signals: pods.signals.clone(),
            trouble: code.map(trouble),
        }
    }
}

fn trouble(code: &'static str) -> Trouble {
    let message = match code {
        "denied" => "you may see none of its nodes, pods and namespaces",
        "auth_failed" => "the cluster refuses Foretop's own account",
        "apiserver_unreachable" => "the cluster's apiserver cannot be reached",
        _ => "not known yet; it is looked at again",
    };
    Trouble { code, message }
}

fn entry(spec: &ClusterSpec, look: Look) -> Entry {
    Entry {
        name: spec.name.to_string(),
        backend: spec.backend.name(),
        region: spec.region.clone(),
        account_id: spec.arn.split(':').nth(4).unwrap_or_default().to_owned(),
        environment: spec.environment.clone(),
        context: spec.kubeconfig_context.clone(),
        tags: spec.tags.clone(),
        status: look.status,
        last_contact: look.contact,
        kubernetes_version: look.version,
        summary: look.summary,
        hot_signals: look.signals,
        error: look.trouble,
    }
}

fn rollup(clusters: &[Entry]) -> Rollup {
    let (mut by_status, mut by_environment) = (BTreeMap::new(), BTreeMap::new());
    for entry in clusters {
        *by_status.entry(entry.status).or_default() += 1;
        let environment = if entry.environment.is_empty() { "other" } else { &entry.environment };
        *by_environment.entry(environment.to_owned()).or_default() += 1;
    }
    Rollup { total_clusters: clusters.len(), by_status, by_environment, generated_at: Timestamp::now() }
}

#[cfg(test)]
mod tests {
    use super::super::tally::Phases;
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "it stands beside what is not seen")]
    fn seen(total: usize, good: usize) -> Result<Seen, Unseen> {
        let phases = Phases { running: good, stuck: total - good, ..Phases::default() };
        let tally = Tally { total, good, phases, ..Tally::default() };
        Ok(Seen { tally: Arc::new(tally), stale: None })
    }

    fn word(looked: &[Result<Seen, Unseen>; 3]) -> (&'static str, Option<&'static str>, bool) {
        let look = Look::of(looked);
        (look.status, look.trouble.map(|trouble| trouble.code), look.summary.is_some())
    }

    #[test]
    fn a_cluster_is_what_the_worst_of_it_is() {
        assert_eq!(word(&[seen(3, 3), seen(5, 5), seen(2, 0)]), ("healthy", None, true));
        assert_eq!(word(&[seen(3, 2), seen(5, 5), seen(2, 0)]), ("degraded", None, true));
        assert_eq!(word(&[seen(3, 3), seen(5, 4), seen(2, 0)]), ("degraded", None, true));
        let forbidden = || Err(Unseen::Forbidden);
        assert_eq!(word(&[forbidden(), seen(5, 5), forbidden()]), ("healthy", None, true));
        assert_eq!(word(&[forbidden(), forbidden(), forbidden()]), ("denied", Some("denied"), false));
        assert_eq!(
            word(&[forbidden(), Err(Unseen::Unknown), forbidden()]),
            ("unknown", Some("unknown"), false)
        );
        let away = || Err(Unseen::Unavailable("apiserver_unreachable"));
        assert_eq!(
            word(&[away(), away(), forbidden()]),
            ("unreachable", Some("apiserver_unreachable"), false)
        );
        let mut stale = seen(5, 5);
        let since: Timestamp = "2026-05-01T12:00:00Z".parse().expect("a time");
        if let Ok(seen) = &mut stale {
            seen.stale = Some((since, "apiserver_unreachable"));
        }
        let look = Look::of(&[seen(1, 1), stale, seen(1, 0)]);
        assert_eq!((look.status, look.contact, look.summary.is_some()), ("unreachable", since, true));
    }
}
