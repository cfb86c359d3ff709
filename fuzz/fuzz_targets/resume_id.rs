//! `Last-Event-ID`: what is taken for a version, with or without a mark, prints as it was sent.
#![no_main]

use foretop::wire::id::ResumeId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    match ResumeId::parse(value) {
        Some(ResumeId::At(rv, None)) => assert_eq!(rv.to_string().as_bytes(), value.trim_ascii()),
        Some(ResumeId::At(rv, Some(mark))) => {
            assert_eq!(format!("{rv}.{mark}").as_bytes(), value.trim_ascii());
        }
        Some(ResumeId::Foreign) => assert!(!value.trim_ascii().is_empty()),
        None => assert!(value.trim_ascii().is_empty()),
    }
});
