//! Whether an apiserver sends initial events on a watch (`WatchList`) and bookmarks, by which lists cost it less and resumes survive.

use super::Finding;
use crate::cluster::{Answer, Cluster};
use crate::config::Config;
use crate::kind::{self, Kind};

/// The shortest that an apiserver lets a watch be.
const SECONDS: u32 = 2;

pub(super) async fn check(cluster: &Cluster, config: &Config) -> Vec<Finding> {
    let Some(kind) = smallest(config) else { return Vec::new() };
    let path = kind.api.path(None);
    let query =
        "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let answer = cluster.get_raw(&format!("{path}?{query}&timeoutSeconds={SECONDS}")).await;
    // What keeps it from answering at all, others find; a list longer than an answer may be says nothing of bookmarks.
    let Ok(answer) = answer else { return Vec::new() };
    judge(&answer).map(|finding| finding.by("watch")).into_iter().collect()
}

/// The kind of which there is least, as a rule.
fn smallest(config: &Config) -> Option<&'static Kind> {
    let kinds = &config.watch.kinds;
    kinds
        .iter()
        .copied()
        .find(|kind| kind.name == "namespaces")
        .or(kinds.first().copied())
        .or(kind::by_name("namespaces"))
}

fn judge(answer: &Answer) -> Option<Finding> {
    let fix = "nothing has to be done: Foretop lists in pages instead. Kubernetes 1.34 and newer, with etcd 3.4.31 or 3.5.13 and newer, have it on by default (feature gate WatchList)";
    match answer.status {
        200 => {}
        // Whether it may be watched is another check's business.
        401 | 403 | 404 => return None,
        status => {
            let what = format!("it sends no initial events on a watch ({status}): each first sync is a LIST");
            return Some(Finding::doubtful(what, fix));
        }
    }
    let lines = || answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let says = |line: &&[u8], kind: &str| {
        serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|event| event["type"] == kind)
    };
    if lines().any(|line| says(&line, "ERROR")) {
        return Some(Finding::doubtful(
            "it sends no initial events on a watch: each first sync is a LIST",
            fix,
        ));
    }
    let ends = |line: &[u8]| {
        let event = serde_json::from_slice::<serde_json::Value>(line).unwrap_or_default();
        event["type"] == "BOOKMARK"
            && event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
    };
    if lines().any(ends) {
        return Some(Finding::fine("WatchList and bookmarks"));
    }
    let what = "it never says that initial events are over: it ignores what it was asked for, or its bookmarks are cut out on the way";
    Some(Finding::doubtful(what, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn judged(status: u16, body: &'static str) -> Option<Verdict> {
        judge(&Answer { status, retry_after: None, body: body.into() }).map(|finding| finding.verdict)
    }

    #[test]
    fn initial_events_count_only_with_their_end() {
        let end = r#"{"type":"BOOKMARK","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
        assert_eq!(judged(200, end), Some(Verdict::Fine));
        assert_eq!(judged(200, r#"{"type":"ADDED","object":{}}"#), Some(Verdict::Doubtful));
        assert_eq!(judged(200, r#"{"type":"ERROR","object":{"code":500}}"#), Some(Verdict::Doubtful));
        assert_eq!((judged(422, ""), judged(403, "")), (Some(Verdict::Doubtful), None));
    }
}
