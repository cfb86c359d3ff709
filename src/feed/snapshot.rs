//! Snapshots: a scope's whole list at one place, encoded once for all who join there, and for lists.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

use super::block::Place;
use super::replica::{Replica, Rows};
use super::{Scope, ledger};
use crate::kind::{Kind, Rv};
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

impl Snapshot {
    /// Encodes a scope of a replica.
    #[must_use]
    pub fn encode(
        replica: &Replica,
        kind: &'static Kind,
        scope: &Scope,
        at: (Place, Rv),
        now: Timestamp,
        ledger: &Arc<ledger::Ledger>,
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
        let Rows { ends, clocked } = replica.write_rows(scope, kind.listing, now, &mut bytes);
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
