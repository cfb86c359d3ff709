//! `CronJobs`.

use serde::Deserialize;

use super::field::{Counted, Identity, Metadata, OrZero, Text};
use super::text::JsonObject;
use super::time::Time;
use super::{Api, Group, Projection, Row};

pub(super) struct CronJobs;

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
    #[serde(borrow)]
    schedule: Text<'a>,
    suspend: OrZero<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    active: Counted,
    #[serde(borrow)]
    last_schedule_time: Option<Time<'a>>,
}

impl Projection for CronJobs {
    const NAME: &'static str = "cronjobs";
    const GROUP: Group = Group::Workloads;
    const API: Api = Api { group: "batch", version: "v1", plural: "cronjobs" };
    const WRAPPER: &'static str = "cronJobs";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        row.text("schedule", &object.spec.schedule);
        row.bool("suspend", *object.spec.suspend);
        row.length("active", object.status.active.len());
        if let Some(last) = &object.status.last_schedule_time {
            row.time("lastScheduleTime", last);
        }
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::row;

    #[test]
    fn all_that_a_cronjob_has() {
        assert_eq!(
            row(
                "cronjobs",
                r#""spec":{"schedule":"*/5 * * * *","suspend":true},"status":{"active":[{"name":"a"},null],"lastScheduleTime":"2026-05-01T12:05:00+05:30"}"#
            ),
            r#"{"name":"a","namespace":"n","schedule":"*/5 * * * *","suspend":true,"active":2,"lastScheduleTime":"2026-05-01T06:35:00Z","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn one_that_never_ran_has_no_last_schedule_time() {
        assert_eq!(
            row(
                "cronjobs",
                r#""spec":{"schedule":"@daily","suspend":null},"status":{"active":null,"lastScheduleTime":null}"#
            ),
            r#"{"name":"a","namespace":"n","schedule":"@daily","suspend":false,"active":0,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
        assert_eq!(
            row("cronjobs", r#""status":{"lastScheduleTime":"0001-01-01T00:00:00Z"}"#),
            r#"{"name":"a","namespace":"n","schedule":"","suspend":false,"active":0,"lastScheduleTime":"0001-01-01T00:00:00Z","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }
}
