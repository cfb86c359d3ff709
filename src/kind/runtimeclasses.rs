//! `RuntimeClasses`.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Quantity, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct RuntimeClasses;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    handler: Text<'a>,
    #[serde(borrow)]
    overhead: OrZero<Overhead<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Overhead<'a> {
    #[serde(borrow)]
    pod_fixed: OrZero<Resources<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources<'a> {
    #[serde(borrow)]
    cpu: Quantity<'a>,
    #[serde(borrow)]
    memory: Quantity<'a>,
}

impl Projection for RuntimeClasses {
    const NAME: &'static str = "runtimeclasses";
    const GROUP: Group = Group::Cluster;
    const API: Api = Api { group: "node.k8s.io", version: "v1", plural: "runtimeclasses" };
    const WRAPPER: &'static str = "runtimeClasses";
    const NAMESPACED: bool = false;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.time("createdAt", &object.metadata.creation_timestamp);
        let fixed = &object.overhead.pod_fixed;
        row.text("handler", &object.handler);
        row.text("cpuOverhead", fixed.cpu.text().unwrap_or_default());
        row.text("memoryOverhead", fixed.memory.text().unwrap_or_default());
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
                "runtimeclasses",
                r#""handler":"runsc","overhead":{"podFixed":{"cpu":"250m","memory":"120Mi"}}"#
            ),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","handler":"runsc","cpuOverhead":"250m","memoryOverhead":"120Mi"}"#
        );
    }

    #[test]
    fn an_overhead_of_null_is_0_and_none_is_empty() {
        assert_eq!(
            row("runtimeclasses", r#""overhead":{"podFixed":{"cpu":null}}"#),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","handler":"","cpuOverhead":"0","memoryOverhead":""}"#
        );
        assert_eq!(
            row("runtimeclasses", r#""overhead":null"#),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","handler":"","cpuOverhead":"","memoryOverhead":""}"#
        );
    }
}
