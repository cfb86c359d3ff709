//! A replica as bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Entry, Replica, Section};
use crate::feed::Scope;
use crate::kind::{ClockHole, Row};
use crate::wire::fields::{Rest, put_bytes, put_number, put_text, put_wide};

/// The most objects that a replica is believed to have seen, so that there is room to go on.
const MOST: u64 = u64::MAX / 2;

/// The least bytes of a row: two lengths, its object's number, its order, and whether it has a hole.
const LEAST_ROW: usize = 4 + 8 + 8 + 1 + 4;

/// The least bytes of a namespace: its name's length, and how many rows it has.
const LEAST_SECTION: usize = 4 + 8 + LEAST_ROW;

impl Replica {
    /// Appends all rows.
    pub(in crate::feed) fn write(&self, out: &mut Vec<u8>) {
        let sections = self.sections(&Scope::All);
        put_number(out, self.next_object);
        put_number(out, sections.len() as u64);
        for section in sections {
            put_text(out, &section.namespace);
            put_number(out, section.rows.len() as u64);
            for (name, entry) in &section.rows {
                put_text(out, name);
                put_number(out, entry.object);
                write_row(&entry.row, out);
            }
        }
    }

    /// Reads what [`Replica::write`] has written.
    pub(in crate::feed) fn read(rest: &mut Rest<'_>) -> Option<Self> {
        let next_object = rest.number().filter(|next| *next <= MOST)?;
        let mut replica = Replica { next_object, ..Replica::new() };
        for _ in 0..rest.count(LEAST_SECTION)? {
            let namespace: Arc<str> = rest.text()?.into();
            let rows = read_rows(rest, replica.next_object)?;
            let bytes = rows.values().map(|entry| entry.row.json.len()).sum();
            replica.len += rows.len();
            replica.bytes += bytes + rows.keys().map(|name| name.len()).sum::<usize>();
            let section = Section { namespace: namespace.clone(), rows, bytes };
            if replica.sections.insert(namespace, section).is_some() {
                return None;
            }
        }
        Some(replica)
    }
}

/// The rows of a namespace, in their order; there is at least one.
fn read_rows(rest: &mut Rest<'_>, next_object: u64) -> Option<BTreeMap<Box<str>, Entry>> {
    let count = rest.count(LEAST_ROW)?;
    let mut rows: Vec<(Box<str>, Entry)> = Vec::with_capacity(count);
    for _ in 0..count {
        let name: Box<str> = rest.text()?.into();
        let object = rest.number()?;
        let row = read_row(rest)?;
        if object >= next_object || rows.last().is_some_and(|(before, _)| *before >= name) {
            return None;
        }
        rows.push((name, Entry { row, object }));
    }
    // In one go, so that the tree's nodes are full.
    (count > 0).then(|| BTreeMap::from_iter(rows))
}

fn write_row(row: &Row, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.order.to_be_bytes());
    out.push(row.clock.is_some().into());
    if let Some(hole) = &row.clock {
        put_number(out, hole.at.into());
        put_wide(out, hole.since.as_nanosecond().cast_unsigned());
    }
    put_bytes(out, &row.json);
}

fn read_row(rest: &mut Rest<'_>) -> Option<Row> {
    let order = rest.number()?.cast_signed();
    let clock = if rest.switch()? {
        let at = u32::try_from(rest.number()?).ok()?;
        let since = Timestamp::from_nanosecond(rest.wide()?.cast_signed()).ok()?;
        Some(Box::new(ClockHole { at, since }))
    } else {
        None
    };
    let json: Box<[u8]> = rest.bytes()?.into();
    let fits = clock.as_ref().is_none_or(|hole| hole.at as usize <= json.len());
    fits.then_some(Row { json, clock, order })
}
