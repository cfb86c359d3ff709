//! A stream whose user may see other namespaces than before goes on in another view of the same feed.
//!
//! Where namespaces only came, it gets their rows ([`super::gained`]) and goes on; until those are here it goes on as it was. Where one went,
//! all that it had still to get is dropped: between two frames it gets `relist` and the snapshot of what is left; amid a frame its
//! socket is closed, for nothing of a row leaves here once the right to it is gone. In the new view its ids have another mark, so that a
//! client that comes back with one of the old gets a snapshot.

use super::Core;
use super::prefix::Then;
use super::reason::Reason;
use super::slot::{AHEAD, At, ENDING, SlotId};
use super::view::{ViewId, ViewKey};
use crate::feed::Scope;
use crate::kind::Listing;

impl Core {
    /// The stream goes on with what this scope shows.
    pub(super) fn rescope(&mut self, id: SlotId, scope: &Scope) {
        self.gains.forget(id);
        let old = self.scope_of(id);
        if old == *scope {
            return;
        }
        tracing::debug!(stream = self.slots.get(id).number, "stream.rescoped");
        let only_gains = scope.covers(&old);
        if !only_gains && self.owes_rest(id) {
            return self.reset(id, Reason::ScopeChanged);
        }
        if self.slots.get(id).is(ENDING) {
            return;
        }
        if self.is_of_line(id) {
            return self.begin_lane_anew(id, scope);
        }
        match scope.beyond(&old).filter(|_| only_gains && self.can_be_told_rows(id)) {
            Some(gained) => self.ask_gained(id, gained, scope),
            None => self.begin_anew_in(id, scope),
        }
    }

    /// Whether `added` frames would make the stream's client show what a list shows. Where a list shows only so many rows, a client makes
    /// room for what is added by dropping others.
    fn can_be_told_rows(&mut self, id: SlotId) -> bool {
        let view = self.slots.get(id).view;
        let feed = self.view(view).key.feed;
        let listing = self.feed(feed).feed.key.kind.listing;
        listing == Listing::ByKey && !self.slots.get(id).is(AHEAD) && !self.gets_snapshot(id)
    }

    /// Moves the stream to this scope's view, whose snapshot it gets.
    pub(super) fn begin_anew_in(&mut self, id: SlotId, scope: &Scope) {
        let view = self.view_in_place_of(id, scope);
        let gets_snapshot = self.gets_snapshot(id);
        if !gets_snapshot {
            self.relist_because(id, r#"{"reason":"scope_changed"}"#);
        }
        self.change_view(id, view);
        if !gets_snapshot {
            return;
        }
        let name = self.slots.name(id);
        match self.slots.get(id).at {
            At::Waiting => self.want_snapshot(name),
            // Behind what is in its way it asks.
            At::Prefix(segment, _) if self.prefixes.then(segment) == Then::Wait => {
                self.view(view).waiting.push(name);
            }
            _ => {}
        }
    }

    /// The view that shows this scope as the stream's own shows another. It may be without members.
    pub(super) fn view_in_place_of(&mut self, id: SlotId, scope: &Scope) -> ViewId {
        let view = self.slots.get(id).view;
        let key = ViewKey { scope: scope.clone(), ..self.view(view).key.clone() };
        self.find_view(key)
    }

    /// Makes the stream a member of another view of its feed. What it has still to get must not be in its old view's log.
    pub(super) fn change_view(&mut self, id: SlotId, to: ViewId) {
        self.counters.rescoped.add(1);
        let (name, slot) = (self.slots.name(id), self.slots.get(id));
        let (from, member) = (slot.view, slot.member);
        for (moved, index) in self.view(from).remove_member(member) {
            if moved != id {
                self.slots.get_mut(moved).member = index;
            }
        }
        let left = self.view(from);
        left.waiting.retain(|waiting| *waiting != name);
        left.wants_specimen.retain(|waiting| *waiting != name);
        let is_empty = left.members.is_empty();
        let entered = self.view(to);
        entered.members.push(id);
        let member = u32::try_from(entered.members.len() - 1).expect("fewer streams than 2^32");
        let slot = self.slots.get_mut(id);
        (slot.view, slot.member) = (to, member);
        if is_empty {
            self.drop_view(from);
        }
    }

    /// Whether the stream is on its way to its view's snapshot, with no row before it.
    pub(super) fn gets_snapshot(&self, id: SlotId) -> bool {
        match self.slots.get(id).at {
            At::Waiting | At::Pausing => true,
            At::Prefix(segment, _) => matches!(self.prefixes.then(segment), Then::Snapshot | Then::Wait),
            At::Log(_) | At::Behind(_) | At::Line(_) => false,
        }
    }
}
