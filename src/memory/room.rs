//! How much memory the system leaves to this process: the smallest limit of its cgroup and of those above it, or the machine's memory.
//!
//! Both versions of cgroups are read, also side by side, and as a container sees them: through a mount that begins at its own cgroup, or under the host's
//! whole tree. A limit on any level kills, so all of them are asked, up to the root as far as the mount shows it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Version 1 says "no limit" by a number that no machine has: the largest of 64 bits, in whole pages.
const NO_LIMIT: u64 = 1 << 60;

/// The text of a file, if there is such a file.
pub type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Memory that the process may take before the kernel ends it, and whose word that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Who says so.
    pub whose: Whose,
}

/// Who says how much memory there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The process's cgroup, or one above it.
    Cgroup {
        /// The file that has the limit.
        file: PathBuf,
        /// What the cgroup takes is told there.
        group: Group,
    },
    /// Nobody limits the process but the machine.
    Machine,
}

/// The memory controller of a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    version: Version,
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Room {
    /// Of this process. `None` where the system does not say.
    #[must_use]
    pub fn here() -> Option<Self> {
        Room::of(&|path| std::fs::read_to_string(path).ok())
    }

    /// As these files say it.
    #[must_use]
    pub fn of(read: Read<'_>) -> Option<Self> {
        let machine = read(Path::new("/proc/meminfo"))
            .and_then(|text| kilobytes(&text, "MemTotal:"))
            .map(|bytes| Room { bytes, whose: Whose::Machine });
        let limits = groups(read).into_iter().flat_map(|group| group.limits(read));
        limits.chain(machine).min_by_key(|room| room.bytes)
    }

    /// Bytes of it that are taken, by whatever counts against it: the process, its sockets, others in the same cgroup. Without file pages that were not used for
    /// long, which the kernel drops before it kills. `None` where nobody but the machine limits.
    #[must_use]
    pub fn taken(&self, read: Read<'_>) -> Option<u64> {
        match &self.whose {
            Whose::Cgroup { group, .. } => group.taken(read),
            Whose::Machine => None,
        }
    }

    /// The same, as it is now.
    #[must_use]
    pub fn taken_now(&self) -> Option<u64> {
        self.taken(&|path| std::fs::read_to_string(path).ok())
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::Cgroup { file, .. } => write!(f, "the cgroup ({})", file.display()),
            Whose::Machine => write!(f, "the machine"),
        }
    }
}

impl Version {
    /// Files with a number above which the kernel kills, or holds up whoever wants more.
    const fn limits(self) -> &'static [&'static str] {
        match self {
            Version::One => &["memory.limit_in_bytes"],
            Version::Two => &["memory.max", "memory.high"],
        }
    }

    const fn usage(self) -> &'static str {
        match self {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "memory.current",
        }
    }

    /// In `memory.stat`, file pages of this cgroup and those below that were not used for long.
    const fn unused_pages(self) -> &'static str {
        match self {
            Version::One => "total_inactive_file ",
            Version::Two => "inactive_file ",
        }
    }
}

impl Group {
    fn limits(&self, read: Read<'_>) -> Vec<Room> {
        let mut rooms = Vec::new();
        let mut enter = |file: PathBuf, bytes: Option<u64>| {
            if let Some(bytes) = bytes.filter(|bytes| *bytes < NO_LIMIT) {
                rooms.push(Room { bytes, whose: Whose::Cgroup { file, group: self.clone() } });
            }
        };
        for name in self.version.limits() {
            let file = self.folder.join(name);
            // Version 2 says "no limit" by `max`, which is no number.
            let bytes = read(&file).and_then(|text| text.trim().parse().ok());
            enter(file, bytes);
        }
        if self.version == Version::One {
            // Where the mount hides the cgroups above, their limits show here.
            let file = self.folder.join("memory.stat");
            let bytes = read(&file).and_then(|text| number(&text, "hierarchical_memory_limit "));
            enter(file, bytes);
        }
        rooms
    }

    fn taken(&self, read: Read<'_>) -> Option<u64> {
        let all: u64 = read(&self.folder.join(self.version.usage()))?.trim().parse().ok()?;
        let stat = read(&self.folder.join("memory.stat")).unwrap_or_default();
        Some(all.saturating_sub(number(&stat, self.version.unused_pages()).unwrap_or(0)))
    }
}

/// The process's cgroups that may have limits of memory: of each version its own first, then those above it.
fn groups(read: Read<'_>) -> Vec<Group> {
    let own = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let mounts = read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    let mut groups = Vec::new();
    for line in own.lines() {
        // `4:memory:/path` of version 1, `0::/path` of version 2.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let version = match controllers {
            "" => Version::Two,
            _ if controllers.split(',').any(|name| name == "memory") => Version::One,
            _ => continue,
        };
        let Some(mount) = mounts.lines().filter_map(Mount::parse).find(|mount| mount.is_of(version)) else {
            continue;
        };
        groups.extend(mount.up_from(path).into_iter().map(|folder| Group { version, folder }));
    }
    groups
}

/// A line of proc(5)'s mountinfo.
struct Mount<'a> {
    /// What of the file system is mounted.
    root: &'a str,
    /// Where.
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (place, what) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let mut what = what.split(' ');
        let (root, point, kind) = (place.next()?, place.next()?, what.next()?);
        Some(Mount { root, point, kind, options: what.nth(1)? })
    }

    fn is_of(&self, version: Version) -> bool {
        match version {
            Version::One => self.kind == "cgroup" && self.options.split(',').any(|option| option == "memory"),
            Version::Two => self.kind == "cgroup2",
        }
    }

    /// The folder of the cgroup of this path, and those above it that the mount shows. A path that leads out of the mount is of another namespace of cgroups: what is
    /// mounted is then the process's own.
    fn up_from(&self, path: &str) -> Vec<PathBuf> {
        let point = Path::new(self.point);
        let below = Path::new(path).strip_prefix(self.root).unwrap_or(Path::new(""));
        let below = if path.contains("/..") { Path::new("") } else { below };
        below.ancestors().map(|part| point.join(part)).collect()
    }
}

/// The number that stands behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

/// The same of a line such as `MemTotal:  16384 kB`, in bytes.
pub(crate) fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests;
