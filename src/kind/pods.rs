//! Pods, with the status that people know from `kubectl get pods`.

use std::borrow::Cow;

use serde::Deserialize;

use super::field::{Condition, Counted, Identity, Items, Metadata, OrZero, Skipped, Text};
use super::text::JsonObject;
use super::{Api, Group, Projection, Row};

pub(super) struct Pods;

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
    node_name: Text<'a>,
    containers: Counted,
    init_containers: Counted,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow, rename = "podIP")]
    pod_ip: Text<'a>,
    #[serde(borrow)]
    conditions: Items<Condition<'a>>,
    #[serde(borrow)]
    init_container_statuses: Items<ContainerStatus<'a>>,
    #[serde(borrow)]
    container_statuses: Items<ContainerStatus<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus<'a> {
    ready: OrZero<bool>,
    restart_count: OrZero<i32>,
    #[serde(borrow)]
    state: OrZero<State<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State<'a> {
    #[serde(borrow)]
    waiting: Option<Waiting<'a>>,
    running: Option<Skipped>,
    #[serde(borrow)]
    terminated: Option<Terminated<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
    exit_code: OrZero<i32>,
    signal: OrZero<i32>,
}

impl Projection for Pods {
    const NAME: &'static str = "pods";
    const GROUP: Group = Group::Core;
    const API: Api = Api { group: "", version: "v1", plural: "pods" };
    const WRAPPER: &'static str = "pods";

    type Object<'a> = Object<'a>;

    fn identity<'o>(object: &'o Object<'_>) -> Identity<'o> {
        object.metadata.identity()
    }

    fn row(object: &Object<'_>) -> Row {
        let mut row = JsonObject::new();
        row.text("name", &object.metadata.name);
        row.text("namespace", &object.metadata.namespace);
        let (spec, statuses) = (&object.spec, &object.status.container_statuses);
        row.text("phase", &object.phase());
        row.text_unless_empty("nodeName", &spec.node_name);
        row.text_unless_empty("podIP", &object.status.pod_ip);
        let ready = statuses.iter().filter(|status| *status.ready).count();
        row.text("ready", &format!("{ready}/{}", spec.containers.len()));
        row.int("restarts", statuses.iter().map(|status| i64::from(*status.restart_count)).sum::<i64>());
        row.time("createdAt", &object.metadata.creation_timestamp);
        Row::fixed(row.finish())
    }
}

impl Object<'_> {
    /// The status that is shown, which is the `phase` of the contract.
    fn phase(&self) -> Cow<'_, str> {
        let status = &self.status;
        if self.metadata.deletion_timestamp.is_some() {
            return Cow::Borrowed(if &*status.reason == "NodeLost" { "Unknown" } else { "Terminating" });
        }
        if let Some(initialising) = self.initialising() {
            return Cow::Owned(initialising);
        }
        let base = if status.reason.is_empty() { &status.phase } else { &status.reason };
        let verdict = status.container_statuses.iter().find_map(|container| container.state.verdict());
        let shown = verdict.unwrap_or(Cow::Borrowed(base));
        if &*shown != "Completed" || !status.container_statuses.iter().any(|container| container.runs_well())
        {
            return shown;
        }
        let ready =
            status.conditions.iter().any(|condition| &*condition.kind == "Ready" && condition.is_true());
        Cow::Borrowed(if ready { "Running" } else { "NotReady" })
    }

    /// What the first init container that is not done says; `None` when all are.
    fn initialising(&self) -> Option<String> {
        let mut states =
            self.status.init_container_statuses.iter().map(|container| &container.state).enumerate();
        let (index, state) = states.find(|(_, state)| !state.succeeded())?;
        if let Some(terminated) = &state.terminated {
            return Some(format!("Init:{}", terminated.text()));
        }
        let waiting = state.waiting.as_ref().map_or("", |waiting| &waiting.reason);
        if !waiting.is_empty() && waiting != "PodInitializing" {
            return Some(format!("Init:{waiting}"));
        }
        Some(format!("Init:{index}/{}", self.spec.init_containers.len()))
    }
}

impl ContainerStatus<'_> {
    /// Whether it is ready and running, and has nothing else to say.
    fn runs_well(&self) -> bool {
        *self.ready && self.state.running.is_some() && self.state.verdict().is_none()
    }
}

impl State<'_> {
    fn succeeded(&self) -> bool {
        self.terminated.as_ref().is_some_and(|terminated| *terminated.exit_code == 0)
    }

    /// What the container makes of its pod's status, if anything.
    fn verdict(&self) -> Option<Cow<'_, str>> {
        match &self.waiting {
            Some(waiting) if !waiting.reason.is_empty() => Some(Cow::Borrowed(&waiting.reason)),
            _ => self.terminated.as_ref().map(Terminated::text),
        }
    }
}

impl Terminated<'_> {
    fn text(&self) -> Cow<'_, str> {
        if !self.reason.is_empty() {
            return Cow::Borrowed(&self.reason);
        }
        Cow::Owned(match *self.signal {
            0 => format!("ExitCode:{}", *self.exit_code),
            signal => format!("Signal:{signal}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{row, row_with};

    fn phase(status: &str) -> String {
        phase_of(
            "",
            &format!(r#""spec":{{"initContainers":[{{}},{{}},{{}}]}},"status":{{"phase":"Base",{status}}}"#),
        )
    }

    fn phase_of(metadata: &str, fields: &str) -> String {
        let row: serde_json::Value = serde_json::from_str(&row_with("pods", metadata, fields)).unwrap();
        row["phase"].as_str().unwrap().to_owned()
    }

    fn init(states: &str) -> String {
        phase(&format!(r#""initContainerStatuses":[{states}]"#))
    }

    fn main(states: &str) -> String {
        phase(&format!(r#""containerStatuses":[{states}]"#))
    }

    const DONE: &str = r#"{"state":{"terminated":{"exitCode":0,"reason":"Completed"}}}"#;
    const RUNNING: &str = r#"{"state":{"running":{}},"ready":true}"#;
    const WAITING: &str = r#"{"state":{"waiting":{"reason":"PodInitializing"}}}"#;

    #[test]
    fn all_that_a_pod_has() {
        assert_eq!(
            row(
                "pods",
                r#""spec":{"nodeName":"node-a","containers":[{},{},{}],"initContainers":[{}]},"status":{"phase":"Running","podIP":"192.0.2.10","containerStatuses":[{"ready":true,"restartCount":2},{"restartCount":5},{"ready":true}]}"#
            ),
            r#"{"name":"a","namespace":"n","phase":"Running","nodeName":"node-a","podIP":"192.0.2.10","ready":"2/3","restarts":7,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn what_is_absent_or_null() {
        assert_eq!(
            row(
                "pods",
                r#""spec":{"containers":null,"nodeName":null},"status":{"containerStatuses":null,"initContainerStatuses":null,"conditions":null}"#
            ),
            r#"{"name":"a","namespace":"n","phase":"","ready":"0/0","restarts":0,"createdAt":"2026-05-01T12:00:00Z"}"#
        );
    }

    #[test]
    fn the_first_init_container_that_is_not_done_decides() {
        assert_eq!(init(&format!("{DONE},{RUNNING},{WAITING}")), "Init:1/3");
        assert_eq!(init(&format!("{DONE},{DONE},{WAITING}")), "Init:2/3");
        assert_eq!(init(r#"{"state":{"waiting":{"reason":"ImagePullBackOff"}}}"#), "Init:ImagePullBackOff");
        assert_eq!(init(r#"{"state":{"waiting":{}}}"#), "Init:0/3");
        assert_eq!(init(r#"{"state":null}"#), "Init:0/3");
        assert_eq!(
            init(r#"{"state":{"terminated":{"exitCode":137,"reason":"OOMKilled","signal":9}}}"#),
            "Init:OOMKilled"
        );
        assert_eq!(init(r#"{"state":{"terminated":{"exitCode":137,"signal":9}}}"#), "Init:Signal:9");
        assert_eq!(init(r#"{"state":{"terminated":{"exitCode":255,"reason":""}}}"#), "Init:ExitCode:255");
        assert_eq!(init(DONE), "Base");
    }

    #[test]
    fn an_initialising_pod_is_not_judged_by_its_containers() {
        let crashed = r#"{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}"#;
        let status = format!(r#""initContainerStatuses":[{RUNNING}],"containerStatuses":[{crashed}]"#);
        assert_eq!(phase(&status), "Init:0/3");
    }

    #[test]
    fn the_verdict_on_the_first_container_wins() {
        let error = r#"{"state":{"terminated":{"exitCode":1,"reason":"Error"}}}"#;
        assert_eq!(
            main(&format!(r#"{{"state":{{"waiting":{{"reason":"CrashLoopBackOff"}}}}}},{error}"#)),
            "CrashLoopBackOff"
        );
        assert_eq!(main(&format!(r#"{{"state":{{"waiting":{{"reason":""}}}}}},{error}"#)), "Error");
        assert_eq!(main(r#"{"state":{"terminated":{"exitCode":139,"signal":11}}}"#), "Signal:11");
        assert_eq!(main(r#"{"state":{"terminated":{"exitCode":3}}}"#), "ExitCode:3");
        assert_eq!(main(r#"{"state":{}}"#), "Base");
    }

    #[test]
    fn a_completed_pod_with_a_running_container_runs_or_is_not_ready() {
        let condition = |text: &str| format!(r#""conditions":[{{"type":"Ready","status":"{text}"}}],"#);
        let both = format!(r#""containerStatuses":[{DONE},{RUNNING}]"#);
        assert_eq!(phase(&format!("{}{both}", condition("True"))), "Running");
        assert_eq!(phase(&format!("{}{both}", condition("False"))), "NotReady");
        assert_eq!(phase(&both), "NotReady");
        assert_eq!(phase(&format!(r#""containerStatuses":[{DONE}]"#)), "Completed");
        assert_eq!(
            phase(&format!(r#""reason":"Completed",{}"containerStatuses":[{RUNNING}]"#, condition("True"))),
            "Running"
        );
    }

    #[test]
    fn a_reason_goes_before_the_phase_and_deletion_before_all() {
        assert_eq!(phase(r#""reason":"Evicted""#), "Evicted");
        let deleted = r#""deletionTimestamp":"2026-05-01T13:00:00Z""#;
        assert_eq!(phase_of(deleted, r#""status":{"phase":"Succeeded","reason":"Evicted"}"#), "Terminating");
        assert_eq!(phase_of(deleted, r#""status":{"reason":"NodeLost"}"#), "Unknown");
        assert_eq!(phase_of(r#""deletionTimestamp":null"#, r#""status":{"phase":"Running"}"#), "Running");
    }
}
