//! What happened to one object. The right that it needs is the one to list events where they are.

use jiff::Timestamp;
use openidconnect::url::form_urlencoded;
use serde::Serialize;
use serde_json::Value;

use super::part::Part;
use super::{Named, Need, Reader};
use crate::kind;
use crate::wire::refusal::Refusal;

/// How the contract writes a time that is not there.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Events that are read of one object.
const MOST: usize = 500;

#[derive(Serialize)]
pub(super) struct Events {
    events: Vec<Event>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Event {
    #[serde(rename = "type")]
    sort: String,
    reason: String,
    message: String,
    count: i64,
    first: String,
    last: String,
    source: String,
}

/// The contract's kinds, as events name them.
const KINDS: [(&str, &str); 22] = [
    ("pods", "Pod"),
    ("events", "Event"),
    ("deployments", "Deployment"),
    ("statefulsets", "StatefulSet"),
    ("daemonsets", "DaemonSet"),
    ("replicasets", "ReplicaSet"),
    ("jobs", "Job"),
    ("cronjobs", "CronJob"),
    ("horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ("poddisruptionbudgets", "PodDisruptionBudget"),
    ("services", "Service"),
    ("ingresses", "Ingress"),
    ("networkpolicies", "NetworkPolicy"),
    ("endpointslices", "EndpointSlice"),
    ("ingressclasses", "IngressClass"),
    ("pvs", "PersistentVolume"),
    ("pvcs", "PersistentVolumeClaim"),
    ("storageclasses", "StorageClass"),
    ("nodes", "Node"),
    ("namespaces", "Namespace"),
    ("priorityclasses", "PriorityClass"),
    ("runtimeclasses", "RuntimeClass"),
];

/// The events of an object, the newest first.
pub(super) async fn of(reader: &Reader, named: &Named) -> Result<Events, Refusal> {
    let events = kind::by_name("events").expect("a kind of ours");
    let need = Need { verb: "list", kind: events, namespace: named.namespace.as_ref(), name: "" };
    let selector: String = form_urlencoded::byte_serialize(selector(named).as_bytes()).collect();
    let path =
        format!("{}?fieldSelector={selector}&limit={MOST}", events.api.path(named.namespace.as_deref()));
    let body = reader.read(&need, &path).await?;
    let list: Value = serde_json::from_slice(&body).map_err(|_| Refusal::UpstreamFailed)?;
    let mut events: Vec<Event> = Part(&list).items("items").map(Event::of).collect();
    let time = |event: &Event| event.last.parse::<Timestamp>().ok();
    events.sort_by_key(|event| std::cmp::Reverse(time(event)));
    Ok(Events { events })
}

/// Which events are the object's.
fn selector(named: &Named) -> String {
    let kind = KINDS.iter().find(|(token, _)| *token == named.kind.name).map_or("", |(_, kind)| *kind);
    let object = format!("involvedObject.kind={kind},involvedObject.name={}", named.name);
    match &named.namespace {
        Some(namespace) => format!("{object},involvedObject.namespace={namespace}"),
        None => object,
    }
}

impl Event {
    fn of(event: Part<'_>) -> Self {
        let last = time(event, "lastTimestamp").or_else(|| time(event, "eventTime"));
        let first = time(event, "firstTimestamp").or_else(|| last.clone());
        Event {
            sort: event.text("type").into(),
            reason: event.text("reason").into(),
            message: event.text("message").into(),
            count: event.int("count"),
            first: first.unwrap_or_else(|| NEVER.into()),
            last: last.unwrap_or_else(|| NEVER.into()),
            source: event.at("source").text("component").into(),
        }
    }
}

/// A time as the contract writes it: in UTC, fractions without trailing zeros. `None` where there is none.
fn time(event: Part<'_>, key: &str) -> Option<String> {
    let time = event.text(key).parse::<Timestamp>().ok()?.to_string();
    (time != NEVER).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_that_events_know_it_by() {
        for kind in kind::all() {
            assert!(KINDS.iter().any(|(token, _)| *token == kind.name), "{}", kind.name);
        }
    }

    #[test]
    fn a_new_style_event_has_the_time_that_it_names() {
        let event = serde_json::json!({"type": "Normal", "reason": "Scheduled", "eventTime": "2026-05-01T12:00:00.500000Z",
            "lastTimestamp": null, "source": {"component": "s", "host": "h"}});
        let event = Event::of(Part(&event));
        assert_eq!(
            (event.first.as_str(), event.last.as_str()),
            ("2026-05-01T12:00:00.5Z", "2026-05-01T12:00:00.5Z")
        );
        assert_eq!((event.source.as_str(), event.count), ("s", 0));
        assert_eq!(Event::of(Part(&Value::Null)).last, NEVER);
    }
}
