//! `PersistentVolumeClaims`, `pvcs` in the contract.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Quantity, Text, Texts};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct PersistentVolumeClaims;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: OrZero<Spec<'a>>,
    #[serde(borrow)]
    status: OrZero<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    storage_class_name: Text<'a>,
    #[serde(borrow)]
    resources: OrZero<Resources<'a>>,
    #[serde(borrow)]
    access_modes: Texts<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources<'a> {
    #[serde(borrow)]
    requests: OrZero<Storage<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Storage<'a> {
    #[serde(borrow)]
    storage: Quantity<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow)]
    capacity: OrZero<Storage<'a>>,
}

impl Projection for PersistentVolumeClaims {
    const NAME: &'static str = "pvcs";
    const GROUP: Group = Group::Storage;
    const API: Api = Api { group: "", version: "v1", plural: "persistentvolumeclaims" };
    const WRAPPER: &'static str = "pvcs";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.text("status", &object.status.phase);
        row.text_unless_empty("storageClass", &object.spec.storage_class_name);
        let requested = object.spec.resources.requests.storage.text();
        let capacity = object.status.capacity.storage.text().or(requested);
        row.text_unless_empty("capacity", capacity.unwrap_or_default());
        row.texts("accessModes", object.spec.access_modes.iter().map(|mode| &**mode));
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn the_capacity_is_what_was_given() {
        assert_eq!(
            row(
                "pvcs",
                r#""spec":{"accessModes":["ReadWriteMany"],"resources":{"requests":{"storage":"10Gi"}},"storageClassName":"fast"},"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"20Gi"}}"#
            ),
            r#"{"name":"a","namespace":"n","status":"Bound","storageClass":"fast","capacity":"20Gi","accessModes":["ReadWriteMany"],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn the_capacity_is_what_was_asked_for_while_nothing_was_given() {
        assert_eq!(
            row(
                "pvcs",
                r#""spec":{"resources":{"requests":{"storage":"10Gi"}}},"status":{"phase":"Pending","capacity":{"iops":"1"}}"#
            ),
            r#"{"name":"a","namespace":"n","status":"Pending","capacity":"10Gi","accessModes":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn a_capacity_of_null_was_given() {
        assert_eq!(
            row(
                "pvcs",
                r#""spec":{"resources":{"requests":{"storage":"10Gi"}}},"status":{"capacity":{"storage":null}}"#
            ),
            r#"{"name":"a","namespace":"n","status":"","capacity":"0","accessModes":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_or_null() {
        assert_eq!(
            row(
                "pvcs",
                r#""spec":{"accessModes":null,"resources":{"requests":null,"limits":{"storage":"5Gi"}}},"status":{"capacity":null}"#
            ),
            r#"{"name":"a","namespace":"n","status":"","accessModes":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
