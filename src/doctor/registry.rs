//! Whether there is anything to serve.

use std::sync::Arc;

use super::Finding;
use crate::cluster::ClusterSpec;
use crate::config::Config;

pub(super) fn check(clusters: &[Arc<ClusterSpec>], config: &Config) -> Vec<Finding> {
    let count = clusters.len();
    let first = match (count, &config.clusters_file) {
        (0, None) => {
            Finding::doubtful("there is none", "set `clustersFile`: without it there is no cluster to serve")
        }
        (0, Some(_)) => {
            Finding::doubtful("it is empty", "put the clusters into the file that `clustersFile` names")
        }
        _ => Finding::fine(format!("{count} clusters")),
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
