//! A line of a watch, for every kind: it decodes or is an error, and a row is one line of JSON.
#![no_main]

use foretop::kind::{self, Change};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    for kind in kind::all() {
        if let Ok(Change::Put(object) | Change::Deleted(object)) = (kind.decode_line)(line) {
            let mut row = Vec::new();
            object.row.write(Default::default(), &mut row);
            assert!(row.starts_with(b"{") && row.ends_with(b"}") && !row.contains(&b'\n'));
        }
    }
});
