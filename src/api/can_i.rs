//! `POST /api/clusters/{cluster}/can-i`: what the user may do, for the buttons of a page (the contract's 1.6).

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::in_path::InPath;
use super::{Api, Asker, json, refuse, wants_json};
use crate::access::{Answer, Check, Checked, CheckedWhere};
use crate::wire::refusal::Refusal;

/// Checks of one request.
const MOST: usize = 64;

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    checks: Option<Vec<AskedCheck>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AskedCheck {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

impl AskedCheck {
    fn into_check(self) -> CheckedWhere {
        let AskedCheck { verb, group, resource, subresource, namespace, name } = self;
        let namespace = (!namespace.is_empty()).then(|| namespace.into());
        (Arc::new(Check { verb, group, resource, subresource, name }), namespace)
    }
}

#[derive(Serialize)]
struct Answers {
    results: Vec<Outcome>,
}

/// Whether, and if not, why, as a code.
#[derive(Serialize)]
pub(super) struct Outcome {
    allowed: bool,
    reason: &'static str,
}

impl Outcome {
    /// What an answer comes to: whatever is not said is not allowed.
    pub(super) fn of(checked: &Checked) -> Self {
        match &checked.answer {
            Answer::Allowed => Outcome { allowed: true, reason: "" },
            Answer::Denied => Outcome { allowed: false, reason: "denied" },
            Answer::Unsaid(why) => Outcome { allowed: false, reason: why.code() },
        }
    }
}

pub(super) async fn can_i(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    InPath(cluster): InPath<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match answers(&api, &asker, cluster.into(), &body).await {
        Ok(answers) => json(&answers),
        Err(why) => refuse(why, wants_json(&headers)),
    }
}

async fn answers(api: &Api, asker: &Asker, cluster: Arc<str>, body: &[u8]) -> Result<Answers, Refusal> {
    let kube_user = api.asks_as(asker, &cluster)?;
    let body: Asked = serde_json::from_slice(body).map_err(|_| Refusal::BadChecks)?;
    let checks = body.checks.unwrap_or_default();
    if checks.len() > MOST {
        return Err(Refusal::TooManyChecks);
    }
    let checks: Vec<CheckedWhere> = checks.into_iter().map(AskedCheck::into_check).collect();
    let checked = api.access.check(&cluster, &kube_user, &checks, false).await;
    Ok(Answers { results: checked.iter().map(Outcome::of).collect() })
}
