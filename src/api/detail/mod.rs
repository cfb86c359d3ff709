//! One object of the 22 kinds: its details, its YAML, its events (the contract's 1.6 and 3.23).
//!
//! Each answer is one uncached read. In `access.upstream: pooled` it is made by Foretop's own account, after a review has said that the caller may
//! do the same by this name; in `impersonate` it is the caller's own, and the apiserver decides. What is read is given to this caller and kept
//! nowhere.

mod children;
mod events;
mod fields;
mod part;
mod yaml;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;

use self::part::Part;
use super::in_path::InPath;
use super::{Api, Asker, elsewhere, json, refuse, wants_json};
use crate::access::{self, Answer, Check};
use crate::cluster::spec::name_is_safe;
use crate::cluster::{CallError, Cluster, impersonating};
use crate::feed::{Eyes, Scope};
use crate::kind::text::JsonObject;
use crate::kind::{self, Change, Kind};
use crate::wire::refusal::Refusal;

/// What is read of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Facet {
    Detail,
    Yaml,
    Events,
}

/// An object that somebody names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    kind: &'static Kind,
    /// `None` of a cluster-scoped kind.
    namespace: Option<Arc<str>>,
    name: String,
}

/// A caller, and the cluster that they ask.
struct Reader {
    api: Arc<Api>,
    cluster: Arc<Cluster>,
    asker: access::Asker,
}

/// What somebody needs the right to.
struct Need<'a> {
    verb: &'a str,
    kind: &'static Kind,
    namespace: Option<&'a Arc<str>>,
    /// Empty: any.
    name: &'a str,
}

pub(super) async fn object(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    InPath((cluster, kind, rest)): InPath<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    match answered(api, &asker, &cluster, (&kind, &rest)).await {
        Ok(response) => response,
        Err(why) => refuse(why, wants_json(&headers)),
    }
}

async fn answered(
    api: Arc<Api>,
    asker: &Asker,
    cluster: &str,
    (kind, rest): (&str, &str),
) -> Result<Response, Refusal> {
    let asker = api.asks_as(asker, cluster)?;
    let (named, facet) = parse(kind, rest)?;
    let cluster = api.clusters.get(cluster).ok_or(Refusal::Unavailable)?;
    let reader = Reader { api, cluster, asker };
    match facet {
        Facet::Detail => details(&reader, &named).await,
        Facet::Yaml => yaml::answer(&reader.read_object(&named).await?),
        Facet::Events => Ok(json(&events::of(&reader, &named).await?)),
    }
}

/// What the rest of a path names, behind the kind.
fn parse(kind: &str, rest: &str) -> Result<(Named, Facet), Refusal> {
    let parts: Vec<&str> = rest.split('/').collect();
    let Some(kind) = kind::by_name(kind) else { return Err(elsewhere::or_nowhere(kind)) };
    let (namespace, parts) = match parts.split_first() {
        Some((namespace, parts)) if kind.namespaced => (Some(*namespace), parts),
        _ => (None, &parts[..]),
    };
    let (name, facet) = match parts {
        // The second is the stream's route, where the kind has one: an object of that name has no page.
        [] | ["watch"] => return Err(Refusal::NotFound),
        [name] => (*name, Facet::Detail),
        [name, "yaml"] => (*name, Facet::Yaml),
        [name, "events"] => (*name, Facet::Events),
        [_, facet, ..] => return Err(elsewhere::or_nowhere(facet)),
    };
    // No object has another name, and nothing else may become part of the path that the apiserver is asked for.
    if !name_is_safe(name) || !namespace.is_none_or(name_is_safe) {
        return Err(Refusal::Absent);
    }
    Ok((Named { kind, namespace: namespace.map(Into::into), name: name.to_owned() }, facet))
}

async fn details(reader: &Reader, named: &Named) -> Result<Response, Refusal> {
    let body = reader.read_object(named).await?;
    let object: Value = serde_json::from_slice(&body).map_err(|_| Refusal::UpstreamFailed)?;
    let mut flat = row(named.kind, &body)?;
    let mut further = JsonObject::new();
    fields::write(named.kind.name, Part(&object), &mut further);
    children::write(reader, named, Part(&object), &mut further).await;
    fields::write_metadata(Part(&object), &mut further);
    let further = further.finish();
    if further.len() > "{}".len() {
        flat.pop();
        flat.push(b',');
        flat.extend_from_slice(&further[1..]);
    }
    flat.push(b'\n');
    let headers = [("content-type", "application/json"), ("cache-control", "no-store")];
    Ok((headers, flat).into_response())
}

/// The row that a list shows of this object.
fn row(kind: &Kind, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let line = [br#"{"type":"ADDED","object":"#, body, b"}"].concat();
    let Ok(Change::Put(object)) = (kind.decode_line)(&line) else { return Err(Refusal::UpstreamFailed) };
    let mut row = Vec::with_capacity(object.row.max_len());
    object.row.write(jiff::Timestamp::now(), &mut row);
    Ok(row)
}

impl Reader {
    async fn read_object(&self, named: &Named) -> Result<Bytes, Refusal> {
        let need =
            Need { verb: "get", kind: named.kind, namespace: named.namespace.as_ref(), name: &named.name };
        let path = format!("{}/{}", named.kind.api.path(named.namespace.as_deref()), named.name);
        self.read(&need, &path).await
    }

    /// Reads what somebody has the right to read.
    async fn read(&self, need: &Need<'_>, path: &str) -> Result<Bytes, Refusal> {
        let (headers, refused) =
            if let Some(Eyes::Of { user, .. }) = self.api.access.eyes(&self.asker, &Scope::All) {
                (impersonating(&user).map_err(|_| Refusal::Denied)?, Refusal::Denied)
            } else {
                self.review(need).await?;
                (HeaderMap::new(), Refusal::Forbidden)
            };
        let answer = self.cluster.get_as(path, headers).await.map_err(|error| unreached(&error))?;
        match answer.status {
            200 => Ok(answer.body),
            403 => Err(refused),
            404 => Err(Refusal::Absent),
            401 | 429 | 503 => Err(Refusal::Unavailable),
            504 => Err(Refusal::UpstreamTimeout),
            _ => Err(Refusal::UpstreamFailed),
        }
    }

    /// Whether they may. Foretop's own account learns it from the read itself.
    async fn review(&self, need: &Need<'_>) -> Result<(), Refusal> {
        if self.asker == access::Asker::Own {
            return Ok(());
        }
        let check = Check {
            verb: need.verb.into(),
            group: need.kind.api.group.into(),
            resource: need.kind.api.plural.into(),
            subresource: String::new(),
            name: need.name.into(),
        };
        let checks = [(Arc::new(check), need.namespace.cloned())];
        let checked = self.api.access.check(&self.cluster.name, &self.asker, &checks, false).await;
        match checked.first().map(|checked| &checked.answer) {
            Some(Answer::Allowed) => Ok(()),
            Some(Answer::Denied) => Err(Refusal::Denied),
            Some(Answer::Unsaid(_)) | None => Err(Refusal::AuthzUnavailable),
        }
    }
}

fn unreached(error: &CallError) -> Refusal {
    match error {
        CallError::TimedOut { .. } => Refusal::UpstreamTimeout,
        CallError::Unreachable(_) | CallError::Credentials(_) => Refusal::Unavailable,
        CallError::Request(_) | CallError::TooLong { .. } => Refusal::UpstreamFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: &str, rest: &str) -> Result<(Option<String>, String, Facet), Refusal> {
        let (named, facet) = parse(kind, rest)?;
        Ok((named.namespace.map(|namespace| namespace.to_string()), named.name, facet))
    }

    #[test]
    fn paths_name_objects_and_what_is_read_of_them() {
        let web = |facet| Ok((Some("team-a".into()), "web".into(), facet));
        assert_eq!(parsed("pods", "team-a/web"), web(Facet::Detail));
        assert_eq!(parsed("pods", "team-a/web/yaml"), web(Facet::Yaml));
        assert_eq!(parsed("pods", "team-a/web/events"), web(Facet::Events));
        assert_eq!(parsed("nodes", "n1"), Ok((None, "n1".into(), Facet::Detail)));
        assert_eq!(parsed("pvs", "v1/yaml"), Ok((None, "v1".into(), Facet::Yaml)));
        assert_eq!(parsed("pods", "team-a/web/logs"), Err(Refusal::NotHere));
        assert_eq!(parsed("secrets", "team-a/web"), Err(Refusal::NotHere));
        for (kind, rest) in
            [("pods", "team-a"), ("pods", "team-a/web/planted"), ("planted", "a/b"), ("nodes", "watch")]
        {
            assert_eq!(parsed(kind, rest), Err(Refusal::NotFound), "{kind} {rest}");
        }
    }

    #[test]
    fn no_name_leads_anywhere_else() {
        for rest in ["team-a/..", "../web", "team-a/", "/web", "team-a/web?x", "team-a/a%2fb", "a b/c", "./x"]
        {
            assert_eq!(parsed("pods", rest), Err(Refusal::Absent), "{rest}");
        }
        assert_eq!(parsed("nodes", ".."), Err(Refusal::Absent));
        assert_eq!(parsed("nodes", ""), Err(Refusal::Absent));
    }
}
