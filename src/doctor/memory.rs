//! Whether the memory that the settings let Foretop spend is there.

use super::Finding;
use crate::config::Config;

/// What a process takes beside what `memory.limit` bounds, at least: of the limit, one part in so many.
const BESIDE: u64 = 4;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let ceilings = [
        ("the cgroup (memory.max)", read("/sys/fs/cgroup/memory.max").and_then(|text| text.parse().ok())),
        (
            "the cgroup (memory.limit_in_bytes)",
            // Version 1 says "none" by a number that no machine has.
            read("/sys/fs/cgroup/memory/memory.limit_in_bytes")
                .and_then(|text| text.parse().ok())
                .filter(|bytes| *bytes < 1 << 60),
        ),
        ("the machine", read("/proc/meminfo").and_then(|text| total(&text))),
    ];
    let ceilings = ceilings.into_iter().filter_map(|(whose, bytes)| Some((whose, bytes?)));
    let Some((whose, there)) = ceilings.min_by_key(|(_, bytes)| *bytes) else { return Vec::new() };
    vec![judge(config.memory.limit as u64, there, whose)]
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// `MemTotal` of proc(5)'s meminfo, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn judge(limit: u64, there: u64, whose: &str) -> Finding {
    let (limit_mib, there_mib) = (limit >> 20, there >> 20);
    let needs = limit + limit / BESIDE;
    let fix = format!(
        "set `memory.limit` to {}MiB or less, or give the process {} MiB",
        (there - there / (BESIDE + 1)) >> 20,
        needs >> 20
    );
    if limit >= there {
        let what = format!(
            "`memory.limit` is {limit_mib} MiB, and {whose} has {there_mib} MiB: it is killed before it refuses anybody"
        );
        return Finding::broken(what, fix);
    }
    if needs > there {
        let what = format!(
            "`memory.limit` is {limit_mib} MiB, which leaves too little of the {there_mib} MiB of {whose} for the rest of the process"
        );
        return Finding::doubtful(what, fix);
    }
    Finding::fine(format!("`memory.limit` of {limit_mib} MiB within the {there_mib} MiB of {whose}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn the_limit_must_leave_something_for_the_rest() {
        let judged = |limit: u64, there: u64| judge(limit << 20, there << 20, "the cgroup").verdict;
        assert_eq!(judged(512, 1024), Verdict::Fine);
        assert_eq!(judged(900, 1024), Verdict::Doubtful);
        assert_eq!(judged(1024, 1024), Verdict::Broken);
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
    }
}
