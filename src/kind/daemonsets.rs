//! `DaemonSets`.

use serde::Deserialize;

use super::field::{Identity, Metadata, OrZero};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct DaemonSets;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    status: OrZero<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    desired_number_scheduled: OrZero<i32>,
    number_ready: OrZero<i32>,
    updated_number_scheduled: OrZero<i32>,
    number_available: OrZero<i32>,
    number_misscheduled: OrZero<i32>,
}

impl Projection for DaemonSets {
    const NAME: &'static str = "daemonsets";
    const GROUP: Group = Group::Workloads;
    const API: Api = Api { group: "apps", version: "v1", plural: "daemonsets" };
    const WRAPPER: &'static str = "daemonSets";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        let status = &object.status;
        row.int("desiredNumberScheduled", *status.desired_number_scheduled);
        row.int("numberReady", *status.number_ready);
        row.int("updatedNumberScheduled", *status.updated_number_scheduled);
        row.int("numberAvailable", *status.number_available);
        row.int("numberMisscheduled", *status.number_misscheduled);
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn counts_come_from_the_status() {
        assert_eq!(
            row(
                "daemonsets",
                r#""status":{"currentNumberScheduled":9,"desiredNumberScheduled":6,"numberReady":4,"updatedNumberScheduled":3,"numberAvailable":2,"numberMisscheduled":1}"#
            ),
            r#"{"name":"a","namespace":"n","desiredNumberScheduled":6,"numberReady":4,"updatedNumberScheduled":3,"numberAvailable":2,"numberMisscheduled":1,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_is_zero() {
        assert_eq!(
            row("daemonsets", ""),
            r#"{"name":"a","namespace":"n","desiredNumberScheduled":0,"numberReady":0,"updatedNumberScheduled":0,"numberAvailable":0,"numberMisscheduled":0,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
