//! What there is of each thing that is bounded, beside its bound; and what the bounds have had refused, ended and given back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::{Api, debug, json};
use crate::config::Config;
use crate::core::StreamLine;
use crate::feed::Feed;
use crate::feed::ledger::{Ledger, Thing};

/// The settings that bound what clients have open; 0 where there is no bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    per_user: usize,
    views_per_user: usize,
    per_core: usize,
    feeds: usize,
    selectors: usize,
    journals: usize,
}

impl Limits {
    pub fn new(config: &Config) -> Self {
        Limits {
            per_user: config.streams.per_user as usize,
            views_per_user: config.streams.views_per_user as usize,
            per_core: config.streams.per_core as usize,
            feeds: config.feeds.max,
            selectors: config.feeds.selectors_per_kind,
            journals: config.journal.total_bytes,
        }
    }

    /// A line for each bound, of whoever is nearest to it.
    fn beside(self, streams: &[StreamLine], feeds: &[Arc<Feed>], ledger: &Ledger) -> Vec<LimitLine> {
        let is_view = |line: &&StreamLine| line.line.is_some() && !line.kind.is_empty();
        let streams_of = counted(streams.iter().filter(|line| !is_view(line)).map(|line| line.actor.clone()));
        let views_of = counted(streams.iter().filter(is_view).map(|line| line.actor.clone()));
        let on_core = counted(streams.iter().map(|line| format!("core {}", line.core)));
        let used: usize = Thing::ALL.iter().map(|thing| ledger.spent(*thing)).sum();
        let real = ledger.real().map(|real| LimitLine::bytes(CGROUP, whole(real.of), whole(real.taken)));
        let mut lines = vec![
            LimitLine::most("streams.perUser", self.per_user, streams_of),
            LimitLine::most("streams.viewsPerUser", self.views_per_user, views_of),
            LimitLine::most("streams.perCore", self.per_core, on_core),
            LimitLine::most("feeds.selectorsPerKind", self.selectors, selectors_in_use(feeds)),
            LimitLine::of("feeds.max", self.feeds, feeds.len()),
            LimitLine::bytes("journal.totalBytes", self.journals, ledger.spent(Thing::Journals)),
            LimitLine::bytes("memory.limit", ledger.limit(), used),
        ];
        lines.extend(real);
        lines
    }
}

/// What the kernel lets the process have, which no setting says.
const CGROUP: &str = "cgroup";

fn whole(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What is bounded by one setting.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LimitLine {
    setting: &'static str,
    unit: &'static str,
    /// 0: no bound.
    limit: usize,
    used: usize,
    /// Who has so much, where the bound is one of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl LimitLine {
    fn of(setting: &'static str, limit: usize, used: usize) -> Self {
        LimitLine { setting, unit: "count", limit, used, by: None }
    }

    fn bytes(setting: &'static str, limit: usize, used: usize) -> Self {
        LimitLine { unit: "bytes", ..LimitLine::of(setting, limit, used) }
    }

    /// Of whoever has most; of several the first by name.
    fn most(setting: &'static str, limit: usize, counts: HashMap<String, usize>) -> Self {
        let most = counts.into_iter().max_by(|(a, most_a), (b, most_b)| most_a.cmp(most_b).then(b.cmp(a)));
        let used = most.as_ref().map_or(0, |(_, count)| *count);
        LimitLine { by: most.map(|(by, _)| by), ..LimitLine::of(setting, limit, used) }
    }
}

fn counted<T: Eq + Hash>(things: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for thing in things {
        *counts.entry(thing).or_default() += 1;
    }
    counts
}

/// Different selectors that somebody uses, by cluster and kind. One that nobody uses gives way to another.
fn selectors_in_use(feeds: &[Arc<Feed>]) -> HashMap<String, usize> {
    let in_use = feeds.iter().filter(|feed| feed.subscribers() > 0);
    let selected = in_use.filter_map(|feed| {
        let selector = feed.key.selector.as_ref()?.to_string();
        Some((format!("{} {}", feed.key.cluster, feed.key.kind.name), selector))
    });
    counted(selected.collect::<BTreeSet<_>>().into_iter().map(|(of, _)| of))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    limits: Vec<LimitLine>,
    /// Bytes by what they are spent on.
    memory: BTreeMap<&'static str, usize>,
    /// What is done for want of memory: [`Shedding::name`](crate::memory::pressure::Shedding::name).
    shedding: &'static str,
    /// Bytes that journals are to give back, since memory is short.
    short_by: usize,
    /// Streams that were ended since memory was full, since the start.
    shed: u64,
    /// Streams that were reset since they took nothing, since the start.
    stalled: u64,
    /// Refusals by code, since the start; none that never was.
    refused: BTreeMap<&'static str, u64>,
}

/// Every bound, and how near to it anybody is.
pub(super) async fn limits(State(api): State<Arc<Api>>) -> Response {
    let lines = debug::stream_lines(&api).await;
    let counters = || api.cores.iter().map(|core| &core.counters);
    let mut refused = BTreeMap::new();
    for (code, count) in counters().flat_map(|core| core.refused.by_code()).chain(api.refused.by_code()) {
        if count > 0 {
            *refused.entry(code).or_default() += count;
        }
    }
    json(&Answer {
        limits: api.limits.beside(&lines, &api.hub.feeds(), &api.ledger),
        memory: Thing::ALL.iter().map(|thing| (thing.name(), api.ledger.spent(*thing))).collect(),
        shedding: api.ledger.shedding().name(),
        short_by: api.ledger.short_by(),
        shed: counters().map(|core| core.shed.get()).sum(),
        stalled: counters().map(|core| core.stalled.get()).sum(),
        refused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(actor: &str, kind: &'static str, line: Option<u64>) -> StreamLine {
        StreamLine {
            id: 1,
            actor: actor.to_owned(),
            cluster: String::new(),
            kind,
            namespace: String::new(),
            opened_at: String::new(),
            bytes_sent: 0,
            lag: 0,
            core: 0,
            view: 0,
            state: "live",
            line,
        }
    }

    #[test]
    fn each_bound_names_whoever_is_nearest_to_it() {
        let limits =
            Limits { per_user: 60, views_per_user: 240, per_core: 9, feeds: 20, selectors: 32, journals: 7 };
        let mut streams =
            vec![stream("cid", "pods", None), stream("bob", "pods", None), stream("ann", "", Some(4))];
        streams.extend(["pods", "nodes", "jobs"].map(|kind| stream("ann", kind, Some(4))));
        let lines = limits.beside(&streams, &[], &Ledger::new(1000));
        let said: Vec<_> =
            lines.iter().map(|line| (line.setting, line.used, line.limit, line.by.as_deref())).collect();
        assert_eq!(
            said,
            [
                ("streams.perUser", 1, 60, Some("ann")),
                ("streams.viewsPerUser", 3, 240, Some("ann")),
                ("streams.perCore", 6, 9, Some("core 0")),
                ("feeds.selectorsPerKind", 0, 32, None),
                ("feeds.max", 0, 20, None),
                ("journal.totalBytes", 0, 7, None),
                ("memory.limit", 0, 1000, None),
            ]
        );
    }
}
