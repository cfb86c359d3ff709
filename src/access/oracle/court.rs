//! Who answers reviews in a play: the simulated authorizer, checked against the law for every answer, some time after it was asked, and now
//! and then not at all.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use http::HeaderMap;
use serde_json::{Value, json};

use super::law::{Law, Write, allow};
use crate::access::authorizer::{Answering, Authorizer};
use crate::access::clock;
use crate::cluster::{Answer, CallError};
use crate::feed::KubeUser;
use crate::sim::Cluster;

/// How it fails.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    Unreached,
    Busy,
    Unclear,
}

/// The law, the simulated authorizer that obeys it, and how it fails just now.
pub struct Court {
    sim: Cluster,
    state: Mutex<State>,
}

pub struct State {
    pub law: Law,
    pub failure: Option<Failure>,
    /// Reviews answered.
    pub answered: u64,
    random: Rng,
}

impl Court {
    /// Without law, before this cluster.
    pub fn new(sim: Cluster, random: Rng) -> Self {
        Court { sim, state: Mutex::new(State { law: Law::default(), failure: None, answered: 0, random }) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }

    /// From now on it counts.
    pub fn obey(&self, write: Write) {
        let plural = ["roles", "clusterroles", "rolebindings", "clusterrolebindings"][write.part()];
        let (namespace, name) = write.place();
        if write.is_there() {
            self.sim.put(plural, write.json(0)).expect("an object of the simulation");
        } else {
            // There may be none of this name.
            let _ = self.sim.delete(plural, namespace.unwrap_or_default(), name);
        }
        self.state().law.write(write);
    }

    fn answer(&self, review: &[u8]) -> Result<Answer, CallError> {
        let failure = self.state().failure;
        let (status, body) = match failure {
            None => (201, json!({"kind": "SubjectAccessReview", "status": {"allowed": self.judge(review)}})),
            Some(Failure::Unclear) => {
                (201, json!({"status": {"allowed": true, "evaluationError": "a webhook"}}))
            }
            Some(Failure::Busy) => (503, json!({"kind": "Status"})),
            Some(Failure::Unreached) => return Err(CallError::Unreachable("nobody there".into())),
        };
        let retry_after = (status == 503).then_some(Duration::from_secs(1));
        Ok(Answer { status, retry_after, body: body.to_string().into() })
    }

    fn judge(&self, review: &[u8]) -> bool {
        let review: Value = serde_json::from_slice(review).expect("a review is JSON");
        let (spec, asked) = (&review["spec"], &review["spec"]["resourceAttributes"]);
        let text = |value: &'_ Value| value.as_str().expect("a text").to_owned();
        let mut groups: Vec<String> = spec["groups"].as_array().expect("groups").iter().map(text).collect();
        let (user, verb, namespace) = (text(&spec["user"]), text(&asked["verb"]), text(&asked["namespace"]));
        let resource = (text(&asked["group"]), text(&asked["resource"]));
        let named: Vec<&str> = groups.iter().map(String::as_str).collect();
        let simulated = self.sim.may(&user, &named, &verb, &resource.1, &namespace).expect("a resource");
        assert_eq!(
            groups.pop().as_deref(),
            Some("system:authenticated"),
            "it is asked about everyone's rights too"
        );
        let who = KubeUser { name: user.into(), groups: groups.into_iter().map(Into::into).collect() };
        let mut state = self.state();
        state.answered += 1;
        let at = (!namespace.is_empty()).then_some(&*namespace);
        let allowed = allow(&state.law.rules_of(&who), &verb, (&resource.0, &resource.1), at);
        assert_eq!(simulated, allowed, "the simulation judges otherwise: {review}");
        allowed
    }
}

impl Authorizer for Court {
    fn review<'a>(
        &'a self,
        _cluster: &'a str,
        path: &'static str,
        _headers: HeaderMap,
        review: bytes::Bytes,
    ) -> Answering<'a> {
        assert!(path.ends_with("/subjectaccessreviews"), "{path}");
        let ms = |most| Duration::from_millis(self.state().random.u64(1..most));
        let (there, back) = (ms(8), ms(8));
        Box::pin(async move {
            clock::sleep(there).await;
            let answer = self.answer(&review);
            clock::sleep(back).await;
            answer
        })
    }
}
