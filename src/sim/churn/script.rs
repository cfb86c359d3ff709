//! The play: several scripts at once (a rollout, a job's run, a crash), of which each step is one write.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Store;
use super::build::plural_of;
use crate::sim::model::{Job, Model, Notice, Owner, Phase, Pod, Revision, Sort, Uid, Workload};
use crate::sim::object::{Object, key};
use crate::sim::objects;
use crate::sim::resource::named;

const HASH_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const REVISIONS_KEPT: usize = 3;
const JOBS_KEPT: usize = 3;
const SCRIPTS_AT_ONCE: usize = 6;

/// One write, or nothing if what it is about is gone.
#[derive(Clone, Debug)]
enum Step {
    /// A workload gets a new revision.
    Roll(usize),
    /// The status of a workload.
    Workload(usize),
    /// A workload's ReplicaSet, at so many replicas more or less.
    Scale(usize, u32, isize),
    /// The ReplicaSets that are kept no longer.
    Prune(usize),
    /// A pod of a workload, with its ordinal.
    Create(usize, usize, u64),
    /// A pod's next phase.
    Phase(u64, Phase),
    /// A pod is gone.
    Remove(u64),
    /// An event about a pod.
    Notice(u64),
    /// A workload's EndpointSlice.
    Slice(usize),
    /// A workload's disruption budget, if it has one.
    Budget(usize),
    /// A CronJob starts a job with a pod.
    StartJob(usize, u64, u64),
    /// The pod of a job.
    CreateJobPod(u64, u64),
    /// A job is done, well or not.
    FinishJob(u64, bool),
    /// A CronJob's status.
    Cron(usize),
    /// A CronJob's oldest job, if it has too many.
    RemoveJob(usize),
}

/// What one script is about, so that no two are about the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Workload(usize),
    Cron(usize),
}

struct Script {
    subject: Subject,
    steps: VecDeque<Step>,
}

/// The model, and what is happening to it.
pub struct Play {
    pub(super) model: Model,
    pub(super) rng: fastrand::Rng,
    scripts: Vec<Script>,
    next_heartbeat: usize,
}

impl Play {
    /// A play in which nothing has happened yet.
    pub fn new(model: Model, seed: u64) -> Self {
        Play { model, rng: fastrand::Rng::with_seed(seed), scripts: Vec::new(), next_heartbeat: 0 }
    }

    /// Makes a write, or says that this step had nothing to write.
    pub fn step(&mut self, store: &Store, now: i64) -> bool {
        if self.model.notices.len() > self.notices_kept() {
            return self.expire_notice(store);
        }
        match self.rng.u32(0..100) {
            0..14 => self.heartbeat(store, now),
            14..22 => self.repeat_notice(store, now),
            22..26 => self.rescale(store, now),
            26 => self.cordon(store, now),
            _ => self.go_on(store, now),
        }
    }

    fn notices_kept(&self) -> usize {
        (500 + self.model.pods.len() / 4).max(2100)
    }

    fn go_on(&mut self, store: &Store, now: i64) -> bool {
        if self.scripts.len() < SCRIPTS_AT_ONCE {
            self.begin();
        }
        if self.scripts.is_empty() {
            return self.heartbeat(store, now);
        }
        let chosen = self.rng.usize(0..self.scripts.len());
        let Some(step) = self.scripts[chosen].steps.pop_front() else {
            self.scripts.swap_remove(chosen);
            return false;
        };
        self.perform(store, &step, now)
    }

    fn begin(&mut self) {
        let script = match self.rng.u32(0..10) {
            0..2 => self.job_run(),
            2 => self.crash(),
            _ => self.rollout(),
        };
        if let Some(script) =
            script.filter(|script| self.scripts.iter().all(|other| other.subject != script.subject))
        {
            self.scripts.push(script);
        }
    }

    fn rollout(&mut self) -> Option<Script> {
        let index = self.rng.usize(0..self.model.workloads.len());
        let workload = &self.model.workloads[index];
        if workload.pods.is_empty() {
            return None;
        }
        let (sort, old) = (workload.sort, workload.newest().number);
        let pods = workload.pods.clone();
        let mut steps = VecDeque::from([Step::Roll(index)]);
        for (ordinal, going) in pods.into_iter().enumerate() {
            let coming = self.new_number();
            let leave = [Step::Phase(going, Phase::Terminating), Step::Notice(going), Step::Remove(going)];
            if sort == Sort::Deployment {
                steps.push_back(Step::Scale(index, old + 1, 1));
                steps.extend(arrival(index, ordinal, coming));
                steps.extend(leave);
                steps.push_back(Step::Scale(index, old, -1));
            } else {
                steps.extend(leave);
                steps.extend(arrival(index, ordinal, coming));
            }
            steps.extend([Step::Workload(index), Step::Slice(index)]);
        }
        steps.extend([Step::Budget(index), Step::Prune(index)]);
        Some(Script { subject: Subject::Workload(index), steps })
    }

    fn job_run(&mut self) -> Option<Script> {
        let index = self.rng.usize(0..self.model.cron_jobs.len());
        let (job, pod) = (self.new_number(), self.new_number());
        let well = self.rng.u32(0..10) > 0;
        let end = if well { Phase::Succeeded } else { Phase::Failed };
        let steps = VecDeque::from([
            Step::StartJob(index, job, pod),
            Step::Cron(index),
            Step::CreateJobPod(job, pod),
            Step::Phase(pod, Phase::Scheduled),
            Step::Phase(pod, Phase::Creating),
            Step::Notice(pod),
            Step::Phase(pod, Phase::Ready),
            Step::Phase(pod, end),
            Step::FinishJob(job, well),
            Step::Cron(index),
            Step::RemoveJob(index),
        ]);
        Some(Script { subject: Subject::Cron(index), steps })
    }

    fn crash(&mut self) -> Option<Script> {
        let index = self.rng.usize(0..self.model.workloads.len());
        let pods = &self.model.workloads[index].pods;
        let number = *pods.get(self.rng.usize(0..pods.len().max(1)))?;
        let steps = VecDeque::from([
            Step::Phase(number, Phase::Crashing),
            Step::Notice(number),
            Step::Slice(index),
            Step::Workload(index),
            Step::Phase(number, Phase::Started),
            Step::Phase(number, Phase::Ready),
            Step::Slice(index),
            Step::Workload(index),
        ]);
        Some(Script { subject: Subject::Workload(index), steps })
    }

    fn perform(&mut self, store: &Store, step: &Step, now: i64) -> bool {
        match *step {
            Step::Roll(index) => self.roll(store, index, now),
            Step::Workload(index) => self.write_workload(store, index, now),
            Step::Scale(index, number, by) => self.scale(store, index, number, by, now),
            Step::Prune(index) => self.prune(store, index),
            Step::Create(index, ordinal, number) => self.create(store, index, ordinal, number, now),
            Step::Phase(number, phase) => self.change_phase(store, number, phase, now),
            Step::Remove(number) => self.remove(store, number),
            Step::Notice(number) => self.notice_about_pod(store, number, now),
            Step::Slice(index) => self.write_slice(store, index, now),
            Step::Budget(index) => self.write_budget(store, index, now),
            Step::StartJob(index, job, pod) => self.start_job(store, index, job, pod, now),
            Step::CreateJobPod(job, pod) => self.create_job_pod(store, job, pod, now),
            Step::FinishJob(job, well) => self.finish_job(store, job, well, now),
            Step::Cron(index) => self.write_cron(store, index, now),
            Step::RemoveJob(index) => self.remove_job(store, index),
        }
    }

    fn roll(&mut self, store: &Store, index: usize, now: i64) -> bool {
        let hash = self.new_hash(10);
        let uid = self.new_uid();
        let workload = &mut self.model.workloads[index];
        let number = workload.newest().number + 1;
        workload.generation += 1;
        workload.revisions.push(Revision { hash, uid, created: now, number, replicas: 0, generation: 1 });
        self.write_workload(store, index, now)
    }

    fn write_workload(&self, store: &Store, index: usize, now: i64) -> bool {
        let workload = &self.model.workloads[index];
        let object = objects::workload(&self.model, workload, now);
        put(store, plural_of(workload.sort), &workload.namespace, &workload.app, &object)
    }

    fn scale(&mut self, store: &Store, index: usize, number: u32, by: isize, now: i64) -> bool {
        let revisions = &mut self.model.workloads[index].revisions;
        let Some(at) = revisions.iter().position(|revision| revision.number == number) else { return false };
        revisions[at].replicas = revisions[at].replicas.saturating_add_signed(by);
        revisions[at].generation += 1;
        let workload = &self.model.workloads[index];
        let revision = &workload.revisions[at];
        let object = objects::replica_set(&self.model, workload, revision, now);
        put(store, "replicasets", &workload.namespace, &set_name(workload, revision), &object)
    }

    fn prune(&mut self, store: &Store, index: usize) -> bool {
        let workload = &mut self.model.workloads[index];
        if workload.revisions.len() <= REVISIONS_KEPT {
            return false;
        }
        let revision = workload.revisions.remove(0);
        workload.sort == Sort::Deployment
            && delete(store, "replicasets", &workload.namespace, &set_name(workload, &revision))
    }

    fn create(&mut self, store: &Store, index: usize, ordinal: usize, number: u64, now: i64) -> bool {
        let pod = self.new_pod(index, ordinal, number, now);
        self.model.workloads[index].pods.push(number);
        self.model.pods.insert(number, pod);
        self.write_pod(store, number)
    }

    fn change_phase(&mut self, store: &Store, number: u64, phase: Phase, now: i64) -> bool {
        let Some(pod) = self.model.pods.get_mut(&number) else { return false };
        if phase == Phase::Crashing {
            pod.restarts += 1;
        }
        pod.phase = phase;
        pod.changed = now;
        self.write_pod(store, number)
    }

    fn write_pod(&self, store: &Store, number: u64) -> bool {
        let pod = &self.model.pods[&number];
        put(store, "pods", &self.namespace_of(pod), &pod.name, &objects::pod(&self.model, pod))
    }

    fn remove(&mut self, store: &Store, number: u64) -> bool {
        let Some(pod) = self.model.pods.remove(&number) else { return false };
        let namespace = self.namespace_of(&pod);
        if let Owner::Workload(index) = pod.owner {
            self.model.workloads[index].pods.retain(|other| *other != number);
        }
        delete(store, "pods", &namespace, &pod.name)
    }

    fn write_slice(&mut self, store: &Store, index: usize, now: i64) -> bool {
        self.model.workloads[index].slice_generation += 1;
        let workload = &self.model.workloads[index];
        let (name, object) = objects::endpoint_slice(&self.model, workload, now);
        put(store, "endpointslices", &workload.namespace, &name, &object)
    }

    fn write_budget(&self, store: &Store, index: usize, now: i64) -> bool {
        let workload = &self.model.workloads[index];
        let key = key(&workload.namespace, &workload.app);
        if store.get(named("poddisruptionbudgets"), &key).is_none() {
            return false;
        }
        let object = objects::budget(&self.model, workload, now);
        put(store, "poddisruptionbudgets", &workload.namespace, &workload.app, &object)
    }

    fn start_job(&mut self, store: &Store, owner: usize, number: u64, pod: u64, now: i64) -> bool {
        let uid = self.new_uid();
        let cron = &mut self.model.cron_jobs[owner];
        cron.active.push(number);
        cron.ran = Some(now);
        let name = format!("{}-{}", cron.app, 29_000_000 + number);
        self.model.jobs.insert(number, Job { owner, name, uid, created: now, done: None, pod });
        self.write_job(store, number, now)
    }

    fn write_job(&self, store: &Store, number: u64, now: i64) -> bool {
        let Some(job) = self.model.jobs.get(&number) else { return false };
        let namespace = &self.model.cron_jobs[job.owner].namespace;
        put(store, "jobs", namespace, &job.name, &objects::job(&self.model, job, now))
    }

    fn create_job_pod(&mut self, store: &Store, job: u64, number: u64, now: i64) -> bool {
        let pod = self.new_job_pod(job, number, now);
        self.model.pods.insert(number, pod);
        self.write_pod(store, number)
    }

    fn finish_job(&mut self, store: &Store, number: u64, well: bool, now: i64) -> bool {
        let Some(job) = self.model.jobs.get_mut(&number) else { return false };
        job.done = Some((now, well));
        let cron = &mut self.model.cron_jobs[job.owner];
        cron.active.retain(|active| *active != number);
        cron.done.push_back(number);
        self.write_job(store, number, now)
    }

    fn write_cron(&self, store: &Store, index: usize, now: i64) -> bool {
        let cron = &self.model.cron_jobs[index];
        put(store, "cronjobs", &cron.namespace, &cron.app, &objects::cron_job(&self.model, cron, now))
    }

    /// Deletes a CronJob's oldest job; its pod goes in a step of its own, put in front of the script.
    fn remove_job(&mut self, store: &Store, index: usize) -> bool {
        let cron = &mut self.model.cron_jobs[index];
        if cron.done.len() <= JOBS_KEPT {
            return false;
        }
        let Some(number) = cron.done.front().copied() else { return false };
        let pod = self.model.jobs.get(&number).map(|job| job.pod);
        if pod.is_some_and(|pod| self.model.pods.contains_key(&pod)) {
            self.push_front(index, pod);
            return false;
        }
        self.model.cron_jobs[index].done.pop_front();
        let Some(job) = self.model.jobs.remove(&number) else { return false };
        delete(store, "jobs", &self.model.cron_jobs[index].namespace, &job.name)
    }

    fn push_front(&mut self, cron: usize, pod: Option<u64>) {
        let script = self.scripts.iter_mut().find(|script| script.subject == Subject::Cron(cron));
        let (Some(script), Some(pod)) = (script, pod) else { return };
        script.steps.push_front(Step::RemoveJob(cron));
        script.steps.push_front(Step::Remove(pod));
    }

    /// A kubelet's status update: nothing but times.
    fn heartbeat(&mut self, store: &Store, now: i64) -> bool {
        let node = &self.model.nodes[self.next_heartbeat % self.model.nodes.len()];
        self.next_heartbeat += 1;
        put(store, "nodes", "", &node.name, &objects::node(node, now))
    }

    fn cordon(&mut self, store: &Store, now: i64) -> bool {
        let index = self.rng.usize(0..self.model.nodes.len());
        let node = &mut self.model.nodes[index];
        if node.leads() {
            return false;
        }
        node.cordoned = !node.cordoned;
        put(store, "nodes", "", &node.name, &objects::node(node, now))
    }

    fn rescale(&mut self, store: &Store, now: i64) -> bool {
        let index = self.rng.usize(0..self.model.workloads.len());
        let load = self.rng.u32(5..95);
        let workload = &mut self.model.workloads[index];
        let key = key(&workload.namespace, &workload.app);
        if store.get(named("horizontalpodautoscalers"), &key).is_none() {
            return false;
        }
        workload.load = load;
        let object = objects::autoscaler(workload, now);
        put(store, "horizontalpodautoscalers", &workload.namespace, &workload.app, &object)
    }

    /// An event about a pod, by the phase it is in.
    pub fn notice_about_pod(&mut self, store: &Store, number: u64, now: i64) -> bool {
        let Some(pod) = self.model.pods.get(&number) else { return false };
        let (reason, message, component, warning) = match pod.phase {
            Phase::Pending => {
                ("FailedScheduling", "0 nodes are available: insufficient cpu.", "default-scheduler", true)
            }
            Phase::Scheduled => {
                ("Scheduled", "Successfully assigned the pod to a node", "default-scheduler", false)
            }
            Phase::Creating => ("Pulling", "Pulling the image", "kubelet", false),
            Phase::Started => ("Started", "Started container main", "kubelet", false),
            Phase::Ready => ("Pulled", "Container image already present on machine", "kubelet", false),
            Phase::Terminating => ("Killing", "Stopping container main", "kubelet", false),
            Phase::Crashing => ("BackOff", "Back-off restarting failed container main", "kubelet", true),
            Phase::NoImage => ("Failed", "Failed to pull image: not found", "kubelet", true),
            Phase::Succeeded => ("Completed", "Job completed", "job-controller", false),
            Phase::Failed => (
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
                "job-controller",
                true,
            ),
        };
        let about = ("Pod", "v1", pod.name.clone(), pod.uid);
        let namespace = self.namespace_of(pod);
        let message = message.to_owned();
        self.add_notice(store, namespace, about, (reason, message, component, warning), now)
    }

    /// An event about a node.
    pub fn notice_about_node(&mut self, store: &Store, index: usize, now: i64) -> bool {
        let node = &self.model.nodes[index];
        let about = ("Node", "v1", node.name.clone(), node.uid);
        let message = format!("Node {} event: Registered Node in Controller", node.name);
        let said = ("RegisteredNode", message, "node-controller", false);
        self.add_notice(store, "default".into(), about, said, now)
    }

    fn add_notice(
        &mut self,
        store: &Store,
        namespace: Arc<str>,
        about: (&'static str, &'static str, String, Uid),
        (reason, message, component, warning): (&'static str, String, &'static str, bool),
        now: i64,
    ) -> bool {
        let name = format!("{}.{:016x}", about.2, self.rng.u64(..));
        let uid = self.new_uid();
        let notice = Notice {
            namespace,
            name,
            uid,
            about,
            reason,
            message,
            component,
            warning,
            first: now,
            last: now,
            count: 1,
        };
        put(store, "events", &notice.namespace, &notice.name, &objects::event(&notice));
        self.model.notices.push_back(notice);
        true
    }

    fn repeat_notice(&mut self, store: &Store, now: i64) -> bool {
        let count = self.model.notices.len();
        if count == 0 {
            return false;
        }
        // Recent ones repeat more.
        let back = self.rng.usize(0..count.min(50));
        let notice = &mut self.model.notices[count - 1 - back];
        notice.count += 1;
        notice.last = now;
        put(store, "events", &notice.namespace, &notice.name, &objects::event(notice))
    }

    fn expire_notice(&mut self, store: &Store) -> bool {
        let Some(notice) = self.model.notices.pop_front() else { return false };
        delete(store, "events", &notice.namespace, &notice.name)
    }

    /// A number that no pod and no job has.
    pub fn new_number(&mut self) -> u64 {
        self.model.next += 1;
        self.model.next
    }

    /// A uid that nothing has.
    pub fn new_uid(&mut self) -> Uid {
        Uid(self.rng.u128(..))
    }

    /// A name's suffix, in the letters that Kubernetes uses.
    pub fn new_hash(&mut self, length: usize) -> Arc<str> {
        let letters = (0..length).map(|_| char::from(HASH_LETTERS[self.rng.usize(0..HASH_LETTERS.len())]));
        letters.collect::<String>().into()
    }

    /// A pending pod of a workload's newest revision.
    pub fn new_pod(&mut self, index: usize, ordinal: usize, number: u64, now: i64) -> Pod {
        let suffix = self.new_hash(5);
        let workload = &self.model.workloads[index];
        let revision = workload.newest();
        let name = match workload.sort {
            Sort::Deployment => format!("{}-{}-{suffix}", workload.app, revision.hash),
            Sort::StatefulSet => format!("{}-{ordinal}", workload.app),
            Sort::DaemonSet => format!("{}-{suffix}", workload.app),
        };
        let (owner, hash, revision) = (Owner::Workload(index), revision.hash.clone(), revision.number);
        self.pending_pod(owner, name, hash, revision, number, now)
    }

    /// A pending pod of a job.
    pub fn new_job_pod(&mut self, job: u64, number: u64, now: i64) -> Pod {
        let suffix = self.new_hash(5);
        let job_name = &self.model.jobs[&job].name;
        let (name, hash) = (format!("{job_name}-{suffix}"), Arc::from(job_name.as_str()));
        self.pending_pod(Owner::Job(job), name, hash, 1, number, now)
    }

    fn pending_pod(
        &mut self,
        owner: Owner,
        name: String,
        hash: Arc<str>,
        revision: u32,
        number: u64,
        now: i64,
    ) -> Pod {
        let uid = self.new_uid();
        let node = self.rng.usize(1..self.model.nodes.len());
        // The pods' network has 24 bits; reuse after 16 million pods is as in a real cluster.
        let ip = u32::try_from(number & 0xff_ffff).expect("24 bits fit");
        Pod {
            owner,
            name,
            uid,
            hash,
            revision,
            node,
            ip,
            created: now,
            changed: now,
            restarts: 0,
            phase: Phase::Pending,
        }
    }

    /// The namespace of a pod.
    pub fn namespace_of(&self, pod: &Pod) -> Arc<str> {
        match pod.owner {
            Owner::Workload(index) => self.model.workloads[index].namespace.clone(),
            Owner::Job(number) => self.model.cron_jobs[self.model.jobs[&number].owner].namespace.clone(),
        }
    }
}

/// How a pod comes to be ready.
fn arrival(index: usize, ordinal: usize, number: u64) -> [Step; 8] {
    [
        Step::Create(index, ordinal, number),
        Step::Phase(number, Phase::Scheduled),
        Step::Notice(number),
        Step::Phase(number, Phase::Creating),
        Step::Notice(number),
        Step::Phase(number, Phase::Started),
        Step::Phase(number, Phase::Ready),
        Step::Slice(index),
    ]
}

fn set_name(workload: &Workload, revision: &Revision) -> String {
    format!("{}-{}", workload.app, revision.hash)
}

fn put(store: &Store, plural: &str, namespace: &str, name: &str, object: &Object) -> bool {
    store.put(named(plural), &key(namespace, name), object);
    true
}

fn delete(store: &Store, plural: &str, namespace: &str, name: &str) -> bool {
    store.delete(named(plural), &key(namespace, name)).is_some()
}
