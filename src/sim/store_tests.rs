use super::*;
use crate::sim::resource::by_plural;

fn pods() -> &'static Resource {
    by_plural("pods").unwrap()
}

fn object(note: &str) -> Object {
    Object::from_text(format!("{{\"metadata\":{{\"resourceVersion\":\"\"}},\"note\":\"{note}\"}}"))
}

fn notes(page: &Page) -> Vec<String> {
    page.items.iter().map(|(_, item)| item.value()["note"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn keys_are_listed_in_the_order_of_their_bytes() {
    let store = Store::new(10);
    for key in ["b/x", "a-b/x", "a/y", "a/x", "a.b/x"] {
        store.put(pods(), key, &object(key));
    }
    let all = store.list(pods(), &Range::default()).unwrap();
    assert_eq!(notes(&all), ["a-b/x", "a.b/x", "a/x", "a/y", "b/x"]);
    let one = store.list(pods(), &Range { namespace: "a", ..Range::default() }).unwrap();
    assert_eq!(notes(&one), ["a/x", "a/y"]);
}

#[test]
fn pages_show_the_state_of_the_first_page() {
    let store = Store::new(10);
    for key in ["a/1", "a/2", "a/3", "a/4"] {
        store.put(pods(), key, &object(key));
    }
    let first = store.list(pods(), &Range { limit: 2, ..Range::default() }).unwrap();
    let (last, remaining) = first.rest.clone().unwrap();
    assert_eq!((&*last, remaining), ("a/2", 2));
    store.delete(pods(), "a/3");
    store.put(pods(), "a/4", &object("changed"));
    store.put(pods(), "a/5", &object("new"));
    let second = store
        .list(pods(), &Range { limit: 2, after: Some(&last), at: Some(first.rv), ..Range::default() })
        .unwrap();
    assert_eq!(notes(&second), ["a/3", "a/4"]);
    assert_eq!(second.rv, first.rv);
    assert!(second.rest.is_none());
}

#[test]
fn a_compacted_page_is_too_old() {
    let store = Store::new(10);
    store.put(pods(), "a/1", &object(""));
    let rv = store.rv();
    store.put(pods(), "a/2", &object(""));
    store.compact();
    let again = store.list(pods(), &Range { at: Some(rv), ..Range::default() });
    assert!(again.is_err());
}

#[test]
fn the_ring_is_bounded_and_says_so() {
    let store = Store::new(3);
    let first = store.put(pods(), "a/1", &object("0"));
    for _ in 0..4 {
        store.put(pods(), "a/1", &object("1"));
    }
    assert!(store.events_after(pods(), first, 10).is_err());
    assert!(store.may_watch_from(pods(), first).is_err());
    let (events, head) = store.events_after(pods(), first + 1, 10).unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(head, store.rv());
}

#[test]
fn compaction_refuses_new_watches_only() {
    let store = Store::new(10);
    let before = store.put(pods(), "a/1", &object("0"));
    store.put(pods(), "a/1", &object("1"));
    store.compact();
    assert!(store.may_watch_from(pods(), before).is_err());
    assert_eq!(store.events_after(pods(), before, 10).unwrap().0.len(), 1);
}

#[test]
fn a_delete_has_a_version_of_its_own() {
    let store = Store::new(10);
    let added = store.put(pods(), "a/1", &object("0"));
    let deleted = store.delete(pods(), "a/1").unwrap();
    assert_eq!(deleted, added + 1);
    let (events, _) = store.events_after(pods(), added, 10).unwrap();
    assert_eq!(events[0].change, Change::Deleted);
    assert_eq!(events[0].object.rv, deleted);
    assert_eq!(store.delete(pods(), "a/1"), None);
}

#[test]
fn rewinding_restores_what_was() {
    let store = Store::new(10);
    store.put(pods(), "a/1", &object("old"));
    store.put(pods(), "a/2", &object("kept"));
    let then = store.rv();
    store.put(pods(), "a/1", &object("new"));
    store.delete(pods(), "a/2");
    store.put(pods(), "a/3", &object("later"));
    assert_eq!(store.rewind(3), then);
    assert_eq!(notes(&store.list(pods(), &Range::default()).unwrap()), ["old", "kept"]);
    assert_eq!(store.put(pods(), "a/1", &object("again")), then + 1);
}

#[test]
fn rewinding_stops_where_the_past_begins() {
    let store = Store::new(10);
    store.put(pods(), "a/1", &object(""));
    store.forget_past();
    let floor = store.rv();
    store.put(pods(), "a/1", &object(""));
    assert_eq!(store.rewind(100), floor);
}
