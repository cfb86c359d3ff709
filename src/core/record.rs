//! What is recorded of a core's streams and refusals: lines in the log, records in the audit.
//!
//! A slot holds nothing of where its stream came from; that is kept beside the slots, and only while there is an audit.

use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::pass::Pass;
use super::plan::{Manner, Plan, wanted};
use super::reason::Reason;
use super::request::{Request, Route};
use super::sessions::unix_ms;
use super::slot::{SlotId, SlotName};
use crate::access::{GrantKey, Wanted};
use crate::audit::{Event, Origin, Record, Target, Who};
use crate::feed::Scope;
use crate::identity::Peer;
use crate::kind::{self, Kind};
use crate::wire::refusal::Refusal;

/// Where a stream came from, and what it was given.
pub(super) struct Came {
    from: Origin,
    /// Rows of the snapshots that it was given.
    rows: u64,
}

/// What a request asks for, and who asks, should it be denied.
#[derive(Clone)]
pub(super) struct Asked {
    who: Option<Who>,
    target: Option<Target>,
}

impl Core {
    /// A stream is open.
    pub(super) fn record_opened(&mut self, id: SlotId, from: Origin) {
        let line = self.stream_line(id);
        tracing::info!(
            id = line.id,
            actor = line.actor,
            cluster = line.cluster,
            kind = line.kind,
            ns = line.namespace,
            request_id = &*from.request_id,
            core = line.core,
            "watch_stream.opened"
        );
        if self.everywhere.audit.is_on() {
            self.record_stream(id, Event::StreamOpened { stream: line.id }, from.clone());
            self.came.insert(line.id, Came { from, rows: 0 });
        }
    }

    /// A stream is given its view's snapshot.
    pub(super) fn record_snapshot(&mut self, id: SlotId) {
        if !self.everywhere.audit.is_on() {
            return;
        }
        let (number, view) = (self.slots.get(id).number, self.slots.get(id).view);
        let view = self.view(view);
        let whole = view.snapshot.as_ref().map(|held| held.snapshot.count);
        let rows = whole.or(view.coming.as_ref().map(|coming| coming.count)).unwrap_or(0) as u64;
        if let Some(came) = self.came.get_mut(&number) {
            came.rows += rows;
        }
    }

    /// A stream is about to be closed.
    pub(super) fn record_closed(&mut self, name: SlotName, reason: Reason) {
        if self.slots.named(name).is_none() {
            return;
        }
        let reason = reason.name();
        let slot = self.slots.get(name.id);
        let (stream, bytes, opened) = (slot.number, slot.sent, slot.opened);
        let (view, pass) = (slot.view, slot.pass);
        if tracing::enabled!(tracing::Level::INFO) {
            let key = &self.view(view).key;
            let (feed, ns) = (key.feed, key.scope.namespace());
            let key = self.feed(feed).feed.key.clone();
            let actor = &*self.passes.holder(pass).subject;
            tracing::info!(
                id = stream, actor, cluster = %key.cluster, kind = key.kind.name, ns, bytes, reason,
                "watch_stream.closed"
            );
        }
        if let Some(Came { from, rows }) = self.came.remove(&stream) {
            let duration = Duration::from_millis(opened.age(unix_ms()));
            self.record_stream(name.id, Event::StreamClosed { stream, reason, rows, bytes, duration }, from);
        }
    }

    fn record_stream(&mut self, id: SlotId, event: Event, from: Origin) {
        let (view, pass) = (self.slots.get(id).view, self.slots.get(id).pass);
        let view = self.view(view);
        let (feed, scope) = (view.key.feed, view.key.scope.clone());
        let key = self.feed(feed).feed.key.clone();
        let who = self.whose(pass);
        let target = target(key.cluster, key.kind, scope);
        self.everywhere.audit.record(|| Record::new(event, Some(who), from).about(Some(target)));
    }

    fn whose(&self, pass: Pass) -> Who {
        let holder = self.passes.holder(pass);
        Who {
            subject: holder.subject.clone(),
            tenant: Some(holder.tenant.name.clone()),
            session: holder.session.as_deref().cloned(),
        }
    }

    /// A view of a multiplexed stream is denied before it has shown anything. `line`: the stream's slot.
    pub(super) fn record_view_denied(
        &self,
        line: SlotId,
        code: &'static str,
        view: &GrantKey,
        from: &Origin,
    ) {
        self.everywhere.audit.record(|| {
            let who = self.whose(self.slots.get(line).pass);
            let target = target(view.cluster.clone(), view.kind, view.wanted.as_shared());
            Record::new(Event::Denied { code, path: None }, Some(who), from.clone()).about(Some(target))
        });
    }

    /// What the audit would be told of this request. `None` without an audit, and of what is answered elsewhere.
    pub(super) fn asked(&self, request: &Request<'_>, plan: &Plan, peer: &Peer) -> Option<Box<Asked>> {
        if !self.everywhere.audit.is_on() {
            return None;
        }
        let tenants = &self.everywhere.access.tenants;
        let asked = match plan {
            Plan::Wish(wish) => Asked {
                who: Some(Who::of(wish.who.identity(), tenants)),
                target: Some(target(wish.cluster.clone(), wish.kind, wish.wanted.as_shared())),
            },
            Plan::Refuse(why) | Plan::RefuseStream(why, _) if is_denial(*why) => {
                let headers = request.headers.iter().map(|header| (header.name, header.value));
                let who = self.everywhere.authenticator.identify(peer, headers).ok();
                Asked { who: who.map(|who| Who::of(who.identity(), tenants)), target: target_of(request) }
            }
            Plan::RefuseSaying(_)
            | Plan::Elsewhere
            | Plan::HandOver(_)
            | Plan::Line(_)
            | Plan::Refuse(_)
            | Plan::RefuseStream(..) => return None,
        };
        Some(Box::new(asked))
    }

    /// A request is refused.
    pub(super) fn record_denied(&self, why: Refusal, manner: &Manner) {
        if !is_denial(why) {
            return;
        }
        self.everywhere.audit.record(|| {
            let asked = manner.asked.as_deref().cloned();
            let (who, target) = asked.map_or((None, None), |asked| (asked.who, asked.target));
            let event = Event::Denied { code: why.code(), path: None };
            Record::new(event, who, manner.origin()).about(target)
        });
    }
}

/// Whether a refusal is one that the audit is told of: somebody may not, or may not so often.
pub fn is_denial(why: Refusal) -> bool {
    matches!(why.status().0, 403 | 429) || matches!(why, Refusal::UnknownCluster | Refusal::AuthzUnavailable)
}

fn target(cluster: Arc<str>, kind: &'static Kind, scope: Scope) -> Target {
    Target { cluster, kind: kind.name, scope: kind.namespaced.then_some(scope) }
}

fn target_of(request: &Request<'_>) -> Option<Target> {
    let (Route::List { cluster, kind } | Route::Watch { cluster, kind }) = request.route() else {
        return None;
    };
    let kind = kind::by_name(kind)?;
    let wanted = wanted(request, kind).unwrap_or(Wanted::Everything);
    Some(target((&*cluster).into(), kind, wanted.as_shared()))
}
