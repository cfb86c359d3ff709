//! What kubectl asks before it asks for anything: versions, groups, resources, health.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::body::Body;
use super::resource::{RESOURCES, Resource};
use super::status::{json_response, text_response};

/// The Kubernetes version that the simulation says it is.
pub const GIT_VERSION: &str = "v1.36.2";

/// The answer, if the path is one of discovery.
pub fn answer(path: &str) -> Option<Response<Body>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let found = match parts.as_slice() {
        ["healthz" | "readyz" | "livez", ..] => return Some(text_response(StatusCode::OK, "ok")),
        ["version"] => version(),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => json!({"kind": "APIGroupList", "apiVersion": "v1",
            "groups": groups().into_iter().map(|(group, version)| group_value(group, version)).collect::<Vec<_>>()}),
        ["apis", group] => {
            let (group, version) = groups().into_iter().find(|(name, _)| name == group)?;
            let mut value = group_value(group, version);
            value["kind"] = "APIGroup".into();
            value["apiVersion"] = "v1".into();
            value
        }
        ["api", version] => resources("", version)?,
        ["apis", group, version] => resources(group, version)?,
        _ => return None,
    };
    Some(json_response(StatusCode::OK, &found))
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "foretop sim", "platform": "linux/amd64"})
}

fn groups() -> Vec<(&'static str, &'static str)> {
    let mut groups: Vec<_> = RESOURCES.iter().map(|resource| (resource.group, resource.version)).collect();
    groups.push(("authorization.k8s.io", "v1"));
    groups.push(("authentication.k8s.io", "v1"));
    groups.retain(|(group, _)| !group.is_empty());
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn group_value(group: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let mut listed: Vec<Value> = RESOURCES
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .map(resource_value)
        .collect();
    let review = |plural: &str, kind: &str| {
        json!({"name": plural, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind,
            "verbs": ["create"]})
    };
    match group {
        "authorization.k8s.io" => {
            listed.push(review("subjectaccessreviews", "SubjectAccessReview"));
            listed.push(review("selfsubjectaccessreviews", "SelfSubjectAccessReview"));
        }
        "authentication.k8s.io" => listed.push(review("selfsubjectreviews", "SelfSubjectReview")),
        _ => {}
    }
    if listed.is_empty() || version.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}),
    )
}

fn resource_value(resource: &Resource) -> Value {
    json!({"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": ["get", "list", "watch"], "shortNames": resource.short})
}
