//! `docs/reliability.md` names tests that there are.

use std::path::Path;

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reliability.md")).expect("the page");
    let named: Vec<(&str, &str)> = page.split('`').filter_map(|word| word.split_once("::")).collect();
    let named: Vec<_> = named.into_iter().filter(|(file, _)| *file != "file").collect();
    assert!(named.len() > 40, "{named:?}");
    for (file, test) in named {
        let source = std::fs::read_to_string(root.join(format!("tests/{file}.rs"))).unwrap_or_default();
        assert!(source.contains(&format!("fn {test}()")), "there is no {file}::{test}");
    }
}
