//! The kubeconfig for simulated clusters: one context per cluster, the first is current.

use serde_json::json;

/// What a kubeconfig says of one cluster.
pub struct Entry {
    /// Its name; also the context's.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// The bearer token of its user, if it wants one.
    pub token: Option<String>,
}

/// The file's text. JSON is YAML, so no YAML writer is needed.
pub fn text(entries: &[Entry]) -> String {
    let clusters = entries.iter().map(|entry| json!({"name": entry.name, "cluster": {"server": entry.url}}));
    let users = entries.iter().map(|entry| {
        let user = entry.token.as_ref().map_or_else(|| json!({}), |token| json!({"token": token}));
        json!({"name": entry.name, "user": user})
    });
    let contexts = entries
        .iter()
        .map(|entry| json!({"name": entry.name, "context": {"cluster": entry.name, "user": entry.name}}));
    let file = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters.collect::<Vec<_>>(),
        "users": users.collect::<Vec<_>>(),
        "contexts": contexts.collect::<Vec<_>>(),
        "current-context": entries.first().map(|entry| &entry.name),
    });
    format!("{file:#}\n")
}
