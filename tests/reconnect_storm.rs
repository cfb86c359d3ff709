//! All tabs lose their connection and come back at once: the journal answers, and nobody upstream hears of it.

mod crowd;
mod fresh;
mod house;
mod tab;

use crowd::Crowd;
use house::{EAST, House};
use tab::sse::Event;

/// What the witness saw behind this marker, up to the other.
fn between(history: &[Event], from: &str, to: &str) -> Vec<Event> {
    let place = |marker: &str| history.iter().position(|event| event.data.contains(marker)).expect(marker);
    history[place(from) + 1..=place(to)].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tab_gets_exactly_what_it_missed() {
    let house = House::with(&crowd::config(), 20).await;
    let (east, address) = (house.east(), house.address());
    let tabs = fresh::from_env("FORETOP_STORM", 2000);
    let mut witness = Crowd::open(address, EAST, "pods", 1).await;
    let mut late = Crowd::open(address, EAST, "pods", tabs / 2).await;
    let mut early = Crowd::open(address, EAST, "pods", tabs - tabs / 2).await;
    let first = fresh::mark(east, "pods", "first-mark");
    early.until("the first mark", &first).await;
    early.disconnect();
    east.churn_step(40);
    let second = fresh::mark(east, "pods", "second-mark");
    late.until("the second mark", &second).await;
    late.disconnect();
    east.churn_step(40);
    let before = east.counters();
    let snapshots = fresh::metric(house.managed(), "foretop_snapshots_sent_total").await;
    let encoded = fresh::metric(house.managed(), "foretop_feed_snapshots_total").await;

    east.set_churn(100.0);
    tokio::join!(early.storm(), late.storm());
    early.until("what it missed", &second).await;
    east.pause_churn(true);
    let third = fresh::mark(east, "pods", "third-mark");
    tokio::join!(
        early.until("the newest event", &third),
        late.until("the newest event", &third),
        witness.until("the newest event", &third)
    );

    let seen = witness.histories().swap_remove(0);
    for (crowd, from) in [(&mut early, &first), (&mut late, &second)] {
        let missed = between(&seen, from, &third);
        for history in crowd.histories() {
            let ids = |events: &[Event]| events.iter().map(|event| event.id.clone()).collect::<Vec<_>>();
            assert_eq!(ids(&history), ids(&missed));
            assert!(history == missed, "the same ids, but not the same rows");
        }
    }
    let after = east.counters();
    assert_eq!((&after.requests, after.watches_opened), (&before.requests, before.watches_opened));
    assert_eq!(fresh::metric(house.managed(), "foretop_resumes_total").await, tabs as u64);
    assert_eq!(
        fresh::metric(house.managed(), "foretop_snapshots_sent_total").await,
        snapshots,
        "none was sent"
    );
    assert_eq!(
        fresh::metric(house.managed(), "foretop_feed_snapshots_total").await,
        encoded,
        "none was made"
    );
    let wanted = fresh::list(east, "pods", None).await;
    for state in early.states().into_iter().chain(late.states()) {
        assert_eq!((&state.end, state.rows.hash()), (&None, wanted.hash()), "{:?}", state.counts);
        assert_eq!(state.dropped, []);
    }
    fresh::encoded_once(address, EAST, "pods").await;
}
