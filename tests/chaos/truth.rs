//! What the clusters hold at any moment, and how far what pages claim is from it.
//!
//! In each cluster an object is written all the time, with the number of the write in its rows. So the oldest write that a page does not show says since when its
//! rows are old; where it calls them live all the same, that is the figure that the promise bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use foretop::sim::Cluster;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::house::pod;
use crate::pages::{Living, PULSE};

/// Time between two writes.
const BEAT: Duration = Duration::from_millis(250);

/// What was written so lately is on its way.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// How often pages are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The writes of a cluster.
pub struct Pulse {
    /// When each was made: the first is number 1.
    written: Arc<Mutex<Vec<Instant>>>,
    task: JoinHandle<()>,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pulse {
    /// Writes in these namespaces until it is dropped.
    pub fn of(cluster: Arc<Cluster>, namespaces: &'static [&'static str]) -> Pulse {
        let written = Arc::new(Mutex::new(Vec::new()));
        let told = written.clone();
        let task = tokio::spawn(async move {
            let mut clock = tokio::time::interval(BEAT);
            loop {
                clock.tick().await;
                let mut written = told.lock().expect("nothing panics under this lock");
                for namespace in namespaces {
                    beat(&cluster, namespace, written.len() + 1);
                }
                written.push(Instant::now());
            }
        });
        Pulse { written, task }
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.written.lock().expect("nothing panics under this lock").len()
    }

    /// For how long something has been written that is not among the first so many.
    fn unseen(&self, seen: usize, now: Instant) -> Duration {
        let written = self.written.lock().expect("nothing panics under this lock");
        written.get(seen).map_or(Duration::ZERO, |first| now.saturating_duration_since(*first))
    }

    /// Ends it.
    pub fn stop(&self) {
        self.task.abort();
    }
}

fn beat(cluster: &Cluster, namespace: &str, number: usize) {
    let mut object = pod(namespace, PULSE, "Running");
    object["status"]["containerStatuses"] = json!([{"name": "main", "restartCount": number, "ready": true}]);
    cluster.put("pods", object).expect("a pod");
}

/// What was noticed of one page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noticed {
    /// The longest that it went on saying live over rows that were no longer so.
    pub wrong: Duration,
    /// Since when it says so now.
    wrong_since: Option<Instant>,
    /// The longest that its rows were old, whatever it said.
    pub old: Duration,
    /// When it first did not say live.
    pub told: Option<Instant>,
    is_live: bool,
}

/// Looks at pages all the time.
pub struct Watchman {
    noticed: Arc<Mutex<BTreeMap<String, Noticed>>>,
    task: JoinHandle<()>,
}

impl Drop for Watchman {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watchman {
    /// Looks at these pages, each of a cluster with this pulse.
    pub fn over(pages: Arc<Vec<Living>>, pulses: Arc<BTreeMap<&'static str, Pulse>>) -> Watchman {
        let noticed: Arc<Mutex<BTreeMap<String, Noticed>>> = Arc::default();
        let told = noticed.clone();
        let task = tokio::spawn(async move {
            let mut clock = tokio::time::interval(LOOK);
            loop {
                clock.tick().await;
                let mut noticed = told.lock().expect("nothing panics under this lock");
                for page in pages.iter() {
                    let pulse = &pulses[page.page.cluster];
                    noticed.entry(page.page.name()).or_default().look(page, pulse);
                }
            }
        });
        Watchman { noticed, task }
    }

    /// Forgets all that was noticed.
    pub fn begins_anew(&self) {
        let mut noticed = self.noticed.lock().expect("nothing panics under this lock");
        noticed.values_mut().for_each(|page| *page = Noticed { is_live: page.is_live, ..Noticed::default() });
    }

    /// What was noticed since, by the pages' names.
    pub fn noticed(&self) -> BTreeMap<String, Noticed> {
        self.noticed.lock().expect("nothing panics under this lock").clone()
    }
}

impl Noticed {
    fn look(&mut self, page: &Living, pulse: &Pulse) {
        let (glance, now) = (page.glance(), Instant::now());
        let old =
            if page.page.kinds.contains(&"pods") { pulse.unseen(glance.pulse, now) } else { Duration::ZERO };
        let is_live = glance.is_live(now);
        self.old = self.old.max(old);
        if is_live && old > UNDER_WAY {
            let since = *self.wrong_since.get_or_insert(now.checked_sub(UNDER_WAY).unwrap_or(now));
            self.wrong = self.wrong.max(now.saturating_duration_since(since));
        } else {
            self.wrong_since = None;
        }
        if !is_live {
            self.told = self.told.or(Some(now));
        }
        self.is_live = is_live && old <= UNDER_WAY;
    }

    /// Whether it says live now, of rows that are so.
    pub fn is_well(&self) -> bool {
        self.is_live
    }
}
