//! What cores count.

use super::Scene;
use super::table::{Metric, Out, Type};
use crate::core::counters::CoreCounters;
use crate::core::reason::Reason;
use crate::core::refusals::Refusals;
use crate::core::slot::StreamState;
use crate::feed::Counter;

/// By core, as it reads there.
macro_rules! each_core {
    ($read:expr) => {
        |scene, out| each(scene, out, $read)
    };
}

pub(super) const STREAMS: &[Metric] = &[
    Metric {
        name: "foretop_streams",
        kind: Type::Gauge,
        labels: &["core", "state"],
        help: "Open streams, by what they do: live, catching_up (something outside their view's log, or a full socket), behind (left the log), held (by their tenant's quota of bytes), waiting (for a snapshot) or ending.",
        read: |scene, out| {
            for (core, handle) in scene.api.cores.iter().enumerate() {
                for (state, level) in StreamState::ALL.iter().zip(&handle.counters.states) {
                    out.count(&[&core.to_string(), state.name()], level.get());
                }
            }
        },
    },
    Metric {
        name: "foretop_streams_multiplexed",
        kind: Type::Gauge,
        labels: &["core"],
        help: "Of these, multiplexed ones, which show several views each.",
        read: each_core!(|core| core.lines.get()),
    },
    Metric {
        name: "foretop_multiplexed_views",
        kind: Type::Gauge,
        labels: &["core"],
        help: "Views that multiplexed streams show, over all of them.",
        read: each_core!(|core| core.lanes.get()),
    },
    Metric {
        name: "foretop_views",
        kind: Type::Gauge,
        labels: &["core"],
        help: "Views with streams: what equal streams share.",
        read: each_core!(|core| core.views.get()),
    },
    Metric {
        name: "foretop_users",
        kind: Type::Gauge,
        labels: &["core"],
        help: "Users with streams.",
        read: each_core!(|core| core.users.get()),
    },
    Metric {
        name: "foretop_streams_opened",
        kind: Type::Counter,
        labels: &["core"],
        help: "Streams opened.",
        read: each_core!(|core| core.opened.get()),
    },
    Metric {
        name: "foretop_streams_closed",
        kind: Type::Counter,
        labels: &["reason"],
        help: "Streams ended, by why.",
        read: |scene, out| {
            for reason in Reason::ALL {
                out.count(&[reason.name()], sum(scene, |core| &core.closed[reason as usize]));
            }
        },
    },
    Metric {
        name: "foretop_streams_stalled",
        kind: Type::Counter,
        labels: &["core"],
        help: "Streams reset since their socket took nothing for `streams.stall`.",
        read: each_core!(|core| core.stalled.get()),
    },
    Metric {
        name: "foretop_streams_shed",
        kind: Type::Counter,
        labels: &["core"],
        help: "Streams ended at the ceiling of memory.",
        read: each_core!(|core| core.shed.get()),
    },
    Metric {
        name: "foretop_streams_rescoped",
        kind: Type::Counter,
        labels: &["core"],
        help: "Streams that were moved to other namespaces as their user's rights changed.",
        read: each_core!(|core| core.rescoped.get()),
    },
    Metric {
        name: "foretop_streams_gained",
        kind: Type::Counter,
        labels: &["core"],
        help: "Of these, those that were told the rows that they gained, and went on.",
        read: each_core!(|core| core.gained.get()),
    },
];

pub(super) const SENDING: &[Metric] = &[
    Metric {
        name: "foretop_frames_appended",
        kind: Type::Counter,
        labels: &["core"],
        help: "Frames put into views' logs: once per view, whatever the number of its streams.",
        read: each_core!(|core| core.appended.get()),
    },
    Metric {
        name: "foretop_sends",
        kind: Type::Counter,
        labels: &["core"],
        help: "Sends given to the kernel. All that a stream has not seen goes out in one.",
        read: each_core!(|core| core.sends.get()),
    },
    Metric {
        name: "foretop_sends_blocked",
        kind: Type::Counter,
        labels: &["core"],
        help: "Sends that met a full socket.",
        read: each_core!(|core| core.blocked.get()),
    },
    Metric {
        name: "foretop_sent_bytes",
        kind: Type::Counter,
        labels: &["core"],
        help: "Bytes that sockets of streams took.",
        read: each_core!(|core| core.bytes.get()),
    },
    Metric {
        name: "foretop_laps",
        kind: Type::Counter,
        labels: &["core"],
        help: "Rounds over a view's streams that have ended.",
        read: each_core!(|core| core.laps.get()),
    },
    Metric {
        name: "foretop_lap_seconds",
        kind: Type::Counter,
        labels: &["core"],
        help: "Time that these rounds took.",
        read: |scene, out| {
            for (core, handle) in scene.api.cores.iter().enumerate() {
                let took = std::time::Duration::from_micros(handle.counters.lap_us.get());
                out.seconds(&[&core.to_string()], took.as_secs_f64());
            }
        },
    },
    Metric {
        name: "foretop_event_to_socket_seconds",
        kind: Type::Histogram,
        labels: &["core"],
        help: "From a frame's publication by its feed to the send that carried it, by sends: of each its oldest frame, of a multiplexed stream's send the oldest of the view whose turn it was. Streams that catch up, or were held up by a full socket or a quota, are not in it.",
        read: |scene, out| {
            for (core, handle) in scene.api.cores.iter().enumerate() {
                out.histogram(&[&core.to_string()], &handle.counters.event_to_socket);
            }
        },
    },
    Metric {
        name: "foretop_turn_seconds",
        kind: Type::Histogram,
        labels: &["core"],
        help: "Turns of a core, each from taking what epoll has to one batch of sends. For as long nothing else happens on that core.",
        read: |scene, out| {
            for (core, handle) in scene.api.cores.iter().enumerate() {
                out.histogram(&[&core.to_string()], &handle.counters.turns);
            }
        },
    },
    Metric {
        name: "foretop_quota_waits",
        kind: Type::Counter,
        labels: &["core"],
        help: "Times that a stream began to wait for bytes of its tenant's quota.",
        read: each_core!(|core| core.held.get()),
    },
    Metric {
        name: "foretop_quota_held_bytes",
        kind: Type::Counter,
        labels: &["core"],
        help: "Bytes that there were for a stream when it began to wait so.",
        read: each_core!(|core| core.held_bytes.get()),
    },
];

pub(super) const RESUMING: &[Metric] = &[
    Metric {
        name: "foretop_resumes",
        kind: Type::Counter,
        labels: &["outcome"],
        help: "Streams that came with an id: found in the journal (what was missed follows); too_old (a snapshot follows); ahead of all that is known here (streams on, to be proved within `streams.ahead`); unknown, an id of something else (a snapshot follows).",
        read: |scene, out| {
            out.count(&["journal"], sum(scene, |core| &core.resumed));
            out.count(&["too_old"], sum(scene, |core| &core.too_old));
            out.count(&["ahead"], sum(scene, |core| &core.ahead));
            out.count(&["unknown"], sum(scene, |core| &core.unknown));
        },
    },
    Metric {
        name: "foretop_snapshots_sent",
        kind: Type::Counter,
        labels: &["core"],
        help: "Snapshots handed to streams. How many were encoded for that: `foretop_feed_snapshots_total`.",
        read: each_core!(|core| core.snapshots.get()),
    },
    Metric {
        name: "foretop_streams_lagged",
        kind: Type::Counter,
        labels: &["core"],
        help: "Streams that left their view's log, since they were more than `streams.lag` behind.",
        read: each_core!(|core| core.lagged.get()),
    },
    Metric {
        name: "foretop_catchups",
        kind: Type::Counter,
        labels: &["core"],
        help: "Stretches encoded for streams that had something to catch up with.",
        read: each_core!(|core| core.catchups.get()),
    },
    Metric {
        name: "foretop_catchups_coalesced",
        kind: Type::Counter,
        labels: &["core"],
        help: "Of these, those that hold only the latest row of each object.",
        read: each_core!(|core| core.coalesced.get()),
    },
];

pub(super) const REQUESTS: &[Metric] = &[
    Metric {
        name: "foretop_requests_refused",
        kind: Type::Counter,
        labels: &["code"],
        help: "Requests refused, by the code that the answer has as JSON.",
        read: |scene, out| {
            let mut by_code: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
            let cores = scene.api.cores.iter().map(|core| &core.counters.refused);
            for (code, count) in cores.chain([&scene.api.refused]).flat_map(Refusals::by_code) {
                *by_code.entry(code).or_default() += count;
            }
            for (code, count) in by_code {
                out.count(&[code], count);
            }
        },
    },
    Metric {
        name: "foretop_lists",
        kind: Type::Counter,
        labels: &["core"],
        help: "Lists asked for.",
        read: each_core!(|core| core.lists.get()),
    },
    Metric {
        name: "foretop_lists_not_modified",
        kind: Type::Counter,
        labels: &["core"],
        help: "Of these, answered by 304.",
        read: each_core!(|core| core.not_modified.get()),
    },
    Metric {
        name: "foretop_connections",
        kind: Type::Gauge,
        labels: &["core"],
        help: "Open connections that are no stream.",
        read: each_core!(|core| core.connections.get()),
    },
    Metric {
        name: "foretop_connections_accepted",
        kind: Type::Counter,
        labels: &["core"],
        help: "Connections accepted.",
        read: each_core!(|core| core.accepted.get()),
    },
    Metric {
        name: "foretop_connections_turned_away",
        kind: Type::Counter,
        labels: &["core"],
        help: "Of these, closed at once, since the core or the client's address had too many.",
        read: each_core!(|core| core.turned_away.get()),
    },
    Metric {
        name: "foretop_accept_pauses",
        kind: Type::Counter,
        labels: &["core"],
        help: "Times that accepting paused for a quarter of a second, since the process had no descriptor left.",
        read: each_core!(|core| core.accept_pauses.get()),
    },
    Metric {
        name: "foretop_connections_handed_over",
        kind: Type::Counter,
        labels: &["core"],
        help: "Connections handed to the core of their user.",
        read: each_core!(|core| core.handed_over.get()),
    },
];

fn each(scene: &Scene, out: &mut Out<'_>, read: impl Fn(&CoreCounters) -> u64) {
    for (core, handle) in scene.api.cores.iter().enumerate() {
        out.count(&[&core.to_string()], read(&handle.counters));
    }
}

fn sum(scene: &Scene, count: impl Fn(&CoreCounters) -> &Counter) -> u64 {
    scene.api.cores.iter().map(|core| count(&core.counters).get()).sum()
}
