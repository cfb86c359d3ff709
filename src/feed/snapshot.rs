//! Snapshots: a scope's whole list at one place, encoded once for all who join there, and for lists.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

use super::block::Place;
use super::replica::{Replica, Rows};
use super::{Scope, ledger};
use crate::kind::{Kind, Rv};
use crate::wire::line::PART_ROWS;
use crate::wire::sse;

/// A scope's whole list at one place.
pub struct Snapshot {
    /// The frames before this place are in the snapshot; a stream that got it goes on here.
    pub place: Place,
    /// The version that its id names.
    pub rv: Rv,
    /// How many rows it has.
    pub count: usize,
    /// Whether a row shows a value that follows the clock.
    pub clocked: bool,
    /// When it was encoded.
    pub made: Instant,
    /// A hash of the body of the list.
    pub etag: u128,
    /// The `snapshot` frame, chunked.
    bytes: Box<[u8]>,
    /// Where in `bytes` the rows are.
    rows: std::ops::Range<usize>,
    /// Where in `bytes` each row ends.
    ends: Box<[u32]>,
    wrapper: &'static str,
    _charge: ledger::Charge,
}

/// Some rows of a snapshot that is still being encoded.
pub struct Part {
    /// The snapshot's place.
    pub place: Place,
    /// Its version.
    pub rv: Rv,
    /// How many rows it will have.
    pub count: usize,
    /// How many parts came before this one.
    pub index: u32,
    /// The rows' JSON, joined by commas: as much as fits an event of the multiplexed stream.
    pub rows: Box<[u8]>,
}

/// Cuts rows into parts as they are written.
struct Cutting<F> {
    whole: Part,
    /// Where the part begins that is being filled, and where its last row ends.
    from: usize,
    to: usize,
    tell: F,
}

impl<F: FnMut(Part)> Cutting<F> {
    /// One more row is written.
    fn row(&mut self, written: &[u8]) {
        if written.len() - self.from > PART_ROWS && self.to > self.from {
            self.cut(written);
            self.from = self.to + ",".len();
        }
        self.to = written.len();
    }

    fn cut(&mut self, written: &[u8]) {
        let rows = written[self.from..self.to].into();
        (self.tell)(Part { rows, ..self.whole });
        self.whole.index += 1;
    }

    /// All rows are written. What is no longer than a part is not cut.
    fn end(mut self, written: &[u8]) {
        if self.whole.index > 0 {
            self.cut(written);
        }
    }
}

impl Snapshot {
    /// Encodes a scope of a replica. `tell` is told each part as soon as it is there, where there is more than one.
    #[must_use]
    pub fn encode(
        replica: &Replica,
        kind: &'static Kind,
        scope: &Scope,
        at: (Place, Rv),
        now: Timestamp,
        ledger: &Arc<ledger::Ledger>,
        tell: impl FnMut(Part),
    ) -> Self {
        let (place, rv) = at;
        let mut bytes = Vec::new();
        let chunk = sse::reserve_chunk(&mut bytes);
        let mark = scope.mark().map(|mark| format!(".{mark}")).unwrap_or_default();
        bytes.extend_from_slice(
            format!("event: snapshot\nid: {rv}{mark}\ndata: {{\"resourceVersion\":\"{rv}\",\"items\":[")
                .as_bytes(),
        );
        let start = bytes.len();
        let count = replica.count(scope, kind.listing);
        let whole = Part { place, rv, count, index: 0, rows: Box::default() };
        let mut cutting = Cutting { whole, from: start, to: start, tell };
        let Rows { ends, clocked } =
            replica.write_rows(scope, kind.listing, now, &mut bytes, |written| cutting.row(written));
        cutting.end(&bytes);
        let rows = start..bytes.len();
        bytes.extend_from_slice(b"]}\n\n");
        sse::close_chunk(&mut bytes, chunk);
        let etag = xxh3_128(&bytes[rows.clone()]);
        let bytes: Box<[u8]> = bytes.into();
        let charge = ledger.charge(ledger::Thing::Snapshots, bytes.len() + ends.len() * size_of::<u32>());
        Snapshot {
            place,
            rv,
            count: ends.len(),
            clocked,
            made: Instant::now(),
            etag,
            bytes,
            rows,
            ends: ends.into(),
            wrapper: kind.wrapper,
            _charge: charge,
        }
    }

    /// The `snapshot` frame, chunked.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.bytes
    }

    /// Each row's JSON, in the order of a list.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut start = self.rows.start;
        self.ends.iter().map(move |end| {
            let row = &self.bytes[start..*end as usize];
            start += row.len() + ",".len();
            row
        })
    }

    /// The part that begins with this row: rows' JSON, joined by commas, as much as fits an event of the multiplexed stream; and with which row the next one
    /// begins. `None` behind the last row.
    #[must_use]
    pub fn part_from(&self, row: usize) -> Option<(&[u8], usize)> {
        let end = |row: usize| self.ends.get(row).map(|end| *end as usize);
        let mut to = end(row)?;
        let from = match row.checked_sub(1) {
            None => self.rows.start,
            Some(before) => end(before)? + ",".len(),
        };
        let mut next = row + 1;
        while let Some(end) = end(next).filter(|end| end - from <= PART_ROWS) {
            to = end;
            next += 1;
        }
        Some((&self.bytes[from..to], next))
    }

    /// All parts, in their order.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut row = 0;
        std::iter::from_fn(move || {
            let (part, next) = self.part_from(row)?;
            row = next;
            Some(part)
        })
    }

    /// The body of a list, in three pieces: `{"pods":[`, the rows, `]}` and a newline.
    #[must_use]
    pub fn list_body(&self) -> (String, &[u8], &'static [u8]) {
        (format!("{{\"{}\":[", self.wrapper), &self.bytes[self.rows.clone()], b"]}\n")
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "snapshot of {} rows at {} ({})", self.count, self.place, self.rv)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_the_rows_in_their_order_each_as_long_as_it_may_be(
            lengths in prop::collection::vec(prop_oneof![1usize..200, 3000usize..9000], 0..40),
        ) {
            let mut told: Vec<Part> = Vec::new();
            let whole = Part { place: 7, rv: Rv(9), count: lengths.len(), index: 0, rows: Box::default() };
            let mut written = b"before".to_vec();
            let start = written.len();
            let mut cutting = Cutting { whole, from: start, to: start, tell: |part| told.push(part) };
            let mut ends = Vec::new();
            for (index, length) in lengths.iter().enumerate() {
                if index > 0 {
                    written.push(b',');
                }
                written.extend(std::iter::repeat_n(b'r', *length));
                ends.push(u32::try_from(written.len()).expect("small"));
                cutting.row(&written);
            }
            cutting.end(&written);
            let rows = &written[start..];
            let joined = told.iter().map(|part| &part.rows[..]).collect::<Vec<_>>().join(&b","[..]);
            let fits = rows.len() <= PART_ROWS || lengths.len() == 1;
            prop_assert!(if told.is_empty() { fits } else { joined == rows }, "the parts are the rows");
            for (index, part) in told.iter().enumerate() {
                prop_assert_eq!(part.index as usize, index);
                prop_assert!(part.rows.len() <= PART_ROWS || !part.rows.contains(&b','));
            }
            let ledger = ledger::Ledger::new(usize::MAX);
            let snapshot = Snapshot {
                place: 7,
                rv: Rv(9),
                count: lengths.len(),
                clocked: false,
                made: Instant::now(),
                etag: 0,
                rows: start..written.len(),
                bytes: written.into(),
                ends: ends.into(),
                wrapper: "pods",
                _charge: ledger.charge(ledger::Thing::Snapshots, 0),
            };
            let cut: Vec<&[u8]> = snapshot.parts().collect();
            if !told.is_empty() {
                prop_assert_eq!(cut, told.iter().map(|part| &part.rows[..]).collect::<Vec<_>>());
            }
        }
    }
}
