//! `StatefulSets`.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct StatefulSets;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    spec: OrZero<Spec>,
    status: OrZero<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: OrZero<i32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    ready_replicas: OrZero<i32>,
    updated_replicas: OrZero<i32>,
    current_replicas: OrZero<i32>,
}

impl Projection for StatefulSets {
    const NAME: &'static str = "statefulsets";
    const GROUP: Group = Group::Workloads;
    const API: Api = Api { group: "apps", version: "v1", plural: "statefulsets" };
    const WRAPPER: &'static str = "statefulSets";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.int("replicas", *object.spec.replicas);
        row.int("readyReplicas", *object.status.ready_replicas);
        row.int("updatedReplicas", *object.status.updated_replicas);
        row.int("currentReplicas", *object.status.current_replicas);
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn counts_come_from_spec_and_status() {
        assert_eq!(
            row(
                "statefulsets",
                r#""spec":{"replicas":3},"status":{"readyReplicas":2,"updatedReplicas":1,"currentReplicas":4,"availableReplicas":8}"#
            ),
            r#"{"name":"a","namespace":"n","replicas":3,"readyReplicas":2,"updatedReplicas":1,"currentReplicas":4,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_is_zero() {
        assert_eq!(
            row("statefulsets", ""),
            r#"{"name":"a","namespace":"n","replicas":0,"readyReplicas":0,"updatedReplicas":0,"currentReplicas":0,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
