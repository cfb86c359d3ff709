//! A body that asks for views: whatever it is, and however it comes in, it is read whole or refused in words that need no escaping.
#![no_main]

use foretop::core::body::{Body, Length};
use foretop::core::line::asked::{self, MOST_BYTES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for length in [Length::Known(bytes.len()), Length::Chunked] {
        let Ok(mut body) = Body::new(length, MOST_BYTES) else { continue };
        let Ok(used) = body.take(bytes) else { continue };
        assert!(used <= bytes.len());
        if !body.is_whole() {
            continue;
        }
        let body = body.into_bytes();
        assert!(body.len() <= MOST_BYTES);
        let told = [asked::opening(&body).err(), asked::change(&body).err()];
        for mistake in told.into_iter().flatten() {
            let words = mistake.to_string();
            assert!(!words.contains(['"', '\\']) && !words.chars().any(char::is_control), "{words}");
        }
        for view in asked::opening(&body).into_iter().flatten() {
            assert!((1..=64).contains(&view.name.len()) && view.name.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
});
