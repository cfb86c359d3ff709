//! What one cluster was asked, and how it answered: counted where it happens, read by whoever shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::certificate::Ends;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads one thing.
    Get,
    /// Creates one thing, such as an access review.
    Create,
    /// Reads one page of a collection.
    List,
    /// Opens a watch, with or without initial events.
    Watch,
}

impl Verb {
    const ALL: [Verb; 4] = [Verb::Get, Verb::Create, Verb::List, Verb::Watch];

    /// Kubernetes' word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Create => "create",
            Verb::List => "list",
            Verb::Watch => "watch",
        }
    }
}

/// The HTTP statuses that are counted each by itself; all others share `other`.
const CODES: [u16; 14] = [200, 201, 400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504];
const LABELS: [&str; 16] = [
    "200", "201", "400", "401", "403", "404", "409", "410", "422", "429", "500", "502", "503", "504",
    "other", "none",
];

/// The figures of one cluster. All only grow, but the gauges at the end.
#[derive(Debug, Default)]
pub struct Counters {
    requests: [[AtomicU64; LABELS.len()]; Verb::ALL.len()],
    /// Lists and initial events that were taken whole.
    pub syncs: AtomicU64,
    /// Lines of a watch that were over-long, cut off, or not what Kubernetes sends.
    pub bad_lines: AtomicU64,
    /// Requests repeated because a connection was being renewed.
    pub repeats: AtomicU64,
    /// Times that the credentials were read anew after a 401.
    pub renewals: AtomicU64,
    /// TCP connections open now.
    pub connections: Arc<AtomicUsize>,
    /// Watches open now.
    pub watches: AtomicUsize,
    /// When the certificate ends by which its kubeconfig has us sign in, where it has one.
    pub certificate: Ends,
}

impl Counters {
    /// Counts a request by its answer's status; `None` where there was no answer.
    pub fn answered(&self, verb: Verb, status: Option<u16>) {
        let column = match status {
            None => LABELS.len() - 1,
            Some(code) => CODES.iter().position(|known| *known == code).unwrap_or(CODES.len()),
        };
        self.requests[verb as usize][column].fetch_add(1, Relaxed);
    }

    /// Adds what another cluster has counted; what is open now is not counted.
    pub fn take_in(&self, other: &Counters) {
        for (mine, more) in self.requests.iter().flatten().zip(other.requests.iter().flatten()) {
            mine.fetch_add(more.load(Relaxed), Relaxed);
        }
        let of = |counters: &'_ Counters| {
            let Counters { syncs, bad_lines, repeats, renewals, .. } = counters;
            [syncs, bad_lines, repeats, renewals].map(|count| count.load(Relaxed))
        };
        let mine = [&self.syncs, &self.bad_lines, &self.repeats, &self.renewals];
        for (mine, more) in mine.into_iter().zip(of(other)) {
            mine.fetch_add(more, Relaxed);
        }
    }

    /// Requests so far by (verb, outcome): the outcome is an HTTP status, `other`, or `none` where there was no answer.
    /// Those that never happened are left out.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        Verb::ALL.into_iter().flat_map(move |verb| {
            let row = &self.requests[verb as usize];
            let counted = row.iter().zip(LABELS).map(move |(n, label)| (verb.name(), label, n.load(Relaxed)));
            counted.filter(|(_, _, n)| *n > 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_verb_and_outcome() {
        let counters = Counters::default();
        counters.answered(Verb::Get, Some(200));
        counters.answered(Verb::Watch, Some(504));
        counters.answered(Verb::Watch, Some(504));
        counters.answered(Verb::Watch, Some(418));
        counters.answered(Verb::List, None);
        let seen: Vec<_> = counters.requests().collect();
        let expected = [("get", "200", 1), ("list", "none", 1), ("watch", "504", 2), ("watch", "other", 1)];
        assert_eq!(seen, expected);
        let sum = Counters::default();
        sum.syncs.store(2, Relaxed);
        sum.take_in(&counters);
        sum.take_in(&counters);
        assert_eq!(sum.requests().map(|(.., count)| count).collect::<Vec<_>>(), [2, 2, 4, 2]);
        assert_eq!(sum.syncs.load(Relaxed), 2);
    }
}
