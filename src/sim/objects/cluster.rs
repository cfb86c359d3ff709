//! What is cluster-wide: nodes, namespaces, and the classes.

use std::sync::LazyLock;

use super::template::{Manager, Template};
use crate::sim::clock::timestamp;
use crate::sim::discovery::GIT_VERSION;
use crate::sim::model::{Node, Uid};
use crate::sim::object::Object;

const BY_KUBECTL: Manager = Manager::Spec("kubectl-client-side-apply");

static NODE: LazyLock<Template> = LazyLock::new(|| {
    let managers = [Manager::Spec("kubelet"), Manager::Status("kubelet")];
    Template::new("Node", "v1", include_str!("json/node.json"), &managers)
});
static NAMESPACE: LazyLock<Template> =
    LazyLock::new(|| Template::new("Namespace", "v1", include_str!("json/namespace.json"), &[BY_KUBECTL]));
static PRIORITY: LazyLock<Template> = LazyLock::new(|| {
    let text = include_str!("json/priorityclass.json");
    Template::new("PriorityClass", "scheduling.k8s.io/v1", text, &[BY_KUBECTL])
});
static RUNTIME: LazyLock<Template> = LazyLock::new(|| {
    Template::new("RuntimeClass", "node.k8s.io/v1", include_str!("json/runtimeclass.json"), &[BY_KUBECTL])
});
static INGRESS: LazyLock<Template> = LazyLock::new(|| {
    let text = include_str!("json/ingressclass.json");
    Template::new("IngressClass", "networking.k8s.io/v1", text, &[BY_KUBECTL])
});

/// The node as an object, with a heartbeat of now.
pub fn node(node: &Node, now: i64) -> Object {
    let role = if node.leads() { "control-plane" } else { "worker" };
    let taints = match (node.leads(), node.cordoned) {
        (true, _) => "[{\"key\":\"node-role.kubernetes.io/control-plane\",\"effect\":\"NoSchedule\"}]",
        (false, true) => "[{\"key\":\"node.kubernetes.io/unschedulable\",\"effect\":\"NoSchedule\"}]",
        (false, false) => "[]",
    };
    let fields = [
        ("name", node.name.as_str()),
        ("uid", &node.uid.to_string()),
        ("created", &timestamp(node.created)),
        ("changed", &timestamp(now)),
        ("role", &format!("node-role.kubernetes.io/{role}")),
        ("zone", node.zone()),
        ("cidr", &format!("10.{}.{}.0/24", node.index / 256, node.index % 256)),
        ("taints", taints),
        ("unschedulable", if node.cordoned { "true" } else { "false" }),
        ("ip", &node.ip()),
        ("machine", &format!("{:032x}", node.uid.0)),
        ("digest", &format!("{:032x}{:032x}", node.uid.0, node.uid.0)),
        ("kubelet", GIT_VERSION),
    ];
    Object::from_text(NODE.fill(&fields))
}

/// A namespace.
pub fn namespace(name: &str, uid: Uid, created: i64) -> Object {
    named(&NAMESPACE, name, uid, created, &[])
}

/// A `PriorityClass`.
pub fn priority_class(name: &str, uid: Uid, created: i64, value: i32, default: bool) -> Object {
    let default = if default { "true" } else { "false" };
    named(&PRIORITY, name, uid, created, &[("value", &value.to_string()), ("default", default)])
}

/// A `RuntimeClass`.
pub fn runtime_class(name: &str, uid: Uid, created: i64, handler: &str) -> Object {
    named(&RUNTIME, name, uid, created, &[("handler", handler)])
}

/// An `IngressClass`.
pub fn ingress_class(name: &str, uid: Uid, created: i64, default: bool) -> Object {
    named(&INGRESS, name, uid, created, &[("default", if default { "true" } else { "false" })])
}

fn named(template: &Template, name: &str, uid: Uid, created: i64, more: &[(&str, &str)]) -> Object {
    let (uid, created) = (uid.to_string(), timestamp(created));
    let mut fields = vec![("name", name), ("uid", uid.as_str()), ("created", created.as_str())];
    fields.extend_from_slice(more);
    Object::from_text(template.fill(&fields))
}
