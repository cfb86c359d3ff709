//! Nodes.

use serde::Deserialize;

use super::field::{Condition, Identity, Items, Metadata, OrZero, Pairs, Quantity, Text};
use super::quantity::{format_cpu, format_memory};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct Nodes;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    spec: OrZero<Spec>,
    #[serde(borrow)]
    status: OrZero<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    unschedulable: OrZero<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    conditions: Items<Condition<'a>>,
    #[serde(borrow)]
    addresses: Items<Address<'a>>,
    #[serde(borrow)]
    capacity: OrZero<Capacity<'a>>,
    #[serde(borrow)]
    node_info: OrZero<NodeInfo<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    address: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Capacity<'a> {
    #[serde(borrow)]
    cpu: Quantity<'a>,
    #[serde(borrow)]
    memory: Quantity<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo<'a> {
    #[serde(borrow)]
    kubelet_version: Text<'a>,
}

impl Projection for Nodes {
    const NAME: &'static str = "nodes";
    const GROUP: Group = Group::Cluster;
    const API: Api = Api { group: "", version: "v1", plural: "nodes" };
    const WRAPPER: &'static str = "nodes";
    const NAMESPACED: bool = false;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        let status = &object.status;
        row.text("status", status.readiness());
        row.texts("roles", roles(&object.metadata.labels.read()));
        row.text("kubeletVersion", &status.node_info.kubelet_version);
        let internal = status.addresses.iter().find(|address| &*address.kind == "InternalIP");
        row.text("internalIP", internal.map_or("", |address| &address.address));
        row.text("cpuCapacity", &format_cpu(status.capacity.cpu.text().unwrap_or_default()));
        row.text("memoryCapacity", &format_memory(status.capacity.memory.text().unwrap_or_default()));
        row.time("createdAt", &object.metadata.creation_timestamp);
        row.bool("unschedulable", *object.spec.unschedulable);
        Row::fixed(row.finish())
    }
}

impl Status<'_> {
    fn readiness(&self) -> &'static str {
        let ready = self.conditions.iter().find(|condition| &*condition.kind == "Ready");
        match ready.map(|condition| &*condition.status) {
            Some("True") => "Ready",
            Some("False") => "NotReady",
            _ => "Unknown",
        }
    }
}

fn roles<'o>(labels: &'o Pairs<'_>) -> Vec<&'o str> {
    let keys = labels.0.iter().map(|(key, _)| &**key);
    let suffixes = keys.filter_map(|key| key.strip_prefix("node-role.kubernetes.io/"));
    let mut roles: Vec<&str> = suffixes.filter(|role| !role.is_empty()).collect();
    if roles.is_empty() {
        return vec!["<none>"];
    }
    roles.sort_unstable();
    roles
}

#[cfg(test)]
mod tests {
    use super::super::case::{row, row_with};

    #[test]
    fn all_that_a_node_has() {
        assert_eq!(
            row_with(
                "nodes",
                r#""labels":{"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/Infra":"","node-role.kubernetes.io/":"","zone":"a"}"#,
                r#""spec":{"unschedulable":true},"status":{"capacity":{"cpu":"3920m","memory":"16393224Ki"},"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"},{"type":"Ready","status":"False"}],"addresses":[{"type":"Hostname","address":"h"},{"type":"InternalIP","address":"192.0.2.31"},{"type":"InternalIP","address":"2001:db8::31"}],"nodeInfo":{"kubeletVersion":"v1.36.2"}}"#
            ),
            r#"{"name":"a","status":"Ready","roles":["Infra","worker"],"kubeletVersion":"v1.36.2","internalIP":"192.0.2.31","cpuCapacity":"3.92 cores","memoryCapacity":"15.6 GiB","createdAt":"2026-05-01T12:00:00Z","unschedulable":true}"#
        );
    }

    #[test]
    fn what_is_absent_or_null() {
        assert_eq!(
            row_with(
                "nodes",
                r#""labels":null"#,
                r#""status":{"conditions":null,"addresses":null,"capacity":null}"#
            ),
            r#"{"name":"a","status":"Unknown","roles":["\u003cnone\u003e"],"kubeletVersion":"","internalIP":"","cpuCapacity":"0m","memoryCapacity":"0 B","createdAt":"2026-05-01T12:00:00Z","unschedulable":false}"#
        );
    }

    #[test]
    fn only_a_plain_no_means_not_ready() {
        for (condition, expected) in [("False", "NotReady"), ("Unknown", "Unknown"), ("", "Unknown")] {
            let row = row(
                "nodes",
                &format!(r#""status":{{"conditions":[{{"type":"Ready","status":"{condition}"}}]}}"#),
            );
            assert!(row.contains(&format!(r#""status":"{expected}""#)), "{row}");
        }
    }
}
