//! What the process takes of the machine: time by thread, memory by what it is spent on. Read from the kernel, with nothing to install.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::{Api, json};
use crate::feed::ledger::Thing;

/// The kernel counts a thread's time in hundredths of a second, on every machine that Foretop runs on.
const TICK: Duration = Duration::from_millis(10);

/// The longest that threads are looked at.
const LONGEST: u64 = 20;

/// A thread's processor time since it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    /// The kernel's number of it.
    id: u32,
    pub name: String,
    pub time: Duration,
}

/// Every thread of the process.
pub(super) fn all_threads() -> Vec<Thread> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let thread = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        // A thread that has ended meanwhile has no line.
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, time) = parse_stat(&stat)?;
        Some(Thread { id, name, time })
    };
    let mut threads: Vec<Thread> = entries.flatten().filter_map(thread).collect();
    threads.sort_by_key(|thread| thread.id);
    threads
}

/// Name and time of a line as proc(5) has it: `ID (NAME) STATE ...`; user and system time are the fields 14 and 15.
fn parse_stat(stat: &str) -> Option<(String, Duration)> {
    let (before, after) = stat.rsplit_once(") ")?;
    let (_, name) = before.split_once(" (")?;
    let mut fields = after.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((name.to_owned(), TICK * ticks()?.saturating_add(ticks()?)))
}

/// Bytes of the process that are in memory.
pub(super) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Descriptors of the process that are open.
pub(super) fn open_descriptors() -> Option<u64> {
    const ALL: &str = "/proc/self/fd";
    // Since Linux 6.2 the folder's size says it, which spares going through very many of them.
    let told = std::fs::metadata(ALL).ok()?.len();
    if told > 0 { Some(told) } else { Some(std::fs::read_dir(ALL).ok()?.count() as u64) }
}

#[derive(Deserialize)]
pub(super) struct Look {
    seconds: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadLine {
    id: u32,
    name: String,
    /// Since the thread began.
    cpu_ms: u64,
    /// Share of one processor while it was looked at, 0 to 1.
    busy: f64,
}

/// Each thread's processor time, and its share while the request waits (`?seconds=`, 1 to 20).
pub(super) async fn threads(Query(look): Query<Look>) -> Response {
    let before: BTreeMap<u32, Duration> =
        all_threads().into_iter().map(|thread| (thread.id, thread.time)).collect();
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(look.seconds.unwrap_or(1).clamp(1, LONGEST))).await;
    let span = began.elapsed().as_secs_f64();
    let line = |thread: Thread| {
        let spent = thread.time.saturating_sub(before.get(&thread.id).copied().unwrap_or_default());
        ThreadLine {
            id: thread.id,
            name: thread.name,
            cpu_ms: u64::try_from(thread.time.as_millis()).unwrap_or(u64::MAX),
            busy: (spent.as_secs_f64() / span * 1000.0).round() / 1000.0,
        }
    };
    json(&all_threads().into_iter().map(line).collect::<Vec<_>>())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<u64>,
    limit_bytes: usize,
    ledger: BTreeMap<&'static str, usize>,
}

/// Resident memory, and what the ledger has entered by what it is spent on.
pub(super) async fn memory(State(api): State<Arc<Api>>) -> Response {
    json(&Memory {
        resident_bytes: resident(),
        limit_bytes: api.ledger.limit(),
        ledger: Thing::ALL.iter().map(|thing| (thing.name(), api.ledger.spent(*thing))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_threads_name() {
        let rest = "S 1 1 1 0 -1 4194304 100 0 0 0 12 30 0 0 20 0 5 0 12345 1 1";
        for name in ["core-0", "a) b (c", ""] {
            let expected = (name.to_owned(), Duration::from_millis(420));
            assert_eq!(parse_stat(&format!("77 ({name}) {rest}")), Some(expected));
        }
        assert_eq!(parse_stat("77 (core-0"), None);
        assert_eq!(parse_stat("77 (core-0) S 1"), None);
    }
}
