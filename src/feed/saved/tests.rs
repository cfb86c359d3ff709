use proptest::prelude::*;

use super::*;
use crate::config;
use crate::feed::journal::{Found, Mirror};
use crate::feed::{Scope, Selector};
use crate::kind::{Change, Object, Row};

const NAMESPACES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Act {
    Put(usize, u8, u8),
    Delete(usize, u8),
    Bookmark,
    Relist(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..3usize, 0..6u8, any::<u8>()).prop_map(|(namespace, name, row)| Act::Put(namespace, name, row)),
        2 => (0..3usize, 0..6u8).prop_map(|(namespace, name)| Act::Delete(namespace, name)),
        1 => Just(Act::Bookmark),
        1 => any::<u8>().prop_map(Act::Relist),
    ];
    prop::collection::vec(act, 0..60)
}

fn object(namespace: usize, name: u8, row: u8, rv: u128) -> Object {
    let json = format!(r#"{{"name":"{name}","row":{row}}}"#);
    let (namespace, name) = (NAMESPACES[namespace].into(), name.to_string().into());
    Object { namespace, name, rv: Rv(rv), row: Row::fixed(json.into_bytes()), details: None }
}

fn shared() -> Shared {
    Shared::without_cores()
}

fn key() -> FeedKey {
    FeedKey::own("east".into(), kind::by_name("pods").expect("a kind"))
}

/// A feed with a history. Versions go by twos, so that there are some between.
fn feed(acts: &[Act]) -> Arc<Feed> {
    feed_of(key(), acts)
}

fn feed_of(key: FeedKey, acts: &[Act]) -> Arc<Feed> {
    let feed = Feed::new(key, &shared());
    feed.replace(Rv(10), vec![object(0, 0, 0, 4), object(1, 1, 0, 6)], Some("epoch"));
    feed.set_state(State::Live);
    for (step, act) in acts.iter().enumerate() {
        play(&feed, act, 12 + 2 * step as u128);
    }
    feed
}

fn play(feed: &Feed, act: &Act, rv: u128) {
    match act {
        Act::Put(namespace, name, row) => {
            feed.apply(&mut vec![Change::Put(object(*namespace, *name, *row, rv))]);
        }
        Act::Delete(namespace, name) => {
            feed.apply(&mut vec![Change::Deleted(object(*namespace, *name, 0, rv))]);
        }
        Act::Bookmark => {
            feed.apply(&mut vec![Change::Bookmark { rv: Rv(rv), initial_events_end: false }]);
        }
        Act::Relist(row) => {
            feed.replace(Rv(rv), vec![object(0, 0, *row, rv), object(2, 5, *row, rv)], Some("epoch"));
        }
    }
}

/// What a tab with this id would be told: where it stands, and all frames behind that.
fn told(feed: &Feed, scope: &Scope, rv: Rv) -> (Found, Vec<Vec<u8>>) {
    let tail = feed.tail();
    let mirror = Mirror::new(&tail);
    let found = mirror.find(&tail, scope, rv);
    let Found::At(place) = found else { return (found, Vec::new()) };
    let frames = mirror.frames(place, mirror.end()).filter(|(_, _, frame)| scope.holds(&frame.namespace));
    (found, frames.map(|(block, index, _)| block.frame_bytes(index).to_vec()).collect())
}

fn rows(feed: &Feed, scope: &Scope) -> Vec<u8> {
    let snapshot = feed.list(scope).expect("nothing is refused").expect("it is synced");
    snapshot.list_body().1.to_vec()
}

fn scopes() -> [Scope; 3] {
    [Scope::All, Scope::Namespace("a".into()), Scope::Namespace("nobody".into())]
}

fn later(now: Moment, time: Duration) -> Moment {
    let unix_ms = now.unix_ms + milliseconds(time);
    Moment { unix_ms, ..now }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_restored_feed_tells_everybody_what_the_one_before_would_have(before in acts(), after in acts()) {
        let (now, first) = (Moment::now(), feed(&before));
        let saved = Saved::read(&first.save(now).expect("it is synced"), now).expect("as it was written");
        prop_assert_eq!(&saved.key, &first.key);
        let second = Feed::restored(saved, &shared(), Arc::default());
        let end = 12 + 2 * before.len() as u128;
        for (step, act) in after.iter().enumerate() {
            play(&first, act, end + 2 * step as u128);
            play(&second, act, end + 2 * step as u128);
        }
        prop_assert_eq!(second.cursor(), first.cursor());
        prop_assert_eq!(second.epoch(), first.epoch());
        for scope in &scopes() {
            prop_assert_eq!(rows(&second, scope), rows(&first, scope));
            for rv in 0..end + 2 * after.len() as u128 + 3 {
                prop_assert_eq!(told(&second, scope, Rv(rv)), told(&first, scope, Rv(rv)), "{}", rv);
            }
        }
        prop_assert_eq!(second.figures().rows, first.figures().rows);
        prop_assert_eq!(second.figures().replica_bytes, first.figures().replica_bytes);
    }

    #[test]
    fn what_is_cut_or_changed_is_no_feed_or_one_that_goes_on(
        acts in acts(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let now = Moment::now();
        let bytes = feed(&acts).save(now).expect("it is synced");
        prop_assert_eq!(Saved::read(&bytes[..at.index(bytes.len())], now).err(), Some(Cold::Broken));
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = byte;
        if let Ok(saved) = Saved::read(&changed, now) {
            let feed = Feed::restored(saved, &shared(), Arc::default());
            let head = feed.cursor().expect("it is synced");
            let _ = told(&feed, &Scope::All, head);
            feed.apply(&mut vec![Change::Put(object(0, 0, 9, head.0.saturating_add(1)))]);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Saved::read(&bytes, Moment::now());
    }
}

#[test]
fn time_passes_while_nobody_runs() {
    let (now, away_after) = (Moment::now(), config::Feeds::default().away_after);
    let bytes = feed(&[Act::Put(0, 0, 1)]).save(now).expect("it is synced");
    for (time, is_told) in [(away_after / 2, false), (away_after, true)] {
        let saved = Saved::read(&bytes, later(now, time)).expect("as it was written");
        assert_eq!(saved.age, time);
        let feed = Feed::restored(saved, &shared(), Arc::default());
        feed.tick(now.instant);
        let tail = feed.tail();
        assert_eq!(Mirror::new(&tail).told_away(tail.away), is_told, "{time:?}");
        feed.set_state(State::Live);
        let tail = feed.tail();
        assert!(!Mirror::new(&tail).told_away(tail.away));
    }
    let old = later(now, config::Journal::default().age + Duration::from_secs(1));
    let feed =
        Feed::restored(Saved::read(&bytes, old).expect("as it was written"), &shared(), Arc::default());
    feed.tick(now.instant);
    assert_eq!(
        told(&feed, &Scope::All, Rv(10)).0,
        Found::Older,
        "frames are evicted at the age that they have"
    );
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_younger_than_it_was() {
    let now = Moment::now();
    let bytes = feed(&[]).save(now).expect("it is synced");
    let before = Moment { unix_ms: now.unix_ms - 1000, ..now };
    assert_eq!(Saved::read(&bytes, before).expect("as it was written").age, Duration::ZERO);
}

#[test]
fn either_rows_come_back_as_they_are_of() {
    let now = Moment::now();
    for rows in [Rows::Plain, Rows::Full] {
        let feed = feed_of(key().showing(rows, None), &[Act::Put(0, 0, 1)]);
        let saved = Saved::read(&feed.save(now).expect("it is synced"), now).expect("as it was written");
        assert_eq!(saved.key, feed.key);
        assert_eq!(Feed::restored(saved, &shared(), Arc::default()).key, feed.key);
    }
}

#[test]
fn rows_of_another_version_are_not_restored_whoever_wrote_them() {
    let now = Moment::now();
    let ours = feed(&[]).save(now).expect("it is synced");
    let length = size_of::<u32>();
    let at = length + key().cluster.len() + length + key().kind.name.len();
    let version = u64::from(key().kind.row_version);
    let of = |version: u64| {
        let mut bytes = ours.clone();
        bytes[at..at + size_of::<u64>()].copy_from_slice(&version.to_be_bytes());
        Saved::read(&bytes, now).err()
    };
    assert_eq!(of(version), None);
    assert_eq!(of(version - 1), Some(Cold::Version), "an upgrade");
    assert_eq!(of(version + 1), Some(Cold::Version), "a rollback");
    let mut unknown = ours.clone();
    unknown[at - 1] = b'x';
    assert_eq!(Saved::read(&unknown, now).err(), Some(Cold::Unwanted), "a kind that there is not");
}

#[test]
fn what_nobody_may_see_or_only_one_is_not_saved() {
    let now = Moment::now();
    assert_eq!(Feed::new(key(), &shared()).save(now), None, "it is not synced");
    let ended = feed(&[]);
    ended.end();
    assert_eq!(ended.save(now), None);
    let forbidden = feed(&[]);
    forbidden.set_state(State::Forbidden);
    assert_eq!(forbidden.save(now), None);
    let user = Arc::new(crate::feed::KubeUser { name: "ann".into(), groups: Box::default() });
    let eyes = crate::feed::Eyes::Of { user, namespace: None };
    let of_ann = Feed::new(FeedKey { eyes, ..key() }, &shared());
    of_ann.replace(Rv(1), Vec::new(), None);
    assert_eq!(of_ann.save(now), None);
    let chosen = feed_of(key().showing(Rows::Full, Selector::parse("a").expect("a selector")), &[]);
    assert_eq!(chosen.save(now), None, "a client chose it");
}
