//! The cluster as it is at the start: as many pods as asked for, and everything around them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::script::Play;
use super::{Churn, Clock, Store};
use crate::sim::Options;
use crate::sim::model::{CronJob, Job, Model, Node, Owner, Phase, Pod, Revision, Shape, Sort, Uid, Workload};
use crate::sim::object::{Object, key};
use crate::sim::objects::{self, Claim};
use crate::sim::resource::named;

const TEAMS: [&str; 12] = [
    "shop",
    "payments",
    "search",
    "platform",
    "media",
    "identity",
    "billing",
    "mobile",
    "data",
    "logistics",
    "support",
    "content",
];
const APPS: [&str; 14] = [
    "web", "api", "worker", "cart", "gateway", "catalog", "checkout", "notifier", "indexer", "reports",
    "auth", "sessions", "importer", "webhooks",
];
const STATEFUL_REPLICAS: usize = 3;
const DAY: i64 = 86_400;

/// A random source and the store that is being filled.
struct Builder<'a> {
    play: Play,
    store: &'a Store,
    now: i64,
    /// Pods that are still to be made.
    left: usize,
    node_name: usize,
}

/// How large a cluster is at the start.
pub struct Size {
    /// Pods.
    pub pods: usize,
    /// Whether there is little but pods: no workloads, services and events until the churn writes them.
    pub bare: bool,
    /// Bytes of a node's name, which each of its pods shows; 0: no more than needed.
    pub node_name: usize,
}

impl Size {
    /// What the options say.
    pub fn of(options: &Options) -> Self {
        Size { pods: options.pods, bare: options.bare, node_name: options.node_name }
    }
}

/// Fills an empty store with a cluster of this size, and gives its churn.
pub fn build(store: &Store, size: &Size, seed: u64, clock: Arc<Clock>) -> Churn {
    let play = Play::new(Model::default(), seed);
    let pods = size.pods;
    let mut builder = Builder { play, store, now: clock.seconds(), left: pods, node_name: size.node_name };
    builder.nodes((pods / 25).clamp(3, 1000));
    builder.namespaces((pods / 60).clamp(3, 60));
    builder.classes();
    builder.daemon_set();
    builder.batch(pods / 100 + 1);
    builder.stateful_sets(pods / 50 / STATEFUL_REPLICAS);
    builder.deployments(if pods > 5000 { 40 } else { 8 });
    if !size.bare {
        builder.write_workloads();
        builder.first_events((pods * 2).min(2000));
    }
    Churn::new(builder.play, clock)
}

impl Builder<'_> {
    fn put(&self, plural: &str, namespace: &str, name: &str, object: &Object) {
        self.store.put(named(plural), &key(namespace, name), object);
    }

    fn uid(&mut self) -> Uid {
        self.play.new_uid()
    }

    fn some_time_ago(&mut self, days: i64) -> i64 {
        self.now - self.play.rng.i64(60..days * DAY)
    }

    fn nodes(&mut self, count: usize) {
        for index in 0..count {
            let name = if index == 0 { "control-0".to_owned() } else { format!("worker-{index}") };
            let name = format!("{name:-<0$}", self.node_name);
            let node =
                Node { name, uid: self.uid(), index, created: self.some_time_ago(90), cordoned: false };
            self.put("nodes", "", &node.name, &objects::node(&node, self.now));
            self.play.model.nodes.push(node);
        }
    }

    fn namespaces(&mut self, teams: usize) {
        let team = |index: usize| match TEAMS.get(index) {
            Some(name) => (*name).to_owned(),
            None => format!("team-{index}"),
        };
        let fixed = ["default", "kube-system", "monitoring"].map(str::to_owned);
        for name in fixed.into_iter().chain((0..teams).map(team)) {
            let object = objects::namespace(&name, self.uid(), self.now - 90 * DAY);
            self.put("namespaces", "", &name, &object);
            self.play.model.namespaces.push(name.into());
        }
    }

    fn teams(&self) -> Vec<Arc<str>> {
        self.play.model.namespaces[3..].to_vec()
    }

    fn classes(&mut self) {
        let then = self.now - 90 * DAY;
        for (name, default) in [("standard", true), ("fast", false), ("archive", false)] {
            let object = objects::storage_class(name, self.uid(), then, default);
            self.put("storageclasses", "", name, &object);
        }
        for (name, default) in [("public", true), ("internal", false)] {
            let object = objects::ingress_class(name, self.uid(), then, default);
            self.put("ingressclasses", "", name, &object);
        }
        for (name, value) in [("system-node-critical", 2_000_001_000), ("important", 1000), ("bulk", -10)] {
            let object = objects::priority_class(name, self.uid(), then, value, false);
            self.put("priorityclasses", "", name, &object);
        }
        for (name, handler) in [("gvisor", "runsc"), ("kata", "kata-qemu")] {
            let object = objects::runtime_class(name, self.uid(), then, handler);
            self.put("runtimeclasses", "", name, &object);
        }
    }

    fn daemon_set(&mut self) {
        let nodes = self.play.model.nodes.len();
        let replicas = if self.left >= 4 * nodes { nodes } else { 0 };
        let index = self.workload(
            Sort::DaemonSet,
            "monitoring".into(),
            "node-exporter".into(),
            Shape::Plain,
            replicas,
        );
        for node in 0..replicas {
            self.workload_pod(index, node, Some(node));
        }
    }

    fn stateful_sets(&mut self, count: usize) {
        let teams = self.teams();
        for number in 0..count.max(1) {
            let replicas = STATEFUL_REPLICAS.min(self.left / 3);
            let app: Arc<str> =
                if number < teams.len() { "db".into() } else { format!("db-{number}").into() };
            let namespace = teams[number % teams.len()].clone();
            let index =
                self.workload(Sort::StatefulSet, namespace.clone(), app.clone(), Shape::Plain, replicas);
            for ordinal in 0..replicas {
                self.workload_pod(index, ordinal, None);
            }
            for ordinal in 0..replicas.max(1) {
                self.claim(&namespace, &app, ordinal);
            }
        }
    }

    fn claim(&mut self, namespace: &str, app: &str, ordinal: usize) {
        let name = format!("data-{app}-{ordinal}");
        let claim = Claim { namespace, app, name: &name, uid: self.uid(), created: self.some_time_ago(60) };
        self.put("persistentvolumeclaims", namespace, &name, &objects::claim(&claim));
        self.put("persistentvolumes", "", &claim.volume(), &objects::volume(&claim));
    }

    fn deployments(&mut self, largest: usize) {
        let teams = self.teams();
        let mut number = 0;
        while self.left > 0 || number == 0 {
            let namespace = teams[number % teams.len()].clone();
            let round = number / teams.len();
            let app = match round / APPS.len() {
                0 => APPS[round].to_owned(),
                again => format!("{}-{again}", APPS[round % APPS.len()]),
            };
            let shape = if number % 3 == 1 { Shape::Meshed } else { Shape::Plain };
            let replicas = self.play.rng.usize(1..=largest).min(self.left);
            let index = self.workload(Sort::Deployment, namespace, app.into(), shape, replicas);
            for ordinal in 0..replicas {
                self.workload_pod(index, ordinal, None);
            }
            number += 1;
        }
    }

    fn workload(
        &mut self,
        sort: Sort,
        namespace: Arc<str>,
        app: Arc<str>,
        shape: Shape,
        replicas: usize,
    ) -> usize {
        let created = self.some_time_ago(60);
        let number = self.play.rng.u32(1..60);
        let revision = Revision {
            hash: self.play.new_hash(10),
            uid: self.uid(),
            created,
            number,
            replicas,
            generation: 1,
        };
        let workload = Workload {
            sort,
            namespace,
            app,
            shape,
            uid: self.uid(),
            service: self.uid(),
            created,
            replicas,
            generation: number,
            slice_generation: 1,
            load: self.play.rng.u32(5..95),
            revisions: vec![revision],
            pods: Vec::with_capacity(replicas),
        };
        self.play.model.workloads.push(workload);
        self.play.model.workloads.len() - 1
    }

    fn workload_pod(&mut self, index: usize, ordinal: usize, node: Option<usize>) {
        let number = self.play.new_number();
        let mut pod = self.play.new_pod(index, ordinal, number, self.now);
        pod.created = self.some_time_ago(20).max(self.play.model.workloads[index].created);
        pod.changed = pod.created + 12;
        pod.node = node.unwrap_or(pod.node);
        (pod.phase, pod.restarts) = match self.play.rng.u32(0..200) {
            0..3 => (Phase::Crashing, self.play.rng.u32(5..400)),
            3 => (Phase::NoImage, 0),
            4 => (Phase::Pending, 0),
            5..25 => (Phase::Ready, self.play.rng.u32(1..9)),
            _ => (Phase::Ready, 0),
        };
        self.play.model.workloads[index].pods.push(number);
        self.put_pod(number, pod);
    }

    fn put_pod(&mut self, number: u64, pod: Pod) {
        let namespace = self.play.namespace_of(&pod);
        let object = objects::pod(&self.play.model, &pod);
        self.put("pods", &namespace, &pod.name, &object);
        self.play.model.pods.insert(number, pod);
        self.left = self.left.saturating_sub(1);
    }

    fn batch(&mut self, count: usize) {
        let teams = self.teams();
        for number in 0..count {
            let namespace = teams[number % teams.len()].clone();
            let app = format!("nightly-{}", number / teams.len());
            let cron = CronJob {
                namespace,
                app: app.into(),
                uid: self.uid(),
                created: self.some_time_ago(60),
                schedule: ["*/5 * * * *", "0 3 * * *", "@hourly"][number % 3],
                ran: Some(self.now - 3600),
                active: Vec::new(),
                done: VecDeque::new(),
            };
            self.play.model.cron_jobs.push(cron);
            for _ in 0..2 {
                self.done_job(number);
            }
            let cron = &self.play.model.cron_jobs[number];
            let object = objects::cron_job(&self.play.model, cron, self.now);
            self.put("cronjobs", &cron.namespace, &cron.app, &object);
        }
    }

    fn done_job(&mut self, owner: usize) {
        let (number, pod_number) = (self.play.new_number(), self.play.new_number());
        let created = self.some_time_ago(2);
        let well = self.play.rng.u32(0..8) > 0;
        let name = format!("{}-{}", self.play.model.cron_jobs[owner].app, 29_000_000 + number);
        let job =
            Job { owner, name, uid: self.uid(), created, done: Some((created + 40, well)), pod: pod_number };
        let object = objects::job(&self.play.model, &job, self.now);
        let namespace = self.play.model.cron_jobs[owner].namespace.clone();
        self.put("jobs", &namespace, &job.name, &object);
        self.play.model.cron_jobs[owner].done.push_back(number);
        self.play.model.jobs.insert(number, job);
        if self.left == 0 {
            return;
        }
        let mut pod = self.play.new_job_pod(number, pod_number, created);
        pod.phase = if well { Phase::Succeeded } else { Phase::Failed };
        pod.changed = created + 40;
        debug_assert_eq!(pod.owner, Owner::Job(number));
        self.put_pod(pod_number, pod);
    }

    fn write_workloads(&mut self) {
        for index in 0..self.play.model.workloads.len() {
            self.write_workload(index);
        }
    }

    fn write_workload(&self, index: usize) {
        let model = &self.play.model;
        let workload = &model.workloads[index];
        let put =
            |plural: &str, object: &Object| self.put(plural, &workload.namespace, &workload.app, object);
        put(plural_of(workload.sort), &objects::workload(model, workload, self.now));
        put("services", &objects::service(workload));
        let (slice, object) = objects::endpoint_slice(model, workload, self.now);
        self.put("endpointslices", &workload.namespace, &slice, &object);
        if workload.sort != Sort::Deployment {
            return;
        }
        for revision in &workload.revisions {
            let name = format!("{}-{}", workload.app, revision.hash);
            let object = objects::replica_set(model, workload, revision, self.now);
            self.put("replicasets", &workload.namespace, &name, &object);
        }
        // Some have them; the first deployment has them all, so that no kind is ever empty.
        let nth = model.workloads[..index].iter().filter(|before| before.sort == Sort::Deployment).count();
        if nth.is_multiple_of(2) {
            put("poddisruptionbudgets", &objects::budget(model, workload, self.now));
        }
        if nth.is_multiple_of(3) {
            put("horizontalpodautoscalers", &objects::autoscaler(workload, self.now));
        }
        if nth.is_multiple_of(4) {
            put("ingresses", &objects::ingress(workload));
        }
        if nth.is_multiple_of(5) {
            put("networkpolicies", &objects::network_policy(workload));
        }
    }

    fn first_events(&mut self, count: usize) {
        let numbers: Vec<u64> = self.play.model.pods.keys().copied().collect();
        for _ in 0..count {
            let number = numbers[self.play.rng.usize(0..numbers.len())];
            let ago = self.play.rng.i64(1..3600);
            self.play.notice_about_pod(self.store, number, self.now - ago);
        }
        if numbers.is_empty() {
            self.play.notice_about_node(self.store, 0, self.now);
        }
    }
}

/// The resource of a sort of workload.
pub fn plural_of(sort: Sort) -> &'static str {
    match sort {
        Sort::Deployment => "deployments",
        Sort::StatefulSet => "statefulsets",
        Sort::DaemonSet => "daemonsets",
    }
}
