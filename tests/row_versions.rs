//! The numbers by which saved rows and frames are told to be good for another build: each goes up when what it stands for becomes another.
//!
//! `row_versions.txt` has, of each kind, the version of its rows and a fingerprint of the rows that it makes of recorded objects and of what becomes of these where any one
//! of their fields is gone or another; and the same of the frames around rows, with the version of saved files. Other rows with the same number fail the test, and cannot be blessed.
//! `FORETOP_BLESS=1` writes the file where a number went up, or where the objects are others.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use foretop::kind::{self, Change, Kind, Rv};
use foretop::saved::file::VERSION;
use foretop::wire::sse::{Op, write_delta};
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const FILE: &str = "tests/row_versions.txt";

/// Objects of a kind that are looked at whole: more of them show little more.
const OBJECTS: usize = 3;

/// What a version stands for.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    version: u64,
    /// Of what it was made.
    from: String,
    rows: String,
}

/// Hashes texts of any length, each as itself.
struct Fingerprint(Xxh3);

impl Fingerprint {
    fn new() -> Self {
        Fingerprint(Xxh3::new())
    }

    fn add(&mut self, text: &[u8]) {
        self.0.update(&text.len().to_be_bytes());
        self.0.update(text);
    }

    fn text(&self) -> String {
        format!("{:032x}", self.0.digest128())
    }
}

fn recorded(kind: &Kind) -> Vec<Value> {
    let path = at_root(&format!("tests/recordings/{}.before.json", kind.name));
    let list: Value = serde_json::from_slice(&std::fs::read(path).expect("a recording")).expect("JSON");
    let mut items = list["items"].as_array().expect("items").clone();
    items.truncate(OBJECTS);
    items
}

/// The places of all values in an object.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        all.push(at.clone());
        places(value, &at, all);
    }
}

/// What a value may be in its place.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(is) => vec![json!(!is), Value::Null],
        Value::Number(number) => vec![json!(number.as_i64().unwrap_or(0) + 41), json!(0), Value::Null],
        Value::String(text) => vec![json!(format!("{text}<")), json!("True"), json!(""), Value::Null],
        Value::Array(items) => {
            vec![json!([]), items.iter().chain(items).cloned().collect(), Value::Null]
        }
        Value::Object(_) => vec![json!({}), Value::Null],
        Value::Null => vec![json!("x")],
    }
}

/// An object, and what becomes of it where one of its values is another.
fn variants(object: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    places(object, "", &mut all);
    // Nothing that a row could show is in there.
    all.retain(|at| !at.starts_with("/metadata/managedFields/"));
    let mut variants = vec![object.clone()];
    for at in all {
        for other in others(object.pointer(&at).expect("a place of it")) {
            let mut variant = object.clone();
            *variant.pointer_mut(&at).expect("a place of it") = other;
            variants.push(variant);
        }
    }
    variants
}

fn rows_of(kind: &Kind) -> Made {
    let (mut from, mut rows) = (Fingerprint::new(), Fingerprint::new());
    for object in recorded(kind).iter().flat_map(variants) {
        let line = json!({ "type": "MODIFIED", "object": object }).to_string();
        from.add(line.as_bytes());
        match (kind.detail_line)(line.as_bytes()) {
            Ok(Change::Put(object)) => {
                let full = object.details.expect("they were asked for").full(&object.row);
                for row in [&object.row, &full] {
                    rows.add(&row.json);
                    rows.add(format!("{:?} {}", row.clock, row.order).as_bytes());
                }
                rows.add(format!("{}/{}", object.namespace, object.name).as_bytes());
            }
            Ok(other) => panic!("{other:?} of {line}"),
            Err(_) => rows.add(b"not decoded"),
        }
    }
    Made { version: kind.row_version.into(), from: from.text(), rows: rows.text() }
}

fn frames() -> Made {
    let mut rows = Fingerprint::new();
    for op in [Op::Added, Op::Modified, Op::Deleted] {
        for id in [None, Some(Rv(7)), Some(Rv(u128::MAX))] {
            let mut frame = Vec::new();
            let written = write_delta(&mut frame, op, id, br#"{"name":"a"}"#);
            rows.add(&frame);
            rows.add(format!("{written:?}").as_bytes());
        }
    }
    Made { version: VERSION, from: "-".into(), rows: rows.text() }
}

fn made() -> BTreeMap<String, Made> {
    let of_kinds = kind::all().iter().map(|kind| (kind.name.to_owned(), rows_of(kind)));
    of_kinds.chain([("frames".to_owned(), frames())]).collect()
}

fn written(all: &BTreeMap<String, Made>) -> String {
    let mut text =
        "# What is made, its version, of what it is made, and what becomes of that: tests/row_versions.rs\n"
            .to_owned();
    for (name, Made { version, from, rows }) in all {
        writeln!(text, "{name} {version} {from} {rows}").expect("a String");
    }
    text
}

fn read(text: &str) -> BTreeMap<String, Made> {
    let line = |line: &str| {
        let [name, version, from, rows] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let version = version.parse().expect("a number");
        (name.to_owned(), Made { version, from: from.into(), rows: rows.into() })
    };
    text.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

#[test]
fn whoever_makes_other_rows_says_so_by_another_number() {
    let before = read(&std::fs::read_to_string(at_root(FILE)).unwrap_or_default());
    let now = made();
    for (name, now) in &now {
        let Some(before) = before.get(name) else { continue };
        assert!(now.version >= before.version, "{name}: a version does not fall");
        let is_silent = now.version == before.version && now.from == before.from && now.rows != before.rows;
        assert!(
            !is_silent,
            "{name}: rows or frames have become others, and version {} is still the same: saved ones would be taken for \
             these. Raise it (`ROW_VERSION` in the kind's file; for frames `VERSION` in src/saved/file.rs), and FORETOP_BLESS=1",
            now.version
        );
    }
    if std::env::var_os("FORETOP_BLESS").is_some() {
        return std::fs::write(at_root(FILE), written(&now)).expect("the file is written");
    }
    assert!(before == now, "{FILE} is not what the code makes: FORETOP_BLESS=1 writes it");
}

#[test]
fn the_objects_tell_versions_apart() {
    // Fields of a pod's row that no two projections would treat alike by chance.
    let pods = kind::by_name("pods").expect("a kind");
    let rows: std::collections::BTreeSet<Vec<u8>> = recorded(pods)
        .iter()
        .flat_map(variants)
        .filter_map(|object| {
            let line = json!({ "type": "MODIFIED", "object": object }).to_string();
            match (pods.decode_line)(line.as_bytes()) {
                Ok(Change::Put(object)) => Some(object.row.json.into_vec()),
                _ => None,
            }
        })
        .collect();
    assert!(rows.len() > 20, "only {} rows", rows.len());
}
