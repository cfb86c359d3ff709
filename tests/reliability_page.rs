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
        let places = [format!("tests/{file}.rs"), format!("tests/{file}/main.rs")];
        let source: String =
            places.iter().filter_map(|place| std::fs::read_to_string(root.join(place)).ok()).collect();
        assert!(source.contains(&format!("fn {test}()")), "there is no {file}::{test}");
    }
}

#[test]
fn every_scenario_of_the_fault_suite_is_in_its_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reliability.md")).expect("the page");
    let list = std::fs::read_to_string(root.join("tests/chaos/scenarios.rs")).expect("the list");
    let names = list.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(
            page.contains(&format!("| {name} |")),
            "docs/reliability.md has no row for {name:?}: FORETOP_BLESS=1 make chaos"
        );
    }
}
