//! A registry of clusters: whatever is in it, each mistake is printable.
#![no_main]

use foretop::cluster::Registry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = Registry::parse("clusters.yaml", text) {
        let lines = mistakes.to_string();
        assert!(!lines.chars().any(|symbol| symbol.is_control() && symbol != '\n'), "{lines:?}");
    }
});
