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
        details: None,
    }
}

fn rows(replica: &Replica, scope: &Scope) -> String {
    let mut out = Vec::new();
    replica.write_rows(scope, Listing::ByKey, Timestamp::UNIX_EPOCH, &mut out, |_| {});
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
    replica.write_rows(&set(&["a", "b"]), listing, Timestamp::UNIX_EPOCH, &mut out, |_| {});
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
    let deltas =
        replica.replace(vec![object("a", "changed", "2"), object("a", "new", "1"), object("a", "same", "1")]);
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
    let count = replica.write_rows(&Scope::All, listing, Timestamp::UNIX_EPOCH, &mut out, |_| {}).ends.len();
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
fn apply(shown: &mut BTreeMap<u64, Vec<u8>>, delta: &Delta<'_>) {
    match delta.op {
        Op::Added => assert!(shown.insert(delta.object, delta.row.json.to_vec()).is_none()),
        Op::Modified => {
            assert_ne!(shown.insert(delta.object, delta.row.json.to_vec()), Some(delta.row.json.to_vec()));
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
            let deltas: Vec<Delta<'static>> = match act {
                Act::Put(namespace, name, value) => {
                    let object = object(NAMESPACES[namespace], NAMES[name], &text(value));
                    let key = format!("{}/{}", NAMESPACES[namespace], NAMES[name]);
                    model.insert(key, (namespace, object.row.json.to_vec()));
                    replica.put(object).map(Delta::into_owned).into_iter().collect()
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
