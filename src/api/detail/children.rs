//! The pods that a workload's or a Service's page shows with it, and a cron job's jobs: one more read, of those that its selector or its owner
//! names, by who may list them. Who may not sees the page without them.

use jiff::Timestamp;
use openidconnect::url::form_urlencoded;
use serde_json::Value;

use super::part::Part;
use super::{Named, Need, Reader};
use crate::kind::text::JsonObject;
use crate::kind::{self, Kind};
use crate::wire::refusal::Refusal;

/// Pods that a page shows, the newest first.
const PODS: usize = 20;

/// Jobs that a cron job's page shows.
const JOBS: usize = 10;

/// Writes `pods` or `jobs`, for kinds that have them.
pub(super) async fn write(reader: &Reader, named: &Named, object: Part<'_>, out: &mut JsonObject) {
    let spec = object.at("spec");
    match named.kind.name {
        "deployments" | "statefulsets" | "daemonsets" | "jobs" => {
            let pods = pods(reader, named, spec.at("selector").pairs("matchLabels")).await;
            // A job's are never left out.
            write_pods(&pods, named.kind.name == "jobs", out);
        }
        "services" => write_pods(&pods(reader, named, spec.pairs("selector")).await, false, out),
        "cronjobs" => write_jobs(&jobs(reader, named, object.at("metadata").text("uid")).await, out),
        _ => {}
    }
}

/// A row's own fields, as JSON, and when its object was made.
type Child = Value;

async fn pods<'s>(
    reader: &Reader,
    named: &Named,
    selector: impl Iterator<Item = (&'s str, &'s str)>,
) -> Vec<Child> {
    let equalities: Vec<String> = selector.map(|(key, value)| format!("{key}={value}")).collect();
    // One that selects nothing by itself: whoever adds endpoints does.
    if equalities.is_empty() {
        return Vec::new();
    }
    let selector: String = form_urlencoded::byte_serialize(equalities.join(",").as_bytes()).collect();
    let read = rows(reader, named, "pods", &format!("?labelSelector={selector}&resourceVersion=0")).await;
    let mut pods: Vec<Child> = read.unwrap_or_default().into_iter().map(|(row, _)| row).collect();
    newest_first(&mut pods, PODS);
    pods
}

async fn jobs(reader: &Reader, named: &Named, owner: &str) -> Vec<Child> {
    let read = rows(reader, named, "jobs", "?resourceVersion=0").await.unwrap_or_default();
    let is_owned = |object: &Value| {
        Part(object).at("metadata").items("ownerReferences").any(|reference| reference.text("uid") == owner)
    };
    let theirs = read.into_iter().filter(|(_, object)| !owner.is_empty() && is_owned(object));
    let mut jobs: Vec<Child> = theirs.map(|(row, object)| with_times(row, &object)).collect();
    newest_first(&mut jobs, JOBS);
    jobs
}

/// A job's row with the times that only its page shows.
fn with_times(mut row: Child, job: &Value) -> Child {
    for key in ["startTime", "completionTime"] {
        let time = Part(job).at("status").text(key);
        if !time.is_empty() {
            row[key] = time.into();
        }
    }
    row
}

/// The rows of a kind in the object's namespace, each beside its object.
async fn rows(
    reader: &Reader,
    named: &Named,
    kind: &str,
    query: &str,
) -> Result<Vec<(Child, Value)>, Refusal> {
    let kind: &'static Kind = kind::by_name(kind).expect("a kind of ours");
    let need = Need { verb: "list", kind, namespace: named.namespace.as_ref(), name: "" };
    let path = kind.api.path(named.namespace.as_deref()) + query;
    let body = reader.read(&need, &path).await?;
    let list: Value = serde_json::from_slice(&body).map_err(|_| Refusal::UpstreamFailed)?;
    let page = (kind.decode_page)(&body).map_err(|_| Refusal::UpstreamFailed)?;
    let now = Timestamp::now();
    let row = |object: &kind::Object| {
        let mut row = Vec::with_capacity(object.row.max_len());
        object.row.write(now, &mut row);
        serde_json::from_slice(&row).unwrap_or_default()
    };
    let objects = Part(&list).items("items").map(|object| object.0.clone());
    Ok(page.items.iter().map(row).zip(objects).collect())
}

fn newest_first(children: &mut Vec<Child>, most: usize) {
    children.sort_by(|one, other| other["createdAt"].as_str().cmp(&one["createdAt"].as_str()));
    children.truncate(most);
}

fn write_pods(pods: &[Child], also_none: bool, out: &mut JsonObject) {
    if pods.is_empty() && !also_none {
        return;
    }
    out.objects("pods", pods, |out, pod| {
        let pod = Part(pod);
        for key in ["name", "phase", "ready"] {
            out.text(key, pod.text(key));
        }
        out.int("restarts", pod.int("restarts"));
        out.text("createdAt", pod.text("createdAt"));
    });
}

fn write_jobs(jobs: &[Child], out: &mut JsonObject) {
    out.objects("jobs", jobs, |out, job| {
        let job = Part(job);
        for key in ["name", "status", "completions"] {
            out.text(key, job.text(key));
        }
        for key in ["startTime", "completionTime", "duration"] {
            out.text_unless_empty(key, job.text(key));
        }
    });
}
