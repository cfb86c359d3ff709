use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    Selector::parse(text).expect("a selector").map(|selector| selector.to_string()).unwrap_or_default()
}

fn wrong(text: &str) -> (usize, Wrong) {
    match Selector::parse(text) {
        Err(SelectorError::At { at, what }) => (at, what),
        other => panic!("{text:?} came to {other:?}"),
    }
}

#[test]
fn what_says_the_same_is_the_same() {
    for (text, is) in [
        ("", ""),
        (" \t", ""),
        ("a", "a"),
        ("!a", "!a"),
        ("! a", "!a"),
        ("a=b", "a=b"),
        ("a == b", "a=b"),
        ("a in (b)", "a=b"),
        ("a!=b", "a!=b"),
        ("a notin(b)", "a!=b"),
        ("a in (y, x,y)", "a in (x,y)"),
        ("b=2,a=1 , b=2", "a=1,b=2"),
        ("a=", "a="),
        ("a=,b", "a=,b"),
        ("a in (,x)", "a in (,x)"),
        ("in in (in)", "in=in"),
        ("notin", "notin"),
        ("example.com/app.k8s_io-x=V.1", "example.com/app.k8s_io-x=V.1"),
    ] {
        assert_eq!(canonical(text), is, "{text:?}");
        assert_eq!(canonical(is), is);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, at, what) in [
        (",", 1, Wrong::NoKey),
        ("a,", 3, Wrong::NoKey),
        ("=b", 1, Wrong::NoKey),
        ("a,!", 4, Wrong::NoKey),
        ("-a", 1, Wrong::BadKey),
        ("x=1, Example.com/a", 6, Wrong::BadKey),
        ("a/b/c", 1, Wrong::BadKey),
        ("/a", 1, Wrong::BadKey),
        ("ä", 1, Wrong::BadKey),
        ("a=b/c", 3, Wrong::BadValue),
        ("a in (b,ü)", 9, Wrong::BadValue),
        ("a b", 3, Wrong::NoOperator),
        ("a IN (b)", 3, Wrong::NoOperator),
        ("a ! b", 3, Wrong::NoOperator),
        ("a > 1", 3, Wrong::Order),
        ("a in b", 6, Wrong::NoSet),
        ("a in ()", 7, Wrong::EmptySet),
        ("a in (b", 8, Wrong::OpenSet),
        ("a in (b c)", 9, Wrong::OpenSet),
        ("!a=b", 3, Wrong::NoComma),
        ("a=b c", 5, Wrong::NoComma),
        ("a==b=c", 5, Wrong::NoComma),
    ] {
        assert_eq!(wrong(text), (at, what), "{text:?}");
    }
    assert_eq!(wrong(&format!("a={}", "x".repeat(64))).1, Wrong::BadValue);
    assert_eq!(wrong(&"x".repeat(64)).1, Wrong::BadKey);
}

#[test]
fn selectors_are_bounded() {
    assert_eq!(Selector::parse(&"a".repeat(1025)), Err(SelectorError::TooLong));
    let terms = |count: usize| (0..count).map(|n| format!("l{n}")).collect::<Vec<_>>().join(",");
    assert!(Selector::parse(&terms(16)).is_ok());
    assert_eq!(Selector::parse(&terms(17)), Err(SelectorError::TooManyTerms));
}

#[test]
fn an_error_can_stand_in_json_as_it_is() {
    for text in ["a=\"", "\\", "a in (", "<script>", "a > 1", "\u{1b}[31m"] {
        let said = Selector::parse(text).expect_err("no selector").to_string();
        assert!(said.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte)), "{said}");
    }
}

/// A term as the oracle understands it: taken apart where it was put together, and not by the parser.
#[derive(Clone, Debug)]
enum Naive {
    In(&'static str, Vec<&'static str>),
    NotIn(&'static str, Vec<&'static str>),
    Is(&'static str, &'static str),
    IsNot(&'static str, &'static str),
    Has(&'static str),
    Lacks(&'static str),
}

const KEYS: [&str; 4] = ["app", "tier", "example.com/a", "in"];
const VALUES: [&str; 4] = ["", "web", "Cache_1", "notin"];

fn naive() -> impl Strategy<Value = Naive> {
    let key = || prop::sample::select(&KEYS[..]);
    let value = || prop::sample::select(&VALUES[..]);
    let values = || prop::collection::vec(prop::sample::select(&VALUES[1..]), 1..4);
    prop_oneof![
        (key(), values()).prop_map(|(key, values)| Naive::In(key, values)),
        (key(), values()).prop_map(|(key, values)| Naive::NotIn(key, values)),
        (key(), value()).prop_map(|(key, value)| Naive::Is(key, value)),
        (key(), value()).prop_map(|(key, value)| Naive::IsNot(key, value)),
        key().prop_map(Naive::Has),
        key().prop_map(Naive::Lacks),
    ]
}

impl Naive {
    fn text(&self, space: &str) -> String {
        match self {
            Naive::In(key, values) => {
                format!("{space}{key} in{space}({}{space})", values.join(&format!("{space},")))
            }
            Naive::NotIn(key, values) => {
                format!("{key} notin {space}({})", values.join(&format!(",{space}")))
            }
            Naive::Is(key, value) => format!("{key}{space}=={space}{value}"),
            Naive::IsNot(key, value) => format!("{key}{space}!={space}{value}{space}"),
            Naive::Has(key) => format!("{space}{key}{space}"),
            Naive::Lacks(key) => format!("!{space}{key}"),
        }
    }

    fn selects(&self, labels: &BTreeMap<&str, &str>) -> bool {
        match self {
            Naive::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Naive::NotIn(key, values) => !labels.get(key).is_some_and(|value| values.contains(value)),
            Naive::Is(key, wanted) => labels.get(key) == Some(wanted),
            Naive::IsNot(key, wanted) => labels.get(key) != Some(wanted),
            Naive::Has(key) => labels.contains_key(key),
            Naive::Lacks(key) => !labels.contains_key(key),
        }
    }
}

proptest! {
    #[test]
    fn a_selector_selects_what_its_terms_say(
        terms in prop::collection::vec(naive(), 1..6),
        order in any::<u64>(),
        space in prop::sample::select(&["", " ", "\t "][..]),
        labels in prop::collection::btree_map(prop::sample::select(&KEYS[..]), prop::sample::select(&VALUES[..]), 0..4),
    ) {
        let joined = |terms: &[Naive]| terms.iter().map(|term| term.text(space)).collect::<Vec<_>>().join(",");
        let selector = Selector::parse(&joined(&terms)).expect("a selector").expect("terms");
        let selected = selector.selects(|key| labels.get(key).copied());
        prop_assert_eq!(selected, terms.iter().all(|term| term.selects(&labels)), "{}", selector);
        let mut others = terms.clone();
        fastrand::Rng::with_seed(order).shuffle(&mut others);
        prop_assert_eq!(Selector::parse(&joined(&others)).expect("a selector"), Some(selector.clone()));
        prop_assert_eq!(Selector::parse(&selector.to_string()).expect("its own text"), Some(selector));
    }

    #[test]
    fn no_text_panics_and_what_is_read_reads_back(text in "[ab/.=!,()<> \\tinot\u{e9}-]{0,40}") {
        if let Ok(Some(selector)) = Selector::parse(&text) {
            prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(Some(selector)));
        }
    }
}
