//! A registry of clusters: it gives clusters of safe, distinct names, or mistakes.
#![no_main]

use foretop::cluster::Registry;
use foretop::cluster::spec::name_is_safe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(registry) = Registry::parse("clusters.yaml", text) {
        assert!(registry.clusters.iter().all(|spec| name_is_safe(&spec.name)));
    }
});
