//! The simulated cluster as its controllers see it: workloads, their pods, and what else changes.
//!
//! Small records; the objects' JSON is rendered from them by [`objects`](super::objects) and kept by the store alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uid(pub u128);

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// What containers a pod has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One.
    Plain,
    /// One, a sidecar, and an init container.
    Meshed,
    /// One that ends.
    Batch,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 3] = [Shape::Plain, Shape::Meshed, Shape::Batch];

    /// The name of the first container.
    pub fn container(self) -> &'static str {
        if self == Shape::Batch { "job" } else { "main" }
    }
}

/// Where in its life a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not scheduled.
    Pending,
    /// Has a node.
    Scheduled,
    /// Its containers are being created.
    Creating,
    /// Its containers run, but are not ready.
    Started,
    /// Ready.
    Ready,
    /// Ready before, now told to end.
    Terminating,
    /// Waits after a crash.
    Crashing,
    /// Has no image.
    NoImage,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 10] = [
        Phase::Pending,
        Phase::Scheduled,
        Phase::Creating,
        Phase::Started,
        Phase::Ready,
        Phase::Terminating,
        Phase::Crashing,
        Phase::NoImage,
        Phase::Succeeded,
        Phase::Failed,
    ];
}

/// What runs a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A workload, by its place.
    Workload(usize),
    /// A job, by its number.
    Job(u64),
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// What runs it.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
    /// The hash of the template it was made from.
    pub hash: Arc<str>,
    /// The revision of the template it was made from.
    pub revision: u32,
    /// The place of its node; meaningless while pending.
    pub node: usize,
    /// Its address.
    pub ip: u32,
    /// Unix seconds.
    pub created: i64,
    /// When its phase last changed, in Unix seconds.
    pub changed: i64,
    /// Restarts of its first container.
    pub restarts: u32,
    /// Where in its life it is.
    pub phase: Phase,
}

/// The sorts of workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// With `ReplicaSets`.
    Deployment,
    /// With numbered pods and claims.
    StatefulSet,
    /// With a pod per node.
    DaemonSet,
}

/// A revision of a workload's template; a `ReplicaSet`, if it is a deployment's.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The hash in names.
    pub hash: Arc<str>,
    /// Its uid.
    pub uid: Uid,
    /// Unix seconds.
    pub created: i64,
    /// Its number, from 1.
    pub number: u32,
    /// Wanted pods.
    pub replicas: usize,
    /// Spec changes, from 1.
    pub generation: u32,
}

/// A deployment, `StatefulSet` or `DaemonSet`, with the service in front of it.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What it is.
    pub sort: Sort,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name, also that of its service.
    pub app: Arc<str>,
    /// What its pods look like.
    pub shape: Shape,
    /// Its uid.
    pub uid: Uid,
    /// Its service's uid; its `EndpointSlice`'s is one more.
    pub service: Uid,
    /// Unix seconds.
    pub created: i64,
    /// Wanted pods.
    pub replicas: usize,
    /// Spec changes, from 1.
    pub generation: u32,
    /// Writes of its `EndpointSlice`.
    pub slice_generation: u32,
    /// CPU in percent of what its pods ask for, as its autoscaler sees it.
    pub load: u32,
    /// Its revisions, the newest last; never empty.
    pub revisions: Vec<Revision>,
    /// Its pods, by their numbers.
    pub pods: Vec<u64>,
}

impl Workload {
    /// The newest revision.
    pub fn newest(&self) -> &Revision {
        self.revisions.last().expect("a workload has a revision")
    }
}

/// A `CronJob`.
#[derive(Clone, Debug)]
pub struct CronJob {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub app: Arc<str>,
    /// Its uid.
    pub uid: Uid,
    /// Unix seconds.
    pub created: i64,
    /// Its schedule.
    pub schedule: &'static str,
    /// When it last ran, in Unix seconds.
    pub ran: Option<i64>,
    /// The numbers of its jobs that are active.
    pub active: Vec<u64>,
    /// The numbers of its jobs that are done, the oldest first.
    pub done: VecDeque<u64>,
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// The place of its `CronJob`.
    pub owner: usize,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
    /// Unix seconds.
    pub created: i64,
    /// When it was done, in Unix seconds, and whether well.
    pub done: Option<(i64, bool)>,
    /// The number of its pod.
    pub pod: u64,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
    /// The kind, API version, name and uid of what it is about.
    pub about: (&'static str, &'static str, String, Uid),
    /// Its reason.
    pub reason: &'static str,
    /// Its message.
    pub message: String,
    /// Who says so.
    pub component: &'static str,
    /// Whether it is a warning.
    pub warning: bool,
    /// First seen, in Unix seconds.
    pub first: i64,
    /// Last seen, in Unix seconds.
    pub last: i64,
    /// How often.
    pub count: u32,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
    /// Its place.
    pub index: usize,
    /// Unix seconds.
    pub created: i64,
    /// Whether it is cordoned.
    pub cordoned: bool,
}

impl Node {
    /// Its address.
    pub fn ip(&self) -> String {
        format!("192.0.{}.{}", 2 + self.index / 250, 1 + self.index % 250)
    }

    /// Its zone.
    pub fn zone(&self) -> &'static str {
        ["eu-central-1a", "eu-central-1b", "eu-central-1c"][self.index % 3]
    }

    /// Whether it is of the control plane.
    pub fn leads(&self) -> bool {
        self.index == 0
    }
}

/// Everything that the controllers of a simulated cluster know.
#[derive(Default)]
pub struct Model {
    /// The namespaces' names.
    pub namespaces: Vec<Arc<str>>,
    /// The nodes; never empty once built.
    pub nodes: Vec<Node>,
    /// The workloads; never empty once built.
    pub workloads: Vec<Workload>,
    /// The pods, by their numbers.
    pub pods: BTreeMap<u64, Pod>,
    /// The `CronJobs`; never empty once built.
    pub cron_jobs: Vec<CronJob>,
    /// The jobs, by their numbers.
    pub jobs: BTreeMap<u64, Job>,
    /// The events, the oldest first.
    pub notices: VecDeque<Notice>,
    /// The next number of a pod or a job.
    pub next: u64,
}

impl Model {
    /// How many of a workload's pods are ready, all in all and of its newest revision; and how many pods of the
    /// newest revision there are.
    pub fn readiness(&self, workload: &Workload) -> (usize, usize, usize) {
        let newest = workload.newest().number;
        let pods = workload.pods.iter().filter_map(|number| self.pods.get(number));
        pods.fold((0, 0, 0), |(ready, ready_newest, newest_pods), pod| {
            let is_ready = usize::from(pod.phase == Phase::Ready);
            let is_newest = usize::from(pod.revision == newest);
            (ready + is_ready, ready_newest + is_ready * is_newest, newest_pods + is_newest)
        })
    }
}
