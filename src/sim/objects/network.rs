//! Services, `EndpointSlices`, Ingresses and `NetworkPolicies`.

use std::sync::LazyLock;

use super::pods::address;
use super::template::{Manager, Template};
use crate::sim::clock::timestamp;
use crate::sim::model::{Model, Phase, Pod, Sort, Uid, Workload};
use crate::sim::object::Object;

const BY_KUBECTL: Manager = Manager::Spec("kubectl-client-side-apply");
/// The real controller's default for one slice.
const ENDPOINTS_PER_SLICE: usize = 100;

static SERVICE: LazyLock<Template> =
    LazyLock::new(|| Template::new("Service", "v1", include_str!("json/service.json"), &[BY_KUBECTL]));
static SLICE: LazyLock<Template> = LazyLock::new(|| {
    let text = include_str!("json/endpointslice.json");
    Template::new("EndpointSlice", "discovery.k8s.io/v1", text, &[Manager::Spec("kube-controller-manager")])
});
static INGRESS: LazyLock<Template> = LazyLock::new(|| {
    let managers = [BY_KUBECTL, Manager::Status("ingress-controller")];
    Template::new("Ingress", "networking.k8s.io/v1", include_str!("json/ingress.json"), &managers)
});
static POLICY: LazyLock<Template> = LazyLock::new(|| {
    let text = include_str!("json/networkpolicy.json");
    Template::new("NetworkPolicy", "networking.k8s.io/v1", text, &[BY_KUBECTL])
});

/// The service of a workload.
pub fn service(workload: &Workload) -> Object {
    let public = workload.sort == Sort::Deployment && workload.uid.0.is_multiple_of(7);
    let ip = cluster_ip(workload);
    let balancer = if public { "{\"ingress\":[{\"ip\":\"203.0.113.7\"}]}" } else { "{}" };
    let fields = [
        ("app", &*workload.app),
        ("ns", &workload.namespace),
        ("uid", &workload.service.to_string()),
        ("created", &timestamp(workload.created)),
        ("ip", if workload.sort == Sort::StatefulSet { "None" } else { &ip }),
        ("type", if public { "LoadBalancer" } else { "ClusterIP" }),
        ("balancer", balancer),
    ];
    Object::from_text(SERVICE.fill(&fields))
}

fn cluster_ip(workload: &Workload) -> String {
    let [.., c, d] = workload.service.0.to_be_bytes();
    format!("10.96.{c}.{d}")
}

/// The name of a workload's `EndpointSlice`.
fn slice_name(workload: &Workload) -> String {
    format!("{}-{:05x}", workload.app, workload.service.0 & 0xf_ffff)
}

/// The `EndpointSlice` of a workload's service, under its name.
pub fn endpoint_slice(model: &Model, workload: &Workload, now: i64) -> (String, Object) {
    let pods = workload.pods.iter().filter_map(|number| model.pods.get(number));
    let serving = pods.filter(|pod| matches!(pod.phase, Phase::Started | Phase::Ready | Phase::Terminating));
    let endpoints: Vec<String> =
        serving.take(ENDPOINTS_PER_SLICE).map(|pod| endpoint(model, workload, pod)).collect();
    let name = slice_name(workload);
    let fields = [
        ("name", name.as_str()),
        ("app", &workload.app),
        ("ns", &workload.namespace),
        ("uid", &Uid(workload.service.0 ^ 1).to_string()),
        ("ownerUid", &workload.service.to_string()),
        ("generation", &workload.slice_generation.to_string()),
        ("created", &timestamp(workload.created)),
        ("changed", &timestamp(now)),
        ("endpoints", &format!("[{}]", endpoints.join(","))),
    ];
    let object = Object::from_text(SLICE.fill(&fields));
    (name, object)
}

fn endpoint(model: &Model, workload: &Workload, pod: &Pod) -> String {
    let node = &model.nodes[pod.node % model.nodes.len()];
    format!(
        "{{\"addresses\":[\"{}\"],\"conditions\":{{\"ready\":{},\"serving\":{},\"terminating\":{}}},\
         \"targetRef\":{{\"kind\":\"Pod\",\"namespace\":\"{}\",\"name\":\"{}\",\"uid\":\"{}\"}},\
         \"nodeName\":\"{}\",\"zone\":\"{}\"}}",
        address(pod.ip),
        pod.phase == Phase::Ready,
        pod.phase != Phase::Started,
        pod.phase == Phase::Terminating,
        workload.namespace,
        pod.name,
        pod.uid,
        node.name,
        node.zone()
    )
}

/// The Ingress of a workload.
pub fn ingress(workload: &Workload) -> Object {
    let fields = [
        ("app", &*workload.app),
        ("ns", &workload.namespace),
        ("uid", &Uid(workload.service.0 ^ 2).to_string()),
        ("created", &timestamp(workload.created)),
        ("changed", &timestamp(workload.created)),
        ("class", "public"),
        ("ip", "203.0.113.7"),
    ];
    Object::from_text(INGRESS.fill(&fields))
}

/// The `NetworkPolicy` of a workload.
pub fn network_policy(workload: &Workload) -> Object {
    let fields = [
        ("app", &*workload.app),
        ("ns", &workload.namespace),
        ("uid", &Uid(workload.service.0 ^ 3).to_string()),
        ("created", &timestamp(workload.created)),
    ];
    Object::from_text(POLICY.fill(&fields))
}
