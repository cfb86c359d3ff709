//! What is said of a view whose ids are numbered, to all who show it: how its rows stand.

use std::time::{Duration, Instant};

use super::line_of;
use crate::core::Core;
use crate::core::prefix::Then;
use crate::core::slot::{At, RESUMED, SlotId, SlotName, TOLD};
use crate::core::view::{FeedId, ViewId};
use crate::feed::{self, block::Place};
use crate::kind::Rv;
use crate::wire::as_of::AsOf;
use crate::wire::dress::Dress;
use crate::wire::line::{self, Standing};
use crate::wire::sse::Framing;

/// How often it is said how a view stands, whatever the heartbeat is: more seldom, and a client could not say live in between
/// ([`line::LIVE_MS`]).
pub(super) const SAID_EVERY: Duration = Duration::from_secs(15);

impl Core {
    /// Time between two heartbeats of a view.
    pub(in crate::core) fn beats_every(&mut self, id: ViewId) -> Duration {
        let heartbeat = self.everywhere.streams.heartbeat;
        if self.view(id).key.is_numbered() { heartbeat.min(SAID_EVERY) } else { heartbeat }
    }

    /// How a view stands, as chunks. `at`: a version that all who read it have come to.
    pub(in crate::core) fn status_of(&mut self, id: ViewId, at: Option<Rv>) -> Vec<u8> {
        let feed = self.view(id).key.feed;
        let feed = &self.feed(feed).feed;
        let standing = match feed.standing() {
            feed::Standing::Live => Standing::Live,
            feed::Standing::Stale => Standing::Stale,
            feed::Standing::Gone => Standing::Gone,
        };
        let as_of = feed.as_of().map(AsOf::of);
        self.view(id).said_stale |= standing != Standing::Live;
        let mut chunks = Vec::new();
        line::write_status(&mut chunks, at, standing, as_of);
        chunks
    }

    /// How a view stands, as chunks for all who show it.
    pub(in crate::core) fn status_for_all(&mut self, id: ViewId, at: Option<Rv>) -> Vec<u8> {
        self.view(id).said_stale = false;
        self.status_of(id, at)
    }

    /// Views of which it was said that they are not live, and which are: that is not kept for the next heartbeat. (The other way round it is, or for the feed to tell:
    /// most absences are over before anybody has looked.)
    pub(in crate::core) fn tell_recovered(&mut self) {
        let is_live = |feed: FeedId| {
            let followed = self.feeds[feed as usize].as_ref();
            followed.is_some_and(|followed| followed.feed.standing() == feed::Standing::Live)
        };
        let recovered: Vec<ViewId> = (0..)
            .zip(&self.views)
            .filter_map(|(id, view)| Some((id, view.as_ref()?)))
            .filter(|(_, view)| view.said_stale && is_live(view.key.feed))
            .map(|(id, _)| id)
            .collect();
        for id in recovered {
            self.tell_status(id);
        }
    }

    /// A lane is about to get what it has missed: its client is told that its rows are not yet those of the cluster. Where these are stale anyway it hears of that,
    /// and nothing is said of a stream that is no lane.
    pub(in crate::core) fn say_catching_up(&mut self, id: SlotId) {
        let slot = self.slots.get(id);
        let (Some(line), view) = (slot.socket.line(), slot.view) else { return };
        let feed = self.view(view).key.feed;
        let feed = &self.feed(feed).feed;
        if feed.standing() != feed::Standing::Live {
            return;
        }
        let as_of = feed.as_of().map(AsOf::of);
        let mut chunks = Vec::new();
        line::write_status(&mut chunks, None, Standing::CatchingUp, as_of);
        // Words are framed as their line is.
        let dress = Dress { framing: Framing::Chunked, ..self.view(view).dress };
        self.say(line, &dress.dressed(chunks));
    }

    /// How a view stands has changed.
    pub(in crate::core) fn tell_status(&mut self, id: ViewId) {
        let feed = self.view(id).key.feed;
        let end = self.feed(feed).mirror.end();
        let chunks = self.status_for_all(id, None);
        let bytes = self.dressed(id, chunks);
        self.view(id).log.append_notice(&bytes, end);
        self.schedule_lap(id, Instant::now());
    }

    /// Tells a line that is about to end at which version each view is of which it has got all there is: its client may have shown nothing newer for long, and by this
    /// position another replica knows that it has missed nothing.
    pub(in crate::core) fn tell_positions(&mut self, own: SlotId) {
        let Some(id) = line_of(self.slots.get(own)) else { return };
        let streams: Vec<SlotName> =
            self.lines.get(id).map(|line| line.lanes.streams().flatten().collect()).unwrap_or_default();
        for stream in streams {
            let Some(view) = self.slots.named(stream).map(|slot| slot.view) else { continue };
            let feed = self.view(view).key.feed;
            self.take_blocks(feed);
            // What was taken may have ended it.
            if !self.slots.named(stream).is_some_and(|slot| self.stands_at_end(slot)) {
                continue;
            }
            let newest = self.feed(feed).mirror.newest().head;
            let chunks = self.status_of(view, Some(newest));
            // Words are framed as their line is.
            let dress = Dress { framing: Framing::Chunked, ..self.view(view).dress };
            self.say(id, &dress.dressed(chunks));
        }
    }

    /// A lane that is about to enter the log at this place is told how its view stands; one that resumed, that it has all.
    pub(in crate::core) fn tell_before_log(&mut self, id: SlotId, place: Place) {
        let slot = self.slots.get_mut(id);
        slot.set(TOLD);
        let (view, resumed) = (slot.view, slot.is(RESUMED));
        let feed = self.view(view).key.feed;
        let newest = self.feed(feed).mirror.newest();
        let at = (newest.end() == place && newest.head > Rv(0)).then_some(newest.head);
        let mut chunks = Vec::new();
        if resumed {
            line::write_resumed(&mut chunks, at);
        }
        chunks.extend(self.status_of(view, at));
        let bytes = self.dressed(view, chunks);
        let segment = self.prefixes.own(bytes, Then::From(place));
        self.slots.get_mut(id).at = At::Prefix(segment, 0);
        self.make_ready(id);
    }
}
