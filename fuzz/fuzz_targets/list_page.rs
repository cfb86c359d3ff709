//! A page of a list and an error body, for every kind.
#![no_main]

use foretop::kind::{self, StatusError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for kind in kind::all() {
        let _ = (kind.decode_page)(body);
    }
    let _ = StatusError::from_body(500, body);
});
