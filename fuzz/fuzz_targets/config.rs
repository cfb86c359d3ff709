//! A settings file: whatever is in it, each mistake is one printable line.
#![no_main]

use foretop::config::{self, File, Sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = File { name: "foretop.yaml".into(), text: text.into() };
    let (_, mistakes) = config::read(&Sources { file: Some(file), ..Sources::default() });
    for mistake in mistakes {
        let line = mistake.to_string();
        assert!(!line.chars().any(|symbol| symbol.is_control() && symbol != '\n'), "{line:?}");
    }
});
