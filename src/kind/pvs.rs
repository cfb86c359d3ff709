//! `PersistentVolumes`, `pvs` in the contract.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Quantity, Text, Texts};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct PersistentVolumes;

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
    capacity: OrZero<Capacity<'a>>,
    #[serde(borrow)]
    access_modes: Texts<'a>,
    #[serde(borrow)]
    persistent_volume_reclaim_policy: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Capacity<'a> {
    #[serde(borrow)]
    storage: Quantity<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
}

impl Projection for PersistentVolumes {
    const NAME: &'static str = "pvs";
    const GROUP: Group = Group::Storage;
    const API: Api = Api { group: "", version: "v1", plural: "persistentvolumes" };
    const WRAPPER: &'static str = "pvs";
    const NAMESPACED: bool = false;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("status", &object.status.phase);
        row.text_unless_empty("storageClass", &object.spec.storage_class_name);
        row.text_unless_empty("capacity", object.spec.capacity.storage.text().unwrap_or_default());
        row.texts("accessModes", object.spec.access_modes.iter().map(|mode| &**mode));
        row.text_unless_empty("reclaimPolicy", &object.spec.persistent_volume_reclaim_policy);
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn all_that_a_volume_has() {
        assert_eq!(
            row(
                "pvs",
                r#""spec":{"capacity":{"storage":"10Gi"},"accessModes":["ReadWriteOnce","ReadOnlyMany"],"persistentVolumeReclaimPolicy":"Retain","storageClassName":"fast","claimRef":{"name":"c"}},"status":{"phase":"Bound"}"#
            ),
            r#"{"name":"a","status":"Bound","storageClass":"fast","capacity":"10Gi","accessModes":["ReadWriteOnce","ReadOnlyMany"],"reclaimPolicy":"Retain","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_or_null() {
        assert_eq!(
            row("pvs", r#""spec":{"capacity":{"iops":"500"},"accessModes":null,"storageClassName":""}"#),
            r#"{"name":"a","status":"","accessModes":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
        assert_eq!(
            row("pvs", r#""spec":{"capacity":{"storage":null}}"#),
            r#"{"name":"a","status":"","capacity":"0","accessModes":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
