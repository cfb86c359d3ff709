//! Compares our rows with the reference's, byte for byte, over recordings of a real apiserver and hand-made edge cases.
//!
//! The recordings are not part of the repository: `FORETOP_FIXTURES` names their folder. Without it the tests say
//! that they are skipped, and pass; a folder that is named but missing fails them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use foretop::kind::{self, Change, Kind, Listing, Object, Page, Rv, StatusError};
use serde_json::Value;
use serde_json::value::RawValue;

/// The clock at which the reference's rows were made.
const NOW: &str = "2026-11-21T00:00:00Z";

struct Fixtures(PathBuf);

impl Fixtures {
    fn open() -> Option<Self> {
        let Some(folder) = std::env::var_os("FORETOP_FIXTURES") else {
            eprintln!("skipped: FORETOP_FIXTURES is not set");
            return None;
        };
        let folder = PathBuf::from(folder);
        assert!(
            folder.join("golden").is_dir(),
            "FORETOP_FIXTURES names no folder of fixtures: {}",
            folder.display()
        );
        Some(Fixtures(folder))
    }

    /// The kinds that the reference has rows of. The tests count what they compared, so that none goes missing.
    fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        let recorded = |kind: &&Kind| self.0.join(format!("golden/{}.rows.jsonl", kind.name)).is_file();
        kind::all().iter().filter(recorded)
    }

    fn read(&self, file: impl AsRef<Path>) -> Vec<u8> {
        let path = self.0.join(file);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn golden(&self, file: &str) -> Vec<u8> {
        self.read(Path::new("golden").join(file))
    }

    fn page(&self, kind: &Kind, file: &str) -> Page {
        (kind.decode_page)(&self.read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    fn changes(&self, kind: &Kind, file: &str) -> Vec<Change> {
        let decode = |line: &[u8]| {
            (kind.decode_line)(line)
                .unwrap_or_else(|error| panic!("{file}: {error}: {}", line.escape_ascii()))
        };
        lines(&self.read(file)).map(decode).collect()
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn row(object: &Object) -> String {
    let mut out = Vec::new();
    object.row.write(NOW.parse().unwrap(), &mut out);
    assert!(out.len() <= object.row.max_len());
    String::from_utf8(out).unwrap()
}

/// The rows of `objects` in the order and number of a list.
fn listed<'o>(kind: &Kind, objects: &'o [Object]) -> Vec<&'o Object> {
    let mut objects: Vec<&Object> = objects.iter().collect();
    match kind.listing {
        Listing::ByKey => objects.sort_by_key(|object| key(object)),
        Listing::NewestFirst { cap } => {
            objects.sort_by_key(|object| std::cmp::Reverse(object.row.order));
            objects.truncate(cap);
        }
    }
    objects
}

fn key(object: &Object) -> String {
    match &*object.namespace {
        "" => object.name.to_string(),
        namespace => format!("{namespace}/{}", object.name),
    }
}

fn list(kind: &Kind, objects: &[Object]) -> String {
    let rows: Vec<String> = listed(kind, objects).into_iter().map(row).collect();
    format!("{{\"{}\":[{}]}}\n", kind.wrapper, rows.join(","))
}

fn by_name(name: &str) -> &'static Kind {
    kind::by_name(name).unwrap_or_else(|| panic!("no kind {name}"))
}

#[test]
fn the_rows_of_recorded_lists() {
    let Some(fixtures) = Fixtures::open() else { return };
    let mut compared = 0;
    for kind in fixtures.kinds() {
        let page = fixtures.page(kind, &format!("{}.list.json", kind.api.plural));
        let golden = fixtures.golden(&format!("{}.rows.jsonl", kind.name));
        let golden: Vec<_> = lines(&golden).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        assert_eq!(page.items.len(), golden.len(), "{kind:?}");
        for (object, golden) in page.items.iter().zip(&golden) {
            assert_eq!(&format!("{{\"row\":{}}}", row(object)), golden, "{kind:?}");
        }
        assert!(page.rv > Rv(0) && page.next.is_none(), "{kind:?}");
        assert!(page.items.iter().all(|object| object.namespace.is_empty() != kind.namespaced), "{kind:?}");
        compared += golden.len();
    }
    assert_eq!(compared, 455);
}

#[test]
fn whole_lists() {
    let Some(fixtures) = Fixtures::open() else { return };
    for kind in fixtures.kinds() {
        let page = fixtures.page(kind, &format!("{}.list.json", kind.api.plural));
        let golden = String::from_utf8(fixtures.golden(&format!("{}.list.json", kind.name))).unwrap();
        let ours = list(kind, &page.items);
        match kind.listing {
            Listing::ByKey => assert_eq!(ours, golden, "{kind:?}"),
            Listing::NewestFirst { .. } => {
                assert_eq!(by_last(kind, &ours), by_last(kind, &golden), "{kind:?}")
            }
        }
    }
}

/// The rows of a list in runs of equal `last`, each run as a sorted set: inside such a run the reference has no order.
fn by_last(kind: &Kind, list: &str) -> Vec<(String, Vec<String>)> {
    let body: BTreeMap<String, Vec<Box<RawValue>>> = serde_json::from_str(list).unwrap();
    let mut runs: Vec<(String, Vec<String>)> = Vec::new();
    for row in &body[kind.wrapper] {
        let last = serde_json::from_str::<Value>(row.get()).unwrap()["last"].as_str().unwrap().to_owned();
        if runs.last().is_none_or(|run| run.0 != last) {
            runs.push((last, Vec::new()));
        }
        runs.last_mut().unwrap().1.push(row.get().to_owned());
    }
    runs.iter_mut().for_each(|run| run.1.sort());
    runs
}

#[test]
fn recorded_watches() {
    let Some(fixtures) = Fixtures::open() else { return };
    let mut compared = 0;
    for kind in fixtures.kinds() {
        let file = format!("{}.watch.jsonl", kind.api.plural);
        let source = fixtures.read(&file);
        let golden = fixtures.golden(&format!("{}.deltas.jsonl", kind.name));
        let mut golden = lines(&golden);
        for (line, change) in lines(&source).zip(fixtures.changes(kind, &file)) {
            let (types, object): (&[&str], _) = match &change {
                Change::Put(object) => (&["ADDED", "MODIFIED"], object),
                Change::Deleted(object) => (&["DELETED"], object),
                Change::Bookmark { rv, initial_events_end } => {
                    assert!(*rv > Rv(0) && !initial_events_end && line.starts_with(br#"{"type":"BOOKMARK""#));
                    continue;
                }
                Change::Error(error) => panic!("{file}: {error:?}"),
            };
            let golden = std::str::from_utf8(golden.next().unwrap()).unwrap();
            let line =
                |name: &&str| format!(r#"{{"type":"{name}","rv":"{}","row":{}}}"#, object.rv, row(object));
            assert!(types.iter().any(|name| line(name) == golden), "{}\n{golden}", line(&types[0]));
            compared += 1;
        }
        assert_eq!(golden.next(), None, "{kind:?}");
    }
    assert_eq!(compared, 559);
}

#[test]
fn edge_cases() {
    let Some(fixtures) = Fixtures::open() else { return };
    let mut compared = 0;
    for kind in fixtures.kinds() {
        for case in edges(&fixtures, kind) {
            let (object, golden) =
                case.strip_prefix(r#"{"object":"#).and_then(|case| case.rsplit_once(r#","row":"#)).unwrap();
            let line = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
            match (kind.decode_line)(line.as_bytes()) {
                Ok(Change::Put(object)) => assert_eq!(format!("{}}}", row(&object)), golden),
                other => panic!("{other:?} of {line}"),
            }
            compared += 1;
        }
    }
    assert!(compared >= 387, "only {compared} cases");
}

/// The edge cases of a kind, one per line. A tool that took the raw U+2028 and U+2029 of two cases for line ends has left a
/// line without the start of its case, and one with the start of a case that goes on as the next case.
fn edges(fixtures: &Fixtures, kind: &Kind) -> Vec<String> {
    let golden = fixtures.golden(&format!("{}.edge.jsonl", kind.name));
    let whole = |line| {
        let line = std::str::from_utf8(line).unwrap();
        line.rfind(r#"{"object":"#).map(|start| line[start..].to_owned())
    };
    lines(&golden).filter_map(whole).collect()
}

#[test]
fn the_newest_events_only() {
    let Some(fixtures) = Fixtures::open() else { return };
    let mut body: Value = serde_json::from_slice(&fixtures.golden("events.cap.input.json")).unwrap();
    // Written by hand, without what every object of an apiserver has.
    for item in body["items"].as_array_mut().unwrap() {
        item["metadata"]["resourceVersion"] = "7".into();
    }
    let events = by_name("events");
    let page = (events.decode_page)(body.to_string().as_bytes()).unwrap();
    assert_eq!(page.items.len(), 623);
    assert_eq!(list(events, &page.items).as_bytes(), fixtures.golden("events.cap.list.json"));
}

#[test]
fn lists_without_items() {
    let Some(fixtures) = Fixtures::open() else { return };
    let pods = by_name("pods");
    for case in ["empty", "nullitems"] {
        let page = fixtures.page(pods, &format!("golden/pods.{case}.input.json"));
        assert_eq!(page, Page { rv: Rv(5), next: None, items: Vec::new() });
        assert_eq!(list(pods, &page.items).as_bytes(), fixtures.golden(&format!("pods.{case}.list.json")));
    }
}

#[test]
fn watch_lists_end_in_their_bookmark() {
    let Some(fixtures) = Fixtures::open() else { return };
    for name in ["pods", "services", "events"] {
        let kind = by_name(name);
        let changes = fixtures.changes(kind, &format!("{name}.watchlist.jsonl"));
        let end = changes
            .iter()
            .position(|change| matches!(change, Change::Bookmark { initial_events_end: true, .. }));
        let end = end.unwrap_or_else(|| panic!("{name}: no end of the initial events"));
        assert!(end > 0 && changes[..end].iter().all(|change| matches!(change, Change::Put(_))), "{name}");
        let bookmarks = changes.iter().filter(|change| matches!(change, Change::Bookmark { .. }));
        assert!(bookmarks.count() >= 1);
    }
}

#[test]
fn watches_that_are_over() {
    let Some(fixtures) = Fixtures::open() else { return };
    assert_eq!(fixtures.kinds().count(), 22);
    for kind in fixtures.kinds() {
        let changes = fixtures.changes(kind, &format!("{}.watch-410.jsonl", kind.api.plural));
        let [Change::Error(error)] = &*changes else { panic!("{kind:?}: {changes:?}") };
        assert_eq!((error.code, &*error.reason), (410, "Expired"), "{kind:?}");
        assert!(error.message.contains("too old"), "{kind:?}");
    }
    let changes = fixtures.changes(by_name("pods"), "pods.watchlist-etcd34.jsonl");
    assert!(
        matches!(&*changes, [Change::Error(error)] if error.code == 500 && error.reason == "InternalError")
    );
}

#[test]
fn refused_requests() {
    let Some(fixtures) = Fixtures::open() else { return };
    let refused = |file: &str| StatusError::from_body(0, &fixtures.read(file));
    let cases = [
        ("pods.list-410-exact.json", 410, "Expired", None),
        ("events.list-410-continue.json", 410, "Expired", None),
        ("pods.list-504-future.json", 504, "Timeout", Some(1)),
        ("pods.watchlist-422-gate-off.json", 422, "Invalid", None),
    ];
    for (file, code, reason, retry_after_seconds) in cases {
        let error = refused(file);
        assert_eq!(
            (error.code, &*error.reason, error.retry_after_seconds),
            (code, reason, retry_after_seconds)
        );
        assert!(!error.message.is_empty());
    }
}
