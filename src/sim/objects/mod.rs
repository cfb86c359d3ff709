//! What the simulated objects look like: one JSON template per kind, and the functions that fill them from the
//! [`model`](super::model).

mod batch;
mod cluster;
mod events;
mod network;
mod pods;
mod storage;
mod template;
mod workloads;

pub use batch::{cron_job, job};
pub use cluster::{ingress_class, namespace, node, priority_class, runtime_class};
pub use events::event;
pub use network::{endpoint_slice, ingress, network_policy, service};
pub use pods::pod;
pub use storage::{Claim, claim, storage_class, volume};
pub use workloads::{autoscaler, budget, replica_set, workload};

use super::model::Shape;

const CONTAINER: &str = include_str!("json/container.json");
const SIDECAR: &str = include_str!("json/sidecar.json");
const INIT: &str = include_str!("json/init.json");
const POD_TEMPLATE: &str = include_str!("json/pod_template.json");

/// Puts a shape's containers into the text of a pod or of a pod template.
fn with_containers(text: &str, shape: Shape) -> String {
    let containers = match shape {
        Shape::Meshed => format!("{CONTAINER},{SIDECAR}"),
        Shape::Plain | Shape::Batch => CONTAINER.to_owned(),
    };
    let init = match shape {
        Shape::Meshed => format!("\"initContainers\": [{INIT}],"),
        Shape::Plain | Shape::Batch => String::new(),
    };
    text.replace("\"@containers\"", &containers)
        .replace("\"@init\": null,", &init)
        .replace("@container", shape.container())
        .replace("@restartPolicy", if shape == Shape::Batch { "Never" } else { "Always" })
}

/// The text of a workload of a shape, its pod template included.
fn with_template(text: &str, shape: Shape) -> String {
    text.replace("\"@template\"", &with_containers(POD_TEMPLATE, shape))
}

#[cfg(test)]
mod tests;
