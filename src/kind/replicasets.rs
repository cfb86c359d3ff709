//! `ReplicaSets`, with the Deployment that owns them.

use serde::Deserialize;

use super::field::{Identity, Items, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct ReplicaSets;

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
struct Owner<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: OrZero<i32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    replicas: OrZero<i32>,
    ready_replicas: OrZero<i32>,
}

impl Projection for ReplicaSets {
    const NAME: &'static str = "replicasets";
    const GROUP: Group = Group::Workloads;
    const API: Api = Api { group: "apps", version: "v1", plural: "replicasets" };
    const WRAPPER: &'static str = "replicaSets";
    const OWN_OWNER: bool = true;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.time("createdAt", &object.metadata.creation_timestamp);
        row.int("desired", *object.spec.replicas);
        row.int("current", *object.status.replicas);
        row.int("ready", *object.status.ready_replicas);
        let owners: Items<Owner<'_>> = object.metadata.owner_references.read();
        match owners.iter().find(|owner| &*owner.kind == "Deployment") {
            Some(deployment) => row.joined("owner", &["Deployment/", &deployment.name]),
            None => row.text("owner", ""),
        }
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{row, row_with};

    #[test]
    fn counts_come_from_spec_and_status() {
        assert_eq!(
            row("replicasets", r#""spec":{"replicas":3},"status":{"replicas":2,"readyReplicas":1}"#),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","desired":3,"current":2,"ready":1,"owner":""}"#
        );
    }

    #[test]
    fn the_first_deployment_of_any_api_group_is_the_owner() {
        assert_eq!(
            row_with(
                "replicasets",
                r#""ownerReferences":[{"kind":"Rollout","name":"r"},{"apiVersion":"example.com/v1","kind":"Deployment","name":"<one>"},{"kind":"Deployment","name":"two"}]"#,
                ""
            ),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","desired":0,"current":0,"ready":0,"owner":"Deployment/\u003cone\u003e"}"#
        );
        assert_eq!(
            row_with("replicasets", r#""ownerReferences":null"#, ""),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","desired":0,"current":0,"ready":0,"owner":""}"#
        );
    }
}
