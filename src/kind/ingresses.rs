//! Ingresses, with the hosts that they serve.

use std::collections::HashSet;

use serde::Deserialize;

use super::field::{Identity, Items, LoadBalancer, Metadata, OrZero, Text, Texts};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct Ingresses;

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
    ingress_class_name: Text<'a>,
    #[serde(borrow)]
    rules: Items<Rule<'a>>,
    #[serde(borrow)]
    tls: Items<Tls<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rule<'a> {
    #[serde(borrow)]
    host: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tls<'a> {
    #[serde(borrow)]
    hosts: Texts<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    load_balancer: OrZero<LoadBalancer<'a>>,
}

impl Projection for Ingresses {
    const NAME: &'static str = "ingresses";
    const GROUP: Group = Group::Networking;
    const API: Api = Api { group: "networking.k8s.io", version: "v1", plural: "ingresses" };
    const WRAPPER: &'static str = "ingresses";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.text_unless_empty("class", &object.spec.ingress_class_name);
        row.texts("hosts", object.spec.hosts());
        if let Some(point) = object.status.load_balancer.ingress.first() {
            row.text_unless_empty(
                "address",
                if point.hostname.is_empty() { &point.ip } else { &point.hostname },
            );
        }
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

impl Spec<'_> {
    /// The hosts of the rules, then those of TLS, each once.
    fn hosts(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().map(|rule| &*rule.host).filter(|host| !host.is_empty());
        let tls = self.tls.iter().flat_map(|tls| tls.hosts.iter().map(|host| &**host));
        let mut seen = HashSet::new();
        rules.chain(tls).filter(move |host| seen.insert(*host))
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn all_that_an_ingress_has() {
        assert_eq!(
            row(
                "ingresses",
                r#""spec":{"ingressClassName":"nginx","rules":[{"host":"b.example"},{"host":""},{"host":"a.example"},{"host":"b.example"}],"tls":[{"hosts":["a.example","c.example"]}]},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1","hostname":"lb.example"}]}}"#
            ),
            r#"{"name":"a","namespace":"n","class":"nginx","hosts":["b.example","a.example","c.example"],"address":"lb.example","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn only_tls_may_name_an_empty_host() {
        assert_eq!(
            row(
                "ingresses",
                r#""spec":{"rules":[{"host":""}],"tls":[{"hosts":["",""]},{"hosts":null}]},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}"#
            ),
            r#"{"name":"a","namespace":"n","hosts":[""],"address":"203.0.113.1","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_or_null() {
        assert_eq!(
            row(
                "ingresses",
                r#""spec":{"ingressClassName":null,"rules":null},"status":{"loadBalancer":null}"#
            ),
            r#"{"name":"a","namespace":"n","hosts":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
