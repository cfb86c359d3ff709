//! What the process allows itself of the memory that there is: `memory.limit`, or a share of the room where that is `auto`.

use std::fmt;

use super::Room;
use super::room::Whose;

/// Of a cgroup's limit, what is counted may take four fifths. The rest is for what is not: code, the allocator's slack, lines that are being decoded, the
/// kernel's buffers of sockets (`make soak` shows how much that is).
const SHARE: (u64, u64) = (4, 5);

/// Where nobody limits the process but the machine: so much, and no more than half of what that has.
const UNBOUND: u64 = 2 << 30;

/// The ceiling over what the process counts of its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes.
    pub bytes: usize,
    /// Whether the settings name it.
    pub is_set: bool,
    /// What there is.
    pub room: Option<Room>,
}

impl Limit {
    /// For this process, with `memory.limit` as it is set.
    #[must_use]
    pub fn here(set: Option<usize>) -> Self {
        Limit::of(set, Room::here())
    }

    /// In this room.
    #[must_use]
    pub fn of(set: Option<usize>, room: Option<Room>) -> Self {
        let own = || usize::try_from(fitting(room.as_ref())).unwrap_or(usize::MAX);
        Limit { bytes: set.unwrap_or_else(own), is_set: set.is_some(), room }
    }

    /// What all journals may retain where so much is set. A limit that nobody has named may be small: half of it is for the rows.
    #[must_use]
    pub fn journals(&self, set: usize) -> usize {
        if self.is_set { set } else { set.min(self.bytes / 2) }
    }

    /// Says in the log what it is and where it comes from.
    pub fn tell(&self) {
        tracing::info!(limit = %self, "memory.limited");
        if let Some(room) = self.room.as_ref().filter(|_| self.is_beyond()) {
            tracing::warn!(
                limit = self.bytes,
                room = room.bytes,
                "memory.beyond_room: `memory.limit` bounds nothing here"
            );
        }
    }

    /// The limit that would be right for this room.
    #[must_use]
    pub fn right(&self) -> u64 {
        fitting(self.room.as_ref())
    }

    /// Whether it leaves the process too little beside what it counts.
    #[must_use]
    pub fn is_too_near(&self) -> bool {
        self.room.as_ref().is_some_and(|room| self.bytes as u64 > share(room.bytes))
    }

    /// Whether the kernel ends the process before the limit is reached.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        self.room.as_ref().is_some_and(|room| self.bytes as u64 >= room.bytes)
    }
}

/// What is counted may take so much of a room.
fn share(bytes: u64) -> u64 {
    bytes / SHARE.1 * SHARE.0
}

fn fitting(room: Option<&Room>) -> u64 {
    match room {
        Some(Room { bytes, whose: Whose::Cgroup { .. } }) => share(*bytes),
        Some(Room { bytes, whose: Whose::Machine }) => UNBOUND.min(bytes / 2),
        None => UNBOUND,
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB{}", self.bytes >> 20, if self.is_set { ", as set," } else { "" })?;
        match &self.room {
            Some(room) => write!(f, " of the {} MiB of {}", room.bytes >> 20, room.whose),
            None => write!(f, " (the system does not say how much there is)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn cgroup(mib: u64) -> Option<Room> {
        let read = |path: &Path| match path.to_str()? {
            "/proc/self/cgroup" => Some("0::/\n".to_owned()),
            "/proc/self/mountinfo" => Some("9 8 0:2 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n".to_owned()),
            "/sys/fs/cgroup/memory.max" => Some((mib << 20).to_string()),
            _ => None,
        };
        Room::of(&read)
    }

    fn machine(mib: u64) -> Room {
        Room { bytes: mib << 20, whose: Whose::Machine }
    }

    #[test]
    fn a_limit_that_nobody_sets_follows_the_room() {
        let mib = |room| Limit::of(None, room).bytes >> 20;
        assert_eq!(mib(cgroup(512)), 409);
        assert_eq!(mib(cgroup(16 << 10)), 13_107);
        assert_eq!(mib(Some(machine(16 << 10))), 2048);
        assert_eq!(mib(Some(machine(1 << 10))), 512);
        assert_eq!(mib(None), 2048);
    }

    #[test]
    fn a_limit_that_is_set_wins_and_is_held_against_the_room() {
        let set = |mib: usize, room| Limit::of(Some(mib << 20), room);
        for (limit, near, beyond) in [
            (set(400, cgroup(512)), false, false),
            (set(450, cgroup(512)), true, false),
            (set(512, cgroup(512)), true, true),
            (set(900, Some(machine(1024))), true, false),
            (set(1 << 20, None), false, false),
        ] {
            assert!(limit.is_set);
            assert_eq!((limit.is_too_near(), limit.is_beyond()), (near, beyond), "{limit}");
        }
    }

    #[test]
    fn journals_leave_half_of_a_limit_that_nobody_named() {
        assert_eq!(Limit::of(None, cgroup(100)).journals(512 << 20), (100 << 20) / 5 * 4 / 2);
        assert_eq!(Limit::of(None, cgroup(8 << 10)).journals(512 << 20), 512 << 20);
        assert_eq!(Limit::of(Some(100 << 20), cgroup(8 << 10)).journals(90 << 20), 90 << 20);
    }

    #[test]
    fn it_says_where_it_comes_from() {
        let from = |set, room| Limit::of(set, room).to_string();
        assert_eq!(
            from(None, cgroup(512)),
            "409 MiB of the 512 MiB of the cgroup (/sys/fs/cgroup/memory.max)"
        );
        assert_eq!(from(Some(64 << 20), Some(machine(512))), "64 MiB, as set, of the 512 MiB of the machine");
        assert_eq!(from(None, None), "2048 MiB (the system does not say how much there is)");
    }
}
