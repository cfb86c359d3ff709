//! Jobs. The duration of one that has not completed follows the clock, even when it failed.

use serde::Deserialize;

use super::field::{Condition, Identity, Items, Metadata, OrZero};
use super::text::JsonObject;
use super::time::Time;
use super::{Api, Group, Projection, Row};

pub(super) struct Jobs;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    spec: OrZero<Spec>,
    #[serde(borrow)]
    status: OrZero<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    completions: Option<i32>,
    suspend: OrZero<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    active: OrZero<i32>,
    succeeded: OrZero<i32>,
    failed: OrZero<i32>,
    #[serde(borrow)]
    start_time: Option<Time<'a>>,
    #[serde(borrow)]
    completion_time: Option<Time<'a>>,
    #[serde(borrow)]
    conditions: Items<Condition<'a>>,
}

impl Projection for Jobs {
    const NAME: &'static str = "jobs";
    const GROUP: Group = Group::Workloads;
    const API: Api = Api { group: "batch", version: "v1", plural: "jobs" };
    const WRAPPER: &'static str = "jobs";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        let status = &object.status;
        row.text("completions", &format!("{}/{}", *status.succeeded, object.spec.completions.unwrap_or(1)));
        row.text("status", object.outcome());
        let clock = match (&status.start_time, &status.completion_time) {
            (None, _) => {
                row.text("duration", "—");
                None
            }
            (Some(start), Some(completion)) => {
                let seconds = completion.timestamp().duration_since(start.timestamp()).as_secs();
                row.age("duration", seconds);
                None
            }
            (Some(start), None) => Some((row.hole("duration"), start.timestamp())),
        };
        row.time("createdAt", &object.metadata.creation_timestamp);
        match clock {
            Some((at, since)) => Row::ticking(row.finish(), at, since),
            None => Row::fixed(row.finish()),
        }
    }
}

impl Object<'_> {
    fn outcome(&self) -> &'static str {
        if let Some(condition) = self.condition() {
            return condition;
        }
        if *self.spec.suspend {
            return "Suspended";
        }
        if *self.status.failed > 0 {
            return "Failed";
        }
        if *self.status.active > 0 { "Running" } else { "Pending" }
    }

    fn condition(&self) -> Option<&'static str> {
        let mut current = self.status.conditions.iter().filter(|condition| condition.is_true());
        current.find_map(|condition| match &*condition.kind {
            "Failed" => Some("Failed"),
            "Complete" => Some("Complete"),
            "Suspended" => Some("Suspended"),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{object, row};

    fn status(fields: &str) -> String {
        let row: serde_json::Value = serde_json::from_str(&row("jobs", fields)).unwrap();
        row["status"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_job_that_has_not_started_has_a_dash() {
        assert_eq!(
            row("jobs", r#""status":{"startTime":null,"completionTime":"2026-05-01T12:00:01Z"}"#),
            r#"{"name":"a","namespace":"n","completions":"0/1","status":"Pending","duration":"—","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn a_completed_job_took_a_fixed_time() {
        assert_eq!(
            row(
                "jobs",
                r#""spec":{"completions":10},"status":{"succeeded":4,"startTime":"2026-05-01T12:00:00.9Z","completionTime":"2026-05-01T12:00:02.2Z"}"#
            ),
            r#"{"name":"a","namespace":"n","completions":"4/10","status":"Pending","duration":"1s","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn a_job_without_completion_follows_the_clock() {
        assert_eq!(
            row("jobs", r#""status":{"failed":7,"startTime":"2026-11-18T21:00:00Z"}"#),
            r#"{"name":"a","namespace":"n","completions":"0/1","status":"Failed","duration":"2d3h","createdAt":"2026-05-01T12:00:00Z"}"#
        );
        assert_eq!(
            row("jobs", r#""status":{"active":1,"startTime":"2026-11-20T23:59:59.5Z"}"#),
            r#"{"name":"a","namespace":"n","completions":"0/1","status":"Running","duration":"0s","createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn the_passing_of_time_changes_no_row() {
        let running = object("jobs", r#""status":{"startTime":"2026-11-18T21:00:00Z"}"#).row;
        let hole = running.clock.unwrap();
        assert_eq!(hole.since, "2026-11-18T21:00:00Z".parse().unwrap());
        assert!(running.json[..hole.at as usize].ends_with(br#""duration":""#));
        assert!(object("jobs", "").row.clock.is_none());
    }

    #[test]
    fn the_first_true_condition_decides_the_status() {
        let conditions = |list: &str| status(&format!(r#""status":{{"active":1,"conditions":[{list}]}}"#));
        let suspended = r#"{"type":"Suspended","status":"True"}"#;
        let complete = r#"{"type":"Complete","status":"True"}"#;
        assert_eq!(conditions(&format!("{suspended},{complete}")), "Suspended");
        assert_eq!(conditions(&format!("{complete},{suspended}")), "Complete");
        let others = r#"{"type":"FailureTarget","status":"True"},{"type":"Complete","status":"False"}"#;
        assert_eq!(conditions(&format!(r#"{others},{{"type":"Failed","status":"True"}}"#)), "Failed");
        assert_eq!(conditions(others), "Running");
    }

    #[test]
    fn without_conditions_suspension_goes_before_failures_and_those_before_activity() {
        assert_eq!(status(r#""spec":{"suspend":true},"status":{"failed":1,"active":1}"#), "Suspended");
        assert_eq!(status(r#""status":{"failed":1,"active":1}"#), "Failed");
        assert_eq!(status(r#""status":{"active":1}"#), "Running");
        assert_eq!(status(r#""status":{"succeeded":1}"#), "Pending");
    }
}
