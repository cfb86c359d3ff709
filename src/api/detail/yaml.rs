//! An object's YAML, without what hides it: `managedFields`, and the annotation that it was last applied from.

use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::wire::refusal::Refusal;

/// The annotation in which `kubectl apply` keeps what an object was last applied from.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) fn answer(body: &[u8]) -> Result<Response, Refusal> {
    let text = of(body).ok_or(Refusal::UpstreamFailed)?;
    let headers = [("content-type", "application/yaml; charset=utf-8"), ("cache-control", "no-store")];
    Ok((headers, text).into_response())
}

fn of(body: &[u8]) -> Option<String> {
    let mut object: Value = serde_json::from_slice(body).ok()?;
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("managedFields");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    serde_saphyr::to_string(&object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_as_what_it_was_without_what_hides_it() {
        let mut object = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web", "labels": {"on": "yes", "version": "1.10", "empty": "", "octal": "0755", "null": "null"},
                "annotations": {"note": "two\nlines: # and a hash\n", LAST_APPLIED: "{\"secret\":1}"},
                "managedFields": [{"manager": "kubectl"}],
                "creationTimestamp": "2026-05-01T12:00:00Z",
            },
            "spec": {"containers": [{"name": "main", "args": ["--x", "- y", "*z", "&a", "true", "1e3", "0x1f"], "env": []}], "priority": 0},
        });
        let text = of(object.to_string().as_bytes()).expect("YAML");
        object["metadata"].as_object_mut().expect("a map").remove("managedFields");
        object["metadata"]["annotations"].as_object_mut().expect("a map").remove(LAST_APPLIED);
        let back: Value = serde_saphyr::from_str(&text).expect("YAML");
        assert_eq!(back, object, "{text}");
        assert!(text.starts_with("apiVersion: v1\nkind: Pod\nmetadata:\n"), "{text}");
        // Others read YAML 1.1, where these words are truth values.
        assert!(!text.contains(": yes\n") && !text.contains("\n  on:"), "{text}");
    }

    #[test]
    fn annotations_that_were_nothing_else_are_gone() {
        let object = serde_json::json!({"metadata": {"name": "x", "annotations": {LAST_APPLIED: "{}"}}});
        assert_eq!(of(object.to_string().as_bytes()).as_deref(), Some("metadata:\n  name: x\n"));
    }
}
