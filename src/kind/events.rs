//! Events of the core API group: what happened to other objects.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::time::Time;
use super::{Api, Group, Listing, Projection, Row};

pub(super) struct Events;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    involved_object: OrZero<Involved<'a>>,
    #[serde(borrow, rename = "type")]
    event_type: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    count: OrZero<i32>,
    #[serde(borrow)]
    first_timestamp: Time<'a>,
    #[serde(borrow)]
    last_timestamp: Time<'a>,
    #[serde(borrow)]
    source: OrZero<Source<'a>>,
    #[serde(borrow)]
    reporting_component: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Involved<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    component: Text<'a>,
    #[serde(borrow)]
    host: Text<'a>,
}

impl Projection for Events {
    const NAME: &'static str = "events";
    const GROUP: Group = Group::Core;
    const API: Api = Api { group: "", version: "v1", plural: "events" };
    const WRAPPER: &'static str = "events";
    const LISTING: Listing = Listing::NewestFirst { cap: 500 };
    const OWN_UID: bool = true;

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("uid", &object.metadata.uid);
        row.text("namespace", &object.metadata.namespace);
        row.text("kind", &object.involved_object.kind);
        row.text("name", &object.involved_object.name);
        row.text("type", &object.event_type);
        row.text("reason", &object.reason);
        row.text("message", &object.message);
        row.int("count", if *object.count == 0 { 1 } else { *object.count });
        row.time("first", &object.first_timestamp);
        row.time("last", &object.last_timestamp);
        object.write_source(&mut row);
        Row { order: object.last_timestamp.order(), ..Row::fixed(row.finish()) }
    }
}

impl Object<'_> {
    fn write_source(&self, row: &mut JsonObject) {
        if !self.reporting_component.is_empty() {
            row.text("source", &self.reporting_component);
        } else if self.source.host.is_empty() {
            row.text("source", &self.source.component);
        } else {
            row.joined("source", &[&self.source.component, "/", &self.source.host]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{object, row, row_with};

    #[test]
    fn all_that_an_event_has() {
        assert_eq!(
            row_with(
                "events",
                r#""uid":"u""#,
                r#""involvedObject":{"kind":"Pod","namespace":"elsewhere","name":"web-0"},"type":"Warning","reason":"BackOff","message":"a \"b\"\n","count":3,"firstTimestamp":"2026-05-01T12:00:00Z","lastTimestamp":"2026-05-01T05:05:00.100-07:00","source":{"component":"kubelet","host":"node-a"},"reportingComponent":"""#
            ),
            r#"{"uid":"u","namespace":"n","kind":"Pod","name":"web-0","type":"Warning","reason":"BackOff","message":"a \"b\"\n","count":3,"first":"2026-05-01T12:00:00Z","last":"2026-05-01T12:05:00.1Z","source":"kubelet/node-a"}"#
        );
    }

    #[test]
    fn an_event_of_the_new_style_has_no_times_and_counts_once() {
        assert_eq!(
            row(
                "events",
                r#""eventTime":"2026-05-01T12:00:00.123456Z","series":{"count":9},"firstTimestamp":null,"lastTimestamp":null,"count":null,"source":{"component":"c","host":"h"},"reportingComponent":"r","reportingController":"x""#
            ),
            r#"{"uid":"","namespace":"n","kind":"","name":"","type":"","reason":"","message":"","count":1,"first":"0001-01-01T00:00:00Z","last":"0001-01-01T00:00:00Z","source":"r"}"#
        );
    }

    #[test]
    fn the_source_is_the_component_and_where_it_ran() {
        for (source, expected) in [("null", ""), (r#"{"component":"c"}"#, "c"), (r#"{"host":"h"}"#, "/h")] {
            let row = row("events", &format!(r#""source":{source}"#));
            assert!(row.ends_with(&format!(r#""source":"{expected}"}}"#)), "{row}");
        }
    }

    #[test]
    fn a_list_is_ordered_by_the_last_time() {
        let order = |fields: &str| object("events", fields).row.order;
        assert_eq!(
            order(r#""lastTimestamp":"1970-01-01T00:00:01Z","eventTime":"2026-05-01T12:00:00Z""#),
            1_000_000_000
        );
        assert_eq!(order(r#""firstTimestamp":"2026-05-01T12:00:00Z","lastTimestamp":null"#), i64::MIN);
    }
}
