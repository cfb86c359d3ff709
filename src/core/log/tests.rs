//! The log against a model that keeps every byte for ever and counts absolute positions.

use proptest::prelude::*;

use super::*;

/// Something that happens to a log. Members and places are picked by a number, modulo what there is.
#[derive(Clone, Debug)]
enum Act {
    Append(usize),
    /// A frame of the feed that is not of this view.
    Pass,
    Notice(usize),
    Enter(u64),
    Take(usize, usize),
    TakeAll(usize),
    Leave(usize),
    Cut(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let length = prop_oneof![20 => 1usize..60, 6 => 500usize..3000, 1 => 250_000usize..300_000];
    let act = prop_oneof![
        6 => length.prop_map(Act::Append),
        1 => Just(Act::Pass),
        2 => (1usize..40).prop_map(Act::Notice),
        3 => (0u64..6).prop_map(Act::Enter),
        4 => (any::<usize>(), 1usize..2000).prop_map(|(member, bytes)| Act::Take(member, bytes)),
        4 => any::<usize>().prop_map(Act::TakeAll),
        1 => any::<usize>().prop_map(Act::Leave),
        1 => any::<usize>().prop_map(Act::Cut),
    ];
    proptest::collection::vec(act, 1..80)
}

struct Member {
    cursor: Cursor,
    /// Absolute position in the model's bytes.
    at: usize,
    /// The place behind the newest frame that nobody was there to get, when it came in: it has seen that.
    missed: Place,
}

#[derive(Default)]
struct Model {
    bytes: Vec<u8>,
    /// Per entry: where it ends, the place before it, and the place after it.
    entries: Vec<(usize, Place, Place)>,
    /// The newest frame that came while nobody was there to get it.
    missed: Option<Place>,
    end: Place,
    members: Vec<Member>,
    counter: u8,
}

impl Model {
    fn text(&mut self, length: usize) -> Vec<u8> {
        self.counter = self.counter.wrapping_add(1);
        (0..length).map(|index| self.counter ^ u8::try_from(index % 251).expect("small")).collect()
    }

    fn push(&mut self, text: &[u8], after: Place) {
        self.bytes.extend_from_slice(text);
        self.entries.push((self.bytes.len(), self.end, after));
    }

    /// Where the entry that a position is in (or after) began and ends.
    fn entry_at(&self, at: usize) -> (usize, usize) {
        let whole = self.entries.partition_point(|(end, ..)| *end <= at);
        let start = if whole == 0 { 0 } else { self.entries[whole - 1].0 };
        (start, self.entries.get(whole).map_or(start, |(end, ..)| *end))
    }

    fn check(&self, log: &Log) {
        for member in &self.members {
            let rest = &self.bytes[member.at..];
            let unseen = log.unseen(member.cursor);
            assert!(rest.starts_with(unseen), "what is shown is what comes next");
            assert_eq!(unseen.is_empty(), rest.is_empty());
            assert_eq!(log.lag(member.cursor), rest.len());
            let (start, end) = self.entry_at(member.at);
            assert_eq!(log.is_between_frames(member.cursor), member.at == start || member.at == end);
            let mut rest = self.entries.iter().filter(|(end, ..)| *end > member.at);
            assert_eq!(log.has_frame_for(member.cursor), rest.any(|(_, before, after)| after > before));
        }
        assert_eq!(log.has_members(), !self.members.is_empty());
        let all_read = self.members.iter().all(|member| member.at == self.bytes.len());
        assert_eq!(log.is_pending(), !all_read);
        assert_eq!(log.memory() == 0, all_read, "what everyone has read costs nothing");
        assert!(log.reaches(self.end));
    }
}

fn run(first: u32, acts: &[Act]) {
    let mut log = Log::numbered(first, 0);
    let mut model = Model::default();
    for act in acts {
        match *act {
            Act::Append(length) => {
                let text = model.text(length);
                log.append(&text, model.end);
                if model.members.is_empty() {
                    model.missed = Some(model.end);
                } else {
                    model.push(&text, model.end + 1);
                }
                model.end += 1;
            }
            Act::Pass => model.end += 1,
            Act::Notice(length) => {
                let text = model.text(length);
                log.append_notice(&text, model.end);
                if !model.members.is_empty() {
                    model.push(&text, model.end);
                }
            }
            Act::Enter(back) => {
                let place = model.end.saturating_sub(back);
                let Some(cursor) = log.enter(place) else {
                    assert!(back > 0, "the end is always reached");
                    continue;
                };
                assert!(model.missed.is_none_or(|missed| missed < place), "nothing may be missing");
                let seen = model.entries.partition_point(|(_, _, after)| *after <= place);
                let at = if seen == 0 { 0 } else { model.entries[seen - 1].0 };
                model.members.push(Member {
                    cursor,
                    at,
                    missed: model.missed.map_or(0, |missed| missed + 1),
                });
            }
            Act::Take(which, bytes) => take(&mut log, &mut model, which, bytes),
            Act::TakeAll(which) => take(&mut log, &mut model, which, usize::MAX),
            Act::Leave(which) => {
                if !model.members.is_empty() {
                    let index = which % model.members.len();
                    log.leave(model.members.swap_remove(index).cursor);
                }
            }
            Act::Cut(which) => cut(&mut log, &mut model, which),
        }
        model.check(&log);
    }
    for member in std::mem::take(&mut model.members) {
        log.leave(member.cursor);
    }
    assert_eq!(log.memory(), 0, "nobody is left");
}

fn take(log: &mut Log, model: &mut Model, which: usize, bytes: usize) {
    if model.members.is_empty() {
        return;
    }
    let index = which % model.members.len();
    let member = &mut model.members[index];
    let taken = bytes.min(log.unseen(member.cursor).len());
    if taken > 0 {
        member.cursor = log.advance(member.cursor, taken);
        member.at += taken;
    }
}

fn cut(log: &mut Log, model: &mut Model, which: usize) {
    if model.members.is_empty() {
        return;
    }
    let index = which % model.members.len();
    let member = model.members.swap_remove(index);
    let (start, end) = model.entry_at(member.at);
    let half = member.at > start && member.at < end;
    let cut = log.cut(member.cursor);
    let expected: &[u8] = if half { &model.bytes[member.at..end] } else { &[] };
    assert_eq!(cut.rest, expected, "the rest of the half-sent frame");
    let got = if half { end } else { member.at };
    let mut behind = model.entries.iter().filter(|(end, before, after)| *end > got && after > before);
    let next = behind.next().map_or(model.end, |(_, before, _)| *before);
    let mut ahead = model.entries.iter().filter(|(end, ..)| *end <= got);
    let last = ahead.next_back().map_or(0, |(_, _, after)| *after).max(member.missed);
    assert!((last..=next).contains(&cut.place), "{} is not in {last}..={next}", cut.place);
}

proptest! {
    #[test]
    fn every_member_gets_exactly_what_follows_its_place(first in prop_oneof![Just(0), u32::MAX - 20..=u32::MAX], acts in acts()) {
        run(first, &acts);
    }
}

#[test]
fn what_comes_at_once_again_is_one_piece() {
    let mut log = Log::new(0);
    let mut cursor = log.enter(0).expect("an empty log reaches everywhere");
    let mut sends_of = |log: &mut Log, frames: u64, place: &mut u64| {
        for _ in 0..frames {
            log.append(&[b'x'; 250], *place);
            *place += 1;
        }
        let mut sends = 0;
        while let unseen @ 1.. = log.unseen(cursor).len() {
            cursor = log.advance(cursor, unseen);
            sends += 1;
        }
        sends
    };
    let mut place = 0;
    assert_eq!(sends_of(&mut log, 20, &mut place), 3, "1, 2 and 4 KiB");
    assert_eq!([20, 30, 40].map(|frames| sends_of(&mut log, frames, &mut place)), [1; 3]);
    assert_eq!(sends_of(&mut log, 1, &mut place), 1);
    log.append(b"x", place);
    assert_eq!(log.memory(), SMALLEST, "a log that is quiet again takes no more than any");
}
