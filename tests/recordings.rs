//! The project's own recordings of a real apiserver (`recordings/`, made by `apiserver/record.sh`), decoded line by line.

use std::collections::BTreeMap;
use std::path::Path;

use foretop::kind::{self, Change, Kind, Page, Rv, StatusError};
use jiff::Timestamp;
use serde_json::Value;

fn recorded(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page(kind: &Kind, when: &str) -> Page {
    (kind.decode_page)(&recorded(&format!("{}.{when}.json", kind.name)))
        .unwrap_or_else(|error| panic!("{kind:?} {when}: {error}"))
}

fn changes(kind: &Kind, which: &str) -> Vec<Change> {
    let lines = recorded(&format!("{}.{which}.jsonl", kind.name));
    let decode =
        |line: &[u8]| (kind.decode_line)(line).unwrap_or_else(|error| panic!("{kind:?} {which}: {error}"));
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(decode).collect()
}

type Rows = BTreeMap<(Box<str>, Box<str>), (Rv, kind::Row)>;

fn rows(page: Page) -> Rows {
    page.items.into_iter().map(|item| ((item.namespace, item.name), (item.rv, item.row))).collect()
}

#[test]
fn a_list_and_the_watch_that_goes_on_from_it_end_in_the_next_list() {
    for kind in kind::all() {
        let before = page(kind, "before");
        let (mut cursor, mut shown) = (before.rv, rows(before));
        for change in changes(kind, "watch") {
            let rv = match change {
                Change::Put(object) => {
                    shown.insert((object.namespace, object.name), (object.rv, object.row));
                    object.rv
                }
                Change::Deleted(object) => {
                    let known = shown.remove(&(object.namespace, object.name.clone()));
                    assert!(known.is_some(), "{kind:?}: {} went without having come", object.name);
                    object.rv
                }
                Change::Bookmark { rv, initial_events_end } => {
                    assert!(!initial_events_end, "{kind:?}");
                    rv
                }
                Change::Error(status) => panic!("{kind:?}: {status:?}"),
            };
            assert!(rv >= cursor, "{kind:?}: {rv} after {cursor}");
            cursor = rv;
        }
        let after = page(kind, "after");
        assert!(after.rv >= cursor, "{kind:?}");
        assert_eq!(shown, rows(after), "{kind:?}");
    }
}

#[test]
fn every_row_is_an_object_on_one_line_that_names_its_object() {
    for kind in kind::all() {
        let items = page(kind, "before").items;
        assert!(items.len() >= 2, "{kind:?}");
        for item in items {
            let mut text = Vec::new();
            item.row.write(Timestamp::UNIX_EPOCH, &mut text);
            let row: Value = serde_json::from_slice(&text).unwrap();
            assert!(!text.contains(&b'\n'), "{kind:?}");
            assert_eq!(row["namespace"].as_str().unwrap_or(""), &*item.namespace, "{kind:?}");
            assert_eq!(row["name"] == *item.name, kind.name != "events", "{kind:?}: {row}");
            assert_eq!(kind.namespaced, !item.namespace.is_empty(), "{kind:?}");
        }
    }
}

#[test]
fn watches_end_with_a_bookmark_but_for_events_which_never_get_one() {
    for kind in kind::all() {
        let bookmarks =
            changes(kind, "watch").iter().filter(|change| matches!(change, Change::Bookmark { .. })).count();
        assert_eq!(bookmarks == 0, kind.name == "events", "{kind:?}: {bookmarks}");
    }
}

#[test]
fn a_heartbeat_changes_no_row_and_every_other_change_does() {
    for kind in kind::all() {
        let first = format!("{}-first", kind.name);
        let of_first = |object: &kind::Object| object.name.as_ref() == first;
        let mut row = page(kind, "before").items.into_iter().find(of_first).unwrap().row;
        let mut differed = Vec::new();
        for change in changes(kind, "watch") {
            let Change::Put(object) = change else { continue };
            if of_first(&object) {
                differed.push(object.row != row);
                row = object.row;
            }
        }
        let expected: &[bool] = if kind.name == "namespaces" { &[false] } else { &[false, true] };
        assert_eq!(differed, expected, "{kind:?}");
    }
}

#[test]
fn a_watch_list_ends_its_initial_events() {
    for name in ["services", "events"] {
        let mut changes = changes(kind::by_name(name).unwrap(), "watchlist");
        let end = changes.pop();
        assert!(matches!(end, Some(Change::Bookmark { initial_events_end: true, .. })), "{name}: {end:?}");
        assert!(changes.iter().all(|change| matches!(change, Change::Put(_))), "{name}");
        assert!(!changes.is_empty(), "{name}");
    }
}

#[test]
fn refusals_come_as_errors_in_the_stream() {
    let status = |name: &str, which: &str| -> StatusError {
        match changes(kind::by_name(name).unwrap(), which).as_slice() {
            [Change::Error(status)] => status.clone(),
            other => panic!("{name}: {other:?}"),
        }
    };
    for name in ["pods", "events"] {
        let gone = status(name, "watch-410");
        assert_eq!((gone.code, gone.reason.as_str()), (410, "Expired"));
    }
    assert_eq!(status("pods", "watchlist-refused").code, 500);
}
