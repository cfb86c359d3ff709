//! A container that restarts: the smallest write that every list of pods shows.

use super::Store;
use super::act::put;
use super::script::Play;
use crate::sim::model::Phase;
use crate::sim::objects;

impl Play {
    /// The next ready pod's restarts become `count`; `None` where no pod is ready.
    pub(super) fn restart(&mut self, store: &Store, count: u32) -> Option<()> {
        let pods = &self.model.pods;
        let behind = pods.range(self.restarted + 1..).chain(pods.range(..=self.restarted));
        let number =
            behind.into_iter().find(|(_, pod)| pod.phase == Phase::Ready).map(|(number, _)| *number)?;
        self.restarted = number;
        let pod = self.model.pods.get_mut(&number)?;
        pod.restarts = count;
        let pod = &self.model.pods[&number];
        put(store, "pods", &self.namespace_of(pod), &pod.name, &objects::pod(&self.model, pod));
        Some(())
    }
}
