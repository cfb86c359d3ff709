//! How the kinds' hand-written cases are run: an object through the same function as a watch line, to its row.

use super::{Change, Object, by_name};

/// The object of `kind` that has `fields` (members of a JSON object, without braces) beside its metadata.
pub(super) fn object(kind: &str, fields: &str) -> Object {
    object_with(kind, "", fields)
}

/// The same, with `metadata` (members of a JSON object) beside what each object's metadata has.
pub(super) fn object_with(kind: &str, metadata: &str, fields: &str) -> Object {
    let comma = |text: &str| if text.is_empty() { "" } else { "," };
    let line = format!(
        r#"{{"type":"ADDED","object":{{"metadata":{{"name":"a","namespace":"n","resourceVersion":"7",
        "creationTimestamp":"2026-05-01T12:00:00Z"{}{metadata}}}{}{fields}}}}}"#,
        comma(metadata),
        comma(fields),
    );
    let kind = by_name(kind).expect("a kind of the registry");
    match (kind.decode_line)(line.as_bytes()) {
        Ok(Change::Put(object)) => object,
        other => panic!("{other:?} of {line}"),
    }
}

/// The row of [`object`], as it reads at 2026-11-21T00:00:00Z.
pub(super) fn row(kind: &str, fields: &str) -> String {
    row_with(kind, "", fields)
}

/// The row of [`object_with`], as it reads at 2026-11-21T00:00:00Z.
pub(super) fn row_with(kind: &str, metadata: &str, fields: &str) -> String {
    let mut out = Vec::new();
    object_with(kind, metadata, fields).row.write("2026-11-21T00:00:00Z".parse().expect("a time"), &mut out);
    String::from_utf8(out).expect("rows are UTF-8")
}
