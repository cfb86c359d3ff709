//! The cluster that is weighed: a simulated one of 500 pods, with as many services, deployments and events as are wanted, as pages of lists.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use foretop::kind::{self, Kind};
use foretop::sim::{Cluster, Options};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{Event, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass, NetworkPolicy},
    node::v1::RuntimeClass,
    policy::v1::PodDisruptionBudget,
    scheduling::v1::PriorityClass,
    storage::v1::StorageClass,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{List, ListableResource, Metadata};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A page of every kind, as an apiserver sends it.
pub type Pages = Vec<(&'static Kind, Vec<u8>)>;

/// How many there are of the kinds that are counted, and of those that come with them; of the others as many as the simulation has for
/// 500 pods.
const COUNTS: [(&str, usize); 9] = [
    ("pods", 500),
    ("services", 50),
    ("deployments", 30),
    ("events", 3000),
    ("replicasets", 60),
    ("endpointslices", 50),
    ("poddisruptionbudgets", 15),
    ("horizontalpodautoscalers", 10),
    ("ingresses", 8),
];

/// The pages.
pub fn pages() -> Pages {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = Options { time: Some(1_777_636_800), ..Options::default() };
        let cluster = Cluster::start(options).await.expect("a simulated cluster");
        kind::all().iter().map(|kind| (kind, page(&cluster, kind))).collect()
    })
}

fn page(cluster: &Cluster, kind: &Kind) -> Vec<u8> {
    let plural = kind.api.plural;
    let names = cluster.names(plural).expect("a resource of every kind");
    let objects =
        names.iter().map(|(namespace, name)| cluster.get(plural, namespace, name).expect("it is listed"));
    let mut items: Vec<Value> = objects.collect();
    if let Some((_, count)) = COUNTS.iter().find(|(name, _)| *name == kind.name) {
        let there = items.len();
        items = (0..*count).map(|number| copy(&items[number % there], number)).collect();
    }
    json!({ "metadata": { "resourceVersion": cluster.rv().to_string() }, "items": items })
        .to_string()
        .into_bytes()
}

/// An object under a name of its own, which is about as long.
fn copy(object: &Value, number: usize) -> Value {
    let mut copy = object.clone();
    let name = object["metadata"]["name"].as_str().expect("a name");
    let stem = &name[..name.len().saturating_sub(5)];
    copy["metadata"]["name"] = format!("{stem}-{number:04}").into();
    copy
}

/// The objects of a page as a client with a typed cache holds them.
type Typed = Box<dyn std::any::Any>;

/// The pages as a typed client holds them: each object whole, in a map by namespace and name.
pub fn typed(pages: &Pages) -> Vec<Typed> {
    pages.iter().map(|(kind, page)| cache(kind, page)).collect()
}

fn cache(kind: &Kind, page: &[u8]) -> Typed {
    match kind.name {
        "pods" => of::<Pod>(page),
        "events" => of::<Event>(page),
        "deployments" => of::<Deployment>(page),
        "statefulsets" => of::<StatefulSet>(page),
        "daemonsets" => of::<DaemonSet>(page),
        "replicasets" => of::<ReplicaSet>(page),
        "jobs" => of::<Job>(page),
        "cronjobs" => of::<CronJob>(page),
        "horizontalpodautoscalers" => of::<HorizontalPodAutoscaler>(page),
        "poddisruptionbudgets" => of::<PodDisruptionBudget>(page),
        "services" => of::<Service>(page),
        "ingresses" => of::<Ingress>(page),
        "networkpolicies" => of::<NetworkPolicy>(page),
        "endpointslices" => of::<EndpointSlice>(page),
        "ingressclasses" => of::<IngressClass>(page),
        "pvs" => of::<PersistentVolume>(page),
        "pvcs" => of::<PersistentVolumeClaim>(page),
        "storageclasses" => of::<StorageClass>(page),
        "nodes" => of::<Node>(page),
        "namespaces" => of::<Namespace>(page),
        "priorityclasses" => of::<PriorityClass>(page),
        "runtimeclasses" => of::<RuntimeClass>(page),
        other => panic!("no type for {other}"),
    }
}

fn of<T>(page: &[u8]) -> Typed
where
    T: DeserializeOwned + ListableResource + Metadata<Ty = ObjectMeta> + 'static,
{
    let list: List<T> = serde_json::from_slice(page).expect("objects of the kind's type");
    let keyed = list.items.into_iter().map(|object| (key(object.metadata()), Arc::new(object)));
    Box::new(keyed.collect::<HashMap<_, _>>())
}

fn key(metadata: &ObjectMeta) -> impl Hash + Eq + use<> {
    (metadata.namespace.clone(), metadata.name.clone())
}
