//! `labelSelector`: what is taken for a selector reads back from its own text as the same one, and says the same of an object; an error can stand in JSON as it is.
#![no_main]

use foretop::wire::selector::Selector;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match Selector::parse(text) {
    Ok(None) => assert!(text.trim().is_empty()),
    Ok(Some(selector)) => {
        let again = Selector::parse(&selector.to_string()).expect("its own text");
        assert_eq!(again.as_ref(), Some(&selector));
        let label = |key: &str| (key.len() % 2 == 0).then_some("web");
        assert_eq!(selector.selects(label), again.is_some_and(|again| again.selects(label)));
    }
    Err(error) => {
        let said = error.to_string();
        assert!(said.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte)), "{said}");
    }
});
