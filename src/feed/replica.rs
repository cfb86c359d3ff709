//! The replica: the latest row of every object of a feed, in the order of a list.
//!
//! Rows are kept by namespace and name. That is the order of etcd's keys, it gives a namespace's rows without a search, and the
//! namespace is kept once, not with each of its objects.

mod saved;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::btree_map::{self, BTreeMap};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Scope;
use super::block::ListSizes;
use crate::kind::{Listing, Object, Row};
use crate::wire::sse::Op;

/// The order in which a list has two namespaces: the `/` behind their names counts, so `a-b` comes before `a`.
fn list_order(one: &str, other: &str) -> Ordering {
    one.bytes().chain([b'/']).cmp(other.bytes().chain([b'/']))
}

/// Rows that were written out.
#[derive(Debug, Default)]
pub struct Rows {
    /// Where each of them ends.
    pub ends: Vec<u32>,
    /// Whether any of them follows the clock.
    pub clocked: bool,
}

/// What the replica keeps of one object.
#[derive(Debug)]
struct Entry {
    row: Row,
    object: u64,
}

/// What a change of one object means for those who watch.
#[derive(Debug, PartialEq, Eq)]
pub struct Delta<'r> {
    /// What the frame says.
    pub op: Op,
    /// The object's number.
    pub object: u64,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The row: the new one, or the last one known of an object that is gone.
    pub row: Cow<'r, Row>,
}

impl Delta<'_> {
    fn into_owned(self) -> Delta<'static> {
        Delta { row: Cow::Owned(self.row.into_owned()), ..self }
    }
}

/// The rows of one namespace, by name; of a cluster-scoped kind all of them.
#[derive(Debug)]
struct Section {
    namespace: Arc<str>,
    rows: BTreeMap<Box<str>, Entry>,
    /// Bytes of the rows.
    bytes: usize,
}

/// The latest row of every object.
#[derive(Debug, Default)]
pub struct Replica {
    /// None of them is empty.
    sections: HashMap<Arc<str>, Section>,
    len: usize,
    /// Bytes of rows and names.
    bytes: usize,
    next_object: u64,
}

/// Rows of a scope, and an upper bound of their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    rows: usize,
    bytes: usize,
}

/// What an entry takes beside its row's text and its name: its place in the tree, whose nodes are rarely full.
const ENTRY_OVERHEAD: usize = (size_of::<Entry>() + size_of::<Box<str>>()) * 4 / 3;

impl Replica {
    /// An empty replica.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Objects held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The objects' names, in the order of a list.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections(&Scope::All).into_iter().flat_map(|section| section.rows.keys().map(|name| &**name))
    }

    /// Namespace, name and row of each object, in the order of a list.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, &Row)> {
        self.sections(&Scope::All).into_iter().flat_map(|section| {
            section.rows.iter().map(|(name, entry)| (&*section.namespace, &**name, &entry.row))
        })
    }

    /// Bytes that the replica takes in memory, roughly.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes + self.len * ENTRY_OVERHEAD
    }

    /// Takes the first list. Built in one go, a tree has full nodes; row by row it would take nearly twice as much.
    pub fn fill(&mut self, objects: Vec<Object>) {
        let mut listed: HashMap<Box<str>, Vec<(Box<str>, Entry)>> = HashMap::new();
        *self = Replica { next_object: self.next_object, ..Replica::new() };
        for Object { namespace, name, row, .. } in objects {
            let object = self.next_object;
            self.next_object += 1;
            listed.entry(namespace).or_default().push((name, Entry { row, object }));
        }
        for (namespace, rows) in listed {
            let namespace: Arc<str> = namespace.into();
            let rows = BTreeMap::from_iter(rows);
            let bytes = rows.values().map(|entry| entry.row.json.len()).sum();
            self.len += rows.len();
            self.bytes += bytes + rows.keys().map(|name| name.len()).sum::<usize>();
            self.sections.insert(namespace.clone(), Section { namespace, rows, bytes });
        }
    }

    /// Takes an object's present state. `None` when its row is the one that was known: the update is suppressed.
    pub fn put(&mut self, object: Object) -> Option<Delta<'_>> {
        let Object { namespace, name, row, .. } = object;
        let Replica { sections, len, bytes, next_object } = self;
        let section = section_of(sections, &namespace);
        let (length, named) = (row.json.len(), name.len());
        let (op, entry) = match section.rows.entry(name) {
            btree_map::Entry::Occupied(known) => {
                let entry = known.into_mut();
                if entry.row == row {
                    return None;
                }
                let old = std::mem::replace(&mut entry.row, row).json.len();
                section.bytes -= old;
                *bytes -= old;
                (Op::Modified, entry)
            }
            btree_map::Entry::Vacant(free) => {
                let object = *next_object;
                *next_object += 1;
                *len += 1;
                *bytes += named;
                (Op::Added, free.insert(Entry { row, object }))
            }
        };
        section.bytes += length;
        *bytes += length;
        let namespace = section.namespace.clone();
        Some(Delta { op, object: entry.object, namespace, row: Cow::Borrowed(&entry.row) })
    }

    /// Takes an object's deletion. `None` when it was not known.
    pub fn delete(&mut self, object: Object) -> Option<Delta<'static>> {
        let (namespace, entry) = self.take(&object.namespace, &object.name)?;
        Some(Delta { op: Op::Deleted, object: entry.object, namespace, row: Cow::Owned(object.row) })
    }

    /// Takes a whole list and returns what changed: deletions first, then the rest in the order of the list.
    pub fn replace(&mut self, objects: Vec<Object>) -> Vec<Delta<'static>> {
        let mut deltas = Vec::new();
        for (namespace, name) in self.missing_in(&objects) {
            if let Some((namespace, Entry { row, object })) = self.take(&namespace, &name) {
                deltas.push(Delta { op: Op::Deleted, object, namespace, row: Cow::Owned(row) });
            }
        }
        deltas.extend(objects.into_iter().filter_map(|object| self.put(object).map(Delta::into_owned)));
        deltas
    }

    /// Namespace and name of what is here and not in a list, in the order of a list.
    fn missing_in(&self, objects: &[Object]) -> Vec<(Arc<str>, Box<str>)> {
        let present: HashSet<(&str, &str)> =
            objects.iter().map(|object| (&*object.namespace, &*object.name)).collect();
        let sections = self.sections(&Scope::All).into_iter();
        let known = sections.flat_map(|section| section.rows.keys().map(|name| (&section.namespace, name)));
        known
            .filter(|(namespace, name)| !present.contains(&(&***namespace, &***name)))
            .map(|(namespace, name)| (namespace.clone(), name.clone()))
            .collect()
    }

    /// How large the snapshots would be, roughly: rows and the commas between them.
    #[must_use]
    pub fn list_sizes(&self) -> ListSizes {
        let size = |section: &Section| section.bytes + section.rows.len();
        let by_namespace: HashMap<_, _> =
            self.sections.values().map(|section| (section.namespace.clone(), size(section))).collect();
        ListSizes { all: by_namespace.values().sum(), by_namespace }
    }

    /// How many rows a list of a scope shows.
    #[must_use]
    pub fn count(&self, scope: &Scope, listing: Listing) -> usize {
        let rows = self.sections(scope).iter().map(|section| section.rows.len()).sum();
        match listing {
            Listing::ByKey => rows,
            Listing::NewestFirst { cap } => rows.min(cap),
        }
    }

    /// Appends the rows of a scope, separated by commas, as they read at `now` and in the order of a list. `each` is told behind each row.
    pub fn write_rows(
        &self,
        scope: &Scope,
        listing: Listing,
        now: Timestamp,
        out: &mut Vec<u8>,
        each: impl FnMut(&[u8]),
    ) -> Rows {
        let sections = self.sections(scope);
        let size = sections.iter().fold(Size::default(), |sum, section| Size {
            rows: sum.rows + section.rows.len(),
            bytes: sum.bytes + section.bytes,
        });
        out.reserve(size.bytes + size.rows * 2 + 64);
        match listing {
            Listing::ByKey => write_joined(rows_of(sections), now, out, each),
            Listing::NewestFirst { cap } => {
                let mut rows: Vec<&Row> = rows_of(sections).collect();
                // Stable, so rows of one time stay in key order.
                rows.sort_by_key(|row| std::cmp::Reverse(row.order));
                rows.truncate(cap);
                write_joined(rows.into_iter(), now, out, each)
            }
        }
    }

    /// Some row of a scope that every list shows, for a frame that changes nothing.
    #[must_use]
    pub fn specimen(&self, scope: &Scope, listing: Listing) -> Option<&Row> {
        let mut rows = rows_of(self.sections(scope));
        match listing {
            Listing::ByKey => rows.next(),
            Listing::NewestFirst { .. } => rows.max_by_key(|row| row.order),
        }
    }

    /// The namespaces of a scope that have rows, in the order of a list.
    fn sections(&self, scope: &Scope) -> Vec<&Section> {
        let mut sections: Vec<&Section> = match scope {
            Scope::All => self.sections.values().collect(),
            Scope::Namespace(namespace) => self.sections.get(namespace).into_iter().collect(),
            Scope::Set(set) => set.names().iter().filter_map(|name| self.sections.get(name)).collect(),
        };
        sections.sort_unstable_by(|one, other| list_order(&one.namespace, &other.namespace));
        sections
    }

    fn take(&mut self, namespace: &str, name: &str) -> Option<(Arc<str>, Entry)> {
        let section = self.sections.get_mut(namespace)?;
        let (name, entry) = section.rows.remove_entry(name)?;
        let bytes = entry.row.json.len();
        section.bytes -= bytes;
        self.bytes -= bytes + name.len();
        self.len -= 1;
        let namespace = section.namespace.clone();
        if section.rows.is_empty() {
            self.sections.remove(&namespace);
        }
        Some((namespace, entry))
    }
}

fn section_of<'a>(sections: &'a mut HashMap<Arc<str>, Section>, namespace: &str) -> &'a mut Section {
    if !sections.contains_key(namespace) {
        let namespace: Arc<str> = namespace.into();
        let section = Section { namespace: namespace.clone(), rows: BTreeMap::new(), bytes: 0 };
        sections.insert(namespace, section);
    }
    sections.get_mut(namespace).expect("it was there, or is now")
}

fn rows_of(sections: Vec<&Section>) -> impl Iterator<Item = &Row> {
    sections.into_iter().flat_map(|section| section.rows.values().map(|entry| &entry.row))
}

fn write_joined<'a>(
    rows: impl Iterator<Item = &'a Row>,
    now: Timestamp,
    out: &mut Vec<u8>,
    mut each: impl FnMut(&[u8]),
) -> Rows {
    let mut written = Rows::default();
    for row in rows {
        if !written.ends.is_empty() {
            out.push(b',');
        }
        row.write(now, out);
        written.ends.push(u32::try_from(out.len()).expect("a list is far smaller than 4 GiB"));
        written.clocked |= row.clock.is_some();
        each(out);
    }
    written
}

#[cfg(test)]
mod tests;
