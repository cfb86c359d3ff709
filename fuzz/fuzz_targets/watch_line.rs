//! A line of a watch, for every kind: what is understood becomes a row that is one line of JSON, and so does what a full row shows beside it; no error repeats what
//! was sent.
#![no_main]

use foretop::kind::{self, Change, Kind, Object};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    for kind in kind::all() {
        match (kind.decode_line)(line) {
            Ok(Change::Put(object) | Change::Deleted(object)) => {
                let row: Result<serde_json::Value, _> = serde_json::from_slice(&object.row.json);
                assert!(row.is_ok_and(|row| row.is_object()), "{kind:?}: a row is a JSON object");
                assert!(!object.row.json.contains(&b'\n') && !object.row.json.contains(&b'\r'));
                full_row_of(kind, line, &object);
            }
            Ok(Change::Bookmark { .. } | Change::Error(_)) => {}
            Err(error) => assert!(error.to_string().len() < 120),
        }
    }
});

/// With its details a line is understood as without, and its full row holds the plain one.
fn full_row_of(kind: &Kind, line: &[u8], plain: &Object) {
    let Ok(Change::Put(object) | Change::Deleted(object)) = (kind.detail_line)(line) else {
        panic!("{kind:?}: details make no difference")
    };
    assert_eq!(object.row, plain.row);
    let full = object.details.expect("they were asked for").full(&object.row);
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&full.json).expect("JSON");
    assert!(["uid", "labels", "owner"].iter().all(|name| row.contains_key(*name)));
    assert!(kind.own_owner || full.plain() == plain.row);
}
