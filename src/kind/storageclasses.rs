//! `StorageClasses`.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct StorageClasses;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    provisioner: Text<'a>,
    #[serde(borrow)]
    reclaim_policy: Text<'a>,
    #[serde(borrow)]
    volume_binding_mode: Text<'a>,
    allow_volume_expansion: OrZero<bool>,
}

impl Projection for StorageClasses {
    const NAME: &'static str = "storageclasses";
    const GROUP: Group = Group::Storage;
    const API: Api = Api { group: "storage.k8s.io", version: "v1", plural: "storageclasses" };
    const WRAPPER: &'static str = "storageClasses";
    const NAMESPACED: bool = false;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("provisioner", &object.provisioner);
        row.text_unless_empty("reclaimPolicy", &object.reclaim_policy);
        row.text_unless_empty("volumeBindingMode", &object.volume_binding_mode);
        row.bool("allowVolumeExpansion", *object.allow_volume_expansion);
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn all_that_a_class_has() {
        assert_eq!(
            row(
                "storageclasses",
                r#""provisioner":"csi.example","reclaimPolicy":"Delete","volumeBindingMode":"Immediate","allowVolumeExpansion":true"#
            ),
            r#"{"name":"a","provisioner":"csi.example","reclaimPolicy":"Delete","volumeBindingMode":"Immediate","allowVolumeExpansion":true,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_or_null() {
        assert_eq!(
            row("storageclasses", r#""provisioner":"p","allowVolumeExpansion":null,"reclaimPolicy":null"#),
            r#"{"name":"a","provisioner":"p","allowVolumeExpansion":false,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
