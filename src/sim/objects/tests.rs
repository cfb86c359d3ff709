use std::sync::Arc;

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, core::v1 as core,
    discovery::v1 as discovery, networking::v1 as networking, node::v1 as node, policy::v1 as policy,
    scheduling::v1 as scheduling, storage::v1 as storage,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::sim::churn::{Size, build};
use crate::sim::clock::Clock;
use crate::sim::object::Object;
use crate::sim::resource::{RESOURCES, Resource, named};
use crate::sim::store::{Range, Store};

/// A cluster in which everything has happened.
fn lived_in() -> Store {
    let store = Store::new(100_000);
    let churn = build(
        &store,
        &Size { pods: 300, bare: false, node_name: 0 },
        7,
        Arc::new(Clock::new(Some(1_800_000_000))),
    );
    churn.step(&store, 5000);
    store
}

fn all(store: &Store, resource: &Resource) -> Vec<Object> {
    let now = store.list(resource, &Range::default()).unwrap().items.into_iter().map(|(_, object)| object);
    let past = store.events_after(resource, 0, usize::MAX).unwrap().0;
    now.chain(past.into_iter().map(|event| event.object.clone())).collect()
}

/// Each object decodes as its Kubernetes type, and what the type knows is all that the object says: a field that is
/// misspelt or misplaced would be lost on the way.
fn check<T: DeserializeOwned + serde::Serialize>(store: &Store, plural: &str) {
    let resource = named(plural);
    let objects = all(store, resource);
    assert!(!objects.is_empty(), "{plural}");
    for object in objects {
        let mut text = Vec::new();
        object.write_whole(resource, &mut text);
        let given: Value = serde_json::from_slice(&text).unwrap();
        let typed: T = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{plural}: {error}"));
        let again = serde_json::to_value(typed).unwrap();
        assert_eq!(lost(&given, &again, ""), Vec::<String>::new(), "{plural}");
    }
}

/// The paths that one value has and the other has not. Nulls and empty lists and maps may go.
fn lost(given: &Value, again: &Value, path: &str) -> Vec<String> {
    match (given, again) {
        (Value::Object(given), _) => given
            .iter()
            .filter(|(_, value)| !is_nothing(value))
            .flat_map(|(field, value)| match again.get(field) {
                Some(other) => lost(value, other, &format!("{path}/{field}")),
                None => vec![format!("{path}/{field}")],
            })
            .collect(),
        (Value::Array(given), Value::Array(again)) => {
            given.iter().zip(again).flat_map(|(value, other)| lost(value, other, path)).collect()
        }
        _ if given == again => Vec::new(),
        _ => vec![format!("{path}: {given} is not {again}")],
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[test]
fn every_object_is_a_kubernetes_object() {
    let store = lived_in();
    check::<core::Pod>(&store, "pods");
    check::<core::Event>(&store, "events");
    check::<apps::Deployment>(&store, "deployments");
    check::<apps::StatefulSet>(&store, "statefulsets");
    check::<apps::DaemonSet>(&store, "daemonsets");
    check::<apps::ReplicaSet>(&store, "replicasets");
    check::<batch::Job>(&store, "jobs");
    check::<batch::CronJob>(&store, "cronjobs");
    check::<autoscaling::HorizontalPodAutoscaler>(&store, "horizontalpodautoscalers");
    check::<policy::PodDisruptionBudget>(&store, "poddisruptionbudgets");
    check::<core::Service>(&store, "services");
    check::<networking::Ingress>(&store, "ingresses");
    check::<networking::NetworkPolicy>(&store, "networkpolicies");
    check::<discovery::EndpointSlice>(&store, "endpointslices");
    check::<networking::IngressClass>(&store, "ingressclasses");
    check::<core::PersistentVolume>(&store, "persistentvolumes");
    check::<core::PersistentVolumeClaim>(&store, "persistentvolumeclaims");
    check::<storage::StorageClass>(&store, "storageclasses");
    check::<core::Node>(&store, "nodes");
    check::<core::Namespace>(&store, "namespaces");
    check::<scheduling::PriorityClass>(&store, "priorityclasses");
    check::<node::RuntimeClass>(&store, "runtimeclasses");
}

#[test]
fn pods_are_as_rich_as_real_ones() {
    let store = lived_in();
    let pods = all(&store, named("pods"));
    let mean = pods.iter().map(Object::len).sum::<usize>() / pods.len();
    assert!((6000..11_000).contains(&mean), "{mean} bytes");
}

#[test]
fn no_resource_is_empty_even_without_pods() {
    let store = Store::new(10);
    build(&store, &Size { pods: 0, bare: false, node_name: 0 }, 1, Arc::new(Clock::new(Some(1_800_000_000))))
        .step(&store, 500);
    for resource in RESOURCES[..22].iter().filter(|resource| resource.plural != "pods") {
        assert!(store.count(resource) > 0, "{}", resource.plural);
    }
}
