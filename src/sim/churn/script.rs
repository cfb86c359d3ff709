//! The play: several scripts at once (a rollout, a job's run, a crash), of which each step is one write.

use std::collections::VecDeque;

use super::Store;
use crate::sim::model::{Model, Phase, Sort};

const SCRIPTS_AT_ONCE: usize = 6;

/// One write, or nothing if what it is about is gone.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A workload gets a new revision.
    Roll(usize),
    /// The status of a workload.
    Workload(usize),
    /// A workload's `ReplicaSet`, at so many replicas more or less.
    Scale(usize, u32, isize),
    /// The `ReplicaSets` that are kept no longer.
    Prune(usize),
    /// A pod of a workload, with its ordinal.
    Create(usize, usize, u64),
    /// A pod's next phase.
    Phase(u64, Phase),
    /// A pod is gone.
    Remove(u64),
    /// An event about a pod.
    Notice(u64),
    /// A workload's `EndpointSlice`.
    Slice(usize),
    /// A workload's disruption budget, if it has one.
    Budget(usize),
    /// A `CronJob` starts a job with a pod.
    StartJob(usize, u64, u64),
    /// The pod of a job.
    CreateJobPod(u64, u64),
    /// A job is done, well or not.
    FinishJob(u64, bool),
    /// A `CronJob`'s status.
    Cron(usize),
    /// A `CronJob`'s oldest job, if it has too many.
    RemoveJob(usize),
}

/// What one script is about, so that no two are about the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Workload(usize),
    Cron(usize),
}

pub(super) struct Script {
    /// What it is about.
    pub(super) subject: Subject,
    /// What is still to be done.
    pub(super) steps: VecDeque<Step>,
}

/// The model, and what is happening to it.
pub struct Play {
    pub(super) model: Model,
    pub(super) rng: fastrand::Rng,
    pub(super) scripts: Vec<Script>,
    pub(super) next_heartbeat: usize,
    /// The number of the pod that was restarted last.
    pub(super) restarted: u64,
}

impl Play {
    /// A play in which nothing has happened yet.
    pub fn new(model: Model, seed: u64) -> Self {
        Play {
            model,
            rng: fastrand::Rng::with_seed(seed),
            scripts: Vec::new(),
            next_heartbeat: 0,
            restarted: 0,
        }
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
            0..2 => Some(self.job_run()),
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

    fn job_run(&mut self) -> Script {
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
        Script { subject: Subject::Cron(index), steps }
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
