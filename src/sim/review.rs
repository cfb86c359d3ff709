//! Access reviews: who may do what, asked over HTTP.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::access::{Identity, Question};
use super::body::Body;
use super::status::{Refusal, json_response};
use super::world::World;

/// The sorts of review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// `SubjectAccessReview`: about the user in the body.
    Subject,
    /// `SelfSubjectAccessReview`: about whoever asks.
    Own,
    /// `SelfSubjectReview`: who asks.
    WhoAmI,
}

impl Review {
    /// The review at a path, and the resource under which it is counted.
    pub fn at(path: &str) -> Option<(Self, &'static str)> {
        match path {
            "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
                Some((Review::Subject, "subjectaccessreviews"))
            }
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
                Some((Review::Own, "selfsubjectaccessreviews"))
            }
            "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
                Some((Review::WhoAmI, "selfsubjectreviews"))
            }
            _ => None,
        }
    }

    /// The answer to a review's body. `who` asks; `None` is the administrator.
    pub fn answer(
        self,
        world: &World,
        who: Option<Identity>,
        body: &[u8],
    ) -> Result<Response<Body>, Refusal> {
        let mut review: Value =
            serde_json::from_slice(body).map_err(|_| Refusal::bad_request("the body is not JSON"))?;
        if !review.is_object() {
            return Err(Refusal::bad_request("the body is no review"));
        }
        review["status"] = match self {
            Review::Subject => access(world, Some(&subject(&review["spec"])), &review["spec"]),
            Review::Own => access(world, who.as_ref(), &review["spec"]),
            Review::WhoAmI => {
                let who = who.unwrap_or_else(administrator);
                json!({"userInfo": {"username": who.user, "groups": who.groups}})
            }
        };
        Ok(json_response(StatusCode::CREATED, &review))
    }
}

fn administrator() -> Identity {
    Identity { user: "sim-admin".to_owned(), groups: vec!["system:masters".to_owned()] }
}

fn subject(spec: &Value) -> Identity {
    let groups = spec["groups"].as_array().into_iter().flatten();
    Identity {
        user: text(&spec["user"]).to_owned(),
        groups: groups.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

fn access(world: &World, who: Option<&Identity>, spec: &Value) -> Value {
    let asked = &spec["resourceAttributes"];
    let question = Question {
        verb: text(&asked["verb"]),
        group: text(&asked["group"]),
        resource: text(&asked["resource"]),
        subresource: text(&asked["subresource"]),
        namespace: text(&asked["namespace"]),
        name: text(&asked["name"]),
    };
    if who.is_none_or(|who| world.allows(who, &question)) {
        json!({"allowed": true, "reason": "allowed by the simulation"})
    } else {
        json!({"allowed": false})
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
