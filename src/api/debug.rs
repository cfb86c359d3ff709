//! What is going on: a line per stream, a line per feed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::oneshot;

use super::{Api, json};
use crate::core::{Command, StreamLine};
use crate::feed::{Feed, State as FeedState};

/// Every open stream.
pub(super) async fn streams(State(api): State<Arc<Api>>) -> Response {
    json(&stream_lines(&api).await)
}

/// A line per stream, by ascending id.
pub(super) async fn stream_lines(api: &Api) -> Vec<StreamLine> {
    let mut asked = Vec::new();
    for core in api.cores.iter() {
        let (answer, answered) = oneshot::channel();
        let answer = Box::new(move |lines| drop(answer.send(lines)));
        if core.tell(Command::Streams(answer)).is_ok() {
            asked.push(answered);
        }
    }
    let mut lines: Vec<StreamLine> = Vec::new();
    for answered in asked {
        lines.extend(answered.await.unwrap_or_default());
    }
    lines.sort_by_key(|line| line.id);
    lines
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedLine {
    cluster: String,
    kind: &'static str,
    shows: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    state: &'static str,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    synced: bool,
    rows: usize,
    rv: String,
    events_in: u64,
    suppressed: u64,
    diffed: u64,
    encodings: u64,
    snapshots: u64,
    lists: u64,
    bookmarks: u64,
    resets: u64,
    subscribers: u64,
    cores: usize,
    replica_bytes: usize,
    journal_bytes: usize,
    journal_blocks: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

/// Every feed, by cluster and kind.
pub(super) async fn feeds(State(api): State<Arc<Api>>) -> Response {
    let lines: Vec<FeedLine> = api.hub.feeds().iter().map(|feed| line(feed)).collect();
    json(&lines)
}

fn line(feed: &Feed) -> FeedLine {
    let (status, figures, counters) = (feed.status(), feed.figures(), &feed.counters);
    FeedLine {
        cluster: feed.key.cluster.to_string(),
        kind: feed.key.kind.name,
        shows: feed.key.rows.word(),
        selector: feed.key.selector.as_ref().map(ToString::to_string),
        state: status.state.word(),
        since: status.since.to_string(),
        why: match &status.state {
            FeedState::Away { why } => Some(why.clone()),
            _ => None,
        },
        synced: status.synced,
        rows: figures.rows,
        rv: figures.rv.to_string(),
        events_in: counters.events_in.get(),
        suppressed: counters.suppressed.get(),
        diffed: counters.diffed.get(),
        encodings: counters.encodings.get(),
        snapshots: counters.snapshots.get(),
        lists: counters.lists.get(),
        bookmarks: counters.bookmarks.get(),
        resets: counters.resets.get(),
        subscribers: feed.subscribers(),
        cores: feed.followers(),
        replica_bytes: figures.replica_bytes,
        journal_bytes: figures.journal_bytes,
        journal_blocks: figures.journal_blocks,
        epoch: figures.epoch,
    }
}
