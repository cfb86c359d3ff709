//! Services, with their ports.

use serde::Deserialize;

use super::field::{Identity, IntOrText, Items, LoadBalancer, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct Services;

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
#[serde(default)]
struct Spec<'a> {
    #[serde(borrow, rename = "type")]
    service_type: Text<'a>,
    #[serde(borrow, rename = "clusterIP")]
    cluster_ip: Text<'a>,
    #[serde(borrow)]
    ports: Items<Port<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    protocol: Text<'a>,
    port: OrZero<i32>,
    #[serde(borrow)]
    target_port: IntOrText<'a>,
    node_port: OrZero<i32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    load_balancer: OrZero<LoadBalancer<'a>>,
}

impl Projection for Services {
    const NAME: &'static str = "services";
    const GROUP: Group = Group::Networking;
    const API: Api = Api { group: "", version: "v1", plural: "services" };
    const WRAPPER: &'static str = "services";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.text("type", &object.spec.service_type);
        row.text_unless_empty("clusterIP", &object.spec.cluster_ip);
        if let Some(point) = object.status.load_balancer.ingress.first() {
            row.text_unless_empty(
                "externalIP",
                if point.ip.is_empty() { &point.hostname } else { &point.ip },
            );
        }
        row.objects("ports", &**object.spec.ports, |row, port| {
            row.text_unless_empty("name", &port.name);
            row.text("protocol", &port.protocol);
            row.int("port", *port.port);
            row.text("targetPort", &port.target_port.text());
            if *port.node_port != 0 {
                row.int("nodePort", *port.node_port);
            }
        });
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn all_that_a_service_has() {
        assert_eq!(
            row(
                "services",
                r#""spec":{"type":"LoadBalancer","clusterIP":"192.0.2.50","externalIPs":["203.0.113.9"],"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080,"nodePort":30080},{"protocol":"UDP","port":53,"targetPort":"dns","nodePort":0}]},"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.5","hostname":"lb.example"},{"ip":"203.0.113.6"}]}}"#
            ),
            r#"{"name":"a","namespace":"n","type":"LoadBalancer","clusterIP":"192.0.2.50","externalIP":"203.0.113.5","ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":"8080","nodePort":30080},{"protocol":"UDP","port":53,"targetPort":"dns"}],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn a_service_without_ports_has_an_empty_array() {
        assert_eq!(
            row(
                "services",
                r#""spec":{"type":"ExternalName","clusterIP":"","ports":null},"status":{"loadBalancer":{}}"#
            ),
            r#"{"name":"a","namespace":"n","type":"ExternalName","ports":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn a_host_name_stands_in_for_the_address_of_the_first_point_only() {
        assert_eq!(
            row(
                "services",
                r#""status":{"loadBalancer":{"ingress":[{"hostname":"lb.example"},{"ip":"203.0.113.6"}]}}"#
            ),
            r#"{"name":"a","namespace":"n","type":"","externalIP":"lb.example","ports":[],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn a_target_port_that_is_not_set_is_0() {
        assert_eq!(
            row("services", r#""spec":{"ports":[{"targetPort":null},{},{"targetPort":""}]}"#),
            r#"{"name":"a","namespace":"n","type":"","ports":[{"protocol":"","port":0,"targetPort":"0"},{"protocol":"","port":0,"targetPort":"0"},{"protocol":"","port":0,"targetPort":""}],"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
