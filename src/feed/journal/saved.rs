//! A journal as bytes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Journal, memory};
use crate::feed::block::{Block, Content, Frame, Place};
use crate::feed::ledger::Charge;
use crate::feed::saved::milliseconds;
use crate::kind::Rv;
use crate::wire::fields::{Rest, put_bytes, put_number, put_text, put_wide};
use crate::wire::sse::Op;

/// The furthest place that a journal is believed to have come to, so that there is room to go on.
const MOST: Place = Place::MAX / 2;

/// The least bytes of a namespace and its version, of a block, and of a frame.
const LEAST_EVICTED: usize = 4 + 16;
const LEAST_BLOCK: usize = 16 + 16 + 1 + 8 + 8 + 4;
const LEAST_FRAME: usize = 16 + 8 + 8 + 8 + 2 + 1;

/// What a journal knows of what lies before its blocks.
#[derive(Debug)]
pub struct Past {
    base: Rv,
    disowned: Option<Rv>,
    evicted: HashMap<Arc<str>, Rv>,
    evicted_any: Option<Rv>,
}

impl Journal {
    /// A journal of these blocks, of which there is at least one, in their order.
    pub(in crate::feed) fn of(past: Past, blocks: Vec<Block>, mut charge: Charge) -> Self {
        let blocks: VecDeque<Arc<Block>> = blocks.into_iter().map(Arc::new).collect();
        for (block, next) in blocks.iter().zip(blocks.iter().skip(1)) {
            block.link(next.clone());
        }
        charge.set(memory(blocks.iter()));
        let Past { base, disowned, evicted, evicted_any } = past;
        Journal { blocks, settled: 0, base, disowned, evicted: Arc::new(evicted), evicted_any, charge }
    }

    /// Appends all that is retained.
    pub(in crate::feed) fn write(&self, now: Instant, out: &mut Vec<u8>) {
        put_wide(out, self.base.0);
        put_version(out, self.disowned);
        put_version(out, self.evicted_any);
        put_number(out, self.evicted.len() as u64);
        // In order, so that equal journals are equal bytes.
        for (namespace, rv) in self.evicted.iter().collect::<BTreeMap<_, _>>() {
            put_text(out, namespace);
            put_wide(out, rv.0);
        }
        let namespaces = self.namespaces();
        put_number(out, namespaces.len() as u64);
        for namespace in namespaces.keys() {
            put_text(out, namespace);
        }
        put_number(out, self.blocks[0].place);
        put_number(out, self.blocks.len() as u64);
        for block in &self.blocks {
            write_block(block, &namespaces, now, out);
        }
    }

    /// The namespaces of all frames, each with its number in their order.
    fn namespaces(&self) -> BTreeMap<&Arc<str>, u64> {
        let frames = self.blocks.iter().flat_map(|block| block.frames.iter());
        let mut namespaces: BTreeMap<_, _> = frames.map(|frame| (&frame.namespace, 0)).collect();
        namespaces.values_mut().zip(0..).for_each(|(number, next)| *number = next);
        namespaces
    }
}

impl Past {
    /// Reads what [`Journal::write`] has written: what lies before the blocks, and these, of which there is at least one. `before` gives the
    /// time so long before the journal was saved.
    pub(in crate::feed) fn read(
        rest: &mut Rest<'_>,
        before: impl Fn(Duration) -> Instant,
    ) -> Option<(Self, Vec<Block>)> {
        let base = Rv(rest.wide()?);
        let (mut disowned, mut evicted_any) = (None, None);
        read_version(rest, &mut disowned)?;
        read_version(rest, &mut evicted_any)?;
        let evicted = rest.count(LEAST_EVICTED)?;
        let evicted =
            (0..evicted).map(|_| Some((rest.text()?.into(), Rv(rest.wide()?)))).collect::<Option<_>>()?;
        let namespaces = rest.count(size_of::<u32>())?;
        let namespaces: Option<Vec<Arc<str>>> = (0..namespaces).map(|_| Some(rest.text()?.into())).collect();
        let namespaces = namespaces?;
        let mut place = rest.number().filter(|place| *place <= MOST)?;
        let count = rest.count(LEAST_BLOCK)?;
        let mut blocks: Vec<Block> = Vec::with_capacity(count);
        for _ in 0..count {
            let block = read_block(rest, place, &namespaces, &before)?;
            if blocks.last().is_some_and(|last| last.head > block.before) {
                return None;
            }
            place = place.checked_add(block.frames.len() as Place)?;
            blocks.push(block);
        }
        (count > 0).then_some((Past { base, disowned, evicted, evicted_any }, blocks))
    }
}

/// What a block tells a core at the moment when it comes is of no more use; what it says of versions is.
fn write_block(block: &Block, namespaces: &BTreeMap<&Arc<str>, u64>, now: Instant, out: &mut Vec<u8>) {
    // Before a block that began the journal, versions may have been higher.
    put_wide(out, block.before.min(block.head).0);
    put_wide(out, block.head.0);
    out.push(matches!(block.content, Content::Gap(_)).into());
    put_number(out, milliseconds(now.saturating_duration_since(block.at)));
    put_number(out, block.frames.len() as u64);
    for frame in &block.frames {
        put_wide(out, frame.rv.0);
        put_number(out, namespaces[&frame.namespace]);
        put_number(out, frame.object);
        put_number(out, frame.at.into());
        out.extend_from_slice(&frame.row.to_be_bytes());
        out.push(match frame.op {
            Op::Added => 0,
            Op::Modified => 1,
            Op::Deleted => 2,
        });
    }
    put_bytes(out, &block.bytes);
}

fn read_block(
    rest: &mut Rest<'_>,
    place: Place,
    namespaces: &[Arc<str>],
    before: &impl Fn(Duration) -> Instant,
) -> Option<Block> {
    let versions = (Rv(rest.wide()?), Rv(rest.wide()?));
    let content = if rest.switch()? { Content::Gap(Box::default()) } else { Content::Events };
    let at = before(Duration::from_millis(rest.number()?));
    let frames = rest.count(LEAST_FRAME)?;
    let frames: Option<Vec<Frame>> = (0..frames).map(|_| read_frame(rest, namespaces)).collect();
    let block = Block::new(place, frames?, rest.bytes()?.to_vec(), versions, content, at);
    is_sound(&block).then_some(block)
}

fn read_frame(rest: &mut Rest<'_>, namespaces: &[Arc<str>]) -> Option<Frame> {
    let rv = Rv(rest.wide()?);
    let namespace = namespaces.get(usize::try_from(rest.number()?).ok()?)?.clone();
    let object = rest.number()?;
    let at = u32::try_from(rest.number()?).ok()?;
    let row = u16::from_be_bytes([rest.byte()?, rest.byte()?]);
    let op = match rest.byte()? {
        0 => Op::Added,
        1 => Op::Modified,
        2 => Op::Deleted,
        _ => return None,
    };
    Some(Frame { rv, namespace, object, at, row, op })
}

/// Whether a block's versions do not fall, and each of its frames is a part of its bytes that holds a row.
fn is_sound(block: &Block) -> bool {
    let frames = &block.frames;
    let begins = frames.first().map_or(block.bytes.is_empty(), |first| first.at == 0);
    let ends = frames.iter().skip(1).map(|next| next.at as usize).chain([block.bytes.len()]);
    let versions = frames.iter().map(|frame| frame.rv).chain([block.head]);
    begins
        && block.before <= block.head
        && versions.is_sorted()
        && frames.iter().zip(ends).all(|(frame, end)| frame.at as usize + usize::from(frame.row) < end)
}

/// Appends a version, or that there is none: as a list of at most one.
fn put_version(out: &mut Vec<u8>, version: Option<Rv>) {
    put_number(out, version.is_some().into());
    if let Some(version) = version {
        put_wide(out, version.0);
    }
}

fn read_version(rest: &mut Rest<'_>, into: &mut Option<Rv>) -> Option<()> {
    match rest.number()? {
        0 => *into = None,
        1 => *into = Some(Rv(rest.wide()?)),
        _ => return None,
    }
    Some(())
}
