//! What a page of one object shows beyond its row, per kind (the contract's 3.23). Fields that the contract leaves out when they are empty are.

use super::part::Part;
use super::yaml::LAST_APPLIED;
use crate::kind::quantity::{format_cpu, format_memory};
use crate::kind::text::JsonObject;

/// Writes the fields of a kind. `pods` and `jobs` that belong to an object are read elsewhere.
pub(super) fn write(kind: &str, object: Part<'_>, out: &mut JsonObject) {
    let (spec, status) = (object.at("spec"), object.at("status"));
    match kind {
        "pods" => pod(spec, status, out),
        "deployments" => {
            out.text("strategy", spec.at("strategy").text("type"));
            workload(spec, status, out);
        }
        "statefulsets" => {
            out.text_unless_empty("serviceName", spec.text("serviceName"));
            out.text("updateStrategy", spec.at("updateStrategy").text("type"));
            workload(spec, status, out);
        }
        "daemonsets" => {
            out.text("updateStrategy", spec.at("updateStrategy").text("type"));
            let pod = spec.at("template").at("spec");
            out.pairs_unless_empty("nodeSelector", pod.pairs("nodeSelector"));
            workload(spec, status, out);
        }
        "replicasets" => {
            out.pairs_unless_empty("selector", spec.at("selector").pairs("matchLabels"));
            conditions(status, out);
        }
        "jobs" => job(spec, status, out),
        "cronjobs" => cron_job(spec, status, out),
        "services" => {
            out.pairs_unless_empty("selector", spec.pairs("selector"));
            out.text_unless_empty("sessionAffinity", spec.text("sessionAffinity"));
        }
        "ingresses" => ingress(spec, out),
        "networkpolicies" => {
            rules("ingressRules", (spec, "ingress", "from"), out);
            rules("egressRules", (spec, "egress", "to"), out);
        }
        "endpointslices" => endpoints(object, out),
        "nodes" => node(spec, status, out),
        "pvs" => volume(spec, out),
        "pvcs" => {
            out.text_unless_empty("volumeName", spec.text("volumeName"));
            conditions(status, out);
        }
        "storageclasses" => {
            out.pairs_unless_empty("parameters", object.pairs("parameters"));
            if object.items("mountOptions").next().is_some() {
                out.texts("mountOptions", object.texts("mountOptions"));
            }
        }
        "horizontalpodautoscalers" => conditions(status, out),
        "poddisruptionbudgets" => out.text("selector", &spec.equalities("selector")),
        "ingressclasses" => out.text("parameters", &parameters(spec.at("parameters"))),
        "priorityclasses" => out.text("description", object.text("description")),
        "runtimeclasses" => scheduling(object.at("scheduling"), out),
        _ => {}
    }
}

/// Writes what nearly every object has.
pub(super) fn write_metadata(object: Part<'_>, out: &mut JsonObject) {
    let metadata = object.at("metadata");
    out.pairs_unless_empty("labels", metadata.pairs("labels"));
    let annotations = metadata.pairs("annotations").filter(|(key, _)| *key != LAST_APPLIED);
    out.pairs_unless_empty("annotations", annotations);
}

fn pod(spec: Part<'_>, status: Part<'_>, out: &mut JsonObject) {
    out.text_unless_empty("hostIP", status.text("hostIP"));
    out.text_unless_empty("qosClass", status.text("qosClass"));
    conditions(status, out);
    containers("containers", (spec, "containers"), (status, "containerStatuses"), out);
    if spec.items("initContainers").next().is_some() {
        containers("initContainers", (spec, "initContainers"), (status, "initContainerStatuses"), out);
    }
}

fn containers(key: &str, spec: (Part<'_>, &str), status: (Part<'_>, &str), out: &mut JsonObject) {
    out.objects(key, spec.0.items(spec.1), |out, container| {
        let name = container.text("name");
        let mut statuses = status.0.items(status.1);
        let status =
            statuses.find(|status| status.text("name") == name).unwrap_or(Part(&serde_json::Value::Null));
        out.text("name", name);
        out.text("image", container.text("image"));
        let state = status.at("state");
        let word = [("running", "Running"), ("waiting", "Waiting"), ("terminated", "Terminated")]
            .into_iter()
            .find(|(key, _)| state.has(key));
        let (key, word) = word.unwrap_or(("", "Unknown"));
        out.text("state", word);
        out.text_unless_empty("reason", state.at(key).text("reason"));
        out.text_unless_empty("message", state.at(key).text("message"));
        out.bool("ready", status.bool("ready"));
        out.int("restartCount", status.int("restartCount"));
        let resources = container.at("resources");
        for (key, which, what) in [
            ("cpuRequest", "requests", "cpu"),
            ("cpuLimit", "limits", "cpu"),
            ("memoryRequest", "requests", "memory"),
            ("memoryLimit", "limits", "memory"),
        ] {
            out.text_unless_empty(key, &resources.at(which).int_or_text(what));
        }
    });
}

/// Selector, containers and conditions of what makes pods.
fn workload(spec: Part<'_>, status: Part<'_>, out: &mut JsonObject) {
    out.pairs_unless_empty("selector", spec.at("selector").pairs("matchLabels"));
    images(spec.at("template"), out);
    conditions(status, out);
}

fn images(template: Part<'_>, out: &mut JsonObject) {
    out.objects("containers", template.at("spec").items("containers"), |out, container| {
        out.text("name", container.text("name"));
        out.text("image", container.text("image"));
    });
}

fn conditions(status: Part<'_>, out: &mut JsonObject) {
    if status.items("conditions").next().is_some() {
        all_conditions(status, out);
    }
}

fn all_conditions(status: Part<'_>, out: &mut JsonObject) {
    out.objects("conditions", status.items("conditions"), |out, condition| {
        out.text("type", condition.text("type"));
        out.text("status", condition.text("status"));
        out.text_unless_empty("reason", condition.text("reason"));
        out.text_unless_empty("message", condition.text("message"));
    });
}

/// What an apiserver fills in where nobody has said it is what Kubernetes documents.
fn job(spec: Part<'_>, status: Part<'_>, out: &mut JsonObject) {
    out.int("parallelism", spec.int_or("parallelism", 1));
    out.int("backoffLimit", spec.int_or("backoffLimit", 6));
    for count in ["active", "succeeded", "failed"] {
        out.int(count, status.int(count));
    }
    out.bool("suspend", spec.bool("suspend"));
    out.text_unless_empty("startTime", status.text("startTime"));
    out.text_unless_empty("completionTime", status.text("completionTime"));
    images(spec.at("template"), out);
    conditions(status, out);
    out.pairs_unless_empty("selector", spec.at("selector").pairs("matchLabels"));
}

fn cron_job(spec: Part<'_>, status: Part<'_>, out: &mut JsonObject) {
    out.text("concurrencyPolicy", spec.text("concurrencyPolicy"));
    if spec.has("startingDeadlineSeconds") {
        out.int("startingDeadlineSeconds", spec.int("startingDeadlineSeconds"));
    }
    out.int("successfulJobsHistoryLimit", spec.int_or("successfulJobsHistoryLimit", 3));
    out.int("failedJobsHistoryLimit", spec.int_or("failedJobsHistoryLimit", 1));
    out.text_unless_empty("lastSuccessfulTime", status.text("lastSuccessfulTime"));
    images(spec.at("jobTemplate").at("spec").at("template"), out);
}

fn ingress(spec: Part<'_>, out: &mut JsonObject) {
    out.objects("rules", spec.items("rules"), |out, rule| {
        out.text("host", rule.text("host"));
        out.objects("paths", rule.at("http").items("paths"), |out, path| {
            out.text("path", path.text("path"));
            out.text("pathType", path.text("pathType"));
            let service = path.at("backend").at("service");
            let port = service.at("port");
            let number = port.int_or_text("number");
            out.object("backend", |out| {
                out.text("serviceName", service.text("name"));
                out.text("servicePort", if number.is_empty() { port.text("name") } else { &number });
            });
        });
    });
    if spec.items("tls").next().is_some() {
        out.objects("tls", spec.items("tls"), |out, tls| {
            out.texts("hosts", tls.texts("hosts"));
            out.text_unless_empty("secretName", tls.text("secretName"));
        });
    }
}

/// The rules of one direction of a network policy.
fn rules(key: &str, (spec, direction, side): (Part<'_>, &str, &str), out: &mut JsonObject) {
    if spec.items(direction).next().is_none() {
        return;
    }
    out.objects(key, spec.items(direction), |out, rule| {
        let ports: Vec<String> = rule.items("ports").map(port).collect();
        out.texts("ports", ports.iter().map(String::as_str));
        let peers: Vec<String> = rule.items(side).map(peer).collect();
        out.texts("peers", peers.iter().map(String::as_str));
    });
}

fn port(port: Part<'_>) -> String {
    let protocol = if port.has("protocol") { port.text("protocol") } else { "TCP" };
    format!("{protocol}:{}", port.int_or_text("port"))
}

fn peer(peer: Part<'_>) -> String {
    if peer.has("ipBlock") {
        return peer.at("ipBlock").text("cidr").to_owned();
    }
    let selectors = [("namespaceSelector", "ns:"), ("podSelector", "pod:")];
    let named: Vec<String> = selectors
        .iter()
        .filter(|(key, _)| peer.has(key))
        .map(|(key, prefix)| format!("{prefix}{}", peer.equalities(key)))
        .collect();
    if named.is_empty() { "(all)".to_owned() } else { named.join("/") }
}

fn endpoints(slice: Part<'_>, out: &mut JsonObject) {
    if slice.items("endpoints").next().is_none() {
        return;
    }
    out.objects("endpoints", slice.items("endpoints"), |out, endpoint| {
        out.texts("addresses", endpoint.texts("addresses"));
        for key in ["hostname", "nodeName", "zone"] {
            out.text_unless_empty(key, endpoint.text(key));
        }
        let conditions = endpoint.at("conditions");
        for key in ["ready", "serving", "terminating"] {
            out.bool(key, conditions.bool(key));
        }
        if endpoint.has("targetRef") {
            let target = endpoint.at("targetRef");
            out.object("targetRef", |out| {
                out.text("kind", target.text("kind"));
                out.text("name", target.text("name"));
                out.text_unless_empty("namespace", target.text("namespace"));
            });
        }
    });
}

fn node(spec: Part<'_>, status: Part<'_>, out: &mut JsonObject) {
    all_conditions(status, out);
    if spec.items("taints").next().is_some() {
        out.objects("taints", spec.items("taints"), |out, taint| {
            out.text("key", taint.text("key"));
            out.text_unless_empty("value", taint.text("value"));
            out.text("effect", taint.text("effect"));
        });
    }
    let info = status.at("nodeInfo");
    out.object("nodeInfo", |out| {
        out.text("osImage", info.text("osImage"));
        out.text("kernelVersion", info.text("kernelVersion"));
        out.text("containerRuntime", info.text("containerRuntimeVersion"));
        out.text("kubeletVersion", info.text("kubeletVersion"));
        out.text("kubeProxyVersion", info.text("kubeProxyVersion"));
    });
    let allocatable = status.at("allocatable");
    out.text("cpuAllocatable", &format_cpu(&allocatable.int_or_text("cpu")));
    out.text("memoryAllocatable", &format_memory(&allocatable.int_or_text("memory")));
}

/// A volume's source is named by its type: the one key of its spec that is none of a volume's own.
fn volume(spec: Part<'_>, out: &mut JsonObject) {
    const OWN: [&str; 9] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ];
    if spec.has("claimRef") {
        let claim = spec.at("claimRef");
        out.object("claimRef", |out| {
            out.text("namespace", claim.text("namespace"));
            out.text("name", claim.text("name"));
        });
    }
    out.text_unless_empty("volumeMode", spec.text("volumeMode"));
    let mut keys = spec.0.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let source = keys.find(|key| !OWN.contains(key));
    out.text_unless_empty("source", source.unwrap_or_default());
}

fn parameters(reference: Part<'_>) -> String {
    let parts = [reference.text("apiGroup"), reference.text("kind"), reference.text("name")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn scheduling(scheduling: Part<'_>, out: &mut JsonObject) {
    out.pairs_unless_empty("nodeSelector", scheduling.pairs("nodeSelector"));
    let tolerations: Vec<String> = scheduling.items("tolerations").map(toleration).collect();
    if !tolerations.is_empty() {
        out.texts("tolerations", tolerations.iter().map(String::as_str));
    }
}

/// As `kubectl describe` writes it.
fn toleration(toleration: Part<'_>) -> String {
    let mut text = toleration.text("key").to_owned();
    for (mark, key) in [("=", "value"), (":", "effect")] {
        let value = toleration.text(key);
        if !value.is_empty() {
            text = format!("{text}{mark}{value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(kind: &str, object: &Value) -> Value {
        let mut out = JsonObject::new();
        write(kind, Part(object), &mut out);
        write_metadata(Part(object), &mut out);
        serde_json::from_slice(&out.finish()).expect("JSON")
    }

    #[test]
    fn a_pods_containers_say_how_they_do() {
        let pod = json!({
            "metadata": {"labels": {"app": "web"}, "annotations": {LAST_APPLIED: "{}", "note": "<1>"}},
            "spec": {
                "containers": [
                    {"name": "main", "image": "i", "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}},
                    {"name": "new", "image": "j"},
                ],
            },
            "status": {
                "hostIP": "10.0.0.1", "qosClass": "Burstable",
                "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
                "containerStatuses": [
                    {"name": "main", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}}},
                ],
            },
        });
        let expected = json!({
            "hostIP": "10.0.0.1", "qosClass": "Burstable",
            "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
            "containers": [
                {"name": "main", "image": "i", "state": "Waiting", "reason": "CrashLoopBackOff", "message": "m", "ready": false,
                    "restartCount": 3, "cpuRequest": "100m", "memoryLimit": "1Gi"},
                {"name": "new", "image": "j", "state": "Unknown", "ready": false, "restartCount": 0},
            ],
            "labels": {"app": "web"}, "annotations": {"note": "<1>"},
        });
        assert_eq!(written("pods", &pod), expected);
    }

    #[test]
    fn the_other_kinds() {
        let cases = [
            (
                "deployments",
                json!({"spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [{"name": "m", "image": "i"}]}}}}),
                json!({"strategy": "Recreate", "selector": {"a": "b"}, "containers": [{"name": "m", "image": "i"}]}),
            ),
            (
                "ingresses",
                json!({"spec": {"rules": [{"host": "h", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}], "tls": [{"hosts": ["h"], "secretName": "t"}]}}),
                json!({"rules": [{"host": "h", "paths": [{"path": "/", "pathType": "Prefix", "backend": {"serviceName": "s", "servicePort": "80"}}]}], "tls": [{"hosts": ["h"], "secretName": "t"}]}),
            ),
            (
                "networkpolicies",
                json!({"spec": {"ingress": [{"ports": [{"port": 80}, {"protocol": "UDP", "port": "dns"}], "from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}}, {}]}]}}),
                json!({"ingressRules": [{"ports": ["TCP:80", "UDP:dns"], "peers": ["10.0.0.0/8", "ns:a=b/pod:", "(all)"]}]}),
            ),
            (
                "pvs",
                json!({"spec": {"capacity": {}, "claimRef": {"namespace": "n", "name": "c", "uid": "u"}, "csi": {"driver": "d"}, "volumeMode": "Block"}}),
                json!({"claimRef": {"namespace": "n", "name": "c"}, "volumeMode": "Block", "source": "csi"}),
            ),
            (
                "nodes",
                json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}, "status": {"allocatable": {"cpu": "3920m", "memory": "16Gi"}, "nodeInfo": {"osImage": "o", "containerRuntimeVersion": "c"}}}),
                json!({"conditions": [], "taints": [{"key": "k", "effect": "NoSchedule"}], "cpuAllocatable": "3.92 cores", "memoryAllocatable": "16.0 GiB",
                    "nodeInfo": {"osImage": "o", "kernelVersion": "", "containerRuntime": "c", "kubeletVersion": "", "kubeProxyVersion": ""}}),
            ),
            (
                "ingressclasses",
                json!({"spec": {"parameters": {"apiGroup": "g", "kind": "K", "name": "n"}}}),
                json!({"parameters": "g/K/n"}),
            ),
            (
                "runtimeclasses",
                json!({"scheduling": {"tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}]}}),
                json!({"tolerations": ["k=v:NoSchedule"]}),
            ),
            (
                "cronjobs",
                json!({}),
                json!({"concurrencyPolicy": "", "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1, "containers": []}),
            ),
        ];
        for (kind, object, expected) in cases {
            assert_eq!(written(kind, &object), expected, "{kind}");
        }
    }

    #[test]
    fn nothing_that_an_apiserver_says_is_too_odd() {
        for kind in crate::kind::all() {
            for odd in [
                json!(null),
                json!([]),
                json!({"spec": 1, "status": "x", "metadata": []}),
                json!({"spec": {"template": null, "containers": [null, 1], "rules": [{}], "tls": {}}}),
            ] {
                assert!(written(kind.name, &odd).is_object(), "{}", kind.name);
            }
        }
    }
}
