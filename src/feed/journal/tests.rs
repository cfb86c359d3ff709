use proptest::prelude::*;

use super::*;
use crate::feed::ledger::{Ledger, Thing};
use crate::wire::sse::Op;

#[derive(Clone, Debug)]
enum Act {
    /// A block of so many frames.
    Frames(usize),
    /// Only the version moves.
    Head,
    Away,
    /// The first mirror, or the second one, takes what there is, or one block.
    Follow(usize, bool),
    Evict(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1usize..3).prop_map(Act::Frames),
        1 => (15usize..18).prop_map(Act::Frames),
        1 => Just(Act::Head),
        1 => Just(Act::Away),
        4 => (0usize..2, any::<bool>()).prop_map(|(mirror, all)| Act::Follow(mirror, all)),
        1 => (200usize..4000).prop_map(Act::Evict),
    ];
    proptest::collection::vec(act, 1..60)
}

/// A journal, and all the frames that were ever put into it.
struct Written {
    journal: Journal,
    frames: u64,
    rv: u128,
}

impl Written {
    fn new() -> Self {
        let origin = Block::new(0, Vec::new(), Vec::new(), (Rv(0), Rv(0)), Content::Events, Instant::now());
        let charge = Ledger::new(usize::MAX).charge(Thing::Journals, 0);
        Written { journal: Journal::new(Arc::new(origin), charge), frames: 0, rv: 0 }
    }

    /// Appends a block. The n-th frame is of object n, has version 2n + 1 and says its number.
    fn append(&mut self, count: usize, content: Content) {
        let (place, before) = (self.frames, Rv(self.rv));
        let (mut frames, mut bytes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            self.rv = u128::from(self.frames) * 2 + 1;
            let (rv, at) = (Rv(self.rv), u32::try_from(bytes.len()).expect("small"));
            bytes.extend_from_slice(self.frames.to_string().as_bytes());
            let namespace = "n".into();
            frames.push(Frame { rv, namespace, object: self.frames, at, row: 0, op: Op::Added });
            self.frames += 1;
        }
        let block = Block::new(place, frames, bytes, (before, Rv(self.rv)), content, Instant::now());
        self.journal.append(Arc::new(block));
    }
}

fn check(mirror: &Mirror, tail: &Tail) {
    let (start, end) = (mirror.start(), mirror.end());
    let mut expected = start;
    for (block, index, frame) in mirror.frames(start, end) {
        assert_eq!((block.place + index as Place, frame.object), (expected, expected));
        assert_eq!(block.frame_bytes(index), expected.to_string().as_bytes());
        expected += 1;
    }
    assert_eq!(expected, end, "no frame is missing");
    for place in start..end {
        assert_eq!(mirror.frames(place, end).count() as u64, end - place);
        let rv = Rv(u128::from(place) * 2 + 1);
        if tail.reaches(&Scope::All, rv) {
            assert_eq!(mirror.find(tail, &Scope::All, rv), Found::At(place + 1));
        }
    }
}

proptest! {
    #[test]
    fn whoever_follows_comes_by_every_frame_however_blocks_are_merged(acts in acts()) {
        let mut written = Written::new();
        let mut mirrors = [Mirror::new(&written.journal.tail(false)), Mirror::new(&written.journal.tail(false))];
        for act in acts {
            match act {
                Act::Frames(count) => written.append(count, Content::Events),
                Act::Head => written.append(0, Content::Events),
                Act::Away => written.append(0, Content::Away),
                Act::Evict(bytes) => {
                    let bounds = Bounds { age: Duration::MAX, bytes };
                    written.journal.evict(bounds, Instant::now());
                }
                Act::Follow(which, all) => {
                    let mirror = &mut mirrors[which];
                    while mirror.advance().is_some() && all {}
                    let tail = written.journal.tail(false);
                    mirror.follow(&tail);
                    check(mirror, &tail);
                }
            }
            let tail = written.journal.tail(false);
            check(&Mirror::new(&tail), &tail);
            let blocks: usize = written.journal.blocks.iter().map(|block| block.memory()).sum();
            prop_assert_eq!(written.journal.size().0, blocks, "the account is right");
        }
        for mirror in &mut mirrors {
            while mirror.advance().is_some() {}
            let tail = written.journal.tail(false);
            mirror.follow(&tail);
            check(mirror, &tail);
            prop_assert_eq!(mirror.end(), written.frames);
        }
    }
}

#[test]
fn small_blocks_do_not_stay() {
    let mut written = Written::new();
    let mut mirror = Mirror::new(&written.journal.tail(false));
    let small = Arc::downgrade(written.journal.newest());
    for _ in 0..20 {
        written.append(1, Content::Events);
        while mirror.advance().is_some() {}
        mirror.follow(&written.journal.tail(false));
    }
    assert_eq!(small.strong_count(), 0, "nobody holds the block that was merged");
    let (_, blocks) = written.journal.size();
    assert!(blocks < 12 && mirror.blocks.len() < 12, "{blocks} blocks, {} mirrored", mirror.blocks.len());
}
