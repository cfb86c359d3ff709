//! Blocks: immutable batches of frames, linked in the order in which they came.
//!
//! The chain is what cores share. The feed's writer appends a block by setting its predecessor's link once; any core that holds a
//! block finds all later ones by following links, without a lock and without the writer knowing of it. So a core that fell behind
//! has lost nothing, and a notification needs to say only that there is something.
//!
//! A block of a frame or two is mostly overhead, and a quiet feed has no others. So the journal merges the small ones, once they are not the
//! newest any more, and lets the link before them lead to what they became. Who stands on one of them goes on by its own link.
//!
//! Invariants: places are consecutive over the chain, but for a [`Content::Reset`], which leaves one out, so that no place before it is
//! one behind it; versions never fall along the chain (a version that falls starts a new journal, by a Reset); a block is never changed
//! after it was linked; whichever links one follows, one comes by the same frames in the same order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;

use super::Scope;
use crate::kind::Rv;
use crate::wire::sse::Op;

/// A place in a feed's sequence of frames: how many frames came before it. Internal; on the wire a place is named by a version.
pub type Place = u64;

/// A block of so many frames is not merged any more.
const SMALL: usize = 16;

/// What is known of one frame, beside its bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The version that its id names; inside a gap the version of the list that closed the gap.
    pub rv: Rv,
    /// Namespace of the object; empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// The object: a number that stays the same while the object lives, never used again.
    pub object: u64,
    /// Offset of the frame in the block's bytes.
    pub at: u32,
    /// Offset of the row's JSON in the frame.
    pub row: u16,
    /// What the frame says.
    pub op: Op,
}

/// What a block says.
#[derive(Debug)]
pub enum Content {
    /// Events, each frame with the id of its own version. No frames: only the feed's version moved.
    Events,
    /// What a relist found: the difference between the rows before and the list. It has no order that ids could name: only the last
    /// frame has one, the list's version.
    Gap(Box<ListSizes>),
    /// The versions began anew: nothing before this block can be resumed from.
    Reset,
    /// The source has been away for a while: rows may be stale.
    Away,
    /// The source is back; with no difference to tell of, streams are told that they are live again.
    Back,
    /// The source is refused: streams end with this reason.
    Refused(Refused),
}

/// Why a feed can show nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The apiserver forbids it to Foretop's account.
    Forbidden,
    /// The apiserver does not know the kind.
    Absent,
    /// The apiserver refuses Foretop's credentials.
    Unauthenticated,
    /// There is no answer from the apiserver, and too many wait for one.
    Unavailable,
    /// The cluster was taken out of the registry, or its feed replaced.
    Gone,
    /// There is no memory for a snapshot.
    Full,
}

/// How large a snapshot would be, in bytes, per scope: what a gap is weighed against.
#[derive(Debug, Default)]
pub struct ListSizes {
    /// Of all namespaces.
    pub all: usize,
    /// Of one namespace.
    pub by_namespace: HashMap<Arc<str>, usize>,
}

impl ListSizes {
    /// Of a scope.
    #[must_use]
    pub fn of(&self, scope: &Scope) -> usize {
        let one = |name: &Arc<str>| self.by_namespace.get(name).copied().unwrap_or(0);
        match scope {
            Scope::All => self.all,
            Scope::Namespace(namespace) => one(namespace),
            Scope::Set(set) => set.names().iter().map(one).sum(),
        }
    }
}

/// A batch of frames.
#[derive(Debug)]
pub struct Block {
    /// Place of the first frame.
    pub place: Place,
    /// The frames, in order.
    pub frames: Box<[Frame]>,
    /// Their wire bytes, chunked.
    pub bytes: Box<[u8]>,
    /// The feed's version before this block.
    pub before: Rv,
    /// The feed's version after this block.
    pub head: Rv,
    /// What the block says.
    pub content: Content,
    /// When it was appended.
    pub at: Instant,
    next: ArcSwapOption<Block>,
}

impl Block {
    /// A block that is not linked yet.
    #[must_use]
    pub fn new(
        place: Place,
        frames: Vec<Frame>,
        bytes: Vec<u8>,
        versions: (Rv, Rv),
        content: Content,
        at: Instant,
    ) -> Self {
        let (before, head) = versions;
        Block {
            place,
            frames: frames.into(),
            bytes: bytes.into(),
            before,
            head,
            content,
            at,
            next: ArcSwapOption::empty(),
        }
    }

    /// The block after this one, if there is one yet.
    #[must_use]
    pub fn next(&self) -> Option<Arc<Block>> {
        self.next.load_full()
    }

    /// Links what follows: the next block, or what it was merged into. Only the feed's writer calls this.
    pub(super) fn link(&self, next: Arc<Block>) {
        debug_assert_eq!(self.end() + u64::from(matches!(next.content, Content::Reset)), next.place);
        self.next.store(Some(next));
    }

    /// Whether it can be merged with its neighbours, and is small enough for that to be worth a copy.
    pub(super) fn is_small(&self) -> bool {
        matches!(self.content, Content::Events) && self.frames.len() < SMALL
    }

    /// One block that says what these say, which follow on each other. Not linked yet. It is as old as the newest of them, so that no
    /// frame goes before its time.
    pub(super) fn merged(blocks: &[Arc<Block>]) -> Block {
        let (first, last) = (&blocks[0], &blocks[blocks.len() - 1]);
        let mut frames = Vec::with_capacity(blocks.iter().map(|block| block.frames.len()).sum());
        let mut bytes = Vec::with_capacity(blocks.iter().map(|block| block.bytes.len()).sum());
        for block in blocks {
            let from = u32::try_from(bytes.len()).expect("small blocks are far smaller than 4 GiB");
            frames.extend(block.frames.iter().map(|frame| Frame { at: from + frame.at, ..frame.clone() }));
            bytes.extend_from_slice(&block.bytes);
        }
        Block::new(first.place, frames, bytes, (first.before, last.head), Content::Events, last.at)
    }

    /// The place after the last frame.
    #[must_use]
    pub fn end(&self) -> Place {
        self.place + self.frames.len() as Place
    }

    /// The wire bytes of the frame with this index.
    #[must_use]
    pub fn frame_bytes(&self, index: usize) -> &[u8] {
        let start = self.frames[index].at as usize;
        let end = self.frames.get(index + 1).map_or(self.bytes.len(), |next| next.at as usize);
        &self.bytes[start..end]
    }

    /// Bytes that the block takes in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Block>() + 16 + self.bytes.len() + self.frames.len() * size_of::<Frame>()
    }
}

impl Drop for Block {
    /// Unlinks iteratively: a long chain whose head is dropped would otherwise be dropped by recursion.
    fn drop(&mut self) {
        let mut next = self.next.swap(None);
        while let Some(block) = next {
            let Ok(owned) = Arc::try_unwrap(block) else { return };
            next = owned.next.swap(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_a_million_blocks_can_be_dropped() {
        let block = || Block::new(0, Vec::new(), Vec::new(), (Rv(0), Rv(0)), Content::Events, Instant::now());
        let first = Arc::new(block());
        let mut last = first.clone();
        for _ in 0..1_000_000 {
            let next = Arc::new(block());
            last.link(next.clone());
            last = next;
        }
        drop(last);
        drop(first);
    }

    #[test]
    fn a_frame_is_small() {
        assert!(size_of::<Frame>() <= 48, "a journal promises 48 bytes a frame beside its wire bytes");
    }
}
