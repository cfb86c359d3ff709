//! A cgroup with a limit of memory, made for one run; and what the kernel counts in it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the hierarchies of version 1 and 2 are mounted nearly everywhere.
const MOUNTS: [(Version, &str); 2] =
    [(Version::One, "/sys/fs/cgroup/memory"), (Version::Two, "/sys/fs/cgroup")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A cgroup of a run. Dropping it takes it away, once nobody is in it any more.
pub struct Cgroup {
    version: Version,
    folder: PathBuf,
}

/// What the kernel has counted in it, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// The most memory that there ever was; file pages too.
    pub peak: u64,
    /// Buffers of sockets now. Version 1 bounds these for themselves.
    pub sockets: u64,
    /// Processes that were killed for want of memory.
    pub killed: u64,
}

impl Cgroup {
    /// Makes one with so many bytes.
    ///
    /// # Errors
    /// Why there can be none here: mostly that this takes root.
    pub fn make(bytes: u64) -> io::Result<Self> {
        let mut why = io::Error::other("no hierarchy of cgroups is mounted");
        for (version, mount) in MOUNTS {
            let folder = Path::new(mount).join(format!("foretop-soak-{}", std::process::id()));
            if !Path::new(mount).join(version.in_root()).exists() {
                continue;
            }
            match fs::create_dir(&folder) {
                Ok(()) => {}
                Err(error) => {
                    why = error;
                    continue;
                }
            }
            let group = Cgroup { version, folder };
            if version == Version::One {
                // Without a bound of their own it does not count sockets' buffers at all; this one is none.
                let _ =
                    fs::write(group.folder.join("memory.kmem.tcp.limit_in_bytes"), (bytes * 4).to_string());
            }
            match fs::write(group.folder.join(version.limit()), bytes.to_string()) {
                Ok(()) => return Ok(group),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// A command that runs another one inside.
    pub fn command(&self, program: &Path, arguments: Vec<String>) -> (PathBuf, Vec<String>) {
        let join = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"".to_owned();
        let mut all =
            vec!["-c".to_owned(), join, self.folder.display().to_string(), program.display().to_string()];
        all.extend(arguments);
        ("/bin/sh".into(), all)
    }

    /// Which version it is of.
    pub fn version(&self) -> &'static str {
        match self.version {
            Version::One => "v1",
            Version::Two => "v2",
        }
    }

    /// What the kernel has counted.
    pub fn counted(&self) -> Counted {
        match self.version {
            Version::One => Counted {
                peak: self.number("memory.max_usage_in_bytes"),
                sockets: self.number("memory.kmem.tcp.usage_in_bytes"),
                killed: self.entry("memory.oom_control", "oom_kill"),
            },
            Version::Two => Counted {
                peak: self.number("memory.peak"),
                sockets: self.entry("memory.stat", "sock"),
                killed: self.entry("memory.events", "oom_kill"),
            },
        }
    }

    fn number(&self, file: &str) -> u64 {
        fs::read_to_string(self.folder.join(file)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn entry(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let entries: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        entries.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

impl Version {
    /// A file of the hierarchy's root by which it is known to account for memory.
    const fn in_root(self) -> &'static str {
        match self {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "cgroup.subtree_control",
        }
    }

    const fn limit(self) -> &'static str {
        match self {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever was in it may be on the way out.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
