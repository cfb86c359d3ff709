use super::journal::Mirror;
use super::*;

fn feed() -> Arc<Feed> {
    let shared = Shared {
        posts: Arc::from([]),
        ledger: Ledger::new(usize::MAX),
        journal: config::Journal::default(),
        away_after: Duration::ZERO,
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
