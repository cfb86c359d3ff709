//! Whether Foretop's account has the rights that it needs in a cluster, as these settings have it work.

use http::HeaderMap;
use serde_json::json;

use super::{Finding, reach};
use crate::cluster::{CallError, Cluster};
use crate::config::{AccessUpstream, AuthorizationMode, Config};

/// The path at which an account asks about itself.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// A right, and what does not work without it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    /// `None`: Foretop does its work without it.
    need: Option<&'static str>,
}

/// Why an apiserver does not say whether there is a right.
#[derive(Debug, thiserror::Error)]
enum Unsaid {
    /// It is not reached.
    #[error(transparent)]
    Unreached(#[from] CallError),
    /// It answers something else.
    #[error("it answers {0}")]
    Refused(u16),
}

/// The rights that these settings need in each cluster.
fn needed(config: &Config) -> Vec<Right> {
    let mut rights = Vec::new();
    let mut need = |verb, group, resource, need| rights.push(Right { verb, group, resource, need });
    let pooled = config.access.upstream == AccessUpstream::Pooled;
    if pooled || config.authorization.mode == AuthorizationMode::Shared {
        for kind in &config.watch.kinds {
            let (group, plural) = (kind.api.group, kind.api.plural);
            need("list", group, plural, Some("its lists and streams are refused"));
            need("watch", group, plural, Some("its lists and streams are refused"));
            need("get", group, plural, None);
        }
    }
    if config.authorization.mode == AuthorizationMode::Shared {
        return rights;
    }
    if pooled {
        let need_of = Some("nobody's rights can be asked for, so nobody sees anything");
        need("create", "authorization.k8s.io", "subjectaccessreviews", need_of);
    } else {
        let need_of = Some("no user can be watched for");
        need("impersonate", "", "users", need_of);
        need("impersonate", "", "groups", need_of);
    }
    if config.access.watch_rbac {
        for resource in ["roles", "rolebindings", "clusterroles", "clusterrolebindings"] {
            for verb in ["list", "watch"] {
                let need_of = Some("`access.watchRbac` cannot follow what changes");
                need(verb, "rbac.authorization.k8s.io", resource, need_of);
            }
        }
    }
    rights
}

pub(super) async fn check(cluster: &Cluster, config: &Config) -> Vec<Finding> {
    let rights = needed(config);
    let mut missing: Vec<(&Right, &str)> = Vec::new();
    let mut lesser: Vec<&str> = Vec::new();
    for right in &rights {
        match has(cluster, right).await {
            Ok(true) => {}
            Ok(false) => match right.need {
                Some(need) => missing.push((right, need)),
                None => lesser.push(right.resource),
            },
            Err(Unsaid::Refused(401)) => return vec![reach::refused()],
            Err(why) => {
                let fix = "every authenticated account may ask about itself (ClusterRole system:basic-user): look at the apiserver's authorization";
                return vec![
                    Finding::broken(format!("it does not say what this account may do: {why}"), fix)
                        .by("rights"),
                ];
            }
        }
    }
    let mut findings = told(&missing);
    if !lesser.is_empty() {
        let what = format!("details of single objects cannot be read: no right to get {}", lesser.join(", "));
        findings.push(Finding::doubtful(what, "grant get beside list and watch (deploy/rbac/pooled.yaml)"));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(format!("all {} rights that these settings need", rights.len())));
    }
    findings.into_iter().map(|finding| finding.by("rights")).collect()
}

/// A finding per resource.
fn told(missing: &[(&Right, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for chunk in missing.chunk_by(|(a, _), (b, _)| (a.group, a.resource) == (b.group, b.resource)) {
        let Some((first, need)) = chunk.first() else { continue };
        let verbs: Vec<&str> = chunk.iter().map(|(right, _)| right.verb).collect();
        let (verbs, group, resource) = (verbs.join(" and "), first.group, first.resource);
        let file = if first.verb == "impersonate" { "impersonate" } else { "pooled" };
        let what = format!("no right to {verbs} {resource}: {need}");
        let rule = format!(
            "{{apiGroups: [\"{group}\"], resources: [{resource}], verbs: [{}]}}",
            verbs.replace(" and ", ", ")
        );
        findings.push(Finding::broken(
            what,
            format!(
                "grant this account {rule} (deploy/rbac/{file}.yaml), or leave the kind out of `watch.kinds`"
            ),
        ));
    }
    findings
}

async fn has(cluster: &Cluster, right: &Right) -> Result<bool, Unsaid> {
    let attributes = json!({"verb": right.verb, "group": right.group, "resource": right.resource});
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes},
    });
    let answer = cluster.post_json(REVIEWS, HeaderMap::new(), review.to_string().into()).await;
    let answer = answer?;
    let said = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
    let allowed = said.as_ref().and_then(|said| said["status"]["allowed"].as_bool());
    match (answer.status, allowed) {
        (201, Some(allowed)) => Ok(allowed),
        (status, _) => Err(Unsaid::Refused(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_needs_what_it_uses_and_no_more() {
        let mut config = Config::default();
        config.authorization.mode = AuthorizationMode::Raw;
        let has = |config: &Config, verb: &str, resource: &str| {
            needed(config).iter().any(|right| right.verb == verb && right.resource == resource)
        };
        assert!(has(&config, "list", "pods") && has(&config, "create", "subjectaccessreviews"));
        assert!(!has(&config, "impersonate", "users") && !has(&config, "list", "roles"));
        config.access.upstream = AccessUpstream::Impersonate;
        config.access.watch_rbac = true;
        assert!(has(&config, "impersonate", "groups") && has(&config, "watch", "roles"));
        assert!(!has(&config, "list", "pods") && !has(&config, "create", "subjectaccessreviews"));
        config.authorization.mode = AuthorizationMode::Shared;
        assert!(has(&config, "list", "pods") && !has(&config, "impersonate", "users"));
    }
}
