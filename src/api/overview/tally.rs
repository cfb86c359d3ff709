//! What the rows of a kind come to: counts, and the pods that need somebody.
//!
//! Counted from rows, which hold what a table shows and no more, so a pod is sorted by the status that people see (`CrashLoopBackOff`), not by the
//! phase behind it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kind::quantity;

/// Pods that a dashboard names.
const MOST_NAMED: usize = 20;

/// Reasons that a fleet page names.
const MOST_SIGNALS: usize = 10;

/// Statuses of a pod that does not come to run by itself (the contract's list).
const STUCK: [&str; 9] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "OOMKilled",
];

/// What rows come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Rows.
    pub(super) total: usize,
    /// Of nodes those that are ready, of workloads those that are as they should be, of claims those that are bound.
    pub(super) good: usize,
    /// Of claims those that wait.
    pub(super) pending: usize,
    /// Of volumes that are bound, their capacity.
    pub(super) bytes: i64,
    /// Of pods, how they do.
    pub(super) phases: Phases,
    /// Of pods, those that need somebody: by restarts, then by name.
    pub(super) troubled: Vec<Troubled>,
    /// Why they do, and how many of them: the most frequent first.
    pub(super) signals: Vec<Signal>,
}

/// How pods do. Each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Phases {
    pub(super) running: usize,
    pub(super) pending: usize,
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    pub(super) unknown: usize,
    pub(super) stuck: usize,
}

/// A pod that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Troubled {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) restart_count: i64,
    pub(super) phase: String,
}

/// How often something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Signal {
    pub(super) kind: String,
    pub(super) count: usize,
}

/// A row, as far as it is counted. Which fields there are depends on the kind.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Row<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    phase: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    completions: Cow<'a, str>,
    #[serde(borrow)]
    capacity: Cow<'a, str>,
    restarts: i64,
    replicas: i64,
    ready_replicas: i64,
    available_replicas: i64,
    desired_number_scheduled: i64,
    number_ready: i64,
    suspend: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Tally {
    /// What these rows of this kind come to.
    pub(super) fn of<'r>(kind: &str, rows: impl Iterator<Item = &'r [u8]>) -> Self {
        let mut tally = Tally::default();
        let mut signals: BTreeMap<String, usize> = BTreeMap::new();
        // A row that could not be read would be none of ours.
        for row in rows.filter_map(|row| serde_json::from_slice::<Row<'_>>(row).ok()) {
            tally.total += 1;
            match kind {
                "pods" => tally.take_pod(&row, &mut signals),
                "pvcs" => tally.pending += usize::from(row.status == "Pending"),
                "pvs" if row.status == "Bound" => {
                    tally.bytes = tally.bytes.saturating_add(quantity::bytes(&row.capacity));
                }
                _ => {}
            }
            tally.good += usize::from(row.is_good(kind));
        }
        tally.troubled.sort_by(Troubled::order);
        tally.troubled.truncate(MOST_NAMED);
        tally.signals = signals.into_iter().map(|(kind, count)| Signal { kind, count }).collect();
        tally.signals.sort_by_key(|signal| std::cmp::Reverse(signal.count));
        tally.signals.truncate(MOST_SIGNALS);
        tally
    }

    fn take_pod(&mut self, row: &Row<'_>, signals: &mut BTreeMap<String, usize>) {
        let reason = row.phase.strip_prefix("Init:").unwrap_or(&row.phase);
        let bucket = bucket(&mut self.phases, &row.phase, reason);
        *bucket.0 += 1;
        if !bucket.1 {
            return;
        }
        *signals.entry(reason.to_owned()).or_default() += 1;
        self.troubled.push(Troubled {
            name: row.name.to_string(),
            namespace: row.namespace.to_string(),
            reason: reason.to_owned(),
            restart_count: row.restarts,
            phase: row.phase.to_string(),
        });
        // Memory for a cluster in which everything fails stays small.
        if self.troubled.len() > 50 * MOST_NAMED {
            self.troubled.sort_by(Troubled::order);
            self.troubled.truncate(MOST_NAMED);
        }
    }
}

/// Where a pod with this status is counted, and whether it needs somebody.
fn bucket<'p>(phases: &'p mut Phases, status: &str, reason: &str) -> (&'p mut usize, bool) {
    match status {
        _ if STUCK.contains(&reason) => (&mut phases.stuck, true),
        // A pod that is being deleted still runs.
        "Running" | "NotReady" | "Terminating" => (&mut phases.running, false),
        "Succeeded" | "Completed" => (&mut phases.succeeded, false),
        "Pending" | "ContainerCreating" | "PodInitializing" | "SchedulingGated" => {
            (&mut phases.pending, false)
        }
        _ if is_failure(reason) => (&mut phases.failed, true),
        _ if status.starts_with("Init:") => (&mut phases.pending, false),
        _ => (&mut phases.unknown, false),
    }
}

/// What a container or its pod ended with.
fn is_failure(reason: &str) -> bool {
    let named = [
        "Failed",
        "Error",
        "Evicted",
        "DeadlineExceeded",
        "ContainerCannotRun",
        "StartError",
        "ContainerStatusUnknown",
        "NodeShutdown",
        "NodeAffinity",
        "Preempting",
        "UnexpectedAdmissionError",
    ];
    named.contains(&reason)
        || ["ExitCode:", "Signal:", "OutOf"].iter().any(|prefix| reason.starts_with(prefix))
}

impl Troubled {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let restarts = other.restart_count.cmp(&self.restart_count);
        restarts.then_with(|| self.name.cmp(&other.name)).then_with(|| self.namespace.cmp(&other.namespace))
    }
}

impl Row<'_> {
    /// Whether it is as it should be.
    fn is_good(&self, kind: &str) -> bool {
        match kind {
            "nodes" => self.status == "Ready",
            "deployments" => self.available_replicas >= self.replicas,
            "statefulsets" => self.ready_replicas >= self.replicas,
            "daemonsets" => self.number_ready >= self.desired_number_scheduled,
            // One that failed on its way, and succeeded once, is well.
            "jobs" => self.status != "Failed" || !self.completions.starts_with("0/"),
            "cronjobs" => !self.suspend,
            "pvcs" => self.status == "Bound",
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(kind: &str, rows: &[&str]) -> Tally {
        Tally::of(kind, rows.iter().map(|row| row.as_bytes()))
    }

    fn pod(name: &str, phase: &str, restarts: i64) -> String {
        format!(
            r#"{{"name":"{name}","namespace":"n","phase":"{phase}","ready":"0/1","restarts":{restarts}}}"#
        )
    }

    #[test]
    fn each_pod_is_counted_once_by_the_status_that_people_see() {
        let phases = [
            "Running",
            "Terminating",
            "NotReady",
            "Pending",
            "ContainerCreating",
            "Init:0/2",
            "Init:ImagePullBackOff",
            "CrashLoopBackOff",
            "Completed",
            "Failed",
            "Evicted",
            "Error",
            "ExitCode:3",
            "Init:Error",
            "Unknown",
            "",
        ];
        let rows: Vec<String> = phases.iter().map(|phase| pod("a", phase, 0)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let tally = tally("pods", &rows);
        let expected = Phases { running: 3, pending: 3, succeeded: 1, failed: 5, unknown: 2, stuck: 2 };
        assert_eq!((tally.total, tally.phases), (phases.len(), expected));
        assert_eq!(tally.troubled.len(), 7);
        assert_eq!(tally.signals[0], Signal { kind: "Error".into(), count: 2 });
    }

    #[test]
    fn the_pods_that_restart_most_are_named_first_and_twenty_at_the_most() {
        let rows: Vec<String> =
            (0..3000).map(|n| pod(&format!("p{n:04}"), "CrashLoopBackOff", n % 7)).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let tally = tally("pods", &rows);
        assert_eq!((tally.troubled.len(), tally.phases.stuck), (20, 3000));
        assert!(tally.troubled.iter().all(|pod| pod.restart_count == 6 && pod.reason == "CrashLoopBackOff"));
        assert!(tally.troubled.is_sorted_by(|one, next| one.name < next.name));
        assert_eq!(tally.troubled[0].name, "p0006");
    }

    #[test]
    fn workloads_are_well_when_they_have_what_they_want() {
        let well = |kind, row| tally(kind, &[row]).good == 1;
        assert!(well("deployments", r#"{"replicas":2,"availableReplicas":2}"#));
        assert!(well("deployments", r#"{"replicas":0,"availableReplicas":0}"#));
        assert!(!well("deployments", r#"{"replicas":2,"availableReplicas":1}"#));
        assert!(!well("statefulsets", r#"{"replicas":2,"readyReplicas":1}"#));
        assert!(!well("daemonsets", r#"{"desiredNumberScheduled":2,"numberReady":1}"#));
        assert!(well("jobs", r#"{"status":"Running","completions":"0/1"}"#));
        assert!(well("jobs", r#"{"status":"Failed","completions":"1/2"}"#));
        assert!(!well("jobs", r#"{"status":"Failed","completions":"0/2"}"#));
        assert!(well("cronjobs", r#"{"suspend":false}"#) && !well("cronjobs", r#"{"suspend":true}"#));
        assert!(well("nodes", r#"{"status":"Ready"}"#) && !well("nodes", r#"{"status":"NotReady"}"#));
    }

    #[test]
    fn storage_is_summed_up() {
        let volumes = tally(
            "pvs",
            &[
                r#"{"status":"Bound","capacity":"10Gi"}"#,
                r#"{"status":"Bound","capacity":"512Mi"}"#,
                r#"{"status":"Available","capacity":"1Ti"}"#,
            ],
        );
        assert_eq!((volumes.total, volumes.bytes), (3, (10 << 30) + (512 << 20)));
        let claims =
            tally("pvcs", &[r#"{"status":"Bound"}"#, r#"{"status":"Pending"}"#, r#"{"status":"Lost"}"#]);
        assert_eq!((claims.total, claims.good, claims.pending), (3, 1, 1));
    }
}
