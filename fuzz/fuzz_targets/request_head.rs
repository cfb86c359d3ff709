//! A request's head: whatever is sent, parsing ends in a request, in a wait for more, or in a refusal.
#![no_main]

use foretop::core::request::{Longest, Parsed, no_headers, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut headers = no_headers();
    let longest = Longest { head: 4096, target: 1024 };
    if let Parsed::Whole(request) = parse(bytes, longest, &mut headers) {
        assert!(request.length <= bytes.len() && request.length <= 4096);
        let _ = (request.route(), request.namespace(), request.resume_id(), request.accepts_json());
        if let Some(id) = request.request_id() {
            assert!(id.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
});
