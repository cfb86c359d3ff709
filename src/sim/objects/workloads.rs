//! Deployments, `ReplicaSets`, `StatefulSets`, `DaemonSets`, and what watches over them.

use std::sync::LazyLock;

use super::pods::version;
use super::template::{Manager, Template};
use super::with_template;
use crate::sim::clock::timestamp;
use crate::sim::model::{Model, Phase, Revision, Shape, Sort, Uid, Workload};
use crate::sim::object::Object;

const BOTH: [Manager; 2] =
    [Manager::Spec("kubectl-client-side-apply"), Manager::Status("kube-controller-manager")];

type ByShape = LazyLock<Vec<Template>>;

static DEPLOYMENT: ByShape = LazyLock::new(|| by_shape("Deployment", include_str!("json/deployment.json")));
static REPLICA_SET: ByShape = LazyLock::new(|| by_shape("ReplicaSet", include_str!("json/replicaset.json")));
static STATEFUL_SET: ByShape =
    LazyLock::new(|| by_shape("StatefulSet", include_str!("json/statefulset.json")));
static DAEMON_SET: ByShape = LazyLock::new(|| by_shape("DaemonSet", include_str!("json/daemonset.json")));
static AUTOSCALER: LazyLock<Template> = LazyLock::new(|| {
    let text = include_str!("json/horizontalpodautoscaler.json");
    Template::new("HorizontalPodAutoscaler", "autoscaling/v2", text, &BOTH)
});
static BUDGET: LazyLock<Template> = LazyLock::new(|| {
    Template::new("PodDisruptionBudget", "policy/v1", include_str!("json/poddisruptionbudget.json"), &BOTH)
});

fn by_shape(kind: &str, text: &str) -> Vec<Template> {
    let of = |shape| Template::new(kind, "apps/v1", &with_template(text, shape), &BOTH);
    Shape::ALL.iter().map(|shape| of(*shape)).collect()
}

fn shaped(templates: &[Template], shape: Shape) -> &Template {
    &templates[Shape::ALL.iter().position(|known| *known == shape).expect("ALL holds every shape")]
}

/// The workload as an object.
pub fn workload(model: &Model, workload: &Workload, now: i64) -> Object {
    let (ready, ready_newest, newest_pods) = model.readiness(workload);
    let newest = workload.newest();
    let done = ready_newest == workload.replicas && workload.pods.len() == workload.replicas;
    let complete = ready >= workload.replicas;
    let either = |whether: bool, yes: &'static str, no: &'static str| if whether { yes } else { no };
    let text = |number: usize| number.to_string();
    let fields = [
        ("app", &*workload.app),
        ("ns", &workload.namespace),
        ("uid", &workload.uid.to_string()),
        ("generation", &workload.generation.to_string()),
        ("created", &timestamp(workload.created)),
        ("changed", &timestamp(now)),
        ("revision", &newest.number.to_string()),
        ("version", &version(newest.number)),
        ("checksum", &checksum(newest)),
        ("hash", &newest.hash),
        ("replicas", &text(workload.replicas)),
        ("current", &text(workload.pods.len())),
        ("updated", &text(newest_pods)),
        ("ready", &text(ready)),
        ("unavailable", &text(workload.replicas.saturating_sub(ready))),
        ("available", either(complete, "True", "False")),
        ("availableReason", either(complete, "MinimumReplicasAvailable", "MinimumReplicasUnavailable")),
        (
            "availableMessage",
            either(
                complete,
                "Deployment has minimum availability.",
                "Deployment does not have minimum availability.",
            ),
        ),
        ("progressReason", either(done, "NewReplicaSetAvailable", "ReplicaSetUpdated")),
        ("progress", either(done, "has successfully progressed", "is progressing")),
    ];
    let templates = match workload.sort {
        Sort::Deployment => &DEPLOYMENT,
        Sort::StatefulSet => &STATEFUL_SET,
        Sort::DaemonSet => &DAEMON_SET,
    };
    Object::from_text(shaped(templates, workload.shape).fill(&fields))
}

/// A revision of a deployment as a `ReplicaSet`.
pub fn replica_set(model: &Model, workload: &Workload, revision: &Revision, now: i64) -> Object {
    let pods = workload.pods.iter().filter_map(|number| model.pods.get(number));
    let ready = pods.filter(|pod| pod.revision == revision.number && pod.phase == Phase::Ready).count();
    let fields = [
        ("app", &*workload.app),
        ("ns", &workload.namespace),
        ("uid", &revision.uid.to_string()),
        ("ownerUid", &workload.uid.to_string()),
        ("generation", &revision.generation.to_string()),
        ("created", &timestamp(revision.created)),
        ("changed", &timestamp(now)),
        ("revision", &revision.number.to_string()),
        ("version", &version(revision.number)),
        ("checksum", &checksum(revision)),
        ("hash", &revision.hash),
        ("desired", &workload.replicas.to_string()),
        ("replicas", &revision.replicas.to_string()),
        ("ready", &ready.to_string()),
    ];
    Object::from_text(shaped(&REPLICA_SET, workload.shape).fill(&fields))
}

/// The autoscaler of a deployment.
pub fn autoscaler(workload: &Workload, now: i64) -> Object {
    let fields = [
        ("app", &*workload.app),
        ("ns", &workload.namespace),
        ("uid", &Uid(workload.uid.0 ^ 1).to_string()),
        ("created", &timestamp(workload.created)),
        ("changed", &timestamp(now)),
        ("max", &(workload.replicas * 3).max(2).to_string()),
        ("replicas", &workload.replicas.to_string()),
        ("load", &workload.load.to_string()),
    ];
    Object::from_text(AUTOSCALER.fill(&fields))
}

/// The disruption budget of a workload.
pub fn budget(model: &Model, workload: &Workload, now: i64) -> Object {
    let (ready, ..) = model.readiness(workload);
    let desired = workload.replicas.saturating_sub(1);
    let fields = [
        ("app", &*workload.app),
        ("ns", &workload.namespace),
        ("uid", &Uid(workload.uid.0 ^ 2).to_string()),
        ("created", &timestamp(workload.created)),
        ("changed", &timestamp(now)),
        ("allowed", &ready.saturating_sub(desired).to_string()),
        ("ready", &ready.to_string()),
        ("desired", &desired.to_string()),
        ("replicas", &workload.replicas.to_string()),
    ];
    Object::from_text(BUDGET.fill(&fields))
}

fn checksum(revision: &Revision) -> String {
    format!("{:032x}{:032x}", revision.uid.0, u128::from(revision.number))
}
