//! What a list holds, as one number: equal for equal rows, whatever their order.
//!
//! The number is a sum over the rows, so that a change of one row changes it by a difference.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What names a row and when it was written, of all that it says.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// Of a pod: the source's stamp, where the source stamps.
    #[serde(default)]
    restarts: Option<i64>,
}

/// A row as far as tabs look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// A hash of what names it.
    pub key: u64,
    /// A hash of its bytes; never 0.
    pub bytes: u32,
    /// When its object was to be written, if it says so.
    pub stamp: Option<u32>,
}

/// Reads a row.
///
/// # Errors
/// When it is not JSON, or has no name.
pub fn read(json: &[u8]) -> Result<Row, serde_json::Error> {
    let named: Named = serde_json::from_slice(json)?;
    let key = match &named.uid {
        Some(uid) => xxh3_64(uid.as_bytes()),
        None => xxh3_64_with_seed(named.name.as_bytes(), xxh3_64(named.namespace.as_bytes())),
    };
    let [.., a, b, c, d] = xxh3_64(json).to_be_bytes();
    let bytes = u32::from_be_bytes([a, b, c, d]) | 1;
    Ok(Row { key, bytes, stamp: named.restarts.and_then(|restarts| u32::try_from(restarts).ok()) })
}

/// The objects of the array that has this name in an object, each as it stands in the text; `None` without such an array.
pub fn items<'a>(text: &'a [u8], name: &str) -> Option<impl Iterator<Item = &'a [u8]>> {
    let name = format!("\"{name}\":[");
    let start = memchr::memmem::find(text, name.as_bytes())? + name.len();
    let mut rest = &text[start..];
    Some(std::iter::from_fn(move || {
        rest = rest.strip_prefix(b",").unwrap_or(rest);
        let (item, behind) = rest.split_at(end_of_object(rest)?);
        rest = behind;
        Some(item)
    }))
}

/// Where the object at the start of a text ends; `None` where there is none.
fn end_of_object(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'{') {
        return None;
    }
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// What one row adds to the number of its list; nothing for a row that is not there.
pub fn share(key: u64, bytes: u32) -> u64 {
    if bytes == 0 { 0 } else { xxh3_64_with_seed(&bytes.to_le_bytes(), key) }
}

/// The number of a list of rows.
pub fn hash(rows: impl IntoIterator<Item = Row>) -> u64 {
    rows.into_iter().fold(0, |sum: u64, row| sum.wrapping_add(share(row.key, row.bytes)))
}

/// The rows that one view has ever shown, numbered, so that a tab keeps four bytes of each.
#[derive(Default)]
pub struct Index {
    numbers: HashMap<u64, u32>,
    keys: Vec<u64>,
}

impl Index {
    /// The number of the row with this key.
    pub fn number(&mut self, key: u64) -> u32 {
        let next = u32::try_from(self.keys.len()).expect("fewer rows than that fit in memory");
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.keys.push(key);
        }
        number
    }

    /// The key of a number that was given out.
    pub fn key(&self, number: u32) -> u64 {
        self.keys[number as usize]
    }
}

/// The rows that one tab shows: of each number the hash of the row's bytes, 0 where it does not show it.
#[derive(Clone, Default)]
pub struct Shown {
    bytes: Vec<u32>,
    hash: u64,
}

impl Shown {
    /// Shows a row, or (with 0) no longer. Returns whether it was shown before.
    pub fn set(&mut self, index: &Index, number: u32, bytes: u32) -> bool {
        let at = number as usize;
        if at >= self.bytes.len() {
            self.bytes.resize(at + 1, 0);
        }
        let before = std::mem::replace(&mut self.bytes[at], bytes);
        let key = index.key(number);
        self.hash = self.hash.wrapping_sub(share(key, before)).wrapping_add(share(key, bytes));
        before != 0
    }

    /// Shows also what another shows.
    pub fn add(&mut self, index: &Index, other: &Shown) {
        for (number, bytes) in (0..).zip(&other.bytes).filter(|(_, bytes)| **bytes != 0) {
            self.set(index, number, *bytes);
        }
    }

    /// Shows what another shows.
    pub fn become_like(&mut self, other: &Shown) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&other.bytes);
        self.hash = other.hash;
    }

    /// The number of what is shown.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, restarts: u32) -> Row {
        let json =
            format!(r#"{{"name":"{name}","namespace":"shop","phase":"Running","restarts":{restarts}}}"#);
        read(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_tab_that_took_the_changes_equals_one_that_took_the_list() {
        let mut index = Index::default();
        let mut shown = Shown::default();
        for (name, restarts) in [("a", 1), ("b", 1), ("a", 2), ("c", 7)] {
            let row = row(name, restarts);
            let number = index.number(row.key);
            shown.set(&index, number, row.bytes);
        }
        let gone = index.number(row("b", 1).key);
        assert!(shown.set(&index, gone, 0));
        assert_eq!(shown.hash(), hash([row("c", 7), row("a", 2)]));
        assert_ne!(shown.hash(), hash([row("c", 7), row("a", 1)]));
    }

    #[test]
    fn the_rows_of_a_list_are_cut_where_they_stand() {
        let text =
            br#"{"resourceVersion":"7","items":[{"name":"a","x":{"y":["}"]}},{"name":"b\"{"}],"more":1}"#;
        let cut: Vec<&[u8]> = items(text, "items").unwrap().collect();
        assert_eq!(cut, [&br#"{"name":"a","x":{"y":["}"]}}"#[..], br#"{"name":"b\"{"}"#]);
        assert_eq!(items(br#"{"items":[]}"#, "items").unwrap().count(), 0);
        assert!(items(text, "pods").is_none());
    }

    #[test]
    fn rows_are_told_apart_by_namespace_and_where_they_have_one_by_uid() {
        let of = |json: &str| read(json.as_bytes()).unwrap().key;
        assert_ne!(of(r#"{"name":"a","namespace":"x"}"#), of(r#"{"name":"a","namespace":"y"}"#));
        assert_ne!(of(r#"{"uid":"1","name":"a"}"#), of(r#"{"uid":"2","name":"a"}"#));
        assert_eq!(row("a", 9).stamp, Some(9));
        assert!(read(b"{}").is_err());
    }
}
