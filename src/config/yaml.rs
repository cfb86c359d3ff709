//! A YAML document as a tree that remembers its lines.
//!
//! The settings and the registry of clusters are read from this tree and not by serde's derive, since serde stops at the first
//! mistake and an operator wants them all. Only syntax errors (a duplicate key is one) stop the parser, which then names its line.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::mistake::cut;

/// A place in the document and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// 1-based; `None` where the value did not come from a file.
    pub line: Option<u32>,
    pub value: Value,
}

/// What can stand in a document. The setting says how a scalar's text is to be read, not YAML.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Scalar(String),
    /// What YAML takes for a number or a boolean, as it understood it: `1.10` has become `1.1`, and `0x10` `16`. A number that was
    /// written with a point or an exponent still has one.
    Understood(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map, with its own line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub line: Option<u32>,
    pub key: String,
    pub node: Node,
}

/// Why a document could not be parsed at all.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Syntax {
    pub line: Option<u32>,
    pub what: String,
}

/// Settings are three levels deep, and so are clusters; more than this is no such file, and would cost stack.
const MAX_DEPTH: usize = 16;

impl Node {
    /// A value that stands outside of any file.
    pub fn scalar(text: &str) -> Node {
        Node { line: None, value: Value::Scalar(text.to_owned()) }
    }

    pub fn parse(text: &str) -> Result<Node, Syntax> {
        let mut options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        if let Some(budget) = &mut options.budget {
            budget.max_depth = MAX_DEPTH;
        }
        serde_saphyr::from_str_with_options(text, options).map_err(|error| Syntax {
            line: error.location().and_then(|location| u32::try_from(location.line()).ok()),
            what: cut(&error.to_string()).into_owned(),
        })
    }

    /// The node at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == *first)?.node.at(rest)
    }
}

fn line(location: serde_saphyr::Location) -> Option<u32> {
    u32::try_from(location.line()).ok().filter(|line| *line > 0)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node { line: line(spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a map")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Understood(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Understood(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Understood(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Understood(format!("{value:?}")))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, node)) = pairs.next_entry::<Spanned<String>, Node>()? {
            map.push(Entry { line: line(key.referenced), key: key.value, node });
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_items_know_their_lines() {
        let root = Node::parse(
            "# a comment\nstreams:\n  perUser: 5\nwatch:\n  prewarm:\n    - a/pods\n    - b/pods\n",
        )
        .expect("valid");
        assert_eq!(root.at(&["streams", "perUser"]).and_then(|node| node.line), Some(3));
        let Some(Node { value: Value::List(items), .. }) = root.at(&["watch", "prewarm"]) else {
            panic!("a list")
        };
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [Some(6), Some(7)]);
        let Value::Map(entries) = &root.value else { panic!("a map") };
        assert_eq!(entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [Some(2), Some(4)]);
    }

    #[test]
    fn words_of_yaml_1_1_stay_words() {
        let root = Node::parse("kinds: off\nyes: no\n").expect("valid");
        assert_eq!(root.at(&["kinds"]).map(|node| &node.value), Some(&Value::Scalar("off".into())));
        assert_eq!(root.at(&["yes"]).map(|node| &node.value), Some(&Value::Scalar("no".into())));
    }

    #[test]
    fn numbers_and_booleans_are_told_from_text() {
        for (text, value) in [
            ("3", Value::Understood("3".into())),
            ("'3'", Value::Scalar("3".into())),
            ("-0x10", Value::Understood("-16".into())),
            ("1.0", Value::Understood("1.0".into())),
            ("1e3", Value::Understood("1000.0".into())),
            ("True", Value::Understood("true".into())),
            ("~", Value::Nothing),
        ] {
            assert_eq!(Node::parse(text).expect("valid").value, value, "{text}");
        }
    }

    #[test]
    fn syntax_errors_and_duplicates_name_their_line() {
        for (text, line) in [("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: 1\nb: 2\na: 3\n", 3), ("a: 1\n b: 2\n", 2)] {
            let error = Node::parse(text).expect_err("a syntax error");
            assert_eq!(error.line, Some(line), "{text:?}: {error}");
            assert!(!error.what.contains('\n'), "{error}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(Node::parse(&deep).is_err());
    }

    #[test]
    fn an_empty_document_is_nothing() {
        assert_eq!(Node::parse("").expect("valid").value, Value::Nothing);
        assert_eq!(Node::parse("# only a comment\n").expect("valid").value, Value::Nothing);
    }
}
