//! `HorizontalPodAutoscalers`.

use serde::Deserialize;

use super::field::{Condition, Identity, Items, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct HorizontalPodAutoscalers;

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
    scale_target_ref: OrZero<Target<'a>>,
    min_replicas: Option<i32>,
    max_replicas: OrZero<i32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Target<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    current_replicas: OrZero<i32>,
    desired_replicas: OrZero<i32>,
    #[serde(borrow)]
    conditions: Items<Condition<'a>>,
}

impl Projection for HorizontalPodAutoscalers {
    const NAME: &'static str = "horizontalpodautoscalers";
    const GROUP: Group = Group::Workloads;
    const API: Api = Api { group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers" };
    const WRAPPER: &'static str = "hpas";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.time("createdAt", &object.metadata.creation_timestamp);
        let (spec, status) = (&object.spec, &object.status);
        row.joined("target", &[&spec.scale_target_ref.kind, "/", &spec.scale_target_ref.name]);
        row.int("minReplicas", spec.min_replicas.unwrap_or(1));
        row.int("maxReplicas", *spec.max_replicas);
        row.int("currentReplicas", *status.current_replicas);
        row.int("desiredReplicas", *status.desired_replicas);
        let able = status
            .conditions
            .iter()
            .any(|condition| &*condition.kind == "AbleToScale" && condition.is_true());
        row.bool("ready", able);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn all_that_an_autoscaler_has() {
        assert_eq!(
            row(
                "horizontalpodautoscalers",
                r#""spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"minReplicas":0,"maxReplicas":10},"status":{"currentReplicas":3,"desiredReplicas":4,"conditions":[{"type":"AbleToScale","status":"False"},{"type":"AbleToScale","status":"True"}]}"#
            ),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","target":"Deployment/web","minReplicas":0,"maxReplicas":10,"currentReplicas":3,"desiredReplicas":4,"ready":true}"#
        );
    }

    #[test]
    fn the_least_is_one_and_readiness_has_to_be_said() {
        assert_eq!(
            row(
                "horizontalpodautoscalers",
                r#""status":{"conditions":[{"type":"AbleToScale","status":"Unknown"},{"type":"ScalingActive","status":"True"}]}"#
            ),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","target":"/","minReplicas":1,"maxReplicas":0,"currentReplicas":0,"desiredReplicas":0,"ready":false}"#
        );
    }
}
