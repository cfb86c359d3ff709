//! `docs/logs.md` has every event that the code writes to the log, at its level, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every source file of the program, with its text.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.push((path, text));
        }
    }
}

/// The arguments of a macro's call: up to the parenthesis that closes the one before them.
fn arguments(text: &str) -> &str {
    let (mut depth, mut in_text, mut escaped) = (1, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    panic!("no end of {text:.80}");
}

/// Whether it is an event's name, such as `server.started`.
fn is_name(word: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    word.contains('.') && word.split('.').all(is_part)
}

/// The event that a call writes: what its message, which is its last text, begins with.
fn name(arguments: &str) -> Option<&str> {
    let message = arguments.trim_end().trim_end_matches(',');
    let texts: Vec<&str> = message.split('"').collect();
    // Texts stand between quotes; messages hold none.
    let message = texts.iter().skip(1).step_by(2).next_back()?;
    Some(message.split([':', ' ']).next().unwrap_or(message)).filter(|word| is_name(word))
}

/// The events of the code, with their levels.
fn written() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(&at_root("src"), &mut files);
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in &files {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (at, _) in text.match_indices("tracing::") {
            let rest = &text[at + "tracing::".len()..];
            let Some((level, rest)) = rest.split_once("!(") else { continue };
            if !["error", "warn", "info", "debug", "trace"].contains(&level) {
                continue;
            }
            let arguments = arguments(rest);
            let event =
                name(arguments).unwrap_or_else(|| panic!("{}: no event in {arguments}", path.display()));
            events.entry(event.to_owned()).or_default().insert(level.to_owned());
        }
    }
    events
}

/// The events of the page, with their levels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(at_root("docs/logs.md")).expect("the page");
    let mut events = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for event in cells[1].split(", ") {
            let before =
                events.insert(event.trim_matches('`').to_owned(), BTreeSet::from([cells[2].to_owned()]));
            assert!(before.is_none(), "{event} stands there twice");
        }
    }
    events
}

#[test]
fn the_page_has_every_event_of_the_code_and_no_other() {
    let (written, documented) = (written(), documented());
    assert!(written.len() > 50, "{written:?}");
    for (event, levels) in &written {
        assert_eq!(documented.get(event), Some(levels), "{event}, as docs/logs.md has it");
    }
    for event in documented.keys() {
        assert!(written.contains_key(event), "{event} is on the page, and nowhere in the code");
    }
}

#[test]
fn a_name_is_found_in_whatever_stands_around_it() {
    assert_eq!(name(r#"cluster = %x, why = f("a(b"), "feed.lost: it (really) is""#), Some("feed.lost"));
    assert_eq!(arguments(r#"%a, "b.c: (d) \" )", e) rest"#), r#"%a, "b.c: (d) \" )", e"#);
    assert_eq!(name(r#""not an event""#), None);
}
