//! What an apiserver is asked about a user, and what it says: `SubjectAccessReview`s, read strictly.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use crate::cluster::{CallError, Cluster};
use crate::feed::KubeUser;
use crate::kind::Kind;

/// The path that reviews are created at.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// The group that every user is in, which an apiserver adds by itself only to those who speak to it.
const EVERYONE: &str = "system:authenticated";

/// Time for one review, with whatever the apiserver makes us wait.
const TIME: Duration = Duration::from_secs(15);

/// The rights that a stream needs.
const VERBS: [&str; 2] = ["list", "watch"];

/// May this user list and watch this?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Who.
    pub user: Arc<KubeUser>,
    /// The kind.
    pub kind: &'static Kind,
    /// Where; `None`: in the whole cluster.
    pub namespace: Option<Arc<str>>,
}

/// What is known after a question was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// They may do both.
    Allowed,
    /// They may not do one of them.
    Denied,
    /// It was not said.
    Unsaid(Unsaid),
}

/// Why something was not said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// The apiserver is not reached.
    #[error(transparent)]
    Unreached(#[from] CallError),
    /// It answers something else.
    #[error("the apiserver answers an access review with {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it asks to wait.
        retry_after: Option<Duration>,
    },
    /// It says that it could not find out, or contradicts itself, or what it says is no review.
    #[error("the apiserver's access review says nothing clear")]
    Unclear,
}

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    allowed: bool,
    #[serde(default)]
    denied: bool,
    #[serde(default)]
    evaluation_error: String,
}

impl Question {
    /// Asks for one right after the other. `count` is called before each review but the first.
    pub async fn ask(&self, cluster: &Cluster, count: impl Fn()) -> Answer {
        for (number, verb) in VERBS.into_iter().enumerate() {
            if number > 0 {
                count();
            }
            let call = cluster.post_json(REVIEWS, HeaderMap::new(), self.review(verb));
            let answered = match tokio::time::timeout(TIME, call).await {
                Ok(answered) => answered,
                Err(_) => Err(CallError::TimedOut { what: "the access review", limit: TIME }),
            };
            let said = answered.map_err(Unsaid::from).and_then(|answer| match answer.status {
                201 => read(&answer.body),
                status => Err(Unsaid::Refused { status, retry_after: answer.retry_after }),
            });
            match said {
                Ok(true) => {}
                Ok(false) => return Answer::Denied,
                Err(unsaid) => return Answer::Unsaid(unsaid),
            }
        }
        Answer::Allowed
    }

    fn review(&self, verb: &str) -> Bytes {
        let groups: Vec<&str> = self.user.groups.iter().map(|group| &**group).chain([EVERYONE]).collect();
        let api = &self.kind.api;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": self.user.name,
                "groups": groups,
                "resourceAttributes": {
                    "verb": verb,
                    "group": api.group,
                    "version": api.version,
                    "resource": api.plural,
                    "namespace": self.namespace.as_deref().unwrap_or_default(),
                },
            },
        });
        review.to_string().into()
    }
}

/// Whether a review allows.
fn read(body: &[u8]) -> Result<bool, Unsaid> {
    let Review { status } = serde_json::from_slice(body).map_err(|_| Unsaid::Unclear)?;
    let clear = status.evaluation_error.is_empty() && !(status.allowed && status.denied);
    if clear { Ok(status.allowed) } else { Err(Unsaid::Unclear) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_asks_for_the_user_everyone_is_in_mind() {
        let user = KubeUser { name: "ann \"x\"".into(), groups: ["p:web".into()].into() };
        let kind = crate::kind::by_name("pvcs").expect("a kind");
        let question = Question { user: Arc::new(user), kind, namespace: Some("team-a".into()) };
        let review: serde_json::Value = serde_json::from_slice(&question.review("watch")).expect("JSON");
        let expected = json!({
            "user": "ann \"x\"",
            "groups": ["p:web", "system:authenticated"],
            "resourceAttributes":
                {"verb": "watch", "group": "", "version": "v1", "resource": "persistentvolumeclaims", "namespace": "team-a"},
        });
        assert_eq!(review["spec"], expected);
        let everywhere = Question { namespace: None, ..question };
        let review: serde_json::Value = serde_json::from_slice(&everywhere.review("list")).expect("JSON");
        assert_eq!(review["spec"]["resourceAttributes"]["namespace"], "");
    }

    #[test]
    fn only_a_clear_word_counts() {
        let status =
            |status: &str| read(format!(r#"{{"kind":"SubjectAccessReview","status":{status}}}"#).as_bytes());
        assert_eq!(status(r#"{"allowed":true}"#), Ok(true));
        assert_eq!(status(r#"{"allowed":true,"reason":"RBAC: …"}"#), Ok(true));
        assert_eq!(status(r#"{"allowed":false}"#), Ok(false));
        assert_eq!(status(r#"{"allowed":false,"denied":true}"#), Ok(false));
        for unclear in [
            r#"{"allowed":true,"denied":true}"#,
            r#"{"allowed":false,"evaluationError":"webhook"}"#,
            r#"{"allowed":true,"evaluationError":"webhook"}"#,
            r#"{"allowed":"true"}"#,
            r#"{"denied":false}"#,
            "{}",
            "null",
        ] {
            assert_eq!(status(unclear), Err(Unsaid::Unclear), "{unclear}");
        }
        assert_eq!(read(b"Too many requests, please try again later."), Err(Unsaid::Unclear));
        assert_eq!(read(b""), Err(Unsaid::Unclear));
    }
}
