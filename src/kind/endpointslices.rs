//! `EndpointSlices`, with the number of their ready endpoints.

use serde::Deserialize;

use super::field::{Identity, Items, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct EndpointSlices;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    address_type: Text<'a>,
    #[serde(borrow)]
    ports: Items<Port<'a>>,
    endpoints: Items<Endpoint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Labels<'a> {
    #[serde(borrow, rename = "kubernetes.io/service-name")]
    service_name: Text<'a>,
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
    app_protocol: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    conditions: OrZero<Conditions>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: OrZero<bool>,
}

impl Projection for EndpointSlices {
    const NAME: &'static str = "endpointslices";
    const GROUP: Group = Group::Networking;
    const API: Api = Api { group: "discovery.k8s.io", version: "v1", plural: "endpointslices" };
    const WRAPPER: &'static str = "endpointSlices";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.text("addressType", &object.address_type);
        row.objects("ports", &**object.ports, |row, port| {
            row.text_unless_empty("name", &port.name);
            row.text_unless_empty("protocol", &port.protocol);
            row.int("port", *port.port);
            row.text_unless_empty("appProtocol", &port.app_protocol);
        });
        let labels: OrZero<Labels<'_>> = object.metadata.labels.read();
        row.text_unless_empty("serviceName", &labels.service_name);
        row.length(
            "readyCount",
            object.endpoints.iter().filter(|endpoint| *endpoint.conditions.ready).count(),
        );
        row.length("totalCount", object.endpoints.len());
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{row, row_with};

    #[test]
    fn all_that_a_slice_has() {
        assert_eq!(
            row_with(
                "endpointslices",
                r#""labels":{"kubernetes.io/service-name":"web","app":"x"}"#,
                r#""addressType":"IPv4","ports":[{"name":"http","protocol":"TCP","port":8080,"appProtocol":"kubernetes.io/h2c"}],"endpoints":[{"conditions":{"ready":true}},{"conditions":{"ready":false}},{"conditions":{"ready":null}},{}]"#
            ),
            r#"{"name":"a","namespace":"n","addressType":"IPv4","ports":[{"name":"http","protocol":"TCP","port":8080,"appProtocol":"kubernetes.io/h2c"}],"serviceName":"web","readyCount":1,"totalCount":4,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_or_null() {
        assert_eq!(
            row_with(
                "endpointslices",
                r#""labels":null"#,
                r#""addressType":"FQDN","ports":[{"name":null,"port":null}],"endpoints":null"#
            ),
            r#"{"name":"a","namespace":"n","addressType":"FQDN","ports":[{"port":0}],"readyCount":0,"totalCount":0,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
        assert_eq!(
            row("endpointslices", r#""addressType":"IPv6","ports":null"#),
            r#"{"name":"a","namespace":"n","addressType":"IPv6","ports":[],"readyCount":0,"totalCount":0,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
