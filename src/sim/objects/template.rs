//! JSON templates: text with slots, compiled once, filled per object.
//!
//! `{{name}}` inside a string is replaced by text, `"{{#name}}"` is replaced, quotes and all, by a JSON value. Values
//! are put in as they are: they are the simulation's own words and need no escaping. The marker `"@managed"` becomes
//! managedFields that fit the template's own structure, `"@lastApplied"` becomes kubectl's annotation.

use serde_json::{Map, Value, json};

/// A compiled template.
pub struct Template {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Slot(String),
}

/// Who wrote which part of an object, as managedFields tell it.
#[derive(Clone, Copy)]
pub enum Manager {
    /// Wrote metadata and spec at `{{created}}`.
    Spec(&'static str),
    /// Wrote the status at `{{changed}}`.
    Status(&'static str),
}

impl Template {
    /// Compiles the JSON text of an object of this kind.
    pub fn new(kind: &str, api_version: &str, text: &str, managers: &[Manager]) -> Self {
        let text = minified(text);
        let value: Value = serde_json::from_str(&text).expect("templates are JSON");
        let text = text.replace("\"@lastApplied\"", &last_applied(kind, api_version, &text, &value));
        let managed: Vec<Value> =
            managers.iter().map(|manager| managed(*manager, api_version, &value)).collect();
        let text = text.replace("\"@managed\"", &Value::from(managed).to_string());
        Template { pieces: pieces(&text) }
    }

    /// Fills the slots.
    pub fn fill(&self, fields: &[(&str, &str)]) -> String {
        let mut text = String::with_capacity(self.pieces.len() * 128);
        for piece in &self.pieces {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Slot(slot) => {
                    let field = fields.iter().find(|(name, _)| name == slot);
                    text.push_str(field.unwrap_or_else(|| panic!("the template's slot {slot} is filled")).1);
                }
            }
        }
        text
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (before, slot) = rest.split_at(at);
        let (name, after) = slot[2..].split_once("}}").expect("slots are closed");
        if let Some(name) = name.strip_prefix('#') {
            pieces.push(Piece::Text(before.strip_suffix('"').expect("value slots are quoted").to_owned()));
            pieces.push(Piece::Slot(name.to_owned()));
            rest = after.strip_prefix('"').expect("value slots are quoted");
        } else {
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Slot(name.to_owned()));
            rest = after;
        }
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}

/// The text without white space between its tokens; its order stays.
fn minified(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        if quoted || !character.is_ascii_whitespace() {
            out.push(character);
        }
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    out
}

fn last_applied(kind: &str, api_version: &str, text: &str, value: &Value) -> String {
    if !text.contains("\"@lastApplied\"") {
        return String::new();
    }
    let mut applied = value.as_object().cloned().unwrap_or_default();
    applied.remove("status");
    applied.insert("kind".to_owned(), kind.into());
    applied.insert("apiVersion".to_owned(), api_version.into());
    let metadata = &value["metadata"];
    let mut kept = Map::from_iter([("annotations".to_owned(), json!({}))]);
    for field in ["labels", "name", "namespace"] {
        if let Some(value) = metadata.get(field) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    applied.insert("metadata".to_owned(), kept.into());
    Value::from(unquoted(&format!("{}\n", Value::from(applied)))).to_string()
}

/// Turns value slots into bare text slots, which a string can hold.
fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, slot)) = rest.split_once("\"{{#") {
        let (name, after) = slot.split_once("}}\"").expect("value slots are quoted");
        out.push_str(before);
        out.push_str("{{");
        out.push_str(name);
        out.push_str("}}");
        rest = after;
    }
    out.push_str(rest);
    out
}

fn managed(manager: Manager, api_version: &str, object: &Value) -> Value {
    let (name, time, fields) = match manager {
        Manager::Spec(name) => (name, "{{created}}", spec_fields(object)),
        Manager::Status(name) => (name, "{{changed}}", json!({"f:status": fields(&object["status"])})),
    };
    let mut entry = json!({"manager": name, "operation": "Update", "apiVersion": api_version, "time": time,
        "fieldsType": "FieldsV1", "fieldsV1": fields});
    if matches!(manager, Manager::Status(_)) {
        entry["subresource"] = "status".into();
    }
    entry
}

fn spec_fields(object: &Value) -> Value {
    let mut owned = Map::new();
    let metadata = &object["metadata"];
    let mut meta = Map::new();
    for field in ["annotations", "generateName", "labels", "ownerReferences"] {
        if let Some(value) = metadata.get(field) {
            meta.insert(format!("f:{field}"), fields(value));
        }
    }
    if !meta.is_empty() {
        owned.insert("f:metadata".to_owned(), meta.into());
    }
    for (field, value) in object.as_object().into_iter().flatten() {
        if field != "metadata" && field != "status" {
            owned.insert(format!("f:{field}"), fields(value));
        }
    }
    owned.into()
}

fn fields(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let nested = map.iter().map(|(field, value)| (format!("f:{field}"), fields(value)));
            let mut nested: Map<String, Value> = nested.collect();
            nested.insert(".".to_owned(), json!({}));
            nested.into()
        }
        Value::Array(items) => {
            let keyed = items.iter().map(|item| Some((item_key(item)?, fields(item))));
            keyed.collect::<Option<Map<String, Value>>>().map_or_else(|| json!({}), Value::from)
        }
        _ => json!({}),
    }
}

/// How an item of an associative list is named, such as `k:{"name":"main"}`; `None` in any other list.
fn item_key(item: &Value) -> Option<String> {
    let of = |names: &[&str]| {
        let found = names.iter().map(|name| Some(((*name).to_owned(), item.get(name)?.clone())));
        found.collect::<Option<Map<String, Value>>>()
    };
    let key = of(&["containerPort", "protocol"])
        .or_else(|| of(&["port", "protocol"]))
        .or_else(|| of(&["mountPath"]))
        .or_else(|| of(&["uid"]))
        .or_else(|| of(&["ip"]))
        .or_else(|| of(&["type"]).filter(|_| item.get("status").is_some() || item.get("address").is_some()))
        .or_else(|| of(&["name"]))?;
    Some(format!("k:{}", Value::from(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_in_strings_and_as_values() {
        let text = r#"{ "metadata": {"name": "{{name}}", "annotations": {"a": "@lastApplied"}, "managedFields": "@managed"},
            "spec": {"replicas": "{{#replicas}}", "note": "a \" b"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]} }"#;
        let template = Template::new("Thing", "v1", text, &[Manager::Spec("me"), Manager::Status("you")]);
        let filled = template.fill(&[("name", "x"), ("replicas", "3"), ("created", "C"), ("changed", "D")]);
        assert!(filled.starts_with(r#"{"metadata":{"name":"x","annotations""#), "{filled}");
        let value: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(value["spec"], json!({"replicas": 3, "note": "a \" b"}));
        let managed = &value["metadata"]["managedFields"];
        assert_eq!(managed[0]["fieldsV1"]["f:spec"], json!({".": {}, "f:replicas": {}, "f:note": {}}));
        let condition = r#"k:{"type":"Ready"}"#;
        let ready = json!({".": {}, "f:type": {}, "f:status": {}});
        assert_eq!(managed[1]["fieldsV1"]["f:status"]["f:conditions"][condition], ready);
        let applied = value["metadata"]["annotations"]["a"].as_str().unwrap();
        let applied: Value = serde_json::from_str(applied).unwrap();
        assert_eq!(applied["spec"]["replicas"], 3);
        assert_eq!(applied["metadata"]["name"], "x");
    }
}
