//! The lanes of a line: what its client calls them, what each is to show, and which stream it has become.

use std::collections::HashMap;
use std::sync::Arc;

use super::asked::AskedView;
use super::{LineId, line_of};
use crate::access::{Asker, Grant, GrantKey, Wanted};
use crate::audit::Origin;
use crate::core::Core;
use crate::core::join::{Bearer, Opening};
use crate::core::prefix::Then;
use crate::core::rights::{Loss, scope_by};
use crate::core::slot::{At, ENDING, SlotId, SlotName};
use crate::feed::{FeedKey, Rows, Scope, Selector};
use crate::identity::Identity;
use crate::kind::{self, Kind};
use crate::wire::id::ResumeId;
use crate::wire::line::Denied;
use crate::wire::refusal::Refusal;

/// A lane's number in its line, never used again there.
pub type LaneId = u64;

/// Views of one stream, whatever limit its user has.
pub const MOST_VIEWS: usize = 1000;

/// What a lane is to show. Equal ones are one lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wish {
    cluster: Arc<str>,
    kind: &'static Kind,
    wanted: Wanted,
    selector: Option<Arc<Selector>>,
}

struct Lane {
    wish: Wish,
    /// What the client calls it.
    refs: Vec<Arc<str>>,
    /// `None` until its right is decided, and its feed is here.
    stream: Option<SlotName>,
}

/// The lanes of a line.
#[derive(Default)]
pub(super) struct Lanes {
    all: HashMap<LaneId, Lane>,
    by_ref: HashMap<Arc<str>, LaneId>,
    by_wish: HashMap<Wish, LaneId>,
    next: LaneId,
}

impl Lanes {
    /// What the client calls the lane with this stream.
    pub fn refs_of(&self, stream: SlotName) -> Vec<Arc<str>> {
        self.of(stream).map(|id| self.all[&id].refs.clone()).unwrap_or_default()
    }

    /// The lane with this stream.
    pub fn of(&self, stream: SlotName) -> Option<LaneId> {
        let found = self.all.iter().find(|(_, lane)| lane.stream == Some(stream));
        found.map(|(id, _)| *id)
    }

    /// Whether the client has a view of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_ref.contains_key(name)
    }

    /// Views, by whatever name.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether a lane is still wanted that has become no stream yet.
    fn awaits(&self, id: LaneId) -> bool {
        self.all.get(&id).is_some_and(|lane| lane.stream.is_none())
    }

    /// Each lane's stream, where it has one.
    pub fn streams(&self) -> impl Iterator<Item = Option<SlotName>> {
        self.all.values().map(|lane| lane.stream)
    }

    pub fn seat(&mut self, id: LaneId, stream: SlotName) {
        if let Some(lane) = self.all.get_mut(&id) {
            lane.stream = Some(stream);
        }
    }

    fn add(&mut self, name: Arc<str>, wish: Wish) -> LaneId {
        let id = self.next;
        self.next += 1;
        self.by_ref.insert(name.clone(), id);
        self.by_wish.insert(wish.clone(), id);
        self.all.insert(id, Lane { wish, refs: vec![name], stream: None });
        id
    }

    /// The lane that shows this already goes by one more name. `None` where there is no such lane.
    fn join(&mut self, name: &Arc<str>, wish: &Wish) -> Option<LaneId> {
        let id = *self.by_wish.get(wish)?;
        self.all.get_mut(&id)?.refs.push(name.clone());
        self.by_ref.insert(name.clone(), id);
        Some(id)
    }

    /// What a lane has become.
    fn stream_of(&self, id: LaneId) -> Option<SlotName> {
        self.all.get(&id)?.stream
    }

    /// Takes a lane out, with all its names.
    pub fn remove(&mut self, id: LaneId) -> Option<(Vec<Arc<str>>, Option<SlotName>)> {
        let Lane { wish, refs, stream } = self.all.remove(&id)?;
        self.by_wish.remove(&wish);
        for name in &refs {
            self.by_ref.remove(name);
        }
        Some((refs, stream))
    }

    /// Takes a name away. Returns the lane that is left without one.
    fn forget(&mut self, name: &str) -> Option<LaneId> {
        let id = self.by_ref.remove(name)?;
        let lane = self.all.get_mut(&id)?;
        lane.refs.retain(|known| **known != *name);
        lane.refs.is_empty().then_some(id)
    }
}

/// A lane whose right has to be asked for.
pub struct Undecided {
    /// Of which line.
    pub line: SlotName,
    /// Which.
    pub lane: LaneId,
    /// The question.
    pub key: GrantKey,
    /// Which objects.
    selector: Option<Arc<Selector>>,
    /// From where it goes on.
    resume: Option<ResumeId>,
}

/// Who asks a line for lanes.
pub struct Client {
    /// Who.
    pub identity: Identity,
    /// As whom.
    pub asker: Asker,
    /// From where.
    pub from: Origin,
}

impl Core {
    /// Adds a lane. What can be decided now is; the rest is for the caller to ask.
    pub(in crate::core) fn add_view(
        &mut self,
        line: SlotName,
        view: AskedView,
        client: &Client,
    ) -> Option<Undecided> {
        let id = self.slots.named(line).and_then(line_of)?;
        let AskedView { name, cluster, kind, wanted, selector, resume } = view;
        let denied = |core: &mut Core, why: Denied, words: &str| {
            core.say_denied(id, std::slice::from_ref(&name), why, words);
            None
        };
        let Some(kind) = kind::by_name(&kind) else {
            return denied(self, Denied::NotFound, "no such kind");
        };
        let access = self.everywhere.access.clone();
        if !self.everywhere.hub.knows(&cluster) || !access.admits(&client.identity, &cluster) {
            return denied(self, Denied::NotFound, Refusal::UnknownCluster.message());
        }
        if !self.everywhere.kinds.contains(&kind) {
            return denied(self, Denied::Disabled, "this server streams no such kind");
        }
        let wish =
            Wish { cluster: cluster.clone(), kind, wanted: wanted.clone(), selector: selector.clone() };
        let known = self.lines.get_mut(id)?;
        if let Some(lane) = known.lanes.join(&name, &wish) {
            if let Some(stream) = known.lanes.stream_of(lane) {
                self.show_again(stream);
            }
            return None;
        }
        if self.slots.len() >= self.everywhere.streams.per_core as usize || self.everywhere.ledger.is_full() {
            return denied(self, Denied::Unavailable, Refusal::Full.message());
        }
        let known = self.lines.get(id)?;
        let (user, count) = (known.user, known.lanes.len());
        if count >= MOST_VIEWS || !self.limiter.acquire_view(user) {
            return denied(self, Denied::TooManyViews, "as many views as one may have are shown already");
        }
        let lane = self.lines.get_mut(id)?.lanes.add(name, wish);
        let key = GrantKey { cluster, kind, asker: client.asker.clone(), wanted };
        let undecided = Undecided { line, lane, key, selector, resume };
        match self.known_grant(&undecided.key) {
            Some(grant) => {
                self.decided(undecided, &grant, client);
                None
            }
            None => Some(undecided),
        }
    }

    /// The view goes by one more name: it is shown from its beginning, so that what the stream says of it holds for all its names.
    fn show_again(&mut self, stream: SlotName) {
        self.say_view(stream.id, false);
        if matches!(self.slots.get(stream.id).at, At::Log(_) | At::Prefix(..) | At::Behind(_)) {
            self.take_to_snapshot(stream.id);
        }
    }

    /// The line that still waits for this lane to become a stream.
    pub(in crate::core) fn awaited_by(&self, line: SlotName, lane: LaneId) -> Option<LineId> {
        let id = self.slots.named(line).filter(|slot| !slot.is(ENDING)).and_then(line_of)?;
        self.lines.get(id).is_some_and(|line| line.lanes.awaits(lane)).then_some(id)
    }

    /// A lane's right is decided.
    pub(in crate::core) fn decided(&mut self, undecided: Undecided, grant: &Arc<Grant>, client: &Client) {
        let Undecided { line, lane, selector, resume, .. } = undecided;
        let Some(id) = self.awaited_by(line, lane) else { return };
        // Much may have come to an end since it was asked.
        if self.is_over(&client.identity) {
            return self.lose_lane(line, lane, &Loss::Expired);
        }
        let scope = match scope_by(grant) {
            Ok(scope) => scope,
            Err(loss) => return self.lose_lane(line, lane, &loss),
        };
        let Some(eyes) = self.everywhere.access.eyes(&grant.key.asker, &scope) else {
            return self.refuse_lane(line, lane, Refusal::OneNamespace);
        };
        let key = FeedKey::new(grant.key.cluster.clone(), grant.key.kind, eyes).showing(Rows::Full, selector);
        let Some(known) = self.lines.get(id) else { return };
        let (user, version) = (known.user, known.version);
        let tenant = self.passes.holder(self.slots.get(line.id).pass).tenant.clone();
        let pass = self.passes.acquire(user, tenant, &client.identity, grant.clone());
        let opening =
            Opening { bearer: Bearer::Lane(line, lane), pass, version, resume, from: client.from.clone() };
        self.open(key, opening, &[]);
    }

    /// Takes away the views of these names. Returns how many there were.
    pub(in crate::core) fn remove_views(&mut self, line: SlotName, names: &[Arc<str>]) -> usize {
        let Some(id) = self.slots.named(line).and_then(line_of) else { return 0 };
        let mut removed = 0;
        for name in names {
            let Some(line) = self.lines.get_mut(id) else { return removed };
            removed += usize::from(line.lanes.has(name));
            if let Some(lane) = line.lanes.forget(name) {
                self.drop_lane(id, lane);
            }
        }
        removed
    }

    /// What is wrong with adding views of these names behind the removal of those: the index of the first that is there already.
    pub(super) fn already_there(
        &self,
        line: SlotName,
        add: &[AskedView],
        remove: &[Arc<str>],
    ) -> Option<usize> {
        let lanes = &self.lines.get(self.slots.named(line).and_then(line_of)?)?.lanes;
        add.iter().position(|view| lanes.has(&view.name) && !remove.contains(&view.name))
    }

    /// The lane goes on with what this scope shows, under another number.
    pub(in crate::core) fn begin_lane_anew(&mut self, id: SlotId, scope: &Scope) {
        let view = self.view_in_place_of(id, scope);
        self.leave_for_snapshot(id);
        self.change_view(id, view);
        self.say_view(id, false);
        if self.slots.get(id).at == At::Waiting {
            self.want_snapshot(self.slots.name(id));
        }
    }

    /// The lane gets its view's snapshot, behind the rest of a frame that it has got in part.
    fn take_to_snapshot(&mut self, id: SlotId) {
        if self.slots.get(id).is(ENDING) {
            return;
        }
        self.leave_for_snapshot(id);
        if self.slots.get(id).at == At::Waiting {
            self.want_snapshot(self.slots.name(id));
        }
    }

    /// Drops what a lane has still to get, but for the rest of a frame that it has got in part, behind which it asks for a snapshot; where there is none
    /// it only waits.
    fn leave_for_snapshot(&mut self, id: SlotId) {
        if self.owes_rest(id) {
            return self.put_in_way(id, Vec::new(), Then::Snapshot);
        }
        self.stand_nowhere(id);
    }

    /// The lane stands nowhere, with nothing to send.
    pub(super) fn stand_nowhere(&mut self, id: SlotId) {
        let slot = self.slots.get(id);
        let view = slot.view;
        match slot.at {
            At::Log(cursor) => self.view(view).log.leave(cursor),
            At::Prefix(segment, _) => self.prefixes.release(segment),
            At::Behind(_) | At::Waiting | At::Pausing | At::Line(_) => {}
        }
        self.slots.get_mut(id).at = At::Waiting;
    }
}
