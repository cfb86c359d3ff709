use super::journal::Mirror;
use super::post::Bell;
use super::*;
use crate::kind::{Object, Row};

fn feed() -> Arc<Feed> {
    feed_of(Arc::from([]))
}

fn feed_of(posts: Arc<[Post]>) -> Arc<Feed> {
    let shared = Shared {
        posts,
        ledger: Ledger::new(usize::MAX),
        journal: config::Journal::default(),
        away_after: Duration::ZERO,
        lateness: Arc::default(),
    };
    let kind = crate::kind::by_name("pods").expect("one of the 22");
    Feed::new(FeedKey::own("east".into(), kind), &shared)
}

/// Whether a core that begins to follow now tells newcomers that the source is away.
fn tells_away(feed: &Feed) -> bool {
    let tail = feed.tail();
    Mirror::new(&tail).told_away(tail.away)
}

#[test]
fn an_absence_that_turned_into_a_refusal_is_over() {
    let feed = feed();
    feed.replace(Rv(5), Vec::new(), None);
    feed.set_state(State::Away { why: "no answer".into() });
    feed.tick(Instant::now());
    assert!(tells_away(&feed));
    feed.set_state(State::Forbidden);
    feed.set_state(State::Live);
    assert!(!tells_away(&feed));
}

#[test]
fn what_was_forbidden_stays_so_while_nobody_answers() {
    let feed = feed();
    feed.replace(Rv(5), Vec::new(), None);
    feed.set_state(State::Forbidden);
    for state in [State::Away { why: "no answer".into() }, State::Unauthenticated, State::Syncing] {
        feed.set_state(state);
        assert_eq!(feed.status().refused(), Some(block::Refused::Forbidden));
    }
    feed.set_state(State::Live);
    assert_eq!(feed.status().refused(), None);
    feed.set_state(State::Unauthenticated);
    assert_eq!(feed.status().refused(), None, "Foretop's own trouble takes no right from its users");
}

/// Every core's users come back at once, each with a set of namespaces of their own, before the feed knows a row.
#[test]
fn thousands_of_sets_wait_for_the_first_sync() {
    const SETS: usize = 5000;
    let (post, mail) = Post::new(Bell::new().expect("a descriptor"));
    let feed = feed_of(Arc::from([post]));
    let mut random = fastrand::Rng::with_seed(7);
    let names: Vec<Arc<str>> = (0..300).map(|number| format!("n{number}").as_str().into()).collect();
    let mut asked = BTreeSet::new();
    while asked.len() < SETS {
        let set = random.choose_multiple(names.iter().cloned(), 30);
        asked.insert(Scope::Set(Namespaces::new(set).expect("thirty names")));
    }
    for scope in asked.iter().chain(&asked) {
        feed.send_snapshot(0, scope.clone(), true);
    }
    assert!(mail.is_empty(), "nobody is refused, and nothing is known yet");
    let pod = |namespace: &Arc<str>| Object {
        namespace: (**namespace).into(),
        name: "web".into(),
        rv: Rv(1),
        row: Row::fixed(format!(r#"{{"name":"web","namespace":"{namespace}"}}"#).into_bytes()),
        details: None,
    };
    feed.replace(Rv(5), names.iter().map(pod).collect(), None);
    feed.set_state(State::Live);
    let mut answered = BTreeSet::new();
    for mail in mail.try_iter() {
        let Mail::Snapshot(_, scope, _, Ok(snapshot)) = mail else { continue };
        let rows = memchr::memmem::find_iter(snapshot.frame(), r#""name":"web""#).count();
        assert_eq!(rows, 30, "{scope:?}");
        assert!(answered.insert(scope), "each set is answered once");
    }
    assert_eq!(answered, asked);
}
