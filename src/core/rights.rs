//! What becomes of streams whose right is another one now, or is over.
//!
//! Invariant: behind the loss of a right nothing of a row goes out. A stream that stands between two frames gets its last event; one that has got a
//! frame in part is reset, with what the kernel still has for it. What a socket took before counts as sent.
//!
//! However many decisions change in one turn, the slots are gone through once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::Core;
use super::beat::Timer;
use super::end::message;
use super::pass::{GrantId, Holder, HolderId, Pass};
use super::reason::Reason;
use super::slot::{At, ENDING, SlotId, SlotName};
use crate::access::{Grant, GrantKey, Ruling, Wanted};
use crate::feed::Scope;
use crate::kind::Kind;
use crate::wire::refusal::Refusal;
use crate::wire::sse;

/// How a right was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The apiserver says no; of several namespaces that were named, to this one.
    Denied { kind: &'static Kind, namespace: Option<Arc<str>> },
    /// Nobody answers who could say.
    Unavailable,
    /// What proved who asks is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Loss {
    pub fn reason(&self) -> Reason {
        match self {
            Loss::Denied { .. } => Reason::Denied,
            Loss::Unavailable => Reason::AuthzUnavailable,
            Loss::Expired | Loss::Revoked => Reason::AuthExpired,
        }
    }

    /// How a request is refused that comes to it.
    pub fn refusal(&self) -> Refusal {
        match self {
            Loss::Denied { .. } => Refusal::Denied,
            Loss::Unavailable => Refusal::AuthzUnavailable,
            Loss::Expired | Loss::Revoked => Refusal::Unauthenticated,
        }
    }

    /// What a person reads. A namespace is named only where the asker has named it.
    pub fn words(&self) -> String {
        match self {
            Loss::Denied { kind, namespace: Some(namespace) } => {
                format!("list and watch of {} in namespace {namespace} are not allowed", kind.name)
            }
            Loss::Denied { kind, namespace: None } => {
                format!("list and watch of {} are not allowed", kind.name)
            }
            Loss::Unavailable | Loss::Expired | Loss::Revoked => self.refusal().message().to_owned(),
        }
    }

    /// The event that tells a client so, in whole chunks.
    pub fn event(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Loss::Expired | Loss::Revoked => sse::write_notice(&mut bytes, "auth_expired", "{}"),
            Loss::Denied { .. } | Loss::Unavailable => {
                sse::write_notice(&mut bytes, "error", &message(&self.words(), self.refusal().code()));
            }
        }
        bytes
    }
}

/// What becomes of streams.
pub(super) enum Verdict {
    Show(Scope),
    End(Loss),
}

impl Verdict {
    fn of(grant: &Grant) -> Self {
        match scope_by(grant) {
            Ok(scope) => Verdict::Show(scope),
            Err(loss) => Verdict::End(loss),
        }
    }
}

/// What a grant lets its asker see now.
pub(super) fn scope_by(grant: &Grant) -> Result<Scope, Loss> {
    match &grant.ruling().0 {
        Ruling::Allowed(scope) => Ok(scope.clone()),
        Ruling::Denied { namespace } => {
            // Of what the asker did not name, nothing is named to them.
            let named = matches!(grant.key.wanted, Wanted::Namespaces(_));
            let namespace = namespace.clone().filter(|_| named);
            Err(Loss::Denied { kind: grant.key.kind, namespace })
        }
        Ruling::Unavailable => Err(Loss::Unavailable),
    }
}

impl Core {
    /// A decision that streams may depend on is another one now. It is carried out with the others of this turn.
    pub(super) fn ruled(&mut self, grant: Arc<Grant>) {
        let newest = self.ruled.entry(grant.key.clone()).or_insert_with(|| grant.clone());
        if grant.is_as_new_as(newest) {
            *newest = grant;
        }
    }

    /// Carries out what was decided anew since the last time.
    pub(super) fn carry_out_rulings(&mut self) {
        if self.ruled.is_empty() {
            return;
        }
        let ruled: HashMap<GrantKey, Arc<Grant>> = std::mem::take(&mut self.ruled);
        let mut verdicts: HashMap<GrantId, Verdict> = HashMap::new();
        // By key: the control plane may have forgotten the grant that a stream was opened by, and made another.
        for (key, grant) in ruled {
            self.grants.decided(&grant);
            if let Some(id) = self.passes.grant_on(&key) {
                verdicts.insert(id, Verdict::of(self.passes.renew(id, grant)));
            }
        }
        if !verdicts.is_empty() {
            self.carry_out(|pass| verdicts.get(&pass.grant));
        }
    }

    /// Ends the streams of the holders for whom this holds.
    pub(super) fn end_held(&mut self, loss: &Loss, concerns: impl Fn(&Holder) -> bool) {
        let concerned = self.passes.holders().filter(|(_, holder)| concerns(holder));
        let concerned: HashSet<HolderId> = concerned.map(|(id, _)| id).collect();
        if !concerned.is_empty() {
            let end = Verdict::End(loss.clone());
            self.carry_out(|pass| concerned.contains(&pass.holder).then_some(&end));
        }
    }

    fn carry_out<'v>(&mut self, verdict_on: impl Fn(Pass) -> Option<&'v Verdict>) {
        let concerned: Vec<(SlotName, &Verdict)> = self
            .slots
            .iter()
            .filter_map(|(id, slot)| Some((self.slots.name(id), verdict_on(slot.pass)?)))
            .collect();
        for (name, verdict) in concerned {
            if self.slots.named(name).is_none() {
                continue;
            }
            match verdict {
                Verdict::Show(scope) => self.rescope(name.id, scope),
                Verdict::End(loss) => self.lose(name.id, loss),
            }
        }
    }

    /// The stream has lost its right.
    pub(super) fn lose(&mut self, id: SlotId, loss: &Loss) {
        if self.owes_rest(id) {
            return self.reset(id, loss.reason());
        }
        if self.slots.get(id).is(ENDING) {
            return;
        }
        if self.is_of_line(id) {
            return self.lose_of_line(id, loss);
        }
        self.put_end_in_way(id, loss.event(), loss.reason());
        let name = self.slots.name(id);
        self.timers.at(Instant::now() + self.everywhere.streams.last_event, Timer::CutOff(name));
    }

    /// Whether a stream has got something in part that may be of a row.
    pub(super) fn owes_rest(&self, id: SlotId) -> bool {
        let slot = self.slots.get(id);
        match slot.at {
            At::Log(cursor) => {
                let view = self.views[slot.view as usize].as_ref();
                view.is_some_and(|view| !view.log.is_between_frames(cursor))
            }
            // What is in the way of an ending stream is its last event, behind the rest of a frame.
            At::Prefix(segment, offset) if slot.is(ENDING) => offset < self.prefixes.owed(segment),
            At::Prefix(segment, offset) => self.prefixes.end_of_frame(segment, offset) != offset,
            At::Line(line) => self.amid_frame(line).is_some(),
            At::Behind(_) | At::Waiting | At::Pausing => false,
        }
    }

    /// A stream that has lost its right, and whose socket did not take its last event in time, is reset: the kernel may still have rows for it.
    pub(super) fn cut_off(&mut self, id: SlotId) {
        let reason = self.slots.get(id).ending.unwrap_or(Reason::Denied);
        self.reset(id, reason);
    }

    /// What the streams of a pass may show by now: much may have been decided since their request was.
    pub(super) fn scope_by(&self, pass: Pass) -> Result<Scope, Loss> {
        if self.is_over(self.passes.holder(pass)) {
            return Err(Loss::Expired);
        }
        scope_by(self.passes.grant(pass))
    }
}
