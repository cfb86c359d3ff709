//! Namespaces.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct Namespaces;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    status: OrZero<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
}

impl Projection for Namespaces {
    const NAME: &'static str = "namespaces";
    const GROUP: Group = Group::Cluster;
    const API: Api = Api { group: "", version: "v1", plural: "namespaces" };
    const WRAPPER: &'static str = "namespaces";
    const NAMESPACED: bool = false;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("phase", &object.status.phase);
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn phases() {
        assert_eq!(
            row("namespaces", r#""status":{"phase":"Terminating"}"#),
            r#"{"name":"a","phase":"Terminating","createdAt":"2026-05-01T12:00:00Z"}"#
        );
        assert_eq!(
            row("namespaces", r#""status":null"#),
            r#"{"name":"a","phase":"","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn an_object_without_a_namespace_has_an_empty_one() {
        assert_eq!(&*super::super::case::object("namespaces", "").namespace, "");
    }
}
