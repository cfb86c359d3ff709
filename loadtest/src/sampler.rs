//! What processes take: processor time by thread, memory, and what the kernel does on their behalf. All from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::clock;

/// Ticks per second of the times in `/proc/PID/stat`: the same on every Linux that is seen from user space.
const TICKS: f64 = 100.0;
const PAGE: u64 = 4096;

/// What some processes have taken since they began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// When, in microseconds of [`clock::now`].
    pub at: u64,
    /// Processor time in seconds; the kernel tells it in hundredths.
    pub cpu: f64,
    /// Of this, in user space.
    pub user: f64,
    /// Processor time by the names of the threads that there are now, to the nanosecond.
    pub threads: BTreeMap<String, f64>,
    /// Processor time of the kernel's softirq threads of the whole machine: on loopback a part of the receiving side runs there, and is
    /// charged to nobody.
    pub softirq: f64,
    /// Resident memory in bytes.
    pub rss: u64,
    /// TCP segments with data that were sent by the whole machine.
    pub segments: u64,
}

/// What was taken between two samples.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Seconds between the samples.
    pub seconds: f64,
    /// See [`Sample::cpu`].
    pub cpu: f64,
    /// See [`Sample::user`].
    pub user: f64,
    /// See [`Sample::threads`].
    pub threads: BTreeMap<String, f64>,
    /// See [`Sample::softirq`].
    pub softirq: f64,
    /// See [`Sample::segments`].
    pub segments: u64,
    /// Resident memory at the end, in bytes.
    pub rss: u64,
}

impl Sample {
    /// What these processes have taken until now. One that has ended counts nothing.
    pub fn of(pids: &[u32]) -> Self {
        let mut sample = Sample { at: clock::now(), ..Sample::default() };
        for pid in pids {
            sample.add(*pid);
        }
        sample.softirq = softirq();
        sample.segments = segments().unwrap_or(0);
        sample
    }

    fn add(&mut self, pid: u32) {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let path = task.path();
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let ran = on_cpu(&path).unwrap_or(0.0);
            *self.threads.entry(name.trim_end().to_owned()).or_default() += ran;
        }
        let (user, system) = times(pid).unwrap_or_default();
        self.user += user;
        self.cpu += user + system;
        self.rss += resident(pid).unwrap_or(0);
    }

    /// What was taken since an earlier sample.
    pub fn since(&self, before: &Sample) -> Taken {
        let ran = |name: &String, now: &f64| now - before.threads.get(name).copied().unwrap_or(0.0);
        let seconds = (self.at - before.at) as f64 / 1e6;
        Taken {
            seconds,
            cpu: self.cpu - before.cpu,
            user: self.user - before.user,
            threads: self.threads.iter().map(|(name, now)| (name.clone(), ran(name, now))).collect(),
            softirq: self.softirq - before.softirq,
            segments: self.segments.saturating_sub(before.segments),
            rss: self.rss,
        }
    }
}

/// Keeps a process (its main thread, and what that starts later; without one this thread) to these CPUs; to none of them: anywhere.
///
/// # Errors
/// When there is no such process, or none of the CPUs.
pub fn pin(pid: Option<u32>, cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu);
    }
    let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    Ok(sched_setaffinity(pid, &set)?)
}

/// Seconds that a thread has run.
fn on_cpu(task: &std::path::Path) -> Option<f64> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// Seconds that a process has run in user space and in the kernel, in threads that have ended too.
fn times(pid: u32) -> Option<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; behind its last bracket the fields are plain.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut seconds = || fields.next()?.parse::<f64>().ok().map(|ticks| ticks / TICKS);
    Some((seconds()?, seconds()?))
}

/// A process's resident memory in bytes.
fn resident(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE)
}

/// Seconds that the softirq threads have run.
fn softirq() -> f64 {
    let tasks = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_softirq = |path: &std::path::PathBuf| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("ksoftirqd/"))
    };
    tasks.filter(is_softirq).filter_map(|path| on_cpu(&path)).sum()
}

fn segments() -> Option<u64> {
    let text = fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let place = lines.next()?.split_whitespace().position(|name| name == "TCPOrigDataSent")?;
    lines.next()?.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_between_two_samples_is_taken() {
        let own = [std::process::id()];
        let before = Sample::of(&own);
        let mut work = 0u64;
        while Sample::of(&own).since(&before).cpu < 0.02 {
            work = (0..100_000).fold(work, |work: u64, step| work.wrapping_mul(31).wrapping_add(step));
        }
        let taken = Sample::of(&own).since(&before);
        assert!(taken.seconds > 0.0 && taken.rss > 0 && !taken.threads.is_empty(), "{taken:?} {work}");
    }
}
