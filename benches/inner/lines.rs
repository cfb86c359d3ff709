//! Watch lines: what a real apiserver has sent, kept in `tests/recordings`, and one of 7 kB as clusters with meshes and probes send them.

use std::path::Path;

use foretop::kind::Kind;

/// A pod line of 7 kB.
pub const POD: &[u8] = include_bytes!("../lines/pod.json");

/// A pod line of nothing but what its row shows.
pub const BARE_POD: &[u8] = br#"{"type":"MODIFIED","object":{"metadata":{"name":"api-9vg784z7pn-4rtdv","namespace":"search","resourceVersion":"4711","creationTimestamp":"2026-05-01T12:00:00Z"},"spec":{"nodeName":"worker-1","containers":[{}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"podIP":"10.1.0.7","containerStatuses":[{"ready":true,"restartCount":2,"state":{"running":{}}}]}}}"#;

/// The first recorded line of a kind that says how an object is now, its whole status included.
pub fn recorded(kind: &Kind) -> Vec<u8> {
    let file = format!("tests/recordings/{}.watch.jsonl", kind.name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let lines = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut modified =
        lines.split(|byte| *byte == b'\n').filter(|line| line.starts_with(br#"{"type":"MODIFIED""#));
    modified.next().expect("every kind was changed while it was recorded").to_vec()
}
