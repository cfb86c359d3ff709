//! The journal: the retained end of a feed's chain of blocks, and the finding of places in it.
//!
//! The feed's writer owns a [`Journal`] and publishes its [`Tail`]; a core keeps a [`Mirror`] of the same blocks, so that resuming
//! and catching up need nobody but the core.

mod saved;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Scope;
use super::block::{Block, Content, Frame, Place};
use super::ledger::Charge;
use crate::kind::Rv;
pub use saved::Past;

/// Where the retained chain begins, and what lies before it.
#[derive(Debug)]
pub struct Tail {
    /// The oldest retained block.
    pub oldest: Arc<Block>,
    /// The version at which this journal began: nothing before it can be resumed from.
    pub base: Rv,
    /// Versions up to this one may name something of a journal before this one, so they name no place.
    pub disowned: Option<Rv>,
    /// Per namespace, the version of its newest frame that was evicted.
    pub evicted: Arc<HashMap<Arc<str>, Rv>>,
    /// The newest version over all of `evicted`.
    pub evicted_any: Option<Rv>,
    /// Whether streams were told that the source is away.
    pub away: bool,
    /// Blocks before this place are not merged any more.
    pub settled: Place,
}

impl Tail {
    /// Whether all frames of the scope that are newer than `rv` are retained.
    #[must_use]
    pub fn reaches(&self, scope: &Scope, rv: Rv) -> bool {
        let evicted = match scope {
            Scope::All => self.evicted_any,
            Scope::Namespace(namespace) => self.evicted.get(namespace).copied(),
            Scope::Set(set) => set.names().iter().filter_map(|name| self.evicted.get(name).copied()).max(),
        };
        rv >= self.base && !self.disowns(rv) && evicted.is_none_or(|newest| newest <= rv)
    }

    fn disowns(&self, rv: Rv) -> bool {
        self.disowned.is_some_and(|newest| rv <= newest)
    }
}

/// Namespaces whose newest evicted frame is remembered.
const MOST_NAMESPACES: usize = 8192;

/// Blocks that gather behind the newest before the small ones among them are merged. Few in tests, so that they see it often.
const RUN: usize = if cfg!(test) { 3 } else { 32 };

/// The writer's side: what is retained, within a time and a number of bytes.
#[derive(Debug)]
pub struct Journal {
    blocks: VecDeque<Arc<Block>>,
    /// So many of the oldest are not merged any more.
    settled: usize,
    base: Rv,
    disowned: Option<Rv>,
    evicted: Arc<HashMap<Arc<str>, Rv>>,
    evicted_any: Option<Rv>,
    charge: Charge,
}

/// What a journal may retain.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Age of the oldest block.
    pub age: Duration,
    /// Bytes of all blocks.
    pub bytes: usize,
}

impl Journal {
    /// A journal that begins with this block.
    #[must_use]
    pub fn new(first: Arc<Block>, mut charge: Charge) -> Self {
        charge.set(first.memory());
        Journal {
            base: first.head,
            disowned: None,
            blocks: VecDeque::from([first]),
            settled: 0,
            evicted: Arc::default(),
            evicted_any: None,
            charge,
        }
    }

    /// The newest block.
    #[must_use]
    pub fn newest(&self) -> &Arc<Block> {
        self.blocks.back().expect("a journal holds at least its newest block")
    }

    /// Bytes and blocks retained.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.charge.bytes(), self.blocks.len())
    }

    /// Appends a block and links it to the chain.
    pub fn append(&mut self, block: Arc<Block>) {
        self.charge.set(self.charge.bytes() + block.memory());
        self.newest().link(block.clone());
        if self.blocks.len() - self.settled >= RUN {
            self.settle();
        }
        self.blocks.push_back(block);
    }

    /// Merges the small ones of the blocks that are not settled yet, and leads the chain over what they became. Whoever holds the ones that
    /// they were finds the way from there.
    fn settle(&mut self) {
        let newest = self.newest().next().expect("the newest was linked to the one that is appended");
        let loose: Vec<_> = self.blocks.drain(self.settled..).collect();
        for run in loose.chunk_by(|one, other| one.is_small() && other.is_small()) {
            match run {
                [one] => self.blocks.push_back(one.clone()),
                _ => self.blocks.push_back(Arc::new(Block::merged(run))),
            }
        }
        let saved = memory(loose.iter()) - memory(self.blocks.range(self.settled..));
        self.charge.set(self.charge.bytes() - saved);
        // From the end, so that whoever passes meanwhile finds a chain that is whole.
        let mut next = newest;
        for block in self.blocks.range(self.settled.saturating_sub(1)..).rev() {
            block.link(next);
            next = block.clone();
        }
        self.settled = self.blocks.len();
    }

    /// Versions up to this one belong to the journal that is about to end; in the one that follows they mean something else.
    pub fn disown(&mut self, head: Rv) {
        self.disowned = self.disowned.max(Some(head));
    }

    /// Forgets everything before the newest block, which begins a new journal.
    pub fn begin_anew(&mut self) {
        let newest = self.newest().clone();
        self.charge.set(newest.memory());
        self.base = newest.head;
        self.blocks = VecDeque::from([newest]);
        self.settled = 0;
        self.evicted = Arc::default();
        self.evicted_any = None;
    }

    /// Evicts what is out of bounds; the newest block always stays. Returns whether anything was evicted.
    pub fn evict(&mut self, bounds: Bounds, now: Instant) -> bool {
        let mut evicted = Vec::new();
        let mut bytes = self.charge.bytes();
        // In strokes, not block by block: each stroke publishes a new tail.
        let target = if bytes > bounds.bytes { bounds.bytes - bounds.bytes / 16 } else { bounds.bytes };
        while self.blocks.len() > 1 {
            let oldest = &self.blocks[0];
            let old = now.saturating_duration_since(oldest.at) > bounds.age;
            if !old && bytes <= target {
                break;
            }
            bytes -= oldest.memory();
            evicted.extend(self.blocks.pop_front());
        }
        self.settled = self.settled.saturating_sub(evicted.len());
        self.charge.set(bytes);
        let frames = evicted.iter().flat_map(|block| block.frames.iter());
        let mut newest: Option<HashMap<Arc<str>, Rv>> = None;
        for frame in frames {
            let map = newest.get_or_insert_with(|| HashMap::clone(&self.evicted));
            map.insert(frame.namespace.clone(), frame.rv);
            self.evicted_any = Some(frame.rv);
        }
        match newest {
            // Namespaces come and go; a journal that has seen very many of them simply begins later for all.
            Some(map) if map.len() > MOST_NAMESPACES => {
                self.base = self.base.max(self.evicted_any.unwrap_or(self.base));
                self.evicted = Arc::default();
            }
            Some(map) => self.evicted = Arc::new(map),
            None => {}
        }
        !evicted.is_empty()
    }

    /// Bytes of the scope's frames since a place; `None` when the journal does not reach back to it. Stops counting beyond `enough`.
    #[must_use]
    pub fn bytes_since(&self, place: Place, scope: &Scope, enough: usize) -> Option<usize> {
        if place < self.blocks[0].place {
            return None;
        }
        let mut bytes = 0;
        for (block, index, frame) in frames(&self.blocks, place, Place::MAX) {
            if scope.holds(&frame.namespace) {
                bytes += block.frame_bytes(index).len();
            }
            if bytes > enough {
                break;
            }
        }
        Some(bytes)
    }

    /// What cores need to know of where the journal begins.
    #[must_use]
    pub fn tail(&self, away: bool) -> Tail {
        Tail {
            away,
            oldest: self.blocks[0].clone(),
            base: self.base,
            disowned: self.disowned,
            evicted: self.evicted.clone(),
            evicted_any: self.evicted_any,
            settled: self.blocks.get(self.settled).map_or(Place::MAX, |loose| loose.place),
        }
    }
}

fn memory<'b>(blocks: impl Iterator<Item = &'b Arc<Block>>) -> usize {
    blocks.map(|block| block.memory()).sum()
}

/// A core's side: the same blocks, as far as the core has come.
#[derive(Debug)]
pub struct Mirror {
    blocks: VecDeque<Arc<Block>>,
    /// Blocks before this place are those that are not merged any more.
    settled: Place,
}

/// What an id means to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All up to this place was seen.
    At(Place),
    /// Something newer than the id was evicted, or the id lies in a gap.
    Older,
    /// The id is newer than all that the core knows.
    Newer,
}

impl Mirror {
    /// Everything retained, up to the end of the chain as it is now.
    #[must_use]
    pub fn new(tail: &Tail) -> Self {
        let mut mirror = Mirror { blocks: VecDeque::from([tail.oldest.clone()]), settled: 0 };
        while mirror.advance().is_some() {}
        mirror
    }

    /// Takes the next block of the chain, if there is one.
    pub fn advance(&mut self) -> Option<&Arc<Block>> {
        let next = self.newest().next()?;
        self.blocks.push_back(next);
        self.blocks.back()
    }

    /// Whether streams were told that the source is away: as the newest block that speaks of it says, else as it was said before.
    #[must_use]
    pub fn told_away(&self, before: bool) -> bool {
        let said = self.blocks.iter().rev().find_map(|block| match block.content {
            Content::Away => Some(true),
            Content::Back | Content::Refused(_) => Some(false),
            _ => None,
        });
        said.unwrap_or(before)
    }

    /// The newest block that the core has taken.
    #[must_use]
    pub fn newest(&self) -> &Arc<Block> {
        self.blocks.back().expect("a mirror holds at least its newest block")
    }

    /// The place after all that the core has taken.
    #[must_use]
    pub fn end(&self) -> Place {
        self.newest().end()
    }

    /// The place of the oldest frame that is here.
    #[must_use]
    pub fn start(&self) -> Place {
        self.blocks[0].place
    }

    /// Forgets all before the newest block.
    pub fn begin_anew(&mut self) {
        self.blocks.drain(..self.blocks.len() - 1);
    }

    /// Lets go of what the journal has evicted.
    pub fn follow(&mut self, tail: &Tail) {
        let oldest = tail.oldest.place;
        while self.blocks.len() > 1
            && self.blocks[1].place <= oldest
            && !Arc::ptr_eq(&self.blocks[0], &tail.oldest)
        {
            self.blocks.pop_front();
        }
        if tail.settled > self.settled {
            self.settle(tail);
        }
    }

    /// Takes merged blocks for those that they were made of. Not while the newest that it has taken is one of these: another time.
    fn settle(&mut self, tail: &Tail) {
        let settled = self.blocks.partition_point(|block| block.place < self.settled);
        let kept = settled.saturating_sub(1);
        let mut block = if settled > 0 { self.blocks[kept].clone() } else { tail.oldest.clone() };
        let mut merged = Vec::new();
        while !Arc::ptr_eq(&block, self.newest()) {
            let next = block.next();
            merged.push(block);
            match next {
                Some(next) if next.place <= self.newest().place => block = next,
                _ => return,
            }
        }
        merged.push(block);
        self.blocks.truncate(kept);
        self.blocks.extend(merged);
        self.settled = tail.settled;
    }

    /// Finds the place that an id names, for a view of this scope.
    #[must_use]
    pub fn find(&self, tail: &Tail, scope: &Scope, rv: Rv) -> Found {
        if rv > self.newest().head && !tail.disowns(rv) {
            return Found::Newer;
        }
        if !tail.reaches(scope, rv) {
            return Found::Older;
        }
        // The first block that says something newer than the id.
        let index = self.blocks.partition_point(|block| block.head <= rv);
        let Some(block) = self.blocks.get(index) else { return Found::At(self.end()) };
        match block.content {
            Content::Gap(_) if rv > block.before => Found::Older,
            _ => {
                let seen = block.frames.partition_point(|frame| frame.rv <= rv);
                Found::At(block.place + seen as Place)
            }
        }
    }

    /// Whether there is a frame of the scope from this place on, as far as is known here.
    #[must_use]
    pub fn has_news(&self, scope: &Scope, from: Place) -> bool {
        self.frames(from, self.end()).any(|(_, _, frame)| scope.holds(&frame.namespace))
    }

    /// The frames from `from` up to `to`, with the blocks that hold their bytes.
    pub fn frames(&self, from: Place, to: Place) -> impl DoubleEndedIterator<Item = (&Block, usize, &Frame)> {
        frames(&self.blocks, from, to)
    }
}

fn frames(
    blocks: &VecDeque<Arc<Block>>,
    from: Place,
    to: Place,
) -> impl DoubleEndedIterator<Item = (&Block, usize, &Frame)> {
    let first = blocks.partition_point(|block| block.end() <= from);
    let last = blocks.partition_point(|block| block.place < to).max(first);
    blocks.range(first..last).flat_map(move |block| {
        let index = |place: Place| {
            usize::try_from(place.saturating_sub(block.place)).unwrap_or(usize::MAX).min(block.frames.len())
        };
        (index(from)..index(to)).map(move |index| (&**block, index, &block.frames[index]))
    })
}

#[cfg(test)]
mod tests;
