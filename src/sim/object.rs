//! One stored Kubernetes object: its JSON text, with the resourceVersion cut out.
//!
//! The version is kept beside the text, so that a write that changes nothing else (the DELETED event of an object)
//! shares the text's bytes. `kind` and `apiVersion` are not in the text either: a LIST's items have none, and what
//! needs them writes them in front.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::resource::Resource;

const RV_FIELD: &str = "\"resourceVersion\":\"";

/// The JSON text of one version of an object.
#[derive(Clone, Debug)]
pub struct Object {
    text: Bytes,
    rv_at: usize,
    /// The version.
    pub rv: u64,
}

/// Why a JSON value is no object of a resource.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAnObject {
    /// No `metadata` object.
    #[error("the object has no metadata")]
    NoMetadata,
    /// No `metadata.name`.
    #[error("the object has no metadata.name")]
    NoName,
    /// A namespaced resource without, or a cluster-scoped one with, `metadata.namespace`.
    #[error("metadata.namespace does not fit the scope of {0}")]
    Scope(&'static str),
}

impl Object {
    /// Takes text that holds `"resourceVersion":""` in its metadata, as every template does.
    pub fn from_text(mut text: String) -> Self {
        // Tens of thousands are kept; the slack of building them would be as much again.
        text.shrink_to_fit();
        let field = text.find(RV_FIELD).expect("templates have metadata.resourceVersion");
        Object { rv_at: field + RV_FIELD.len(), text: Bytes::from(text), rv: 0 }
    }

    /// Takes any object of the resource, and says under which key it is stored. A missing uid is made of `uid`, a
    /// missing creationTimestamp of `now`.
    pub fn from_json(
        resource: &Resource,
        mut value: Value,
        uid: &str,
        now: &str,
    ) -> Result<(String, Self), NotAnObject> {
        let object = value.as_object_mut().ok_or(NotAnObject::NoMetadata)?;
        object.remove("kind");
        object.remove("apiVersion");
        let Some(Value::Object(mut metadata)) = object.remove("metadata") else {
            return Err(NotAnObject::NoMetadata);
        };
        let key = key_of(resource, &metadata)?;
        metadata.insert("resourceVersion".to_owned(), Value::from(""));
        metadata.entry("uid").or_insert_with(|| Value::from(uid));
        metadata.entry("creationTimestamp").or_insert_with(|| Value::from(now));
        let mut text = String::from("{\"metadata\":{");
        push_first(
            &mut text,
            &mut metadata,
            &["name", "generateName", "namespace", "uid", "resourceVersion"],
        );
        push_fields(&mut text, metadata);
        text.push('}');
        if !object.is_empty() {
            text.push(',');
            push_fields(&mut text, std::mem::take(object));
        }
        text.push('}');
        Ok((key, Object::from_text(text)))
    }

    /// The same text at another version.
    pub fn at(&self, rv: u64) -> Self {
        Object { rv, ..self.clone() }
    }

    /// Appends the object as a LIST's item: without kind and apiVersion.
    pub fn write_item(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text[..self.rv_at]);
        out.extend_from_slice(self.rv.to_string().as_bytes());
        out.extend_from_slice(&self.text[self.rv_at..]);
    }

    /// Appends the object with kind and apiVersion in front.
    pub fn write_whole(&self, resource: &Resource, out: &mut Vec<u8>) {
        out.extend_from_slice(
            format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", resource.kind, resource.api_version())
                .as_bytes(),
        );
        out.extend_from_slice(&self.text[1..self.rv_at]);
        out.extend_from_slice(self.rv.to_string().as_bytes());
        out.extend_from_slice(&self.text[self.rv_at..]);
    }

    /// The object as a value, its resourceVersion included.
    pub fn value(&self) -> Value {
        let mut item = Vec::with_capacity(self.text.len() + 20);
        self.write_item(&mut item);
        serde_json::from_slice(&item).expect("stored text was made from JSON")
    }

    /// The length of the text in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }
}

/// The etcd key below the resource's prefix: `namespace/name`, or the name alone.
pub fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

fn key_of(resource: &Resource, metadata: &Map<String, Value>) -> Result<String, NotAnObject> {
    let text = |field| metadata.get(field).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    if name.is_empty() {
        return Err(NotAnObject::NoName);
    }
    if namespace.is_empty() == resource.namespaced {
        return Err(NotAnObject::Scope(resource.plural));
    }
    Ok(key(namespace, name))
}

fn push_first(text: &mut String, metadata: &mut Map<String, Value>, fields: &[&str]) {
    for field in fields {
        let Some(value) = metadata.remove(*field) else { continue };
        push_field(text, field, &value);
        text.push(',');
    }
    if metadata.is_empty() {
        text.pop();
    }
}

fn push_fields(text: &mut String, fields: Map<String, Value>) {
    for (index, (field, value)) in fields.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_field(text, &field, &value);
    }
}

fn push_field(text: &mut String, field: &str, value: &Value) {
    text.push_str(&Value::from(field).to_string());
    text.push(':');
    text.push_str(&value.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::resource::by_plural;
    use serde_json::json;

    #[test]
    fn a_written_object_keeps_its_fields_and_gets_a_version() {
        let pods = by_plural("pods").unwrap();
        let given = json!({"kind": "Pod", "apiVersion": "v1", "spec": {"nodeName": "n"},
            "metadata": {"annotations": {"a": "{\"resourceVersion\":\"7\"}"}, "name": "web", "namespace": "shop"}});
        let (key, object) = Object::from_json(pods, given, "u", "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(key, "shop/web");
        let mut line = Vec::new();
        object.at(12).write_whole(pods, &mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            concat!(
                r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","#,
                r#""resourceVersion":"12","annotations":{"a":"{\"resourceVersion\":\"7\"}"},"#,
                r#""creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"nodeName":"n"}}"#
            )
        );
    }

    #[test]
    fn scope_is_checked() {
        let nodes = by_plural("nodes").unwrap();
        let pods = by_plural("pods").unwrap();
        let with = json!({"metadata": {"name": "a", "namespace": "b"}});
        let without = json!({"metadata": {"name": "a"}});
        assert_eq!(Object::from_json(nodes, with, "", "").unwrap_err(), NotAnObject::Scope("nodes"));
        assert_eq!(Object::from_json(pods, without, "", "").unwrap_err(), NotAnObject::Scope("pods"));
    }
}
