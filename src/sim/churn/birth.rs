//! What is new: numbers, uids, names, pods.

use std::sync::Arc;

use super::script::Play;
use crate::sim::model::{Owner, Phase, Pod, Sort, Uid};

const HASH_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Play {
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
