//! `NetworkPolicies`.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Pairs, Texts};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct NetworkPolicies;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: OrZero<Spec<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    pod_selector: OrZero<Selector<'a>>,
    #[serde(borrow)]
    policy_types: Texts<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Selector<'a> {
    #[serde(borrow)]
    match_labels: Pairs<'a>,
}

impl Projection for NetworkPolicies {
    const NAME: &'static str = "networkpolicies";
    const GROUP: Group = Group::Networking;
    const API: Api = Api { group: "networking.k8s.io", version: "v1", plural: "networkpolicies" };
    const WRAPPER: &'static str = "networkPolicies";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.time("createdAt", &object.metadata.creation_timestamp);
        row.text("podSelector", &object.spec.pod_selector.text());
        row.texts("policyTypes", object.spec.policy_types.iter().map(|policy_type| &**policy_type));
        Row::fixed(row.finish())
    }
}

impl Selector<'_> {
    fn text(&self) -> String {
        let labels = &self.match_labels.0;
        let mut labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{}={}", &**key, &**value)).collect();
        labels.sort_unstable();
        labels.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn labels_are_sorted_as_they_are_written() {
        assert_eq!(
            row(
                "networkpolicies",
                r#""spec":{"podSelector":{"matchLabels":{"app.kubernetes.io/name":"web","app":"x","app.kubernetes.io":"y"},"matchExpressions":[{"key":"k"}]},"policyTypes":["Ingress","Egress"]}"#
            ),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","podSelector":"app.kubernetes.io/name=web,app.kubernetes.io=y,app=x","policyTypes":["Ingress","Egress"]}"#
        );
    }

    #[test]
    fn an_empty_selector_is_an_empty_text() {
        assert_eq!(
            row("networkpolicies", r#""spec":{"podSelector":{"matchLabels":null},"policyTypes":null}"#),
            r#"{"name":"a","namespace":"n","createdAt":"2026-05-01T12:00:00Z","podSelector":"","policyTypes":[]}"#
        );
    }
}
