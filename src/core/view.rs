//! Views: what streams show, and what the streams of one view share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::line::parts::Coming;
use super::log::Log;
use super::prefix::SegmentId;
use super::slot::{SlotId, SlotName};
use crate::feed::block::{Block, Content, Place};
use crate::feed::journal::Mirror;
use crate::feed::snapshot::Snapshot;
use crate::feed::{Feed, Scope};
use crate::kind::Rv;
use crate::wire::dress::Dress;
use crate::wire::id::Mark;
use crate::wire::sse::{self, Framing};

/// A view's number in its core.
pub type ViewId = u32;

/// A followed feed's number in its core.
pub type FeedId = u32;

/// What makes two streams share everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ViewKey {
    /// Which feed.
    pub feed: FeedId,
    /// Which of its namespaces.
    pub scope: Scope,
    /// How the body is delimited.
    pub framing: Framing,
    /// Where its streams are lanes of lines, by which wish: each event's id names the view by its serial, and notices are those of the multiplexed format.
    /// A line may have a lane for all that its user may see and one for the very same namespaces by name: each has a number of its own.
    pub lanes: Option<Wished>,
}

/// What lanes that show the same were asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wished {
    /// All that the user may see.
    Everything,
    /// These namespaces.
    Namespaces,
}

impl ViewKey {
    /// Whether its streams are lanes of lines.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        self.lanes.is_some()
    }

    /// Every view that there may be of this scope of a feed.
    pub fn all_of(feed: FeedId, scope: &Scope) -> impl Iterator<Item = ViewKey> {
        let lanes = [None, Some(Wished::Everything), Some(Wished::Namespaces)];
        let shapes = lanes.into_iter().flat_map(|lanes| [(Framing::Chunked, lanes), (Framing::Plain, lanes)]);
        shapes.map(move |(framing, lanes)| ViewKey { feed, scope: scope.clone(), framing, lanes })
    }
}

/// What the streams of one view share on one core.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says one thing of its own; no two make a state together"
)]
pub struct View {
    /// What it shows.
    pub key: ViewKey,
    /// How its streams get what is shared with other views.
    pub dress: Dress,
    /// What its streams have still to get.
    pub log: Log,
    /// Its streams, wherever each stands.
    pub members: Vec<SlotId>,
    /// Which view this is; ids are used again, serials never.
    pub serial: u64,
    /// Something came during the lap that members already visited have not got.
    pub again: bool,
    /// The next member to visit in the lap that is under way.
    pub lap: Option<u32>,
    /// When the lap that is under way began; between laps, when the newest one ended.
    pub turned: Option<Instant>,
    /// A block that is being taken has a frame for it.
    pub touched: bool,
    /// When the oldest frame was published that no lap has begun to send.
    pub oldest: Option<Instant>,
    /// The same of the lap that is under way, or of the newest one.
    pub carries: Option<Instant>,
    /// A lap is due then.
    pub due: Option<Instant>,
    /// Streams that wait for a snapshot.
    pub waiting: Vec<SlotName>,
    /// Since when a snapshot is asked for that is not here yet.
    pub asked: Option<Instant>,
    /// The newest snapshot, as a segment that the view holds.
    pub snapshot: Option<HeldSnapshot>,
    /// The snapshot of which some parts are here.
    pub coming: Option<Coming>,
    /// Catch-ups that streams may still join, newest last.
    pub ranges: Vec<Range>,
    /// The frame that says nothing new, made at this place and version.
    pub specimen: Option<(Place, Rv, SegmentId)>,
    /// Such a frame is to go into the log when it is here.
    pub owes_specimen: bool,
    /// Streams that wait for such a frame.
    pub wants_specimen: Vec<SlotName>,
    /// The version that the last heartbeat named.
    pub told: Rv,
    /// Whether a frame came since the streams were told that the source is away.
    pub spoke_since_away: bool,
    /// Whether anybody was told that its rows are not live since all were last told how they stand. Said of views whose ids are numbered.
    pub said_stale: bool,
}

/// A snapshot that a view hands out.
pub struct HeldSnapshot {
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
    /// Its segment.
    pub segment: SegmentId,
    /// Bytes of the view's frames since.
    pub since: usize,
    /// When a stream was last given it.
    pub given: Instant,
}

/// A catch-up that several streams can share: the frames from one place to another, only the latest of each object where it is coalesced.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Whoever has seen all before this place, or more, can join.
    pub from: Place,
    /// Who has read it has seen all before this place.
    pub to: Place,
    /// Whether frames were left out that a later one makes needless.
    pub coalesced: bool,
    /// When it was encoded.
    pub made: Instant,
    /// Its segment, which the view holds.
    pub segment: SegmentId,
}

impl View {
    /// A view without streams.
    pub fn new(key: ViewKey, mark: Option<Mark>, serial: u64, end: Place, head: Rv) -> Self {
        View {
            dress: Dress { framing: key.framing, mark, number: key.is_numbered().then_some(serial) },
            key,
            log: Log::new(end),
            members: Vec::new(),
            serial,
            again: false,
            lap: None,
            turned: None,
            touched: false,
            oldest: None,
            carries: None,
            due: None,
            waiting: Vec::new(),
            asked: None,
            snapshot: None,
            coming: None,
            ranges: Vec::new(),
            specimen: None,
            owes_specimen: false,
            wants_specimen: Vec::new(),
            told: head,
            spoke_since_away: true,
            said_stale: false,
        }
    }

    /// A block is about to be taken that has a frame for it, the first of which is of this place.
    pub fn meet(&mut self, block: &Block, place: Place) {
        if self.key.is_numbered() && matches!(block.content, Content::Gap(_)) {
            let mut notice = Vec::new();
            sse::write_notice(&mut notice, "gap", "{}");
            self.log.append_notice(&self.dress.dressed(notice), place);
        }
    }

    /// Takes the frame of this place.
    pub fn take(&mut self, frame: &[u8], place: Place) {
        if self.dress.is_bare() {
            self.log.append(frame, place);
        } else {
            self.log.append_dressed(frame, self.dress, place);
        }
        self.spoke_since_away = true;
        if let Some(held) = &mut self.snapshot {
            held.since += frame.len();
        }
    }

    /// Whether the frame that says nothing new is asked for.
    pub fn awaits_specimen(&self) -> bool {
        self.owes_specimen || !self.wants_specimen.is_empty()
    }

    /// Takes the member at this index out without letting the lap miss or repeat another. Returns the streams whose index changed, with
    /// their new one.
    pub fn remove_member(&mut self, index: u32) -> Vec<(SlotId, u32)> {
        let mut moved = Vec::new();
        let mut hole = index as usize;
        if let Some(next) = self.lap
            && index < next
        {
            // The last one visited fills the hole; its own place is then filled by one that was not visited.
            let last_visited = next as usize - 1;
            self.members.swap(hole, last_visited);
            if hole != last_visited {
                moved.push((self.members[hole], index));
            }
            hole = last_visited;
            self.lap = Some(next - 1);
        }
        self.members.swap_remove(hole);
        if let Some(filler) = self.members.get(hole) {
            moved.push((*filler, u32::try_from(hole).expect("an index of a member")));
        }
        moved
    }
}

/// A feed as one core follows it.
pub struct FollowedFeed {
    /// The feed.
    pub feed: Arc<Feed>,
    /// Its retained blocks.
    pub mirror: Mirror,
    /// Views of all namespaces.
    pub all: Vec<ViewId>,
    /// Views that show a namespace and not all of them.
    pub by_namespace: HashMap<Arc<str>, Vec<ViewId>>,
    /// Streams were told that the source is away.
    pub away: bool,
}

impl FollowedFeed {
    /// Every view of the feed, each once.
    pub fn views(&self) -> impl Iterator<Item = ViewId> {
        let mut views: Vec<ViewId> =
            self.all.iter().chain(self.by_namespace.values().flatten()).copied().collect();
        // A view of a set is in the list of each of its namespaces.
        views.sort_unstable();
        views.dedup();
        views.into_iter()
    }

    /// Enters a view.
    pub fn add(&mut self, scope: &Scope, view: ViewId) {
        match scope {
            Scope::All => self.all.push(view),
            Scope::Namespace(namespace) => self.enter(namespace, view),
            Scope::Set(set) => set.names().iter().for_each(|namespace| self.enter(namespace, view)),
        }
    }

    /// Takes a view out. Returns whether none is left.
    pub fn remove(&mut self, scope: &Scope, view: ViewId) -> bool {
        match scope {
            Scope::All => self.all.retain(|id| *id != view),
            Scope::Namespace(namespace) => self.leave(namespace, view),
            Scope::Set(set) => set.names().iter().for_each(|namespace| self.leave(namespace, view)),
        }
        self.all.is_empty() && self.by_namespace.is_empty()
    }

    fn enter(&mut self, namespace: &Arc<str>, view: ViewId) {
        self.by_namespace.entry(namespace.clone()).or_default().push(view);
    }

    fn leave(&mut self, namespace: &Arc<str>, view: ViewId) {
        let Some(views) = self.by_namespace.get_mut(namespace) else { return };
        views.retain(|id| *id != view);
        if views.is_empty() {
            self.by_namespace.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(members: u32, lap: Option<u32>) -> View {
        let key = ViewKey { feed: 0, scope: Scope::All, framing: Framing::Chunked, lanes: None };
        let mut view = View::new(key, None, 0, 0, Rv(0));
        view.members = (0..members).collect();
        view.lap = lap;
        view
    }

    #[test]
    fn a_lap_neither_misses_nor_repeats_a_member_when_another_leaves() {
        for size in 1..7 {
            for next in 0..=size {
                for leaves in 0..size {
                    let mut view = view(size, Some(next));
                    let unvisited: Vec<_> = (next..size).filter(|member| *member != leaves).collect();
                    let moved = view.remove_member(leaves);
                    let next = view.lap.expect("the lap goes on") as usize;
                    let mut left: Vec<_> = view.members[next..].to_vec();
                    left.sort_unstable();
                    assert_eq!(left, unvisited, "size {size}, lap at {next}, {leaves} leaves");
                    for (slot, index) in moved {
                        assert_eq!(view.members[index as usize], slot);
                    }
                    for (index, slot) in (0u32..).zip(&view.members) {
                        let known = *slot == index || moved_to(&view, *slot) == index;
                        assert!(known, "every changed index is told");
                    }
                }
            }
        }
    }

    fn moved_to(view: &View, slot: SlotId) -> u32 {
        u32::try_from(view.members.iter().position(|member| *member == slot).expect("a member"))
            .expect("small")
    }
}
