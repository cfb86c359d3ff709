//! Pods, in every phase of their lives.

use std::sync::LazyLock;

use super::template::{Manager, Template};
use super::with_containers;
use crate::sim::clock::timestamp;
use crate::sim::model::{Model, Owner, Phase, Pod, Shape, Sort};
use crate::sim::object::Object;

const POD: &str = include_str!("json/pod.json");
const GRACE_SECONDS: i64 = 30;

static TEMPLATES: LazyLock<Vec<Vec<Template>>> = LazyLock::new(|| {
    let of_shape = |shape| Phase::ALL.iter().map(|phase| template(shape, *phase)).collect();
    Shape::ALL.iter().map(|shape| of_shape(*shape)).collect()
});

/// The pod as an object.
pub fn pod(model: &Model, pod: &Pod) -> Object {
    let owner = OwnerFields::of(model, pod);
    let node = &model.nodes[pod.node % model.nodes.len()];
    let ip = address(pod.ip);
    let digest = format!("{:032x}{:032x}", pod.uid.0, u128::from(pod.revision));
    let uid = pod.uid.to_string();
    let fields = [
        ("name", pod.name.as_str()),
        ("generate", &owner.generate),
        ("ns", owner.namespace),
        ("uid", &uid),
        ("created", &timestamp(pod.created)),
        ("changed", &timestamp(pod.changed)),
        ("deleted", &timestamp(pod.changed + GRACE_SECONDS)),
        ("app", owner.app),
        ("version", &version(pod.revision)),
        ("hashLabel", owner.hash_label),
        ("hash", &pod.hash),
        ("checksum", &digest),
        ("ownerApi", owner.api),
        ("ownerKind", owner.kind),
        ("owner", &owner.name),
        ("ownerUid", &owner.uid),
        ("node", &node.name),
        ("hostIP", &node.ip()),
        ("ip", &ip),
        ("restarts", &pod.restarts.to_string()),
        ("digest", &digest),
    ];
    let shape = Shape::ALL.iter().position(|shape| *shape == owner.shape).expect("ALL holds every shape");
    let phase = Phase::ALL.iter().position(|phase| *phase == pod.phase).expect("ALL holds every phase");
    Object::from_text(TEMPLATES[shape][phase].fill(&fields))
}

/// The image tag of a revision.
pub fn version(revision: u32) -> String {
    format!("1.{}.{}", revision / 10, revision % 10)
}

/// An address of the pods' network.
pub fn address(ip: u32) -> String {
    let [_, b, c, d] = ip.to_be_bytes();
    format!("10.{b}.{c}.{d}")
}

struct OwnerFields<'a> {
    namespace: &'a str,
    app: &'a str,
    shape: Shape,
    generate: String,
    hash_label: &'static str,
    api: &'static str,
    kind: &'static str,
    name: String,
    uid: String,
}

impl<'a> OwnerFields<'a> {
    fn of(model: &'a Model, pod: &Pod) -> Self {
        match pod.owner {
            Owner::Workload(index) => Self::workload(model, index, pod),
            Owner::Job(number) => Self::job(model, number),
        }
    }

    fn workload(model: &'a Model, index: usize, pod: &Pod) -> Self {
        let workload = &model.workloads[index];
        let set = workload.revisions.iter().find(|revision| revision.number == pod.revision);
        let (kind, name, uid, hash_label) = match workload.sort {
            Sort::Deployment => (
                "ReplicaSet",
                format!("{}-{}", workload.app, pod.hash),
                set.map_or(workload.uid, |set| set.uid),
                "pod-template-hash",
            ),
            Sort::StatefulSet => {
                ("StatefulSet", workload.app.to_string(), workload.uid, "controller-revision-hash")
            }
            Sort::DaemonSet => {
                ("DaemonSet", workload.app.to_string(), workload.uid, "controller-revision-hash")
            }
        };
        OwnerFields {
            namespace: &workload.namespace,
            app: &workload.app,
            shape: workload.shape,
            generate: format!("{name}-"),
            hash_label,
            api: "apps/v1",
            kind,
            name,
            uid: uid.to_string(),
        }
    }

    fn job(model: &'a Model, number: u64) -> Self {
        let job = &model.jobs[&number];
        let cron = &model.cron_jobs[job.owner];
        OwnerFields {
            namespace: &cron.namespace,
            app: &cron.app,
            shape: Shape::Batch,
            generate: format!("{}-", job.name),
            hash_label: "batch.kubernetes.io/job-name",
            api: "batch/v1",
            kind: "Job",
            name: job.name.clone(),
            uid: job.uid.to_string(),
        }
    }
}

fn template(shape: Shape, phase: Phase) -> Template {
    let deletion = match phase {
        Phase::Terminating => "\"deletionTimestamp\": \"{{deleted}}\", \"deletionGracePeriodSeconds\": 30,",
        _ => "",
    };
    let node = if phase == Phase::Pending { "" } else { "\"nodeName\": \"{{node}}\"," };
    let text = with_containers(POD, shape)
        .replace("\"@deletion\": null,", deletion)
        .replace("\"@node\": null,", node)
        .replace("\"@status\"", &status(shape, phase));
    Template::new("Pod", "v1", &text, &[Manager::Spec("kube-controller-manager"), Manager::Status("kubelet")])
}

fn status(shape: Shape, phase: Phase) -> String {
    if phase == Phase::Pending {
        let condition = condition("PodScheduled", false, Some("Unschedulable"));
        return format!("{{\"phase\":\"Pending\",\"conditions\":[{condition}],\"qosClass\":\"Burstable\"}}");
    }
    let word = match phase {
        Phase::Pending | Phase::Scheduled | Phase::Creating | Phase::NoImage => "Pending",
        Phase::Started | Phase::Ready | Phase::Terminating | Phase::Crashing => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    };
    let ready = matches!(phase, Phase::Ready | Phase::Terminating);
    let why = match phase {
        Phase::Succeeded => "PodCompleted",
        _ => "ContainersNotReady",
    };
    let reason = Some(why).filter(|_| !ready);
    let mut conditions = vec![condition("PodScheduled", true, None)];
    if phase != Phase::Scheduled {
        conditions.insert(0, condition("PodReadyToStartContainers", phase != Phase::Creating, None));
        conditions.push(condition("Initialized", true, None));
        conditions.push(condition("Ready", ready, reason));
        conditions.push(condition("ContainersReady", ready, reason));
    }
    let conditions = conditions.join(",");
    if phase == Phase::Scheduled {
        return format!("{{\"phase\":\"Pending\",\"conditions\":[{conditions}],\"qosClass\":\"Burstable\"}}");
    }
    let address = match phase {
        Phase::Creating => "",
        _ => "\"podIP\":\"{{ip}}\",\"podIPs\":[{\"ip\":\"{{ip}}\"}],",
    };
    format!(
        "{{\"observedGeneration\":1,\"phase\":\"{word}\",\"conditions\":[{conditions}],\"hostIP\":\"{{{{hostIP}}}}\",\
         \"hostIPs\":[{{\"ip\":\"{{{{hostIP}}}}\"}}],{address}\"startTime\":\"{{{{created}}}}\",{}\
         \"containerStatuses\":[{}],\"qosClass\":\"Burstable\"}}",
        init_statuses(shape, phase),
        container_statuses(shape, phase)
    )
}

fn condition(sort: &str, holds: bool, reason: Option<&str>) -> String {
    let status = if holds { "True" } else { "False" };
    let reason = reason.map_or_else(String::new, |reason| format!(",\"reason\":\"{reason}\""));
    format!(
        "{{\"type\":\"{sort}\",\"observedGeneration\":1,\"status\":\"{status}\",\"lastProbeTime\":null,\
         \"lastTransitionTime\":\"{{{{changed}}}}\"{reason}}}"
    )
}

fn init_statuses(shape: Shape, phase: Phase) -> String {
    if shape != Shape::Meshed || phase == Phase::Creating {
        return String::new();
    }
    "\"initContainerStatuses\":[{\"name\":\"migrate\",\"state\":{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\",\
     \"startedAt\":\"{{created}}\",\"finishedAt\":\"{{changed}}\",\"containerID\":\"containerd://{{digest}}\"}},\
     \"lastState\":{},\"ready\":true,\"restartCount\":0,\"image\":\"registry.example/{{ns}}/{{app}}:{{version}}\",\
     \"imageID\":\"registry.example/{{ns}}/{{app}}@sha256:{{digest}}\",\"containerID\":\"containerd://{{digest}}\",\
     \"started\":false}],"
        .to_owned()
}

fn container_statuses(shape: Shape, phase: Phase) -> String {
    let own = "registry.example/{{ns}}/{{app}}:{{version}}";
    let first = container_status(shape.container(), own, phase, true);
    if shape != Shape::Meshed {
        return first;
    }
    // A crash or a missing image is the first container's; the sidecar runs.
    let second = match phase {
        Phase::Crashing | Phase::NoImage => Phase::Ready,
        other => other,
    };
    format!("{first},{}", container_status("proxy", "registry.example/mesh/proxy:2.14.1", second, false))
}

fn container_status(name: &str, image: &str, phase: Phase, counts: bool) -> String {
    let ended = |code: u8, reason: &str| {
        format!(
            "{{\"terminated\":{{\"exitCode\":{code},\"reason\":\"{reason}\",\"startedAt\":\"{{{{created}}}}\",\
             \"finishedAt\":\"{{{{changed}}}}\",\"containerID\":\"containerd://{{{{digest}}}}\"}}}}"
        )
    };
    let waiting = |reason: &str, message: &str| {
        format!("{{\"waiting\":{{\"reason\":\"{reason}\",\"message\":\"{message}\"}}}}")
    };
    let running = "{\"running\":{\"startedAt\":\"{{changed}}\"}}".to_owned();
    let none = "{}".to_owned();
    let (state, last, ready, started) = match phase {
        Phase::Pending | Phase::Scheduled | Phase::Creating => {
            ("{\"waiting\":{\"reason\":\"ContainerCreating\"}}".to_owned(), none, false, false)
        }
        Phase::Started => (running, none, false, true),
        Phase::Ready | Phase::Terminating => (running, none, true, true),
        Phase::Crashing => (
            waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
            ended(1, "Error"),
            false,
            false,
        ),
        Phase::NoImage => {
            (waiting("ImagePullBackOff", "Back-off pulling image: not found"), none, false, false)
        }
        Phase::Succeeded => (ended(0, "Completed"), none, false, false),
        Phase::Failed => (ended(1, "Error"), none, false, false),
    };
    let restarts = if counts { "\"{{#restarts}}\"" } else { "0" };
    let ids = if matches!(phase, Phase::Creating | Phase::NoImage) {
        "\"imageID\":\"\"".to_owned()
    } else {
        format!(
            "\"imageID\":\"{image}@sha256:{{{{digest}}}}\",\"containerID\":\"containerd://{{{{digest}}}}\""
        )
    };
    format!(
        "{{\"name\":\"{name}\",\"state\":{state},\"lastState\":{last},\"ready\":{ready},\"restartCount\":{restarts},\
         \"image\":\"{image}\",{ids},\"started\":{started},\"resources\":{{\"requests\":{{\"cpu\":\"250m\",\
         \"memory\":\"256Mi\"}}}},\"volumeMounts\":[{{\"name\":\"config\",\"mountPath\":\"/etc/{{{{app}}}}\",\
         \"readOnly\":true,\"recursiveReadOnly\":\"Disabled\"}}]}}"
    )
}
