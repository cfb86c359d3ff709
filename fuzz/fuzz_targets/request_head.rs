//! What a client sends first: any bytes are a head, the beginning of one, or refused, and a head's parts are within it.
#![no_main]

use foretop::core::request::{self, Longest, Parsed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let longest = Longest { head: 16 * 1024, target: 8 * 1024 };
    let mut headers = request::no_headers();
    let Parsed::Whole(head) = request::parse(bytes, longest, &mut headers) else { return };
    assert!(head.length <= bytes.len() && head.length <= longest.head);
    assert!(head.path.starts_with('/'));
    let _ = (head.route(), head.is_json(), head.expects_continue(), head.accepts_json(), head.resume_id(), head.header("cookie"));
    for namespace in head.namespaces().filter(|namespace| request::is_namespace(namespace)) {
        assert!(namespace.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
    }
    if let Some(id) = head.request_id() {
        assert!(!id.bytes().any(|byte| byte.is_ascii_control()), "it is repeated in the answer's head");
    }
    let length = head.length;
    let mut headers = request::no_headers();
    assert!(matches!(request::parse(&bytes[..length], longest, &mut headers), Parsed::Whole(_)), "what follows is not looked at");
    let mut headers = request::no_headers();
    assert!(matches!(request::parse(&bytes[..length - 1], longest, &mut headers), Parsed::Partial), "it ends where it ends");
});
