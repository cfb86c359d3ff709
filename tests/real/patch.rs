//! Changes of objects: those that a row shows, and those that it does not.

use serde_json::{Value, json};

use super::object::{Thing, clock, endpoints, ingress_rule, pod_status};

/// A merge patch.
#[derive(Clone, Debug)]
pub struct Patch {
    /// `/status`, or empty for the object itself.
    pub subresource: &'static str,
    pub body: Value,
}

fn whole(body: Value) -> Patch {
    Patch { subresource: "", body }
}

fn status(status: Value) -> Patch {
    Patch { subresource: "/status", body: json!({ "status": status }) }
}

/// A change that makes the object's row another one than with any other `turn` of the same parity or neighbourhood.
/// `None` for namespaces: nothing of their row can be patched.
pub fn visible(thing: &Thing, turn: u64) -> Option<Patch> {
    let odd = turn % 2 == 1;
    Some(match thing.kind.name {
        "pods" => status(json!({"containerStatuses": pod_status(turn)["containerStatuses"]})),
        "events" => whole(json!({"count": turn + 1, "lastTimestamp": clock(turn)})),
        "deployments" | "replicasets" => whole(json!({"spec": {"replicas": turn}})),
        "statefulsets" => status(json!({"currentReplicas": turn % 4})),
        "daemonsets" => status(json!({"numberMisscheduled": turn})),
        "jobs" => whole(json!({"spec": {"suspend": odd}})),
        "cronjobs" => whole(json!({"spec": {"schedule": format!("{} * * * *", turn % 60)}})),
        "horizontalpodautoscalers" => whole(json!({"spec": {"maxReplicas": 10 + turn}})),
        "poddisruptionbudgets" => whole(json!({"spec": {"minAvailable": format!("{}%", turn % 100)}})),
        "services" => {
            status(json!({"loadBalancer": {"ingress": [{"ip": format!("203.0.113.{}", turn % 250 + 1)}]}}))
        }
        "ingresses" => {
            whole(json!({"spec": {"rules": [ingress_rule(&format!("{}-{turn}.example.com", thing.name))]}}))
        }
        "networkpolicies" => {
            whole(json!({"spec": {"podSelector": {"matchLabels": {"turn": turn.to_string()}}}}))
        }
        "endpointslices" => whole(json!({"endpoints": endpoints(turn)})),
        "ingressclasses" => whole(json!({"metadata": {"annotations": {
            "ingressclass.kubernetes.io/is-default-class": odd.to_string(),
        }}})),
        "pvs" => whole(json!({"spec": {"capacity": {"storage": format!("{}Gi", turn + 1)}}})),
        "pvcs" => status(json!({"capacity": {"storage": format!("{}Gi", turn + 1)}})),
        "storageclasses" => whole(json!({"allowVolumeExpansion": odd})),
        "nodes" => whole(json!({"spec": {"unschedulable": odd}})),
        "priorityclasses" => whole(json!({"globalDefault": odd})),
        "runtimeclasses" => whole(json!({"overhead": {"podFixed": {"cpu": format!("{}m", 100 + turn)}}})),
        _ => return None,
    })
}

/// A change that no row shows: what kubelets and controllers write all day where they write such, a label elsewhere.
pub fn invisible(thing: &Thing, turn: u64) -> Patch {
    match thing.kind.name {
        "pods" => status(json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastProbeTime": clock(turn),
        }]})),
        "nodes" => status(json!({"conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady",
            "lastHeartbeatTime": clock(turn), "lastTransitionTime": "2026-05-01T12:00:00Z",
        }]})),
        "deployments" => status(json!({"observedGeneration": turn})),
        _ => whole(json!({"metadata": {"labels": {"example.com/turn": turn.to_string()}}})),
    }
}
