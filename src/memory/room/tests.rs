use std::collections::HashMap;

use super::*;

const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:       16384000 kB\nMemFree:         1048576 kB\n");

/// The files of a system.
struct Files(HashMap<PathBuf, String>);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let all = files.iter().chain([&MACHINE]);
        Files(all.map(|(path, text)| (path.into(), (*text).to_owned())).collect())
    }

    fn room(&self) -> Room {
        Room::of(&|path| self.0.get(path).cloned()).expect("there is a machine at the least")
    }

    fn taken(&self) -> Option<u64> {
        self.room().taken(&|path| self.0.get(path).cloned())
    }
}

/// The bytes, and the file that says so.
fn says(files: &[(&str, &str)]) -> (u64, String) {
    match Files::new(files).room() {
        Room { bytes, whose: Whose::Cgroup { file, .. } } => (bytes, file.display().to_string()),
        Room { bytes, whose: Whose::Machine } => (bytes, "the machine".into()),
    }
}

/// A container of a machine with version 2, in a namespace of cgroups of its own.
const OWN_TWO: [(&str, &str); 2] = [
    ("/proc/self/cgroup", "0::/\n"),
    (
        "/proc/self/mountinfo",
        "1422 1398 0:139 / / rw,relatime master:471 - overlay overlay rw,lowerdir=/var/lib/containerd/1/fs\n\
         1427 1424 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n",
    ),
];

/// A container of a machine with version 1: the path is the host's, and so is what the mount begins at.
const OWN_ONE: [(&str, &str); 2] = [
    (
        "/proc/self/cgroup",
        "12:cpu,cpuacct:/kubepods/burstable/pod0b1c/6f2a\n4:memory:/kubepods/burstable/pod0b1c/6f2a\n1:name=systemd:/kubepods/burstable/pod0b1c/6f2a\n",
    ),
    (
        "/proc/self/mountinfo",
        "1001 990 0:23 /kubepods/burstable/pod0b1c/6f2a /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n\
         1002 990 0:27 /kubepods/burstable/pod0b1c/6f2a /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:17 - cgroup cgroup rw,memory\n",
    ),
];

/// A service of a machine, under the whole tree.
const SERVICE: [(&str, &str); 2] = [
    ("/proc/self/cgroup", "0::/system.slice/foretop.service\n"),
    (
        "/proc/self/mountinfo",
        "31 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
    ),
];

fn and<'a>(these: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [these, more].concat()
}

#[test]
fn version_2_in_a_container() {
    let files = and(
        &OWN_TWO,
        &[("/sys/fs/cgroup/memory.max", "536870912\n"), ("/sys/fs/cgroup/memory.high", "max\n")],
    );
    assert_eq!(says(&files), (512 << 20, "/sys/fs/cgroup/memory.max".into()));
    let none =
        and(&OWN_TWO, &[("/sys/fs/cgroup/memory.max", "max\n"), ("/sys/fs/cgroup/memory.high", "max\n")]);
    assert_eq!(says(&none), (16_384_000 * 1024, "the machine".into()));
    // Above this whoever wants more memory is held up, which for streams is no better.
    let high = and(
        &OWN_TWO,
        &[("/sys/fs/cgroup/memory.max", "536870912\n"), ("/sys/fs/cgroup/memory.high", "402653184\n")],
    );
    assert_eq!(says(&high), (384 << 20, "/sys/fs/cgroup/memory.high".into()));
}

#[test]
fn version_1_in_a_container_shows_the_pods_limit_too() {
    let file = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    let stat = "/sys/fs/cgroup/memory/memory.stat";
    let none = "9223372036854771712\n";
    assert_eq!(says(&and(&OWN_ONE, &[(file, "536870912\n")])), (512 << 20, file.into()));
    assert_eq!(says(&and(&OWN_ONE, &[(file, none)])), (16_384_000 * 1024, "the machine".into()));
    let pods = "cache 4096\nhierarchical_memory_limit 268435456\ntotal_inactive_file 0\n";
    assert_eq!(says(&and(&OWN_ONE, &[(file, none), (stat, pods)])), (256 << 20, stat.into()));
}

#[test]
fn the_smallest_limit_on_the_way_to_the_root_counts() {
    let own = "/sys/fs/cgroup/system.slice/foretop.service/memory.max";
    let above = "/sys/fs/cgroup/system.slice/memory.max";
    for (limits, expected) in [
        (["2147483648\n", "1073741824\n"], (1 << 30, above)),
        (["1073741824\n", "2147483648\n"], (1 << 30, own)),
        (["max\n", "1073741824\n"], (1 << 30, above)),
        // A limit beyond what the machine has is none.
        (["max\n", "1099511627776\n"], (16_384_000 * 1024, "the machine")),
    ] {
        let files = and(&SERVICE, &[(own, limits[0]), (above, limits[1])]);
        assert_eq!(says(&files), (expected.0, expected.1.into()));
    }
}

#[test]
fn versions_side_by_side_and_paths_of_another_namespace() {
    // Memory is version 1's there; the tree of version 2 has no such files.
    let hybrid = [
        ("/proc/self/cgroup", "4:memory:/user/a\n3:cpuset:/\n0::/\n"),
        (
            "/proc/self/mountinfo",
            "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        ),
        ("/sys/fs/cgroup/memory/user/a/memory.limit_in_bytes", "536870912\n"),
        ("/sys/fs/cgroup/memory/user/memory.limit_in_bytes", "9223372036854771712\n"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
    ];
    assert_eq!(says(&hybrid), (512 << 20, "/sys/fs/cgroup/memory/user/a/memory.limit_in_bytes".into()));
    for path in ["0::/../../kubepods/x\n", "0::/elsewhere\n"] {
        let strange = [
            ("/proc/self/cgroup", path),
            ("/proc/self/mountinfo", "9 8 0:2 /kubepods/y /sys/fs/cgroup ro - cgroup2 cgroup rw\n"),
            ("/sys/fs/cgroup/memory.max", "536870912\n"),
        ];
        assert_eq!(says(&strange), (512 << 20, "/sys/fs/cgroup/memory.max".into()), "{path}");
    }
}

#[test]
fn where_nothing_is_said_the_machine_says_it_and_nonsense_is_nothing() {
    assert_eq!(says(&[]).1, "the machine");
    for text in ["", "much\n", "-1\n", "18446744073709551616\n"] {
        assert_eq!(says(&and(&OWN_TWO, &[("/sys/fs/cgroup/memory.max", text)])).1, "the machine", "{text:?}");
    }
    for (own, mounts) in
        [("0::\n", "x - cgroup2\n"), ("::::\n\n", " - \n"), ("0", "1 2 3 / /x - cgroup2 a\n")]
    {
        assert_eq!(says(&[("/proc/self/cgroup", own), ("/proc/self/mountinfo", mounts)]).1, "the machine");
    }
    assert_eq!(Room::of(&|_| None), None);
}

#[test]
fn what_is_taken_is_told_without_pages_that_can_be_dropped() {
    let two = and(
        &OWN_TWO,
        &[
            ("/sys/fs/cgroup/memory.max", "536870912\n"),
            ("/sys/fs/cgroup/memory.current", "104857600\n"),
            (
                "/sys/fs/cgroup/memory.stat",
                "anon 73400320\nfile 20971520\nsock 4096\ninactive_file 10485760\nactive_file 9\n",
            ),
        ],
    );
    assert_eq!(Files::new(&two).taken(), Some(90 << 20));
    let one = and(
        &OWN_ONE,
        &[
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "104857600\n"),
            ("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n"),
        ],
    );
    assert_eq!(Files::new(&one).taken(), Some(90 << 20));
    assert_eq!(Files::new(&OWN_TWO).taken(), None, "the machine's memory is not the process's to count");
}
