//! What an apiserver is asked about a user, and what it says: `SubjectAccessReview`s, read strictly.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::authorizer::Authorizer;
use super::clock;
use crate::cluster::{CallError, impersonating};
use crate::config::AccessUpstream;
use crate::feed::KubeUser;
use crate::kind::Kind;

/// The path that reviews are created at.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// The same about Foretop's own account.
const OWN_REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// The group that every user is in, which an apiserver adds by itself only to those who speak to it.
const EVERYONE: &str = "system:authenticated";

/// Time for one review, with whatever the apiserver makes us wait.
const TIME: Duration = Duration::from_secs(15);

/// The rights that a stream needs.
const VERBS: [&str; 2] = ["list", "watch"];

/// May this user do this?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Who. One without a name is Foretop's own account.
    pub user: Arc<KubeUser>,
    /// What.
    pub what: What,
    /// Where; `None`: in the whole cluster.
    pub namespace: Option<Arc<str>>,
}

/// What somebody may do, or may not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// List and watch a kind.
    Rows(&'static Kind),
    /// One thing that they ask about themselves.
    Check(Arc<Check>),
}

/// One thing that somebody might do, wherever the question says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Check {
    /// Such as `delete`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural.
    pub resource: String,
    /// Such as `log`; empty for none.
    pub subresource: String,
    /// The object; empty for any.
    pub name: String,
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
    /// Asks for one right after the other, about the user or, where watches are the user's too, as the user. `count` is called before
    /// each review but the first.
    pub async fn ask(
        &self,
        authorizer: &dyn Authorizer,
        cluster: &str,
        upstream: AccessUpstream,
        count: impl Fn(),
    ) -> Answer {
        let as_user = upstream == AccessUpstream::Impersonate && !self.is_own();
        let headers = if as_user { impersonating(&self.user) } else { Ok(HeaderMap::new()) };
        // Nobody can be impersonated by a name that no header can hold.
        let Ok(headers) = headers else { return Answer::Denied };
        for (number, attributes) in self.attributes().into_iter().enumerate() {
            if number > 0 {
                count();
            }
            let (path, review) = self.review(&attributes, as_user);
            let call = authorizer.review(cluster, path, headers.clone(), review);
            let answered = match clock::within(TIME, call).await {
                Some(answered) => answered,
                None => Err(CallError::TimedOut { what: "the access review", limit: TIME }),
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

    /// What reviews are about, in their order.
    fn attributes(&self) -> Vec<Value> {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        match &self.what {
            What::Rows(kind) => VERBS
                .map(|verb| {
                    let (group, version, resource) = (kind.api.group, kind.api.version, kind.api.plural);
                    json!({
                        "verb": verb, "group": group, "version": version, "resource": resource, "namespace": namespace
                    })
                })
                .into(),
            What::Check(check) => vec![json!({
                "verb": check.verb, "group": check.group, "resource": check.resource,
                "subresource": check.subresource, "namespace": namespace, "name": check.name,
            })],
        }
    }

    /// Whether it is about Foretop's own account, which has no name here.
    fn is_own(&self) -> bool {
        self.user.name.is_empty()
    }

    fn review(&self, attributes: &Value, as_user: bool) -> (&'static str, Bytes) {
        let api = "authorization.k8s.io/v1";
        if as_user || self.is_own() {
            let spec = json!({"resourceAttributes": attributes});
            let review = json!({"apiVersion": api, "kind": "SelfSubjectAccessReview", "spec": spec});
            return (OWN_REVIEWS, review.to_string().into());
        }
        let groups: Vec<&str> = self.user.groups.iter().map(|group| &**group).chain([EVERYONE]).collect();
        let spec = json!({"user": self.user.name, "groups": groups, "resourceAttributes": attributes});
        let review = json!({"apiVersion": api, "kind": "SubjectAccessReview", "spec": spec});
        (REVIEWS, review.to_string().into())
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
        let question =
            Question { user: Arc::new(user), what: What::Rows(kind), namespace: Some("team-a".into()) };
        let review = |question: &Question, number: usize| -> serde_json::Value {
            let (path, review) = question.review(&question.attributes().swap_remove(number), false);
            assert_eq!(path, REVIEWS);
            serde_json::from_slice(&review).expect("JSON")
        };
        let review_of_watch = review(&question, 1);
        let expected = json!({
            "user": "ann \"x\"",
            "groups": ["p:web", "system:authenticated"],
            "resourceAttributes":
                {"verb": "watch", "group": "", "version": "v1", "resource": "persistentvolumeclaims", "namespace": "team-a"},
        });
        assert_eq!(review_of_watch["spec"], expected);
        let everywhere = Question { namespace: None, ..question };
        assert_eq!(review(&everywhere, 0)["spec"]["resourceAttributes"]["namespace"], "");
    }

    #[test]
    fn a_check_of_foretops_own_account_names_nobody() {
        let check = Check {
            verb: "get".into(),
            resource: "pods".into(),
            subresource: "log".into(),
            ..Check::default()
        };
        let nobody = KubeUser { name: "".into(), groups: Box::default() };
        let question =
            Question { user: Arc::new(nobody), what: What::Check(Arc::new(check)), namespace: None };
        let (path, review) = question.review(&question.attributes().swap_remove(0), false);
        let review: serde_json::Value = serde_json::from_slice(&review).expect("JSON");
        assert_eq!((path, &review["kind"]), (OWN_REVIEWS, &"SelfSubjectAccessReview".into()));
        let attributes = json!({"verb": "get", "group": "", "resource": "pods", "subresource": "log", "namespace": "", "name": ""});
        assert_eq!(review["spec"], json!({"resourceAttributes": attributes}));
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
