//! `GET /api/clusters/{cluster}/search`: objects by a part of their name.
//!
//! Of the contract's eight kinds Foretop holds six; configmaps and secrets are never found.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::in_path::InPath;
use super::super::{Api, Asker, json, refuse, wants_json};
use super::demand::Rank;
use super::glance::{Glance, Starts};
use crate::kind::{self, Kind};
use crate::wire::refusal::Refusal;

/// How long a search waits for decisions and first syncs.
const PATIENCE: Duration = Duration::from_secs(4);

/// The kinds that are searched, in the order of their results.
const KINDS: [&str; 6] = ["pods", "deployments", "statefulsets", "daemonsets", "services", "namespaces"];

/// Results per kind where the request says nothing, and at the most.
const DEFAULT: usize = 10;
const MOST: usize = 100;

/// No name is longer.
const LONGEST: usize = 253;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Wanted {
    q: String,
    kinds: String,
    limit: String,
}

#[derive(Serialize)]
struct Results {
    results: Vec<Found>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Found {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    score: u8,
}

/// A row, as far as it is searched.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
}

pub(in super::super) async fn search(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    InPath(cluster): InPath<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    match results(api, &asker, cluster.into(), &wanted).await {
        Ok(results) => json(&results),
        Err(why) => refuse(why, wants_json(&headers)),
    }
}

async fn results(
    api: Arc<Api>,
    asker: &Asker,
    cluster: Arc<str>,
    wanted: &Wanted,
) -> Result<Results, Refusal> {
    let asker = api.asks_as(asker, &cluster)?;
    let query: Arc<str> = wanted.q.trim().to_lowercase().into();
    if query.is_empty() || query.len() > LONGEST {
        return Ok(Results { results: Vec::new() });
    }
    let limit = wanted.limit.parse().ok().filter(|limit| *limit > 0).unwrap_or(DEFAULT).min(MOST);
    let glance =
        Glance { api, cluster, asker, until: Instant::now() + PATIENCE, starts: Starts::Each(Rank::Page) };
    let mut searching = JoinSet::new();
    for kind in KINDS.iter().filter(|kind| wanted.wants(kind)).filter_map(|kind| kind::by_name(kind)) {
        let (glance, query) = (glance.clone(), query.clone());
        searching.spawn(async move { of_kind(&glance, kind, query, limit).await });
    }
    let mut results: Vec<Found> = searching.join_all().await.into_iter().flatten().collect();
    let place = |found: &Found| KINDS.iter().position(|kind| *kind == found.kind);
    // Each kind's are in their order already.
    results.sort_by_key(place);
    Ok(Results { results })
}

impl Wanted {
    fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.split(',').any(|word| word.trim() == kind)
    }
}

/// The best of a kind. What cannot be seen is not found.
async fn of_kind(glance: &Glance, kind: &'static Kind, query: Arc<str>, limit: usize) -> Vec<Found> {
    let Ok((feed, scope)) = glance.find(kind).await else { return Vec::new() };
    let overviews = &glance.api.overviews;
    let _place = overviews.counting.acquire().await.expect("never closed");
    let read = overviews.read(&feed, &scope, move |rows, kind| best(kind, rows, &query, limit)).await;
    read.ok().flatten().unwrap_or_default()
}

fn best<'r>(
    kind: &'static str,
    rows: impl Iterator<Item = &'r [u8]>,
    query: &str,
    limit: usize,
) -> Vec<Found> {
    let rows = rows.filter_map(|row| serde_json::from_slice::<Row<'_>>(row).ok());
    let mut found: Vec<(u8, Row<'_>)> =
        rows.map(|row| (score(&row, query), row)).filter(|(score, _)| *score > 0).collect();
    found.sort_by(|(score, row), (other_score, other)| {
        let by_name = || row.name.cmp(&other.name).then_with(|| row.namespace.cmp(&other.namespace));
        other_score.cmp(score).then_with(by_name)
    });
    found.truncate(limit);
    let result = |(score, row): (u8, Row<'_>)| Found {
        kind,
        name: row.name.into_owned(),
        namespace: row.namespace.into_owned(),
        score,
    };
    found.into_iter().map(result).collect()
}

/// How well a row fits, as the contract has it; 0 where it does not. Names of objects are in lower case.
fn score(row: &Row<'_>, query: &str) -> u8 {
    if row.name == query {
        return 100;
    }
    if row.name.starts_with(query) {
        return 70;
    }
    if row.name.contains(query) {
        return 40;
    }
    if row.namespace.contains(query) { 20 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_fit_comes_first() {
        let rows = [
            r#"{"name":"my-web","namespace":"a"}"#,
            r#"{"name":"web-2","namespace":"a"}"#,
            r#"{"name":"web","namespace":"b"}"#,
            r#"{"name":"web-1","namespace":"a"}"#,
            r#"{"name":"api","namespace":"web"}"#,
            r#"{"name":"api","namespace":"a"}"#,
        ];
        let best = |limit| best("pods", rows.iter().map(|row| row.as_bytes()), "web", limit);
        let names: Vec<(u8, String)> = best(10).into_iter().map(|found| (found.score, found.name)).collect();
        let names: Vec<(u8, &str)> = names.iter().map(|(score, name)| (*score, name.as_str())).collect();
        assert_eq!(names, [(100, "web"), (70, "web-1"), (70, "web-2"), (40, "my-web"), (20, "api")]);
        assert_eq!(best(2).len(), 2);
    }
}
