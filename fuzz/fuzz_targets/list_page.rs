//! A page of a list, for every kind.
#![no_main]

use foretop::kind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for kind in kind::all() {
        let Ok(page) = (kind.decode_page)(body) else { continue };
        assert_ne!(page.next.as_deref(), Some(""), "an empty token is none");
        for object in page.items {
            let row: Result<serde_json::Value, _> = serde_json::from_slice(&object.row.json);
            assert!(row.is_ok_and(|row| row.is_object()), "{kind:?}: a row is a JSON object");
            assert!(kind.namespaced || object.namespace.is_empty());
        }
    }
});
