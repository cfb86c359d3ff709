//! Whether there is anything to serve.

use std::sync::Arc;

use super::Finding;
use crate::cluster::ClusterSpec;
use crate::config::Config;

/// More clusters are not told of one by one.
const MANY: usize = 500;

pub(super) async fn check(clusters: Vec<Arc<ClusterSpec>>, config: Arc<Config>) -> Vec<Finding> {
    let count = clusters.len();
    let first = match (&config.clusters_file, count) {
        (None, _) => Finding::doubtful(
            "there is none",
            "set `clustersFile`: without it there is no cluster to serve",
        ),
        (Some(_), 0) => {
            Finding::doubtful("it is empty", "put the clusters into the file that `clustersFile` names")
        }
        (Some(_), MANY..) => Finding::fine(format!("{count} clusters, each of which is tried")),
        (Some(_), _) => Finding::fine(format!("{count} clusters")),
    };
    let unowned = clusters.iter().filter(|spec| !config.tenants.rules.is_empty() && spec.tenants.is_empty());
    let unowned: Vec<&str> = unowned.map(|spec| &*spec.name).collect();
    let mut findings = vec![first];
    if !unowned.is_empty() {
        let what = format!("no tenant sees {}", unowned.join(", "));
        findings.push(Finding::doubtful(what, "name the tenants of each cluster in the registry"));
    }
    findings
}
