//! How lanes come to a line, and go on in it: a view is asked for, its right is decided, its stream opens, and what it may show becomes another thing.

use std::collections::HashSet;
use std::sync::Arc;

use super::asked::AskedView;
use super::lanes::{Forgotten, Joined, LaneId, MOST_VIEWS, Wish, WishHash};
use super::{LineId, line_of};
use crate::access::{Asker, Grant, GrantKey};
use crate::audit::Origin;
use crate::core::Core;
use crate::core::join::{Bearer, Opening};
use crate::core::prefix::Then;
use crate::core::rights::{Loss, scope_by};
use crate::core::slot::{At, ENDING, SlotId, SlotName};
use crate::feed::{FeedKey, Rows, Scope, Selector};
use crate::identity::Identity;
use crate::kind;
use crate::wire::id::ResumeId;
use crate::wire::line::Denied;
use crate::wire::refusal::Refusal;

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

/// Why a view is not added.
struct Hindrance {
    why: Denied,
    words: &'static str,
    /// By what code the audit is told of it, if it is.
    recorded: Option<&'static str>,
}

impl Hindrance {
    fn by_access(why: Denied, words: &'static str, code: &'static str) -> Self {
        Hindrance { why, words, recorded: Some(code) }
    }

    fn other(why: Denied, words: &'static str) -> Self {
        Hindrance { why, words, recorded: None }
    }
}

impl Core {
    /// Adds lanes. What can be decided now is; the rest is for the caller to ask.
    pub(super) fn add_views(
        &mut self,
        line: SlotName,
        views: Vec<AskedView>,
        client: &Client,
    ) -> Vec<Undecided> {
        let undecided = views.into_iter().filter_map(|view| self.add_view(line, view, client)).collect();
        if let Some(line) = self.slots.named(line).and_then(line_of).and_then(|id| self.lines.get_mut(id)) {
            line.lanes.fit();
        }
        undecided
    }

    /// Adds a lane. Returns what is to be asked for it.
    pub(in crate::core) fn add_view(
        &mut self,
        line: SlotName,
        view: AskedView,
        client: &Client,
    ) -> Option<Undecided> {
        let id = self.slots.named(line).and_then(line_of)?;
        let AskedView { name, cluster, kind, wanted, selector, resume } = view;
        let Some(kind) = kind::by_name(&kind) else {
            self.say_denied(id, &[name], Denied::NotFound, "no such kind");
            return None;
        };
        let key = GrantKey { cluster, kind, asker: client.asker.clone(), wanted };
        let added = self.may_show(&key, client).and_then(|()| {
            let wish = Wish { cluster: &key.cluster, kind, wanted: &key.wanted, selector: selector.as_ref() };
            self.add_lane(id, &name, wish.into())
        });
        let lane = match added {
            Ok(lane) => lane?,
            Err(Hindrance { why, words, recorded }) => {
                self.say_denied(id, &[name], why, words);
                if let Some(code) = recorded {
                    self.record_view_denied(line.id, code, &key, &client.from);
                }
                return None;
            }
        };
        let undecided = Undecided { line, lane, key, selector, resume };
        match self.known_grant(&undecided.key) {
            Some(grant) => {
                self.decided(undecided, &grant, client);
                None
            }
            None => Some(undecided),
        }
    }

    /// Whether there is such a thing to be shown to this client.
    fn may_show(&self, key: &GrantKey, client: &Client) -> Result<(), Hindrance> {
        let everywhere = &self.everywhere;
        if !everywhere.hub.knows(&key.cluster) || !everywhere.access.admits(&client.identity, &key.cluster) {
            let unknown = Refusal::UnknownCluster;
            return Err(Hindrance::by_access(Denied::NotFound, unknown.message(), unknown.code()));
        }
        if !everywhere.kinds.contains(&key.kind) {
            return Err(Hindrance::other(Denied::Disabled, "this server streams no such kind"));
        }
        Ok(())
    }

    /// A line has one more lane, or the one that shows this already goes by one more name; of that nothing is to be asked.
    fn add_lane(&mut self, id: LineId, name: &str, wish: WishHash) -> Result<Option<LaneId>, Hindrance> {
        let Some(known) = self.lines.get_mut(id) else { return Ok(None) };
        match known.lanes.join(name, wish) {
            Joined::New => {}
            Joined::Awaited => return Ok(None),
            Joined::Shown(stream) => {
                self.show_again(stream);
                return Ok(None);
            }
        }
        let (user, count) = (known.user, known.lanes.len());
        if self.slots.len() >= self.everywhere.streams.per_core as usize || self.everywhere.ledger.is_full() {
            return Err(Hindrance::other(Denied::Unavailable, Refusal::Full.message()));
        }
        if count >= MOST_VIEWS || !self.limiter.acquire_view(user) {
            let why = Denied::TooManyViews;
            let words = "as many views as one may have are shown already";
            return Err(Hindrance::by_access(why, words, why.code()));
        }
        Ok(self.lines.get_mut(id).map(|line| line.lanes.add(name, wish)))
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
        let asked = (&grant.key, &client.from);
        // Much may have come to an end since it was asked.
        if self.is_over(&client.identity) {
            return self.lose_lane(line, lane, &Loss::Expired, asked);
        }
        let scope = match scope_by(grant) {
            Ok(scope) => scope,
            Err(loss) => return self.lose_lane(line, lane, &loss, asked),
        };
        let Some(eyes) = self.everywhere.access.eyes(&grant.key.asker, &scope) else {
            return self.refuse_lane(line, lane, Refusal::OneNamespace, asked);
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
    pub(in crate::core) fn remove_views(&mut self, line: SlotName, names: &[Box<str>]) -> usize {
        let Some(id) = self.slots.named(line).and_then(line_of) else { return 0 };
        let mut removed = 0;
        for name in names {
            let Some(line) = self.lines.get_mut(id) else { return removed };
            let forgotten = line.lanes.forget(name);
            removed += usize::from(!matches!(forgotten, Forgotten::Unknown));
            if let Forgotten::Nameless(lane) = forgotten {
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
        remove: &[Box<str>],
    ) -> Option<usize> {
        let lanes = &self.lines.get(self.slots.named(line).and_then(line_of)?)?.lanes;
        let mut there: HashSet<&str> = lanes.names().collect();
        for name in remove {
            there.remove(&**name);
        }
        add.iter().position(|view| there.contains(&*view.name))
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
