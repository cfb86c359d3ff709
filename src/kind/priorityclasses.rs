//! `PriorityClasses`.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct PriorityClasses;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    value: OrZero<i32>,
    global_default: OrZero<bool>,
    #[serde(borrow)]
    preemption_policy: Option<Text<'a>>,
}

impl Projection for PriorityClasses {
    const NAME: &'static str = "priorityclasses";
    const GROUP: Group = Group::Cluster;
    const API: Api = Api { group: "scheduling.k8s.io", version: "v1", plural: "priorityclasses" };
    const WRAPPER: &'static str = "priorityClasses";
    const NAMESPACED: bool = false;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.time("createdAt", &object.metadata.creation_timestamp);
        row.int("value", *object.value);
        row.bool("globalDefault", *object.global_default);
        row.text("preemptionPolicy", object.preemption_policy.as_deref().unwrap_or("PreemptLowerPriority"));
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn all_that_a_class_has() {
        assert_eq!(
            row("priorityclasses", r#""value":-2147483648,"globalDefault":true,"preemptionPolicy":"Never""#),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","value":-2147483648,"globalDefault":true,"preemptionPolicy":"Never"}"#
        );
    }

    #[test]
    fn a_policy_that_is_not_set_differs_from_an_empty_one() {
        assert_eq!(
            row("priorityclasses", r#""preemptionPolicy":null"#),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","value":0,"globalDefault":false,"preemptionPolicy":"PreemptLowerPriority"}"#
        );
        assert_eq!(
            row("priorityclasses", r#""preemptionPolicy":"""#),
            r#"{"name":"a","createdAt":"2026-05-01T12:00:00Z","value":0,"globalDefault":false,"preemptionPolicy":""}"#
        );
    }
}
