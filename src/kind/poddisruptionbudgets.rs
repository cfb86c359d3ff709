//! `PodDisruptionBudgets`.

use std::borrow::Cow;

use serde::Deserialize;

use super::field::{Identity, IntOrText, Metadata, OrZero};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct PodDisruptionBudgets;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: OrZero<Spec<'a>>,
    status: OrZero<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    min_available: Option<IntOrText<'a>>,
    #[serde(borrow)]
    max_unavailable: Option<IntOrText<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    current_healthy: OrZero<i32>,
    desired_healthy: OrZero<i32>,
    expected_pods: OrZero<i32>,
    disruptions_allowed: OrZero<i32>,
}

impl Projection for PodDisruptionBudgets {
    const NAME: &'static str = "poddisruptionbudgets";
    const GROUP: Group = Group::Workloads;
    const API: Api = Api { group: "policy", version: "v1", plural: "poddisruptionbudgets" };
    const WRAPPER: &'static str = "pdbs";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.time("createdAt", &object.metadata.creation_timestamp);
        row.text("minAvailable", &limit(object.spec.min_available.as_ref()));
        row.text("maxUnavailable", &limit(object.spec.max_unavailable.as_ref()));
        row.int("currentHealthy", *object.status.current_healthy);
        row.int("desiredHealthy", *object.status.desired_healthy);
        row.int("expectedPods", *object.status.expected_pods);
        row.int("disruptionsAllowed", *object.status.disruptions_allowed);
        Row::fixed(row.finish())
    }
}

fn limit<'o>(limit: Option<&'o IntOrText<'_>>) -> Cow<'o, str> {
    limit.map_or(Cow::Borrowed("N/A"), IntOrText::text)
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn limits_are_numbers_or_shares() {
        assert_eq!(
            row(
                "poddisruptionbudgets",
                r#""spec":{"minAvailable":2,"maxUnavailable":"25%"},"status":{"currentHealthy":3,"desiredHealthy":2,"expectedPods":4,"disruptionsAllowed":1}"#
            ),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","minAvailable":"2","maxUnavailable":"25%","currentHealthy":3,"desiredHealthy":2,"expectedPods":4,"disruptionsAllowed":1}"#
        );
    }

    #[test]
    fn a_limit_that_is_not_set_differs_from_an_empty_one() {
        assert_eq!(
            row("poddisruptionbudgets", r#""spec":{"minAvailable":null,"maxUnavailable":""}"#),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","minAvailable":"N/A","maxUnavailable":"","currentHealthy":0,"desiredHealthy":0,"expectedPods":0,"disruptionsAllowed":0}"#
        );
    }
}
