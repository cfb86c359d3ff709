//! What a client sends as `Last-Event-ID`: a place names exactly the text that was sent.
#![no_main]

use foretop::wire::id::ResumeId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    if let Some(ResumeId::At(rv)) = ResumeId::parse(value) {
        assert_eq!(rv.to_string().as_bytes(), value.trim_ascii());
    }
});
