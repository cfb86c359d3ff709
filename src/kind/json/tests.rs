use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::*;

/// JSON of every sort, as text that may have white space wherever it can be.
fn any_json() -> impl Strategy<Value = String> {
    let space = || proptest::sample::select(vec!["", "", "", " ", "\n", "\t ", "\r\n"]);
    let text = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "[a-z{}:,\\[\\]]{0,90}".prop_map(|text| format!("\"{text}\"")),
        "([\\\\]{2}|[\\\\]\"|[\\\\]n|[\\\\]u00e9|[\\\\]ud83d[\\\\]ude00|[a-z{}]|\u{2028}|é|\u{7f}){0,70}"
            .prop_map(|text| format!("\"{text}\"")),
    ];
    let leaf = prop_oneof![
        proptest::sample::select(vec![
            "null", "true", "false", "{}", "[]", "0", "-0", "-1", "1.50", "1e3", "2E-7"
        ])
        .prop_map(String::from),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| Value::from(number).to_string()),
        text.clone(),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            (proptest::collection::vec((space(), inner.clone(), space()), 0..6)).prop_map(|elements| {
                let elements: Vec<String> = elements
                    .into_iter()
                    .map(|(before, value, after)| format!("{before}{value}{after}"))
                    .collect();
                format!("[{}]", elements.join(","))
            }),
            (proptest::collection::vec((space(), text.clone(), space(), inner), 0..6)).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(space, key, other, value)| format!("{space}{key}{other}:{space}{value}{other}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn ours(bytes: &[u8]) -> Option<Value> {
    from_slice(bytes).ok()
}

fn theirs(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// What is left behind a value that was skipped.
fn skipped(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader { bytes, at: 0 };
    reader.skip().ok().map(|()| reader.at)
}

fn skipped_by_serde_json(bytes: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

#[test]
fn what_is_wrong_with_a_value_that_is_wanted_is_seen() {
    for wrong in [
        "",
        " ",
        "{",
        "}",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "[}",
        "01",
        "1.",
        "-",
        "+1",
        "1e",
        ".5",
        "0x1",
        "nul",
        "nulll",
        "truefalse",
        "True",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\n\"",
        "\"\u{1}\"",
        "1 1",
        "{}{}",
        "1e999",
    ] {
        assert_eq!(ours(wrong.as_bytes()), None, "{wrong}");
        assert_eq!(theirs(wrong.as_bytes()), None, "{wrong}");
    }
    for wrong in [
        &b"\"\xFF\""[..],
        b"\"\xC3\"",
        b"\"aaaaaaaaaaaaaaaaaaaaaaa\xE2\x80\"",
        b"{\"\xFF\":1}",
        b"\xEF\xBB\xBF1",
    ] {
        assert_eq!((ours(wrong), theirs(wrong)), (None, None), "{wrong:?}");
    }
}

#[test]
fn what_is_skipped_ends_where_it_is_closed() {
    let deep = format!("{}{}", "[{\"a\":".repeat(2_000), "}]".repeat(2_000));
    let backslashes = |count: usize| format!("[\"{}\"]", "\\".repeat(count));
    let (short, exact, long) = (backslashes(62), backslashes(64), backslashes(200));
    for whole in ["{}", "[]", r#"{"a":"}"}"#, r#"["\"]"]"#, r#"["\\"]"#, &short, &exact, &long, &deep] {
        for behind in ["", ",1", "}]", "\""] {
            let bytes = format!("{whole}{behind}");
            assert_eq!(skipped(bytes.as_bytes()), Some(whole.len()), "{behind}");
        }
        for cut in (1..whole.len()).rev().take(300) {
            assert_eq!(skipped(&whole.as_bytes()[..cut]), None, "{cut} bytes");
        }
    }
    assert_eq!(skipped(backslashes(63).as_bytes()), None, "the closing quote is escaped");
}

#[test]
fn what_nobody_wants_need_not_be_json_inside_and_nothing_else_may_be_wrong() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Wanted {
        a: Option<i32>,
    }
    let read = |text: &str| from_slice::<Wanted>(text.as_bytes()).ok();
    for lenient in [r#"{"x":{"y" 1,},"a":1}"#, r#"{"x":[{]},"a":1}"#, "{\"x\":[\"\\x\u{1}\"],\"a\":1}"] {
        assert_eq!(read(lenient), Some(Wanted { a: Some(1) }), "{lenient}");
        assert!(serde_json::from_str::<Wanted>(lenient).is_err(), "{lenient}");
    }
    for strict in [
        r#"{"x":tru,"a":1}"#,
        r#"{"x":"\x","a":1}"#,
        r#"{"x":01,"a":1}"#,
        r#"{"x" 1,"a":1}"#,
        r#"{"x":1"a":1}"#,
        r#"{"x":{},,"a":1}"#,
        r#"{"x":{},"a":1}}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":2147483648}"#,
        r#"{"a":1.0}"#,
        "{\"x\":\"\u{1}\",\"a\":1}",
    ] {
        assert_eq!(read(strict), None, "{strict}");
        assert!(serde_json::from_str::<Wanted>(strict).is_err(), "{strict}");
    }
}

#[test]
fn a_struct_may_be_an_array_as_it_may_for_serde_json() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Two<'a>(i32, &'a str);
    assert_eq!(from_slice(br#"[1,"b"]"#), Ok(Two(1, "b")));
    assert!(from_slice::<Two<'_>>(br#"[1,"b",3]"#).is_err());
    assert!(from_slice::<Two<'_>>(br"[1]").is_err());
}

#[test]
fn a_mistake_is_told_by_its_place() {
    let place = |text: &str| from_slice::<Vec<i32>>(text.as_bytes()).unwrap_err();
    assert_eq!(place("[1,x]"), Misread { line: 1, column: 3 });
    assert_eq!(place("[1,\n 2,\n\"a\"]"), Misread { line: 3, column: 3 });
    assert_eq!(place("[1,\n"), Misread { line: 2, column: 0 });
    assert_eq!(place("[1] [2]"), Misread { line: 1, column: 4 });
}

proptest! {
    #[test]
    fn all_that_is_wanted_is_what_serde_json_reads(json in any_json()) {
        let read = ours(json.as_bytes());
        prop_assert!(read.is_some());
        prop_assert_eq!(read, theirs(json.as_bytes()));
    }

    #[test]
    fn all_that_is_skipped_ends_where_serde_json_ends(json in any_json(), before in 0..70_usize, behind in "[ ,}\\]\"a\\\\]{0,80}") {
        let bytes = format!("{}{json} {behind}", " ".repeat(before));
        prop_assert_eq!(skipped(bytes.as_bytes()), skipped_by_serde_json(bytes.as_bytes()));
    }

    /// Damaged bytes: what is wanted is refused by both or read alike by both; what `serde_json` skips is skipped alike.
    #[test]
    fn damage_is_seen_where_serde_json_sees_it(
        json in any_json(),
        edits in proptest::collection::vec((any::<Index>(), prop_oneof![any::<u8>(), proptest::sample::select(b"\"\\{}[],:0-.e \n".to_vec())], 0..3_usize), 1..4),
    ) {
        let mut bytes = json.into_bytes();
        for (place, byte, edit) in edits {
            let at = place.index(bytes.len() + 1);
            match edit {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
        let expected = skipped_by_serde_json(&bytes);
        prop_assert!(expected.is_none() || skipped(&bytes) == expected);
    }

    #[test]
    fn what_is_cut_is_refused(json in any_json(), end in any::<Index>()) {
        let whole = format!("[{json}]");
        let cut = &whole.as_bytes()[..end.index(whole.len())];
        prop_assert_eq!((ours(cut), skipped(cut)), (None, None));
    }
}
