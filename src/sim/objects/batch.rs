//! Jobs and `CronJobs`.

use std::sync::LazyLock;

use super::pods::version;
use super::template::{Manager, Template};
use super::with_template;
use crate::sim::clock::timestamp;
use crate::sim::model::{CronJob, Job, Model, Shape};
use crate::sim::object::Object;

const JOB: &str = include_str!("json/job.json");
const CRON_JOB: &str = include_str!("json/cronjob.json");
const RUNNING: &str = "{\"active\":1,\"ready\":1,\"startTime\":\"{{created}}\",\"terminating\":0,\"uncountedTerminatedPods\":{}}";
const COMPLETE: &str = "{\"conditions\":[{\"type\":\"SuccessCriteriaMet\",\"status\":\"True\",\"lastProbeTime\":\"{{changed}}\",\
    \"lastTransitionTime\":\"{{changed}}\",\"reason\":\"CompletionsReached\",\"message\":\"Reached expected number of succeeded pods\"},\
    {\"type\":\"Complete\",\"status\":\"True\",\"lastProbeTime\":\"{{changed}}\",\"lastTransitionTime\":\"{{changed}}\",\
    \"reason\":\"CompletionsReached\",\"message\":\"Reached expected number of succeeded pods\"}],\"startTime\":\"{{created}}\",\
    \"completionTime\":\"{{changed}}\",\"succeeded\":1,\"terminating\":0,\"uncountedTerminatedPods\":{},\"ready\":0}";
const FAILED: &str = "{\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\",\"lastProbeTime\":\"{{changed}}\",\
    \"lastTransitionTime\":\"{{changed}}\",\"reason\":\"BackoffLimitExceeded\",\"message\":\"Job has reached the specified backoff limit\"}],\
    \"startTime\":\"{{created}}\",\"failed\":3,\"terminating\":0,\"uncountedTerminatedPods\":{},\"ready\":0}";

static RUNNING_JOB: LazyLock<Template> = LazyLock::new(|| job_template(RUNNING));
static COMPLETE_JOB: LazyLock<Template> = LazyLock::new(|| job_template(COMPLETE));
static FAILED_JOB: LazyLock<Template> = LazyLock::new(|| job_template(FAILED));
static CRON: LazyLock<Template> = LazyLock::new(|| {
    let text = with_template(CRON_JOB, Shape::Batch).replace("\"@status\"", "\"{{#status}}\"");
    Template::new(
        "CronJob",
        "batch/v1",
        &text,
        &[Manager::Spec("kubectl-client-side-apply"), Manager::Status("kube-controller-manager")],
    )
});

fn job_template(status: &str) -> Template {
    let text = with_template(JOB, Shape::Batch).replace("\"@status\"", status);
    let manager = "kube-controller-manager";
    Template::new("Job", "batch/v1", &text, &[Manager::Spec(manager), Manager::Status(manager)])
}

/// The job as an object.
pub fn job(model: &Model, job: &Job, now: i64) -> Object {
    let cron = &model.cron_jobs[job.owner];
    let fields = [
        ("name", job.name.as_str()),
        ("ns", &cron.namespace),
        ("app", &cron.app),
        ("uid", &job.uid.to_string()),
        ("ownerUid", &cron.uid.to_string()),
        ("created", &timestamp(job.created)),
        ("changed", &timestamp(job.done.map_or(now, |(at, _)| at))),
        ("version", &version(1)),
        ("checksum", &format!("{:032x}", cron.uid.0)),
    ];
    let template = match job.done {
        None => &RUNNING_JOB,
        Some((_, true)) => &COMPLETE_JOB,
        Some((_, false)) => &FAILED_JOB,
    };
    Object::from_text(template.fill(&fields))
}

/// The `CronJob` as an object.
pub fn cron_job(model: &Model, cron: &CronJob, now: i64) -> Object {
    let active: Vec<String> = cron.active.iter().filter_map(|number| active(model, cron, *number)).collect();
    let mut status = Vec::new();
    if !active.is_empty() {
        status.push(format!("\"active\":[{}]", active.join(",")));
    }
    if let Some(ran) = cron.ran {
        status.push(format!("\"lastScheduleTime\":\"{}\"", timestamp(ran)));
    }
    let mut succeeded =
        cron.done.iter().filter_map(|number| model.jobs.get(number)?.done).filter(|(_, well)| *well);
    if let Some((at, _)) = succeeded.next_back() {
        status.push(format!("\"lastSuccessfulTime\":\"{}\"", timestamp(at)));
    }
    let fields = [
        ("app", &*cron.app),
        ("ns", &cron.namespace),
        ("uid", &cron.uid.to_string()),
        ("created", &timestamp(cron.created)),
        ("changed", &timestamp(now)),
        ("schedule", cron.schedule),
        ("suspend", "false"),
        ("version", &version(1)),
        ("checksum", &format!("{:032x}", cron.uid.0)),
        ("status", &format!("{{{}}}", status.join(","))),
    ];
    Object::from_text(CRON.fill(&fields))
}

fn active(model: &Model, cron: &CronJob, number: u64) -> Option<String> {
    let job = model.jobs.get(&number)?;
    Some(format!(
        "{{\"kind\":\"Job\",\"namespace\":\"{}\",\"name\":\"{}\",\"uid\":\"{}\",\"apiVersion\":\"batch/v1\"}}",
        cron.namespace, job.name, job.uid
    ))
}
