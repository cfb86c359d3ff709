//! Events: written about what happens, repeated, and forgotten in the end.

use std::sync::Arc;

use super::Store;
use super::act::{delete, put};
use super::script::Play;
use crate::sim::model::{Notice, Phase, Uid};
use crate::sim::objects;

impl Play {
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

    /// A recent event is seen again.
    pub(super) fn repeat_notice(&mut self, store: &Store, now: i64) -> bool {
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

    /// The oldest event is forgotten.
    pub(super) fn expire_notice(&mut self, store: &Store) -> bool {
        let Some(notice) = self.model.notices.pop_front() else { return false };
        delete(store, "events", &notice.namespace, &notice.name)
    }
}
