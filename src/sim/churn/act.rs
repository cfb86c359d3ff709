//! The acts: what each step of a script does to the model, and the one write that follows from it.

use super::Store;
use super::build::plural_of;
use super::script::{Play, Step, Subject};
use crate::sim::model::{Job, Owner, Phase, Revision, Sort, Workload};
use crate::sim::object::{Object, key};
use crate::sim::objects;
use crate::sim::resource::named;

const REVISIONS_KEPT: usize = 3;
const JOBS_KEPT: usize = 3;

impl Play {
    /// Does a step; says whether there was something to write.
    pub(super) fn perform(&mut self, store: &Store, step: &Step, now: i64) -> bool {
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

    /// Deletes a `CronJob`'s oldest job; its pod goes in a step of its own, put in front of the script.
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
    pub(super) fn heartbeat(&mut self, store: &Store, now: i64) -> bool {
        let node = &self.model.nodes[self.next_heartbeat % self.model.nodes.len()];
        self.next_heartbeat += 1;
        put(store, "nodes", "", &node.name, &objects::node(node, now))
    }

    /// A node is cordoned, or no longer.
    pub(super) fn cordon(&mut self, store: &Store, now: i64) -> bool {
        let index = self.rng.usize(0..self.model.nodes.len());
        let node = &mut self.model.nodes[index];
        if node.leads() {
            return false;
        }
        node.cordoned = !node.cordoned;
        put(store, "nodes", "", &node.name, &objects::node(node, now))
    }

    /// An autoscaler sees another load.
    pub(super) fn rescale(&mut self, store: &Store, now: i64) -> bool {
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
}

fn set_name(workload: &Workload, revision: &Revision) -> String {
    format!("{}-{}", workload.app, revision.hash)
}

/// Writes an object; always a write.
pub(super) fn put(store: &Store, plural: &str, namespace: &str, name: &str, object: &Object) -> bool {
    store.put(named(plural), &key(namespace, name), object);
    true
}

/// Deletes an object, if it is there.
pub(super) fn delete(store: &Store, plural: &str, namespace: &str, name: &str) -> bool {
    store.delete(named(plural), &key(namespace, name)).is_some()
}
