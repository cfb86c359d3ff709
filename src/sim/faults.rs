//! Faults on command: what a simulated apiserver does wrong, for whom, and how often.
//!
//! A rule stands until it is cleared or used up; a [`Command`] happens at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What goes wrong, as long as a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// Each request waits before it is answered.
    Slow {
        /// For so long, in milliseconds.
        ms: u64,
    },
    /// Requests are taken and not answered until the rule is cleared.
    Stall,
    /// 429 with `Retry-After` and a plain text body.
    TooManyRequests {
        /// Seconds.
        #[serde(rename = "retryAfter", default)]
        retry_after: u64,
    },
    /// 401; over HTTP/2 followed by GOAWAY, as the real one does.
    Unauthorized,
    /// 403, whoever asks.
    Forbidden,
    /// 404: the resource is not served.
    Absent,
    /// 500.
    Internal,
    /// The answer is right, and the connection says GOAWAY.
    Goaway,
    /// A new watch gets 410 as its only line, whatever version it names.
    WatchGone,
    /// The next page of a LIST gets 410.
    ContinueGone,
    /// A `WatchList` gets 422: the feature gate is off.
    GateOff,
    /// A `WatchList` gets 200 and an ERROR line, code 500: an old etcd.
    Etcd34,
    /// A `WatchList` never gets its end bookmark.
    NoEndBookmark,
    /// A watch gets one line that is not JSON.
    Garbage,
    /// A watch gets half a line; then the response breaks off.
    HalfLine,
    /// A watch gets one line of more than so many bytes: a well-formed event with padding.
    LongLine {
        /// The padding, in bytes.
        bytes: usize,
    },
    /// Watches stay open and get nothing until the rule is cleared.
    Silent,
}

impl Fault {
    fn happens_once(&self) -> bool {
        use Fault::{ContinueGone, Garbage, HalfLine, LongLine, WatchGone};
        matches!(self, WatchGone | ContinueGone | Garbage | HalfLine | LongLine { .. })
    }
}

/// What happens at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Command {
    /// Every connection is closed, as by a killed process; new ones are taken.
    DropConnections,
    /// New connections are refused; the open ones stay. On a listener shared by a fleet, this cluster's requests are
    /// broken off instead.
    Refuse {
        /// For so many seconds; without it, until faults are cleared from within the process.
        seconds: Option<u64>,
    },
    /// Open watches end cleanly.
    EndWatches {
        /// Those of this resource only.
        resource: Option<String>,
    },
    /// All versions but the latest become too old.
    Compact,
    /// A restored etcd: the data and the version go back, every connection is closed.
    Rewind {
        /// By so many versions, as far as the past reaches.
        by: u64,
    },
    /// The namespace kube-system gets a new uid, as in a rebuilt cluster.
    ReplaceKubeSystem,
}

/// A fault and where it applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// For this resource (a plural) only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// So many times; `None` is until cleared, or once for faults of a single line, watch or page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Rule { times: fault.happens_once().then_some(1), resource: None, fault }
    }
}

impl Fault {
    /// The fault for one resource only.
    pub fn on(self, resource: &str) -> Rule {
        Rule { resource: Some(resource.to_owned()), ..Rule::from(self) }
    }

    /// The fault for so many times.
    pub fn times(self, times: u32) -> Rule {
        Rule { times: Some(times), ..Rule::from(self) }
    }
}

impl Rule {
    /// The rule for so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Rule {
        Rule { times: Some(times), ..self }
    }
}

/// The rules of one simulated cluster.
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    changed: watch::Sender<()>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { rules: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Faults {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule.
    pub fn add(&self, rule: impl Into<Rule>) {
        let mut rule = rule.into();
        if rule.times.is_none() && rule.fault.happens_once() {
            rule.times = Some(1);
        }
        self.rules().push(rule);
        self.changed.send_replace(());
    }

    /// Removes every rule.
    pub fn clear(&self) {
        self.rules().clear();
        self.changed.send_replace(());
    }

    /// The rules that stand.
    pub fn standing(&self) -> Vec<Rule> {
        self.rules().clone()
    }

    /// A receiver that changes with the rules.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether a fault stands for a resource; does not use it up.
    pub fn stands(&self, resource: &str, fault: &Fault) -> bool {
        self.rules().iter().any(|rule| rule.is_for(resource) && rule.fault == *fault)
    }

    /// The first rule for a resource whose fault `wanted` picks, used up by one.
    pub fn take<T>(&self, resource: &str, wanted: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut rules = self.rules();
        let (index, found) = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.is_for(resource))
            .find_map(|(index, rule)| Some((index, wanted(&rule.fault)?)))?;
        if let Some(times) = &mut rules[index].times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                rules.remove(index);
            }
        }
        Some(found)
    }

    /// Whether this fault strikes a resource now; uses it up by one.
    pub fn strikes(&self, resource: &str, fault: &Fault) -> bool {
        self.take(resource, |standing| (standing == fault).then_some(())).is_some()
    }
}

impl Rule {
    fn is_for(&self, resource: &str) -> bool {
        self.resource.as_deref().is_none_or(|only| only == resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_used_up() {
        let faults = Faults::default();
        faults.add(Fault::Internal.on("pods").times(2));
        assert!(!faults.strikes("nodes", &Fault::Internal));
        assert!(faults.strikes("pods", &Fault::Internal));
        assert!(faults.strikes("pods", &Fault::Internal));
        assert!(!faults.strikes("pods", &Fault::Internal));
    }

    #[test]
    fn a_garbage_line_comes_once_by_itself() {
        let faults = Faults::default();
        let posted = serde_json::from_str::<Rule>(r#"{"fault":"garbage","resource":"pods"}"#).unwrap();
        faults.add(posted);
        assert!(faults.strikes("pods", &Fault::Garbage));
        assert!(!faults.strikes("pods", &Fault::Garbage));
    }
}
