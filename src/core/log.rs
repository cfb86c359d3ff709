//! A view's log on one core: the wire bytes that its streams have still to get.
//!
//! Append-only segments; a stream's cursor is (segment number, offset), and what it has not seen is one contiguous slice. Segments
//! are made with the first frame and freed when the last cursor has passed, so a log that everyone has read costs nothing.
//!
//! Invariants: the cursors counted in the segments are the members that are in the log; a cursor whose segment number is below
//! the first one stands at the start of the first; `ends` has one entry per frame, at its last byte.

use std::collections::VecDeque;

use crate::feed::block::Place;
use crate::wire::dress::Dress;

/// Where a stream stands in its view's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Number of the segment.
    pub segment: u32,
    /// Byte offset in it.
    pub offset: u32,
}

/// A contiguous piece of a log.
#[derive(Debug)]
struct Segment {
    bytes: Vec<u8>,
    /// Per frame (or notice), where it ends.
    ends: Vec<End>,
    /// The place before its first frame.
    from: Place,
    /// Members whose cursor is in it.
    cursors: u32,
}

/// Where a frame or a notice ends.
#[derive(Clone, Copy, Debug)]
struct End {
    /// Offset of its end.
    offset: u32,
    /// Whether it is a notice.
    notice: bool,
    /// The place after it.
    after: Place,
}

/// The bytes of a view's log.
#[derive(Debug)]
pub struct Log {
    segments: VecDeque<Segment>,
    /// Number of the first segment (or of the one that will be made next).
    first: u32,
    /// Members in the log.
    members: u32,
    /// Of those in the last segment, the ones that stand at its end.
    at_end: u32,
    /// All frames of the view from this place on are in the log.
    start: Place,
    bytes: usize,
    /// Bytes appended since the log was last empty, and how many it had been the time before.
    burst: u32,
    last_burst: u32,
}

const SMALLEST: usize = 1024;
const LARGEST: usize = 256 * 1024;

/// What a first segment has room for at most, however much came the last time.
const LARGEST_AT_FIRST: usize = 64 * 1024;

/// What a cursor that leaves the log takes with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut {
    /// The rest of the frame that was half sent.
    pub rest: Vec<u8>,
    /// The place after that frame.
    pub place: Place,
}

impl Log {
    /// An empty log, whose feed has come to this place.
    #[must_use]
    pub fn new(start: Place) -> Self {
        Log {
            segments: VecDeque::new(),
            first: 0,
            members: 0,
            at_end: 0,
            start,
            bytes: 0,
            burst: 0,
            last_burst: 0,
        }
    }

    /// An empty log whose segments are numbered from `first`.
    #[cfg(test)]
    fn numbered(first: u32, start: Place) -> Self {
        Log { first, ..Log::new(start) }
    }

    /// Bytes allocated.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// Whether any member is in the log; if not, nothing needs to be appended.
    #[must_use]
    pub fn has_members(&self) -> bool {
        self.members > 0
    }

    /// Whether there is something that a member has not got.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Appends the frame of this place.
    pub fn append(&mut self, frame: &[u8], place: Place) {
        if self.members > 0 {
            self.push(frame.len(), place, false, |out| out.extend_from_slice(frame));
        } else {
            self.start = self.start.max(place + 1);
        }
    }

    /// Appends the frame of this place, dressed.
    pub fn append_dressed(&mut self, frame: &[u8], dress: Dress, place: Place) {
        if self.members > 0 {
            self.push(dress.most(frame.len()), place, false, |out| dress.put_on(frame, out));
        } else {
            self.start = self.start.max(place + 1);
        }
    }

    /// Appends something that has no place of its own (a heartbeat, a notice), for members that have come to this place.
    pub fn append_notice(&mut self, notice: &[u8], place: Place) {
        if self.members > 0 {
            self.push(notice.len(), place, true, |out| out.extend_from_slice(notice));
        }
    }

    fn push(&mut self, most: usize, place: Place, notice: bool, write: impl FnOnce(&mut Vec<u8>)) {
        let segment = self.room_for(most, place);
        let before = segment.bytes.len();
        write(&mut segment.bytes);
        let length = offset(segment.bytes.len() - before);
        let after = if notice { place } else { place + 1 };
        segment.ends.push(End { offset: offset(segment.bytes.len()), notice, after });
        self.burst = self.burst.saturating_add(length);
        self.at_end = 0;
    }

    fn room_for(&mut self, length: usize, from: Place) -> &mut Segment {
        let roomy =
            self.segments.back().is_some_and(|last| last.bytes.capacity() - last.bytes.len() >= length);
        if !roomy {
            let capacity = match self.segments.back() {
                Some(last) => (last.bytes.capacity() * 2).clamp(SMALLEST, LARGEST),
                // Twice what came the last time: whatever crosses the end of a segment costs each member a second send.
                None => (self.last_burst as usize * 2).clamp(SMALLEST, LARGEST_AT_FIRST),
            };
            let capacity = capacity.max(length);
            let cursors = if self.segments.is_empty() { self.members } else { 0 };
            let bytes = Vec::with_capacity(capacity);
            self.bytes += bytes.capacity();
            self.segments.push_back(Segment { bytes, ends: Vec::new(), from, cursors });
        }
        self.segments.back_mut().expect("there is one now")
    }

    /// What comes before this place will not be in the log: whoever has not seen it must get it elsewhere. For a log that nobody is in.
    pub fn skip_to(&mut self, place: Place) {
        debug_assert_eq!(self.members, 0, "a member would miss what is skipped");
        self.start = self.start.max(place);
    }

    /// Whether all frames from this place on are here.
    #[must_use]
    pub fn reaches(&self, place: Place) -> bool {
        place >= self.start
    }

    /// Takes a member in that has seen all before `place`. `None` when the log does not reach back to it.
    pub fn enter(&mut self, place: Place) -> Option<Cursor> {
        if !self.reaches(place) {
            return None;
        }
        let cursor = self.find(place);
        self.members += 1;
        self.count_in(cursor);
        Some(cursor)
    }

    fn find(&self, place: Place) -> Cursor {
        let index = self.segments.partition_point(|segment| segment.from <= place).saturating_sub(1);
        let Some(segment) = self.segments.get(index) else {
            return Cursor { segment: self.first, offset: 0 };
        };
        let seen = segment.ends.partition_point(|end| end.after <= place);
        let offset = if seen == 0 { 0 } else { segment.ends[seen - 1].offset };
        Cursor { segment: self.number(index), offset }
    }

    /// What a member has not got, as far as it is contiguous. Empty at the end of the log.
    #[must_use]
    pub fn unseen(&self, cursor: Cursor) -> &[u8] {
        let cursor = self.settle(cursor);
        let Some(segment) = self.segments.get(self.index(cursor)) else { return &[] };
        let rest = &segment.bytes[cursor.offset as usize..];
        if !rest.is_empty() {
            return rest;
        }
        self.segments.get(self.index(cursor) + 1).map_or(&[], |next| &next.bytes)
    }

    /// How many of the bytes of [`Log::unseen`] make whole frames of no more than `most` bytes; at least as many as the next frame has.
    #[must_use]
    pub fn whole_frames(&self, cursor: Cursor, most: usize) -> usize {
        let mut cursor = self.settle(cursor);
        let at_end = |cursor: Cursor| {
            let segment = self.segments.get(self.index(cursor))?;
            Some(segment.bytes.len() == cursor.offset as usize)
        };
        if at_end(cursor) == Some(true) {
            cursor = Cursor { segment: cursor.segment.wrapping_add(1), offset: 0 };
        }
        let Some(segment) = self.segments.get(self.index(cursor)) else { return 0 };
        let start = cursor.offset as usize;
        let next = segment.ends.partition_point(|end| end.offset <= cursor.offset);
        let fit = segment.ends.partition_point(|end| end.offset as usize <= start + most);
        let last = fit.max(next + 1).min(segment.ends.len());
        segment.ends.get(last.wrapping_sub(1)).map_or(0, |end| end.offset as usize - start)
    }

    /// How many bytes a member has not got.
    #[must_use]
    pub fn lag(&self, cursor: Cursor) -> usize {
        let cursor = self.settle(cursor);
        let index = self.index(cursor);
        let ahead: usize = self.segments.iter().skip(index).map(|segment| segment.bytes.len()).sum();
        ahead.saturating_sub(cursor.offset as usize)
    }

    /// Moves a member on by the bytes that its socket took of [`Log::unseen`].
    pub fn advance(&mut self, cursor: Cursor, taken: usize) -> Cursor {
        let mut cursor = self.settle(cursor);
        let index = self.index(cursor);
        if self.segments[index].bytes.len() == cursor.offset as usize && index + 1 < self.segments.len() {
            self.segments[index].cursors -= 1;
            self.segments[index + 1].cursors += 1;
            cursor = Cursor { segment: cursor.segment.wrapping_add(1), offset: 0 };
        }
        cursor.offset += offset(taken);
        if self.is_at_end(cursor) {
            self.at_end += 1;
        }
        self.free();
        cursor
    }

    /// Lets a member go, wherever it stands.
    pub fn leave(&mut self, cursor: Cursor) {
        let cursor = self.settle(cursor);
        self.members -= 1;
        if self.is_at_end(cursor) {
            self.at_end -= u32::from(!self.segments.is_empty());
        }
        let index = self.index(cursor);
        if let Some(segment) = self.segments.get_mut(index) {
            segment.cursors -= 1;
        }
        self.free();
    }

    /// Lets a member go between two frames: with the rest of the one that it has got in part.
    pub fn cut(&mut self, cursor: Cursor) -> Cut {
        let cut = self.standing(cursor);
        self.leave(cursor);
        cut
    }

    /// What a member would take with it if it left now.
    fn standing(&self, cursor: Cursor) -> Cut {
        let cursor = self.settle(cursor);
        let Some(segment) = self.segments.get(self.index(cursor)) else {
            return Cut { rest: Vec::new(), place: self.start };
        };
        let whole = segment.ends.partition_point(|end| end.offset <= cursor.offset);
        let (start, place) = match whole {
            0 => (0, segment.from),
            _ => (segment.ends[whole - 1].offset, segment.ends[whole - 1].after),
        };
        match segment.ends.get(whole) {
            Some(end) if cursor.offset > start => Cut {
                rest: segment.bytes[cursor.offset as usize..end.offset as usize].to_vec(),
                place: end.after,
            },
            _ => Cut { rest: Vec::new(), place },
        }
    }

    /// Whether a member has a frame, or the rest of one, still to get. Notices are no frames.
    #[must_use]
    pub fn has_frame_for(&self, cursor: Cursor) -> bool {
        let cursor = self.settle(cursor);
        let index = self.index(cursor);
        self.segments.iter().enumerate().skip(index).any(|(number, segment)| {
            let newest = segment.ends.iter().rfind(|end| !end.notice);
            newest.is_some_and(|end| number > index || end.offset > cursor.offset)
        })
    }

    /// Whether a member stands between two frames, with nothing sent in part.
    #[must_use]
    pub fn is_between_frames(&self, cursor: Cursor) -> bool {
        let cursor = self.settle(cursor);
        let Some(segment) = self.segments.get(self.index(cursor)) else { return true };
        cursor.offset == 0 || segment.ends.binary_search_by_key(&cursor.offset, |end| end.offset).is_ok()
    }

    /// A cursor of a segment that is gone stands at the start of the first.
    fn settle(&self, cursor: Cursor) -> Cursor {
        if self.is_before_first(cursor) { Cursor { segment: self.first, offset: 0 } } else { cursor }
    }

    /// Segment numbers wrap around; no two live ones are 2^31 apart.
    fn is_before_first(&self, cursor: Cursor) -> bool {
        cursor.segment != self.first && self.first.wrapping_sub(cursor.segment) < 1 << 31
    }

    fn index(&self, cursor: Cursor) -> usize {
        cursor.segment.wrapping_sub(self.first) as usize
    }

    fn number(&self, index: usize) -> u32 {
        self.first.wrapping_add(offset(index))
    }

    fn last_number(&self) -> u32 {
        self.number(self.segments.len() - 1)
    }

    fn is_at_end(&self, cursor: Cursor) -> bool {
        match self.segments.back() {
            Some(last) => cursor.segment == self.last_number() && cursor.offset as usize == last.bytes.len(),
            None => true,
        }
    }

    fn count_in(&mut self, cursor: Cursor) {
        let at_end = self.is_at_end(cursor);
        let index = self.index(cursor);
        if let Some(segment) = self.segments.get_mut(index) {
            segment.cursors += 1;
            self.at_end += u32::from(at_end);
        }
    }

    fn free(&mut self) {
        while self.segments.len() > 1 && self.segments[0].cursors == 0 {
            self.pop();
        }
        if self.segments.len() == 1 && self.segments[0].cursors == self.at_end {
            self.pop();
            self.at_end = 0;
            self.last_burst = std::mem::take(&mut self.burst);
        }
    }

    fn pop(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.bytes -= segment.bytes.capacity();
        self.first = self.first.wrapping_add(1);
        self.start = segment.ends.last().map_or(segment.from, |end| end.after).max(self.start);
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a segment is far smaller than 4 GiB")
}

#[cfg(test)]
mod tests;
