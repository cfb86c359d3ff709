//! Objects of all 22 kinds, rich enough that every field of a row says something.

use foretop::kind::{self, Kind};
use serde_json::{Value, json};

/// One object, by what names it.
#[derive(Clone, Debug)]
pub struct Thing {
    pub kind: &'static Kind,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    pub name: String,
}

impl Thing {
    /// An object of the kind with this token; `namespace` counts for namespaced kinds only.
    pub fn new(kind: &str, namespace: &str, name: impl Into<String>) -> Thing {
        let kind = kind::by_name(kind).unwrap_or_else(|| panic!("no kind {kind}"));
        Thing { kind, namespace: kind.namespaced.then(|| namespace.to_owned()), name: name.into() }
    }

    /// The path of the collection that it is created in.
    pub fn collection(&self) -> String {
        collection(self.kind, self.namespace.as_deref())
    }

    /// The path of the object itself.
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }
}

/// The path of a kind's collection, in one namespace or in all.
pub fn collection(kind: &Kind, namespace: Option<&str>) -> String {
    let everywhere = kind.api.path(None);
    match (namespace, everywhere.strip_suffix(kind.api.plural)) {
        (Some(namespace), Some(group)) => format!("{group}namespaces/{namespace}/{}", kind.api.plural),
        _ => everywhere,
    }
}

/// What is sent to create the object; `turn` makes versions of it that look different.
pub fn object(thing: &Thing, turn: u64) -> Value {
    let mut object = body(thing, turn);
    object["metadata"]["name"] = json!(thing.name);
    object["metadata"]["labels"]["app"] = json!("web");
    object["metadata"]["annotations"]["example.com/note"] = json!("a < b && \"c\" > d");
    object
}

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container("main"), container("proxy")]},
    })
}

fn container(name: &str) -> Value {
    json!({
        "name": name,
        "image": format!("registry.example/{name}:1.4.2"),
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
    })
}

fn selector() -> Value {
    json!({"matchLabels": {"app": "web"}})
}

#[allow(clippy::too_many_lines, reason = "a table: one entry per kind")]
fn body(thing: &Thing, turn: u64) -> Value {
    let name = &thing.name;
    match thing.kind.name {
        "pods" => json!({"spec": {
            "nodeName": "node-1",
            "initContainers": [container("setup")],
            "containers": [container("main"), container("proxy")],
        }}),
        "events" => json!({
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": thing.namespace, "name": "web-1"},
            "type": "Warning", "reason": "BackOff", "message": format!("Back-off <{name}> & retry {turn}"),
            "count": turn + 1, "firstTimestamp": "2026-05-01T12:00:00Z", "lastTimestamp": clock(turn),
            "source": {"component": "kubelet", "host": "node-1"},
        }),
        "deployments" => json!({"spec": {"replicas": turn, "selector": selector(), "template": template()}}),
        "statefulsets" => json!({"spec": {
            "replicas": 3, "serviceName": "web", "selector": selector(), "template": template(),
        }}),
        "daemonsets" => json!({"spec": {"selector": selector(), "template": template()}}),
        "replicasets" => json!({
            "metadata": {"ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "5f0c0a0e-0000-4000-8000-000000000001"},
            ]},
            "spec": {"replicas": turn, "selector": selector(), "template": template()},
        }),
        "jobs" => json!({"spec": {"completions": 3, "parallelism": 2, "template": finishing()}}),
        "cronjobs" => json!({"spec": {
            "schedule": format!("{} * * * *", turn % 60), "timeZone": "Europe/Berlin",
            "jobTemplate": {"spec": {"template": finishing()}},
        }}),
        "horizontalpodautoscalers" => json!({"spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 10 + turn,
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70},
            }}],
        }}),
        "poddisruptionbudgets" => {
            json!({"spec": {"minAvailable": format!("{}%", turn % 100), "selector": selector()}})
        }
        "services" => json!({"spec": {
            "type": "LoadBalancer", "selector": {"app": "web"},
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http"},
                {"name": "metrics", "port": 9090, "targetPort": 9090},
            ],
        }}),
        "ingresses" => json!({"spec": {
            "ingressClassName": "public",
            "rules": [ingress_rule(&format!("{name}-{turn}.example.com"))],
            "tls": [{"hosts": [format!("{name}.example.com")], "secretName": "tls"}],
        }}),
        "networkpolicies" => json!({"spec": {
            "podSelector": {"matchLabels": {"app": "web", "turn": turn.to_string()}},
            "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}],
        }}),
        "endpointslices" => json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "protocol": "TCP", "port": 8080, "appProtocol": "http"}],
            "endpoints": endpoints(turn),
        }),
        "ingressclasses" => json!({
            "metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": (turn % 2 == 1).to_string()}},
            "spec": {"controller": "example.com/ingress"},
        }),
        "pvs" => json!({"spec": {
            "capacity": {"storage": format!("{}Gi", turn + 1)}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
            "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "fast",
            "csi": {"driver": "csi.example.com", "volumeHandle": name},
        }}),
        "pvcs" => json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": "10Gi"}},
        }}),
        "storageclasses" => json!({
            "provisioner": "csi.example.com", "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": turn % 2 == 1,
        }),
        "nodes" => json!({
            "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": ""}},
            "spec": {"unschedulable": turn % 2 == 1},
        }),
        "namespaces" => json!({}),
        "priorityclasses" => json!({"value": 1000 + turn, "preemptionPolicy": "Never"}),
        "runtimeclasses" => json!({
            "handler": "sandbox", "overhead": {"podFixed": {"cpu": format!("{}m", 100 + turn), "memory": "64Mi"}},
        }),
        other => panic!("no object of kind {other}"),
    }
}

/// The status that a controller or a kubelet would write, where the kind has one.
pub fn status(thing: &Thing, turn: u64) -> Option<Value> {
    Some(match thing.kind.name {
        "pods" => pod_status(turn),
        "deployments" => json!({
            "replicas": 3, "updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 2, "unavailableReplicas": 1,
        }),
        "statefulsets" => json!({
            "replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "currentReplicas": turn % 4,
        }),
        "daemonsets" => json!({
            "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberReady": 2,
            "updatedNumberScheduled": 3, "numberAvailable": 2, "numberMisscheduled": turn,
        }),
        "replicasets" => json!({"replicas": 3, "readyReplicas": 2, "availableReplicas": 2}),
        "jobs" => job_status(turn),
        "cronjobs" => json!({
            "lastScheduleTime": clock(turn),
            "active": [{"apiVersion": "batch/v1", "kind": "Job", "name": "report-1", "namespace": thing.namespace}],
        }),
        "horizontalpodautoscalers" => json!({
            "currentReplicas": 3, "desiredReplicas": 4,
            "conditions": [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}],
        }),
        "poddisruptionbudgets" => json!({
            "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 3, "disruptionsAllowed": 1,
        }),
        "services" => json!({"loadBalancer": {"ingress": [{"ip": format!("203.0.113.{}", turn % 250 + 1)}]}}),
        "ingresses" => json!({"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}),
        "pvs" => json!({"phase": "Available"}),
        "pvcs" => {
            json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": format!("{}Gi", turn + 1)}})
        }
        "nodes" => node_status(),
        _ => return None,
    })
}

/// A time that grows with the turn.
pub fn clock(turn: u64) -> String {
    format!("2026-06-01T{:02}:{:02}:{:02}Z", turn / 3600 % 24, turn / 60 % 60, turn % 60)
}

fn finishing() -> Value {
    let mut template = template();
    template["spec"]["restartPolicy"] = json!("Never");
    template
}

pub fn ingress_rule(host: &str) -> Value {
    json!({"host": host, "http": {"paths": [{
        "path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}},
    }]}})
}

pub fn endpoints(turn: u64) -> Value {
    let ready = turn.is_multiple_of(2);
    json!([
        {"addresses": ["192.0.2.1"], "conditions": {"ready": ready, "serving": true, "terminating": !ready}},
        {"addresses": ["192.0.2.2"], "conditions": {"ready": true}, "nodeName": "node-1", "zone": "a"},
        {"addresses": ["192.0.2.3"], "conditions": {}},
    ])
}

/// What a kubelet writes; the first container has been restarted `restarts` times.
pub fn pod_status(restarts: u64) -> Value {
    let running = |name: &str, restarts: u64| {
        json!({
            "name": name, "ready": name == "main", "restartCount": restarts, "started": true,
            "image": format!("registry.example/{name}:1.4.2"), "imageID": "", "containerID": format!("containerd://{name}"),
            "state": {"running": {"startedAt": "2026-05-01T12:00:05Z"}},
        })
    };
    json!({
        "phase": "Running", "hostIP": "192.0.2.1", "podIP": "198.51.100.7", "podIPs": [{"ip": "198.51.100.7"}],
        "startTime": "2026-05-01T12:00:00Z",
        "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
        "initContainerStatuses": [{
            "name": "setup", "ready": true, "restartCount": 0, "image": "registry.example/setup:1.4.2", "imageID": "",
            "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
        }],
        "containerStatuses": [running("main", restarts), running("proxy", 1)],
    })
}

/// Every third job is complete, every third has failed pods, and the rest runs.
fn job_status(turn: u64) -> Value {
    let base = json!({"startTime": "2026-05-01T12:00:00Z", "uncountedTerminatedPods": {}});
    let more = match turn % 3 {
        0 => json!({"active": 1, "succeeded": 1, "ready": 0}),
        1 => json!({"active": 0, "failed": 2}),
        _ => json!({
            "succeeded": 3, "completionTime": "2026-05-01T13:02:00Z",
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
        }),
    };
    merged(base, more)
}

fn condition(name: &str) -> Value {
    json!({"type": name, "status": "True", "lastTransitionTime": "2026-05-01T13:02:00Z"})
}

fn merged(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}

fn node_status() -> Value {
    json!({
        "capacity": {"cpu": "4", "memory": "16393244Ki", "pods": "110"},
        "addresses": [{"type": "Hostname", "address": "node"}, {"type": "InternalIP", "address": "192.0.2.1"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady",
            "lastHeartbeatTime": "2026-05-01T12:00:00Z", "lastTransitionTime": "2026-05-01T12:00:00Z"}],
        "nodeInfo": {
            "kubeletVersion": "v1.36.0", "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.1",
            "kernelVersion": "6.12", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux",
            "osImage": "Debian", "systemUUID": "",
        },
    })
}
