//! What the process is, and what it takes of the machine.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::table::{Metric, Type};
use crate::api::process;
use crate::feed::ledger::Thing;
use crate::memory::pressure::Shedding;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "foretop_build_info",
        kind: Type::Gauge,
        labels: &["version"],
        help: "1, with the version that runs.",
        read: |_, out| out.count(&[env!("CARGO_PKG_VERSION")], 1),
    },
    Metric {
        name: "foretop_driver",
        kind: Type::Gauge,
        labels: &["driver"],
        help: "1, with what the cores run on: io_uring, or epoll where the kernel or a seccomp profile does not allow that.",
        read: |scene, out| out.count(&[scene.api.driver.name()], 1),
    },
    Metric {
        name: "foretop_ready",
        kind: Type::Gauge,
        labels: &[],
        help: "1 while `/readyz` says yes.",
        read: |scene, out| {
            let api = &scene.api;
            let ready = api.ready.load(Ordering::Acquire) && !api.draining.load(Ordering::Acquire);
            out.count(&[], u64::from(ready));
        },
    },
    Metric {
        name: "foretop_certificate_seconds_left",
        kind: Type::Gauge,
        labels: &["of"],
        help: "Seconds until a certificate ends that is in use, negative once it has: of the TLS listener (server), and the first to end of those by which kubeconfigs have Foretop sign in \
               (clusters); what exec plugins give is not in it.",
        read: |scene, out| {
            let now = Timestamp::now();
            let server = scene.api.certificate.get().and_then(|ends| ends.as_ref()?.seconds_left(now));
            let clusters = scene.api.clusters.all();
            let clusters =
                clusters.iter().filter_map(|cluster| cluster.counters.certificate.seconds_left(now)).min();
            for (of, left) in [("server", server), ("clusters", clusters)] {
                if let Some(left) = left {
                    out.level(&[of], left);
                }
            }
        },
    },
    Metric {
        name: "foretop_memory_bytes",
        kind: Type::Gauge,
        labels: &["thing"],
        help: "What the bytes that are bounded by `memory.limit` are spent on.",
        read: |scene, out| {
            for thing in Thing::ALL {
                out.count(&[thing.name()], scene.api.ledger.spent(thing) as u64);
            }
        },
    },
    Metric {
        name: "foretop_memory_limit_bytes",
        kind: Type::Gauge,
        labels: &[],
        help: "`memory.limit`: at it new streams, lists and feeds are refused.",
        read: |scene, out| out.count(&[], scene.api.ledger.limit() as u64),
    },
    Metric {
        name: "foretop_memory_taken_bytes",
        kind: Type::Gauge,
        labels: &[],
        help: "What the kernel counts against the cgroup's limit, file pages that can be dropped left out. Not told where there is no such limit.",
        read: |scene, out| {
            if let Some(real) = scene.api.ledger.real() {
                out.count(&[], real.taken);
            }
        },
    },
    Metric {
        name: "foretop_memory_room_bytes",
        kind: Type::Gauge,
        labels: &[],
        help: "The cgroup's limit, the smallest on the way to the root. Not told where there is none.",
        read: |scene, out| {
            if let Some(real) = scene.api.ledger.real() {
                out.count(&[], real.of);
            }
        },
    },
    Metric {
        name: "foretop_memory_shedding",
        kind: Type::Gauge,
        labels: &[],
        help: "What is shed for want of memory: 0 nothing, 1 lag (streams that take nothing leave their logs sooner), 2 journals too, 3 new streams, lists and feeds too.",
        read: |scene, out| out.count(&[], scene.api.ledger.shedding() as u64),
    },
    Metric {
        name: "foretop_memory_sheddings",
        kind: Type::Counter,
        labels: &["level"],
        help: "How often each of these levels was entered.",
        read: |scene, out| {
            for level in Shedding::ALL.into_iter().skip(1) {
                out.count(&[level.name()], scene.api.ledger.entered[level as usize].get());
            }
        },
    },
    Metric {
        name: "foretop_audit_records",
        kind: Type::Counter,
        labels: &["outcome"],
        help: "Records of the audit, written or lost, where there is an audit.",
        read: |scene, out| {
            let Some(audit) = scene.api.audit.counters() else { return };
            out.count(&["written"], audit.written.get());
            out.count(&["lost"], audit.lost.get());
        },
    },
    Metric {
        name: "foretop_log_suppressed",
        kind: Type::Counter,
        labels: &[],
        help: "Lines that were left out of the log, since their event came more than `log.perSecond` times in a second.",
        read: |_, out| out.count(&[], crate::log::suppressed()),
    },
    Metric {
        name: "foretop_thread_cpu_seconds",
        kind: Type::Counter,
        labels: &["thread"],
        help: "Processor time of the threads of a name; each core is one.",
        read: |_, out| {
            let mut by_name: BTreeMap<String, f64> = BTreeMap::new();
            for thread in process::all_threads() {
                *by_name.entry(thread.name).or_default() += thread.time.as_secs_f64();
            }
            for (name, seconds) in by_name {
                out.seconds(&[&name], seconds);
            }
        },
    },
    Metric {
        name: "process_resident_memory_bytes",
        kind: Type::Gauge,
        labels: &[],
        help: "Memory of the process.",
        read: |_, out| {
            if let Some(bytes) = process::resident() {
                out.count(&[], bytes);
            }
        },
    },
    Metric {
        name: "process_open_fds",
        kind: Type::Gauge,
        labels: &[],
        help: "Descriptors that the process has open: one per stream and connection, and some.",
        read: |_, out| {
            if let Some(open) = process::open_descriptors() {
                out.count(&[], open);
            }
        },
    },
    Metric {
        name: "process_max_fds",
        kind: Type::Gauge,
        labels: &[],
        help: "Descriptors that it may have open.",
        read: |_, out| {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            out.count(&[], limit.unwrap_or(u64::MAX));
        },
    },
];
