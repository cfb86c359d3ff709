//! What a full row shows beside the plain one: the object's uid, its labels and its controlling owner.
//!
//! They are kept as the text that stands behind a plain row's fields in a full one, so that a full row is a plain one and this, put together and not projected again.
//! Labels are looked up in that text. It is written here and nowhere else, so what is looked for in it is found without parsing: a quote within a string is escaped.

use memchr::memmem;
use serde::Deserialize;

use super::field::{Identity, Items, OrZero, Pairs, Text};
use super::text::JsonObject;
use super::{Projection, Row};

const UID: &[u8] = br#","uid":""#;
const LABELS: &[u8] = br#","labels":{"#;
const OWNER: &[u8] = br#","owner":"#;

/// What a full row shows of an object beside its plain row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// How many bytes of the plain row a full one begins with.
    own: usize,
    /// What follows there, with the brace that closes the row.
    tail: Box<[u8]>,
}

/// An object's labels, as they stand in a full row.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'r>(&'r [u8]);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Owner<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    controller: OrZero<bool>,
}

impl Details {
    /// Of an object of `P` and its plain row.
    pub(super) fn of<P: Projection>(identity: &Identity<'_>, row: &Row) -> Self {
        let closed = row.json.len() - 1;
        let own = if P::OWN_OWNER { memmem::rfind(&row.json, OWNER).unwrap_or(closed) } else { closed };
        let mut tail = JsonObject::new();
        if !P::OWN_UID {
            tail.text("uid", identity.uid);
        }
        let labels: Pairs<'_> = identity.labels.read();
        let mut labels: Vec<(&str, &str)> = labels.0.iter().map(|(key, value)| (&**key, &**value)).collect();
        labels.sort_unstable();
        tail.pairs("labels", labels.into_iter());
        let owners: Items<Owner<'_>> = identity.owner_references.read();
        match owners.iter().find(|owner| *owner.controller) {
            None => tail.null("owner"),
            Some(owner) => tail.object("owner", |shown| {
                shown.text("kind", &owner.kind);
                shown.text("name", &owner.name);
                shown.text("uid", &owner.uid);
            }),
        }
        let mut tail = tail.finish();
        tail[0] = b',';
        Details { own, tail: tail.into() }
    }

    /// The full row.
    #[must_use]
    pub fn full(&self, plain: &Row) -> Row {
        let json = [&plain.json[..self.own], &self.tail].concat();
        Row { json: json.into(), clock: plain.clock.clone(), order: plain.order }
    }

    /// The object's labels.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels::in_text(&self.tail)
    }
}

impl Row {
    /// The plain row in a full one, of a kind whose plain rows have no `owner` of their own.
    #[must_use]
    pub fn plain(&self) -> Row {
        let labels = memmem::rfind(&self.json, LABELS).unwrap_or(self.json.len() - 1);
        // The text nearest before the labels, where there is one, is the uid behind the row's own fields.
        let own = memmem::rfind(&self.json[..labels], UID).unwrap_or(labels);
        let json = [&self.json[..own], b"}"].concat();
        Row { json: json.into(), clock: self.clock.clone(), order: self.order }
    }

    /// The labels in a full row.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels::in_text(&self.json)
    }
}

impl<'r> Labels<'r> {
    /// Those of the last `labels` in the text: behind it are strings and the owner alone.
    fn in_text(text: &'r [u8]) -> Self {
        let at = memmem::rfind(text, LABELS).map_or(text.len(), |at| at + LABELS.len());
        Labels(&text[at..])
    }

    /// The value of the label of this name, as it is escaped in the row. No name or value that a selector can have needs escaping.
    #[must_use]
    pub fn get(self, key: &str) -> Option<&'r str> {
        let mut rest = self.0;
        loop {
            let (name, behind) = string(rest)?;
            let (value, behind) = string(behind.strip_prefix(b":")?)?;
            if name == key.as_bytes() {
                return std::str::from_utf8(value).ok();
            }
            rest = behind.strip_prefix(b",")?;
        }
    }
}

/// The inside of the string that a text begins with, and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let mut end = 0;
    loop {
        end += memchr::memchr2(b'"', b'\\', &inside[end..])?;
        if inside[end] == b'"' {
            return Some((&inside[..end], &inside[end + 1..]));
        }
        // A backslash and what it escapes.
        end = (end + 2).min(inside.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::{Change, Kind, Object, all, by_name};

    fn object(kind: &Kind, object: &Value) -> Object {
        let line = json!({ "type": "ADDED", "object": object }).to_string();
        match (kind.detail_line)(line.as_bytes()) {
            Ok(Change::Put(object)) => object,
            other => panic!("{other:?} of {line}"),
        }
    }

    fn full(kind: &Kind, of: &Value) -> Row {
        let object = object(kind, of);
        object.details.expect("it was asked for").full(&object.row)
    }

    fn text(row: &Row) -> &str {
        std::str::from_utf8(&row.json).expect("rows are text")
    }

    fn metadata(more: &Value) -> Value {
        let mut metadata = json!({"name": "a", "namespace": "n", "resourceVersion": "7", "uid": "u-1"});
        metadata.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "metadata": metadata })
    }

    #[test]
    fn every_kind_s_full_row_is_its_plain_one_and_three_fields() {
        let owners = json!([{"kind": "Node", "name": "x", "uid": "9"}, {"kind": "ReplicaSet", "name": "r<", "uid": "8", "controller": true}]);
        let of = metadata(&json!({"labels": {"b": "2", "a": "1"}, "ownerReferences": owners}));
        for kind in all() {
            let plain = object(kind, &of).row;
            let row = full(kind, &of);
            let mut fields: serde_json::Map<String, Value> =
                serde_json::from_slice(&row.json).expect("a full row is JSON");
            assert_eq!(fields.remove("uid"), Some(json!("u-1")), "{kind:?}");
            assert_eq!(fields.remove("labels"), Some(json!({"a": "1", "b": "2"})));
            assert_eq!(fields.remove("owner"), Some(json!({"kind": "ReplicaSet", "name": "r<", "uid": "8"})));
            let mut own: serde_json::Map<String, Value> = serde_json::from_slice(&plain.json).expect("JSON");
            own.retain(|name, _| !matches!(name.as_str(), "uid" | "owner"));
            assert_eq!(fields, own, "{kind:?}");
            for name in [r#""uid":"u-1""#, r#""labels":"#, r#""owner":"#] {
                assert_eq!(text(&row).matches(name).count(), 1, "{kind:?}: {}", text(&row));
            }
            assert_eq!((row.order, &row.clock), (plain.order, &plain.clock));
            if !kind.own_owner {
                assert_eq!(row.plain(), plain, "{kind:?}");
            }
        }
    }

    #[test]
    fn what_an_object_does_not_have_is_empty() {
        let pods = by_name("pods").expect("a kind");
        for none in [
            json!({}),
            json!({"labels": null, "ownerReferences": null}),
            json!({"labels": {}, "ownerReferences": []}),
        ] {
            let row = full(pods, &metadata(&none));
            assert!(text(&row).ends_with(r#","uid":"u-1","labels":{},"owner":null}"#), "{}", text(&row));
            assert_eq!(row.labels().get("a"), None);
        }
        assert_eq!(
            (pods.decode_line)(br#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}"#)
                .map(|change| match change {
                    Change::Put(object) => object.details,
                    other => panic!("{other:?}"),
                })
                .expect("a line"),
            None,
            "nobody pays for details who does not ask for them"
        );
    }

    #[test]
    fn a_label_change_is_another_full_row_and_the_same_plain_one() {
        let pods = by_name("pods").expect("a kind");
        let (one, other) =
            (metadata(&json!({"labels": {"a": "1"}})), metadata(&json!({"labels": {"a": "2"}})));
        assert_eq!(object(pods, &one).row, object(pods, &other).row);
        assert_ne!(full(pods, &one), full(pods, &other));
    }

    /// Texts that try to look like the fields that are looked for.
    fn tricky() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(
            &[
                r#","labels":{"#,
                r#","uid":""#,
                r#""labels":{"a":"x"}"#,
                "\"",
                "\\",
                "\\\"",
                "{",
                "}",
                ",",
                ":",
                "app",
                "ü",
                "\u{0}",
                "<",
            ][..],
        );
        prop::collection::vec(parts, 0..4).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn labels_are_found_whatever_the_object_says(
            labels in prop::collection::btree_map(prop_oneof![Just("app".to_owned()), Just("a.b/c".to_owned()), tricky()], prop_oneof![Just("web".to_owned()), tricky()], 0..5),
            node in tricky(),
            uid in tricky(),
            owner in tricky(),
        ) {
            let pods = by_name("pods").expect("a kind");
            let owners = json!([{"kind": owner, "name": owner, "uid": owner, "controller": true}]);
            let mut of = metadata(&json!({"labels": labels, "uid": uid, "ownerReferences": owners}));
            of["spec"] = json!({"nodeName": node});
            let plain = object(pods, &of);
            let row = full(pods, &of);
            prop_assert_eq!(row.plain(), plain.row);
            for key in ["app", "a.b/c", "none"] {
                let plain_text = |value: &&String| value.bytes().all(|byte| byte.is_ascii_alphanumeric());
                let is = labels.get(key);
                let found = row.labels().get(key);
                prop_assert_eq!(found.is_some(), is.is_some());
                if let Some(is) = is.filter(plain_text) {
                    prop_assert_eq!(found, Some(is.as_str()));
                }
            }
        }
    }
}
