//! The replica: the latest row of every object of a feed, in the order of a list.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;

use super::Scope;
use super::block::ListSizes;
use crate::kind::{Listing, Object, Row};
use crate::wire::sse::Op;

/// The key of an object: `namespace/name` (etcd's order), or `name` for cluster-scoped kinds.
fn key(namespace: &str, name: &str) -> Box<str> {
    if namespace.is_empty() { name.into() } else { format!("{namespace}/{name}").into() }
}

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
    namespace: Arc<str>,
}

/// What a change of one object means for those who watch.
#[derive(Debug, PartialEq, Eq)]
pub struct Delta {
    /// What the frame says.
    pub op: Op,
    /// The object's number.
    pub object: u64,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The row: the new one, or the last one known of an object that is gone.
    pub row: Row,
}

/// The latest row of every object, in the order of a list.
#[derive(Debug)]
pub struct Replica {
    rows: BTreeMap<Box<str>, Entry>,
    /// Rows and bytes of rows per namespace.
    sizes: HashMap<Arc<str>, Size>,
    namespaces: HashSet<Arc<str>>,
    bytes: usize,
    next_object: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    rows: usize,
    bytes: usize,
}

/// What an entry takes beside its row's text: the tree's share, the key and the entry itself.
const ENTRY_OVERHEAD: usize = size_of::<Entry>() + size_of::<Box<str>>() + 40;

impl Replica {
    /// An empty replica.
    #[must_use]
    pub fn new() -> Self {
        Replica {
            rows: BTreeMap::new(),
            sizes: HashMap::new(),
            namespaces: HashSet::new(),
            bytes: 0,
            next_object: 0,
        }
    }

    /// Objects held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The objects' keys, in order: `namespace/name`, or `name` for cluster-scoped kinds.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(|key| &**key)
    }

    /// Bytes that the replica takes in memory, roughly.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes + self.rows.len() * ENTRY_OVERHEAD
    }

    /// Takes an object's present state. `None` when its row is the one that was known: the update is suppressed.
    pub fn put(&mut self, object: Object) -> Option<Delta> {
        let key = key(&object.namespace, &object.name);
        if let Some(entry) = self.rows.get_mut(&key) {
            if entry.row == object.row {
                return None;
            }
            let namespace = entry.namespace.clone();
            let number = entry.object;
            let old = std::mem::replace(&mut entry.row, object.row.clone());
            self.grow(&namespace, 0, object.row.json.len());
            self.shrink(&namespace, 0, old.json.len());
            return Some(Delta { op: Op::Modified, object: number, namespace, row: object.row });
        }
        let namespace = self.intern(&object.namespace);
        let number = self.next_object;
        self.next_object += 1;
        self.grow(&namespace, 1, object.row.json.len());
        self.bytes += key.len();
        let entry = Entry { row: object.row.clone(), object: number, namespace: namespace.clone() };
        self.rows.insert(key, entry);
        Some(Delta { op: Op::Added, object: number, namespace, row: object.row })
    }

    /// Takes an object's deletion. `None` when it was not known.
    pub fn delete(&mut self, object: Object) -> Option<Delta> {
        let entry = self.take(&key(&object.namespace, &object.name))?;
        Some(Delta { op: Op::Deleted, object: entry.object, namespace: entry.namespace, row: object.row })
    }

    /// Takes a whole list and returns what changed: deletions first, then the rest in the order of the list.
    pub fn replace(&mut self, objects: Vec<Object>) -> Vec<Delta> {
        let present: HashSet<Box<str>> =
            objects.iter().map(|object| key(&object.namespace, &object.name)).collect();
        let gone: Vec<Box<str>> =
            self.rows.keys().filter(|known| !present.contains(*known)).cloned().collect();
        let mut deltas = Vec::new();
        for key in gone {
            if let Some(Entry { row, object, namespace }) = self.take(&key) {
                deltas.push(Delta { op: Op::Deleted, object, namespace, row });
            }
        }
        deltas.extend(objects.into_iter().filter_map(|object| self.put(object)));
        deltas
    }

    /// How large the snapshots would be, roughly: rows and the commas between them.
    #[must_use]
    pub fn list_sizes(&self) -> ListSizes {
        let by_namespace: HashMap<_, _> =
            self.sizes.iter().map(|(namespace, size)| (namespace.clone(), size.bytes + size.rows)).collect();
        ListSizes { all: by_namespace.values().sum(), by_namespace }
    }

    /// How many rows a scope has, and an upper bound of their bytes.
    fn size_of_scope(&self, scope: &Scope) -> Size {
        match scope {
            Scope::All => self.sizes.values().fold(Size::default(), |sum, one| Size {
                rows: sum.rows + one.rows,
                bytes: sum.bytes + one.bytes,
            }),
            Scope::Namespace(namespace) => self.sizes.get(namespace).copied().unwrap_or_default(),
            Scope::Set(set) => {
                let sizes = set.names().iter().filter_map(|name| self.sizes.get(name));
                sizes.fold(Size::default(), |sum, one| Size {
                    rows: sum.rows + one.rows,
                    bytes: sum.bytes + one.bytes,
                })
            }
        }
    }

    /// Appends the rows of a scope, separated by commas, as they read at `now` and in the order of a list.
    pub fn write_rows(&self, scope: &Scope, listing: Listing, now: Timestamp, out: &mut Vec<u8>) -> Rows {
        let size = self.size_of_scope(scope);
        out.reserve(size.bytes + size.rows * 2 + 64);
        match listing {
            Listing::ByKey => write_joined(self.scope(scope), now, out),
            Listing::NewestFirst { cap } => {
                let mut rows: Vec<&Row> = self.scope(scope).collect();
                // Stable, so rows of one time stay in key order.
                rows.sort_by_key(|row| std::cmp::Reverse(row.order));
                rows.truncate(cap);
                write_joined(rows.into_iter(), now, out)
            }
        }
    }

    /// Some row of a scope that every list shows, for a frame that changes nothing.
    #[must_use]
    pub fn specimen(&self, scope: &Scope, listing: Listing) -> Option<&Row> {
        match listing {
            Listing::ByKey => self.scope(scope).next(),
            Listing::NewestFirst { .. } => self.scope(scope).max_by_key(|row| row.order),
        }
    }

    fn scope<'a>(&'a self, scope: &Scope) -> Box<dyn Iterator<Item = &'a Row> + 'a> {
        match scope {
            Scope::All => Box::new(self.rows.values().map(|entry| &entry.row)),
            Scope::Namespace(namespace) => Box::new(self.namespace(namespace)),
            Scope::Set(set) => {
                let mut names: Vec<Arc<str>> = set.names().to_vec();
                names.sort_unstable_by(|one, other| list_order(one, other));
                Box::new(names.into_iter().flat_map(|name| self.namespace(&name)))
            }
        }
    }

    fn namespace(&self, namespace: &str) -> impl Iterator<Item = &Row> + use<'_> {
        // '0' is the byte after '/'.
        let (from, to) = (format!("{namespace}/"), format!("{namespace}0"));
        let range = (Bound::Included(from.as_str()), Bound::Excluded(to.as_str()));
        self.rows.range::<str, _>(range).map(|(_, entry)| &entry.row)
    }

    fn intern(&mut self, namespace: &str) -> Arc<str> {
        if let Some(known) = self.namespaces.get(namespace) {
            return known.clone();
        }
        let interned: Arc<str> = namespace.into();
        self.namespaces.insert(interned.clone());
        interned
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        let (key, entry) = self.rows.remove_entry(key)?;
        self.shrink(&entry.namespace, 1, entry.row.json.len());
        self.bytes -= key.len();
        Some(entry)
    }

    fn grow(&mut self, namespace: &Arc<str>, rows: usize, bytes: usize) {
        let size = self.sizes.entry(namespace.clone()).or_default();
        size.rows += rows;
        size.bytes += bytes;
        self.bytes += bytes;
    }

    fn shrink(&mut self, namespace: &Arc<str>, rows: usize, bytes: usize) {
        self.bytes -= bytes;
        let Some(size) = self.sizes.get_mut(namespace) else { return };
        size.rows -= rows;
        size.bytes -= bytes;
        if size.rows == 0 {
            self.sizes.remove(namespace);
            self.namespaces.remove(namespace);
        }
    }
}

impl Default for Replica {
    fn default() -> Self {
        Self::new()
    }
}

fn write_joined<'a>(rows: impl Iterator<Item = &'a Row>, now: Timestamp, out: &mut Vec<u8>) -> Rows {
    let mut written = Rows::default();
    for row in rows {
        if !written.ends.is_empty() {
            out.push(b',');
        }
        row.write(now, out);
        written.ends.push(u32::try_from(out.len()).expect("a list is far smaller than 4 GiB"));
        written.clocked |= row.clock.is_some();
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::Namespaces;
    use crate::kind::Rv;

    fn object(namespace: &str, name: &str, text: &str) -> Object {
        Object {
            namespace: namespace.into(),
            name: name.into(),
            rv: Rv(1),
            row: Row::fixed(format!("{{\"name\":\"{name}\",\"v\":\"{text}\"}}").into_bytes()),
        }
    }

    fn rows(replica: &Replica, scope: &Scope) -> String {
        let mut out = Vec::new();
        replica.write_rows(scope, Listing::ByKey, Timestamp::UNIX_EPOCH, &mut out);
        String::from_utf8(out).expect("rows are text")
    }

    #[test]
    fn an_update_that_shows_nothing_new_is_suppressed() {
        let mut replica = Replica::new();
        assert_eq!(replica.put(object("a", "x", "1")).map(|delta| delta.op), Some(Op::Added));
        assert_eq!(replica.put(object("a", "x", "1")), None);
        assert_eq!(replica.put(object("a", "x", "2")).map(|delta| delta.op), Some(Op::Modified));
        assert_eq!(replica.delete(object("a", "x", "3")).map(|delta| delta.op), Some(Op::Deleted));
        assert_eq!(replica.delete(object("a", "x", "3")), None);
        assert_eq!(replica.memory(), 0, "an empty replica has given everything back");
    }

    #[test]
    fn lists_are_in_the_order_of_the_bytes_of_namespace_slash_name() {
        let mut replica = Replica::new();
        for (namespace, name) in [("a", "x"), ("a-b", "y"), ("a", "w"), ("a0", "z")] {
            replica.put(object(namespace, name, ""));
        }
        let all = rows(&replica, &Scope::All);
        let order: Vec<_> = all.split("name\":\"").skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!(order, ["y", "w", "x", "z"], "'-' sorts before '/', '0' after it");
        assert!(rows(&replica, &Scope::Namespace("a".into())).matches("name").count() == 2);
        assert_eq!(rows(&replica, &Scope::Namespace("none".into())), "");
    }

    fn set(names: &[&str]) -> Scope {
        Scope::Set(Namespaces::new(names.iter().map(|name| Arc::from(*name))).expect("some names"))
    }

    #[test]
    fn the_newest_of_a_set_are_capped_over_the_whole_set() {
        let mut replica = Replica::new();
        for (namespace, name, order) in [("a", "w", 5), ("b", "x", 9), ("c", "y", 8), ("a", "z", 7)] {
            let mut object = object(namespace, name, "");
            object.row.order = order;
            replica.put(object);
        }
        let mut out = Vec::new();
        let listing = Listing::NewestFirst { cap: 2 };
        replica.write_rows(&set(&["a", "b"]), listing, Timestamp::UNIX_EPOCH, &mut out);
        let text = String::from_utf8(out).expect("rows are text");
        let order: Vec<_> = text.split("name\":\"").skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!(order, ["x", "z"]);
    }

    #[test]
    fn a_relist_is_told_as_its_difference() {
        let mut replica = Replica::new();
        for name in ["gone", "same", "changed"] {
            replica.put(object("a", name, "1"));
        }
        let deltas = replica.replace(vec![
            object("a", "changed", "2"),
            object("a", "new", "1"),
            object("a", "same", "1"),
        ]);
        let told: Vec<_> = deltas
            .iter()
            .map(|delta| (delta.op, String::from_utf8_lossy(&delta.row.json).into_owned()))
            .collect();
        assert_eq!(told.len(), 3);
        assert!(told[0].0 == Op::Deleted && told[0].1.contains("gone"));
        assert!(told[1].0 == Op::Modified && told[1].1.contains("changed"));
        assert!(told[2].0 == Op::Added && told[2].1.contains("new"));
    }

    #[test]
    fn the_newest_come_first_up_to_the_cap() {
        let mut replica = Replica::new();
        for (name, order) in [("a", 5), ("b", 9), ("c", 5), ("d", 1)] {
            let mut object = object("n", name, "");
            object.row.order = order;
            replica.put(object);
        }
        let mut out = Vec::new();
        let listing = Listing::NewestFirst { cap: 3 };
        let count = replica.write_rows(&Scope::All, listing, Timestamp::UNIX_EPOCH, &mut out).ends.len();
        let text = String::from_utf8(out).expect("rows are text");
        let order: Vec<_> = text.split("name\":\"").skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!((count, order), (3, vec!["b", "a", "c"]));
    }

    #[derive(Clone, Debug)]
    enum Act {
        Put(usize, usize, u8),
        Delete(usize, usize),
        Replace(Vec<(usize, usize, u8)>),
    }

    const NAMESPACES: [&str; 4] = ["a", "a-b", "a0", "b"];
    const NAMES: [&str; 3] = ["x", "y.z", "z-1"];

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let object = || (0..NAMESPACES.len(), 0..NAMES.len(), 0u8..3);
        let act = prop_oneof![
            5 => object().prop_map(|(a, b, c)| Act::Put(a, b, c)),
            3 => object().prop_map(|(a, b, _)| Act::Delete(a, b)),
            1 => proptest::collection::vec(object(), 0..8).prop_map(Act::Replace),
        ];
        proptest::collection::vec(act, 1..40)
    }

    /// What a client shows that applies what it is told to its rows.
    fn apply(shown: &mut BTreeMap<u64, Vec<u8>>, delta: &Delta) {
        match delta.op {
            Op::Added => assert!(shown.insert(delta.object, delta.row.json.to_vec()).is_none()),
            Op::Modified => {
                assert_ne!(
                    shown.insert(delta.object, delta.row.json.to_vec()),
                    Some(delta.row.json.to_vec())
                );
            }
            Op::Deleted => assert!(shown.remove(&delta.object).is_some()),
        }
    }

    proptest! {
        #[test]
        fn rows_sizes_and_deltas_are_those_of_a_plain_map(acts in acts()) {
            let text = |value: u8| "v".repeat(usize::from(value) * 10);
            let mut replica = Replica::new();
            let mut model: BTreeMap<String, (usize, Vec<u8>)> = BTreeMap::new();
            let mut shown = BTreeMap::new();
            for act in acts {
                let deltas: Vec<Delta> = match act {
                    Act::Put(namespace, name, value) => {
                        let object = object(NAMESPACES[namespace], NAMES[name], &text(value));
                        let key = format!("{}/{}", NAMESPACES[namespace], NAMES[name]);
                        model.insert(key, (namespace, object.row.json.to_vec()));
                        replica.put(object).into_iter().collect()
                    }
                    Act::Delete(namespace, name) => {
                        model.remove(&format!("{}/{}", NAMESPACES[namespace], NAMES[name]));
                        replica.delete(object(NAMESPACES[namespace], NAMES[name], "last")).into_iter().collect()
                    }
                    Act::Replace(list) => {
                        model.clear();
                        let mut objects = BTreeMap::new();
                        for (namespace, name, value) in list {
                            let object = object(NAMESPACES[namespace], NAMES[name], &text(value));
                            let key = format!("{}/{}", NAMESPACES[namespace], NAMES[name]);
                            model.insert(key.clone(), (namespace, object.row.json.to_vec()));
                            objects.insert(key, object);
                        }
                        replica.replace(objects.into_values().collect())
                    }
                };
                for delta in &deltas {
                    apply(&mut shown, delta);
                }
                let mut told: Vec<_> = shown.values().collect();
                let mut known: Vec<_> = model.values().map(|(_, row)| row).collect();
                told.sort();
                known.sort();
                prop_assert_eq!(told, known, "what was told adds up to what is known");
                prop_assert_eq!(replica.len(), model.len());
                prop_assert_eq!(replica.memory() == 0, model.is_empty());
                let sizes = replica.list_sizes();
                let all: usize = model.values().map(|(_, row)| row.len() + 1).sum();
                prop_assert_eq!(sizes.all, all);
                for (index, name) in NAMESPACES.iter().enumerate() {
                    let mine: Vec<_> = model.values().filter(|(namespace, _)| *namespace == index).collect();
                    let expected = mine.iter().map(|(_, row)| String::from_utf8_lossy(row)).collect::<Vec<_>>().join(",");
                    prop_assert_eq!(rows(&replica, &Scope::Namespace((*name).into())), expected);
                    let size = mine.iter().map(|(_, row)| row.len() + 1).sum::<usize>();
                    prop_assert_eq!(sizes.by_namespace.get(*name).copied().unwrap_or(0), size);
                }
                let expected = model.values().map(|(_, row)| String::from_utf8_lossy(row)).collect::<Vec<_>>().join(",");
                prop_assert_eq!(rows(&replica, &Scope::All), expected);
                for picked in 1usize..1 << NAMESPACES.len() {
                    let holds = |index: usize| picked >> index & 1 == 1;
                    let names: Vec<_> = (0..NAMESPACES.len()).filter(|index| holds(*index)).map(|index| NAMESPACES[index]).collect();
                    let mine = model.values().filter(|(namespace, _)| holds(*namespace));
                    let expected = mine.map(|(_, row)| String::from_utf8_lossy(row)).collect::<Vec<_>>().join(",");
                    prop_assert_eq!(rows(&replica, &set(&names)), expected);
                    let size: usize = names.iter().filter_map(|name| sizes.by_namespace.get(*name)).sum();
                    prop_assert_eq!(sizes.of(&set(&names)), size);
                }
            }
        }
    }
}
