//! `GET /api/access/explain`: why somebody sees what they see, for admins.
//!
//! Asks the cluster now, besides telling what is decided: where the two differ, the clock has not come round yet. Of another user nobody but that user's
//! sign-in knows the groups, so the admin says them: `user=ann&group=web&group=ops`, and `email=` where tenants go by it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use super::can_i::Outcome;
use super::{Api, Asker, json, refuse, wants_json};
use crate::access::{self, Answer, Check, Checked, GrantKey, Ruling, Wanted};
use crate::feed::{Namespaces, Scope};
use crate::identity::Identity;
use crate::kind::{self, Kind};
use crate::wire::refusal::Refusal;

/// What is to be explained.
struct Subject {
    cluster: Arc<str>,
    kind: &'static Kind,
    namespace: Option<Arc<str>>,
    who: Identity,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    cluster: String,
    kind: &'static str,
    /// Empty for all.
    namespace: String,
    subject: String,
    groups: Vec<Box<str>>,
    /// Nobody's: no rule names them, and there is no cluster for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// As whom the cluster is asked. Nobody: the mapping refuses them.
    #[serde(skip_serializing_if = "Option::is_none")]
    asks_as: Option<AsksAs>,
    /// What is decided at present, if a stream or list of theirs depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    /// What the cluster says when it is asked now.
    now: Vec<Said>,
    advice: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AsksAs {
    /// Foretop's own account.
    own_account: bool,
    user: Box<str>,
    groups: Box<[Box<str>]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    ruling: &'static str,
    /// `*` for all.
    namespaces: Vec<String>,
    age_ms: u64,
    asked_again_in_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    verb: &'static str,
    #[serde(flatten)]
    outcome: Outcome,
}

pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    match subject(&api, &asker.identity, &query) {
        Ok(subject) => json(&explained(&api, subject).await),
        Err(why) => refuse(why, wants_json(&headers)),
    }
}

fn subject(api: &Api, admin: &Identity, query: &[(String, String)]) -> Result<Subject, Refusal> {
    let all = |name| query.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str());
    let one = |name| all(name).next().filter(|value| !value.is_empty());
    let cluster = one("cluster").filter(|cluster| api.hub.knows(cluster)).ok_or(Refusal::UnknownCluster)?;
    let kind = one("kind").and_then(kind::by_name).ok_or(Refusal::NotFound)?;
    let who = match one("user") {
        None => admin.clone(),
        Some(user) => Identity {
            subject: user.into(),
            email: one("email").unwrap_or_default().into(),
            groups: all("group").map(Into::into).collect(),
            session: None,
            until: None,
        },
    };
    let namespace = one("namespace").filter(|_| kind.namespaced).map(Arc::from);
    Ok(Subject { cluster: cluster.into(), kind, namespace, who })
}

async fn explained(api: &Api, subject: Subject) -> Explanation {
    let mapped = api.access.mapping.map(&subject.who);
    let (decision, said) = match &mapped {
        Ok(asks_as) => (decision(api, &subject, asks_as), said(api, &subject, asks_as).await),
        Err(_) => (None, Vec::new()),
    };
    let tenant = api.access.tenants.of(&subject.who).map(|tenant| tenant.name.to_string());
    let advice = if api.access.admits(&subject.who, &subject.cluster) {
        advice(&subject, &mapped, &said)
    } else {
        "the cluster is none of their tenant's: to them it does not exist, whatever rights they have there"
            .into()
    };
    let now = ["list", "watch"].into_iter().zip(&said);
    Explanation {
        cluster: subject.cluster.to_string(),
        kind: subject.kind.name,
        namespace: subject.namespace.as_deref().unwrap_or_default().to_owned(),
        subject: subject.who.subject.to_string(),
        groups: subject.who.groups.to_vec(),
        tenant,
        asks_as: mapped.ok().map(asks_as),
        decision,
        now: now.map(|(verb, checked)| Said { verb, outcome: Outcome::of(checked) }).collect(),
        advice,
    }
}

fn asks_as(asker: access::Asker) -> AsksAs {
    match asker {
        access::Asker::Own => AsksAs { own_account: true, user: "".into(), groups: Box::default() },
        access::Asker::User(user) => {
            AsksAs { own_account: false, user: user.name.clone(), groups: user.groups.clone() }
        }
    }
}

fn decision(api: &Api, subject: &Subject, asks_as: &access::Asker) -> Option<Decision> {
    let wanted = Namespaces::new(subject.namespace.clone()).map_or(Wanted::Everything, Wanted::Namespaces);
    let (cluster, kind, asker) = (subject.cluster.clone(), subject.kind, asks_as.clone());
    let (ruling, age, again) = api.access.decided(&GrantKey { cluster, kind, asker, wanted })?;
    let (word, namespaces) = match &ruling {
        Ruling::Allowed(Scope::All) => ("allowed", vec!["*".to_owned()]),
        Ruling::Allowed(Scope::Namespace(one)) => ("allowed", vec![one.to_string()]),
        Ruling::Allowed(Scope::Set(set)) => {
            ("allowed", set.names().iter().map(ToString::to_string).collect())
        }
        Ruling::Denied { namespace } => ("denied", namespace.iter().map(ToString::to_string).collect()),
        Ruling::Unavailable => ("unavailable", Vec::new()),
    };
    Some(Decision {
        ruling: word,
        namespaces,
        age_ms: milliseconds(age),
        asked_again_in_ms: milliseconds(again),
    })
}

async fn said(api: &Api, subject: &Subject, asks_as: &access::Asker) -> Vec<Checked> {
    let check = |verb: &str| {
        let (group, resource) = (subject.kind.api.group.to_owned(), subject.kind.api.plural.to_owned());
        let check = Check { verb: verb.to_owned(), group, resource, ..Check::default() };
        (Arc::new(check), subject.namespace.clone())
    };
    api.access.check(&subject.cluster, asks_as, &[check("list"), check("watch")], true).await
}

/// What to do, in words.
fn advice(subject: &Subject, mapped: &Result<access::Asker, Refusal>, said: &[Checked]) -> String {
    let asker = match mapped {
        Err(Refusal::IdentityRefused) => {
            return "the name or a group maps to one that starts with `system:`, which no user may have"
                .into();
        }
        Err(_) => return "they are in none of `authorization.allowedGroups`".into(),
        Ok(asker) => asker,
    };
    let unsaid = said.iter().find_map(|checked| match &checked.answer {
        Answer::Unsaid(why) => Some(why.code()),
        Answer::Allowed | Answer::Denied => None,
    });
    if let Some(code) = unsaid {
        return format!(
            "the cluster does not say ({code}): see whether it is reached, and whether Foretop's account may create \
             subjectaccessreviews.authorization.k8s.io"
        );
    }
    let resource = match subject.kind.api.group {
        "" => subject.kind.api.plural.to_owned(),
        group => format!("{}.{group}", subject.kind.api.plural),
    };
    let place = match &subject.namespace {
        Some(namespace) => format!("namespace {namespace}"),
        None => "the whole cluster".into(),
    };
    if said.iter().all(|checked| checked.answer == Answer::Allowed) {
        return format!("nothing: they may list and watch {resource} in {place}");
    }
    let who = match asker {
        access::Asker::Own => "Foretop's own account".into(),
        access::Asker::User(user) => format!("user {} or one of the groups {:?}", user.name, user.groups),
    };
    let further = if subject.namespace.is_none() && subject.kind.namespaced {
        "; without it they see the namespaces in which they may: ask about one with `namespace=`"
    } else {
        ""
    };
    format!("grant {who} the verbs list and watch on {resource} in {place}{further}")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
