//! What the source says becomes blocks: compared with the replica, encoded once, appended, and told to the cores that follow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::block::{Block, Content, Frame, Refused};
use super::journal::Bounds;
use super::post::Mail;
use super::replica::Delta;
use super::{Feed, State, Status, Writer};
use crate::kind::{Change, Listing, Object, Rv};
use crate::wire::sse::{self, Op};

/// How often the version that resume ids name moves on where nothing else happens.
const HEAD_EVERY: Duration = Duration::from_secs(5);

/// Frames being gathered for one block.
#[derive(Default)]
pub(super) struct Batch {
    frames: Vec<Frame>,
    bytes: Vec<u8>,
}

impl Feed {
    /// Takes a whole list: the first sync, or a relist, which is repaired by diff.
    ///
    /// `epoch` names the cluster's incarnation (the uid of its kube-system namespace) where it could be read; another epoch
    /// than before, or a version that falls, begins a new journal. The state becomes [`State::Live`].
    pub fn replace(&self, rv: Rv, objects: Vec<Object>, epoch: Option<&str>) {
        self.counters.lists.add(1);
        self.take_list(rv, objects, epoch);
    }

    /// The same with a list that another feed of the source has donated.
    pub(super) fn take_list(&self, rv: Rv, objects: Vec<Object>, epoch: Option<&str>) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return;
        }
        let other_epoch = matches!((&writer.epoch, epoch), (Some(old), Some(new)) if old != new);
        if let Some(epoch) = epoch {
            writer.epoch = Some(epoch.to_owned());
        }
        if writer.synced {
            self.relist(writer, rv, objects, other_epoch);
        } else {
            writer.replica.fill(objects);
            writer.synced = true;
            writer.head = rv;
            self.publish(writer, Batch::default(), Content::Reset);
        }
        self.arrived(writer);
    }

    fn relist(&self, writer: &mut Writer, rv: Rv, objects: Vec<Object>, other_epoch: bool) {
        let deltas = writer.replica.replace(objects);
        // A difference without a newer version to name it is as good as a version that fell.
        let no_newer = rv < writer.head || (rv == writer.head && !deltas.is_empty());
        if other_epoch || no_newer {
            self.counters.resets.add(1);
            writer.journal.disown(writer.head);
            writer.head = rv;
            self.publish(writer, Batch::default(), Content::Reset);
        } else {
            self.counters.diffed.add(deltas.len() as u64);
            self.publish_gap(writer, &deltas, rv);
        }
    }

    /// Takes a batch of watch events, in order: [`Change::Put`], [`Change::Deleted`] and [`Change::Bookmark`]
    /// ([`Change::Error`] is the source's own business and is ignored here). Empties the vector. The state becomes [`State::Live`].
    pub fn apply(&self, changes: &mut Vec<Change>) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return changes.clear();
        }
        let now = Timestamp::now();
        let mut batch = Batch::default();
        let before = writer.head;
        for change in changes.drain(..) {
            let (rv, delta) = match change {
                // What is not newer than what was applied is the repetition of it.
                Change::Put(object) if object.rv > writer.head => (object.rv, writer.replica.put(object)),
                Change::Deleted(object) if object.rv > writer.head => {
                    (object.rv, writer.replica.delete(object))
                }
                Change::Bookmark { rv, .. } => {
                    self.counters.bookmarks.add(1);
                    writer.head = writer.head.max(rv);
                    continue;
                }
                Change::Put(_) | Change::Deleted(_) | Change::Error(_) => continue,
            };
            self.counters.events_in.add(1);
            writer.head = rv;
            match delta {
                None => self.counters.suppressed.add(1),
                Some(delta) => {
                    if let (Op::Added, Some(created)) = (delta.op, delta.row.created()) {
                        // An apiserver's clock may be ahead of ours.
                        let late = Duration::try_from(now.duration_since(created)).unwrap_or_default();
                        self.lateness.observe(late);
                    }
                    self.frame(&mut batch, &mut writer.scratch, &delta, (Some(rv), rv), now);
                }
            }
        }
        // A version that moved without a frame can wait for the next tick: it only keeps resume ids young.
        let newest = writer.journal.newest();
        let urgent = !batch.frames.is_empty() || newest.at.elapsed() > HEAD_EVERY;
        if writer.head > before && urgent {
            self.publish(writer, batch, Content::Events);
        }
        self.arrived(writer);
    }

    /// Says how the source is doing.
    pub fn set_state(&self, state: State) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return;
        }
        if state == State::Live {
            self.arrived(writer);
            return;
        }
        let is_new = self.status.load().state != state;
        let (refused, is_syncing) = (state.refused(), state == State::Syncing);
        // First, so that whoever resumes while streams are told is told as well.
        self.set_status(state, writer.synced);
        if let Some(why) = refused {
            for (core, scope) in std::mem::take(&mut writer.waiting) {
                self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Err(why)));
            }
        }
        match refused {
            Some(why) if why != Refused::Unauthenticated => {
                // Whoever comes once the refusal is over is not to hear of an absence that nothing has ended.
                if let Some((_, true)) = writer.away.take() {
                    self.publish(writer, Batch::default(), Content::Back);
                }
                if is_new {
                    self.publish(writer, Batch::default(), Content::Refused(why));
                }
            }
            // Foretop's own trouble takes no right from its users: to them the source is away.
            _ if !is_syncing => {
                writer.away.get_or_insert((Instant::now(), false));
            }
            _ => {}
        }
    }

    /// The clock's turn: evicts what is too old, moves the version that resume ids name, and tells of a source that stays away.
    pub fn tick(&self, now: Instant) {
        let mut writer = self.lock();
        let writer = &mut *writer;
        if writer.ended {
            return;
        }
        if let Some((since, told @ false)) = &mut writer.away
            && now.saturating_duration_since(*since) >= self.away_after
            && writer.synced
        {
            *told = true;
            self.publish(writer, Batch::default(), Content::Away);
        }
        let newest = writer.journal.newest();
        if writer.head > newest.head && now.saturating_duration_since(newest.at) > HEAD_EVERY {
            self.publish(writer, Batch::default(), Content::Events);
        }
        if writer.journal.evict(self.bounds, now) {
            self.tail.store(Arc::new(writer.tail()));
        }
    }

    /// Says now how far its rows are known, though nothing came: a server that goes names that to its clients, who else would come back with an older
    /// version, which another replica may not know any more.
    pub fn say_head(&self) {
        let mut writer = self.lock();
        if !writer.ended && writer.head > writer.journal.newest().head {
            self.publish(&mut writer, Batch::default(), Content::Events);
        }
    }

    /// Lets the journal retain no more than so many bytes, now.
    pub(super) fn shrink(&self, bytes: usize, now: Instant) {
        let mut writer = self.lock();
        if writer.journal.evict(Bounds { bytes, ..self.bounds }, now) {
            self.tail.store(Arc::new(writer.tail()));
        }
    }

    /// Ends the feed for those who follow it. Nothing follows its end: its source may not have heard of it yet.
    pub fn end(&self) {
        let mut writer = self.lock();
        if std::mem::replace(&mut writer.ended, true) {
            return;
        }
        for (core, scope) in std::mem::take(&mut writer.waiting) {
            self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, Err(Refused::Gone)));
        }
        self.publish(&mut writer, Batch::default(), Content::Refused(Refused::Gone));
    }

    /// The source works: rows are (again) what the apiserver shows.
    fn arrived(&self, writer: &mut Writer) {
        writer.replica_charge.set(writer.replica.memory());
        if let Some((_, told)) = writer.away.take()
            && told
        {
            self.publish(writer, Batch::default(), Content::Back);
        }
        // Before anybody hears of the first sync, so that who comes next finds it.
        self.set_status(State::Live, writer.synced);
        if !writer.synced {
            return;
        }
        for (core, scope) in std::mem::take(&mut writer.waiting) {
            let snapshot = self.snapshot(writer, &scope, true, Some(core));
            self.post_self(core, |feed| Mail::Snapshot(feed, scope, true, snapshot));
        }
    }

    pub(super) fn set_status(&self, state: State, synced: bool) {
        let known = self.status.load();
        let last_refused = known.refused_in(&state);
        let state = if state == State::Live && !synced { State::Syncing } else { state };
        if known.state == state && known.synced == synced && known.last_refused == last_refused {
            return;
        }
        let since = if known.state.word() == state.word() { known.since } else { Timestamp::now() };
        self.status.store(Arc::new(Status { state, since, synced, last_refused }));
    }

    /// Encodes one delta into the batch. `versions`: what its id names (if it has one), and what is known of it.
    fn frame(
        &self,
        batch: &mut Batch,
        scratch: &mut Vec<u8>,
        delta: &Delta<'_>,
        versions: (Option<Rv>, Rv),
        now: Timestamp,
    ) {
        let upserts = matches!(self.key.kind.listing, Listing::NewestFirst { .. });
        let op = if upserts && delta.op == Op::Modified { Op::Added } else { delta.op };
        let row: &[u8] = if delta.row.clock.is_none() {
            &delta.row.json
        } else {
            scratch.clear();
            delta.row.write(now, scratch);
            scratch
        };
        let written = sse::write_delta(&mut batch.bytes, op, versions.0, row);
        self.counters.encodings.add(1);
        batch.frames.push(Frame {
            rv: versions.1,
            namespace: delta.namespace.clone(),
            object: delta.object,
            at: u32::try_from(written.start).expect("a block is far smaller than 4 GiB"),
            row: u16::try_from(written.row - written.start).expect("event and id lines are short"),
            op,
        });
    }

    fn publish_gap(&self, writer: &mut Writer, deltas: &[Delta<'_>], rv: Rv) {
        if rv == writer.head {
            return;
        }
        // Versions up to here are places; those inside the gap are not, even where there is no difference: who comes with one of them may
        // show what came and went.
        if writer.head > writer.journal.newest().head {
            self.publish(writer, Batch::default(), Content::Events);
        }
        writer.head = rv;
        let now = Timestamp::now();
        let mut batch = Batch::default();
        for (index, delta) in deltas.iter().enumerate() {
            let id = (index + 1 == deltas.len()).then_some(rv);
            self.frame(&mut batch, &mut writer.scratch, delta, (id, rv), now);
        }
        let sizes = writer.replica.list_sizes();
        self.publish(writer, batch, Content::Gap(Box::new(sizes)));
    }

    pub(super) fn publish(&self, writer: &mut Writer, batch: Batch, content: Content) {
        let newest = writer.journal.newest();
        let versions = (newest.head, writer.head);
        let now = Instant::now();
        let begins_anew = matches!(content, Content::Reset);
        let place = newest.end() + u64::from(begins_anew);
        let block = Block::new(place, batch.frames, batch.bytes, versions, content, now);
        writer.journal.append(Arc::new(block));
        if begins_anew {
            writer.journal.begin_anew();
        }
        let limit = self.bounds.bytes + self.bounds.bytes / 16;
        if writer.journal.size().0 > limit {
            writer.journal.evict(self.bounds, now);
        }
        self.tail.store(Arc::new(writer.tail()));
        for (core, following) in self.following.iter().enumerate() {
            if following.grown() {
                self.post_self(core, Mail::Grown);
            }
        }
    }
}
