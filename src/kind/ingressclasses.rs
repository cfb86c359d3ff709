//! `IngressClasses`.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct IngressClasses;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a, OrZero<Annotations<'a>>>,
    #[serde(borrow)]
    spec: OrZero<Spec<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations<'a> {
    #[serde(borrow, rename = "ingressclass.kubernetes.io/is-default-class")]
    is_default: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec<'a> {
    #[serde(borrow)]
    controller: Text<'a>,
}

impl Projection for IngressClasses {
    const NAME: &'static str = "ingressclasses";
    const GROUP: Group = Group::Networking;
    const API: Api = Api { group: "networking.k8s.io", version: "v1", plural: "ingressclasses" };
    const WRAPPER: &'static str = "ingressClasses";
    const NAMESPACED: bool = false;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.time("createdAt", &object.metadata.creation_timestamp);
        row.text("controller", &object.spec.controller);
        row.bool("isDefault", &*object.metadata.annotations.is_default == "true");
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{row, row_with};

    #[test]
    fn only_the_annotation_true_makes_a_default() {
        assert_eq!(
            row_with(
                "ingressclasses",
                r#""annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}"#,
                r#""spec":{"controller":"example.com/ingress"}"#
            ),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","controller":"example.com/ingress","isDefault":true}"#
        );
        assert_eq!(
            row_with(
                "ingressclasses",
                r#""annotations":{"ingressclass.kubernetes.io/is-default-class":"True"}"#,
                ""
            ),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","controller":"","isDefault":false}"#
        );
        assert_eq!(
            row("ingressclasses", r#""spec":null"#),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","controller":"","isDefault":false}"#
        );
    }
}
