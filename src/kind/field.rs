//! What the fields of Kubernetes objects decode to.
//!
//! The partial structs of the kinds are made of these. They borrow from the line wherever it holds the text unescaped,
//! and they take null wherever Go takes it: there, null is the zero value, just like a field that is absent (which is
//! why every partial struct has `#[serde(default)]`). Arrays may hold nulls too.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::json;
use super::time::Time;

/// A string; null is the empty one.
///
/// `Cow` by itself would be copied always: serde borrows only what implements [`Deserialize`] by borrowing.
#[derive(Clone, Debug, Default)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        text.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// A value for which null means its zero value. What Go declares as a pointer is an `Option` instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrZero<T>(pub T);

impl<T> Deref for OrZero<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for OrZero<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| OrZero(value.unwrap_or_default()))
    }
}

/// An array of structs.
pub type Items<T> = OrZero<Vec<OrZero<T>>>;

/// An array of strings.
pub type Texts<'a> = OrZero<Vec<Text<'a>>>;

/// An array of which only the length counts. It costs no memory.
pub type Counted = OrZero<Vec<IgnoredAny>>;

/// A map of strings, in the order of the line.
#[derive(Debug, Default)]
pub struct Pairs<'a>(pub Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of strings or null")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Pairs::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// Kubernetes' `IntOrString`; null is 0.
#[derive(Clone, Debug)]
pub enum IntOrText<'a> {
    /// A number.
    Int(i32),
    /// A string, which may hold digits too.
    Text(Text<'a>),
}

impl Default for IntOrText<'_> {
    fn default() -> Self {
        IntOrText::Int(0)
    }
}

impl IntOrText<'_> {
    /// The string, or the number in decimal.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            IntOrText::Int(number) => Cow::Owned(number.to_string()),
            IntOrText::Text(text) => Cow::Borrowed(text),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for IntOrText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntOrTextVisitor)
    }
}

struct IntOrTextVisitor;

impl<'de> Visitor<'de> for IntOrTextVisitor {
    type Value = IntOrText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a 32-bit number, a string or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(IntOrText::default())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        i32::try_from(number).map(IntOrText::Int).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        i32::try_from(number).map(IntOrText::Int).map_err(E::custom)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(IntOrText::Text(Text(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(IntOrText::Text(Text(Cow::Owned(text.to_owned()))))
    }
}

/// A quantity such as `10Gi`, as the apiserver writes it (which is always canonical); null is 0.
#[derive(Clone, Debug, Default)]
pub struct Quantity<'a>(Option<Text<'a>>);

impl Quantity<'_> {
    /// Its text; `None` where the field is absent.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Quantity<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::deserialize(deserializer)?;
        Ok(Quantity(Some(text.unwrap_or(Text(Cow::Borrowed("0"))))))
    }
}

/// What is not decoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Skipped)
    }
}

/// A field that is passed over like one that is not decoded, and can be read afterwards.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unread<'a>(&'a [u8]);

impl<'a> Unread<'a> {
    /// What it says; the zero value where it is absent, or is something else.
    #[must_use]
    pub fn read<T: Deserialize<'a> + Default>(self) -> T {
        json::from_slice(self.0).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Unread<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(json::UNREAD, UnreadVisitor)
    }
}

struct UnreadVisitor;

impl<'de> Visitor<'de> for UnreadVisitor {
    type Value = Unread<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_bytes<E: Error>(self, value: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Unread(value))
    }
}

/// An object's metadata. Labels and owner references are read only where somebody wants to know them, annotations are decoded only by kinds that name
/// a type for them; `managedFields`, often most of the object, never.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "A: Deserialize<'de> + Default"))]
pub struct Metadata<'a, A = Skipped> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub uid: Text<'a>,
    #[serde(borrow)]
    pub resource_version: Text<'a>,
    #[serde(borrow)]
    pub creation_timestamp: Time<'a>,
    #[serde(borrow)]
    pub deletion_timestamp: Option<Time<'a>>,
    #[serde(borrow)]
    pub labels: Unread<'a>,
    pub annotations: A,
    #[serde(borrow)]
    pub owner_references: Unread<'a>,
}

/// What names an object and its version, and what a full row shows of it.
pub struct Identity<'o> {
    pub namespace: &'o str,
    pub name: &'o str,
    pub resource_version: &'o str,
    pub uid: &'o str,
    pub labels: Unread<'o>,
    pub owner_references: Unread<'o>,
}

impl<A> Metadata<'_, A> {
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            namespace: &self.namespace,
            name: &self.name,
            resource_version: &self.resource_version,
            uid: &self.uid,
            labels: self.labels,
            owner_references: self.owner_references,
        }
    }
}

/// One entry of a status' conditions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
}

impl Condition<'_> {
    pub fn is_true(&self) -> bool {
        &*self.status == "True"
    }
}

/// A status' load balancer: where a Service or an Ingress is reached from outside.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadBalancer<'a> {
    #[serde(borrow)]
    pub ingress: Items<Point<'a>>,
}

/// One address of a load balancer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Point<'a> {
    #[serde(borrow)]
    pub ip: Text<'a>,
    #[serde(borrow)]
    pub hostname: Text<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_borrowed_wherever_the_line_holds_them_as_they_are() {
        let texts: Texts<'_> = serde_json::from_str(r#"["plain","\u003c",null]"#).unwrap();
        let borrowed: Vec<bool> = texts.iter().map(|text| matches!(text.0, Cow::Borrowed(_))).collect();
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        assert_eq!(texts, ["plain", "<", ""]);
        assert_eq!(borrowed[..2], [true, false]);

        let optional: Option<OrZero<Text<'_>>> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(optional.unwrap().0.0, Cow::Borrowed("plain")));
    }

    #[test]
    fn null_is_the_zero_value() {
        let items: Items<i32> = serde_json::from_str("[1,null]").unwrap();
        assert_eq!(items.iter().map(|item| **item).collect::<Vec<_>>(), [1, 0]);
        assert!(serde_json::from_str::<Items<i32>>("null").unwrap().is_empty());
        assert!(serde_json::from_str::<Pairs<'_>>("null").unwrap().0.is_empty());
        assert_eq!(serde_json::from_str::<IntOrText<'_>>("null").unwrap().text(), "0");
        assert_eq!(serde_json::from_str::<Quantity<'_>>("null").unwrap().text(), Some("0"));
        assert_eq!(Quantity::default().text(), None);
    }

    #[test]
    fn a_number_or_a_text() {
        let text =
            |json| serde_json::from_str::<IntOrText<'_>>(json).map(|value| value.text().into_owned()).ok();
        assert_eq!(text("-2147483648").as_deref(), Some("-2147483648"));
        assert_eq!(text(r#""50%""#).as_deref(), Some("50%"));
        assert_eq!(text(r#""\u003c""#).as_deref(), Some("<"));
        assert_eq!(text("2147483648"), None);
        assert_eq!(text("1.5"), None);
        assert_eq!(text("{}"), None);
    }
}
