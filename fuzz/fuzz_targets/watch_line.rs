//! A line of a watch, for every kind: what is understood becomes a row that is one line of JSON, and no error repeats what was sent.
#![no_main]

use foretop::kind::{self, Change};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    for kind in kind::all() {
        match (kind.decode_line)(line) {
            Ok(Change::Put(object) | Change::Deleted(object)) => {
                let row: Result<serde_json::Value, _> = serde_json::from_slice(&object.row.json);
                assert!(row.is_ok_and(|row| row.is_object()), "{kind:?}: a row is a JSON object");
                assert!(!object.row.json.contains(&b'\n') && !object.row.json.contains(&b'\r'));
            }
            Ok(Change::Bookmark { .. } | Change::Error(_)) => {}
            Err(error) => assert!(error.to_string().len() < 120),
        }
    }
});
