//! What an apiserver pays does not depend on tabs, and what is encoded is encoded once for all of them.

mod crowd;
mod fresh;
mod house;
mod tab;

use crowd::Crowd;
use house::{EAST, House};
use tab::{Open, Tab, get};

/// 2,000 tabs, as the promise has it.
const TABS: usize = 2000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tabs_cost_the_apiserver_and_the_encoder_no_more_than_one() {
    let house = House::with(&crowd::config(), 40).await;
    let (east, address) = (house.east(), house.address());
    let mut first =
        Tab::open(Open::watch(address, EAST, "pods", None).header("X-Forwarded-User", "one")).await;
    first.until("the first snapshot", |state| state.count("snapshot") == 1).await;
    let with_one = east.counters();
    assert_eq!((with_one.open("pods"), with_one.open_in_all()), (1, 1), "{with_one:?}");

    let tabs = fresh::from_env("FORETOP_TABS", TABS);
    let mut crowd = Crowd::open(address, EAST, "pods", tabs).await;
    let streams = get(address, "/debug/streams", fresh::OPERATOR).await.json();
    assert_eq!(streams.as_array().map(Vec::len), Some(tabs + 1));
    east.churn_step(200);
    for (namespace, name) in east.names("pods").unwrap().iter().take(20) {
        east.touch("pods", namespace, name).unwrap();
    }
    let marker = fresh::mark(east, "pods", "marker");
    crowd.until("the last write", &marker).await;
    first.until("the last write", |state| state.rows.named("marker").is_some()).await;

    let with_all = east.counters();
    assert_eq!(with_all.requests, with_one.requests, "nobody asked for anything more");
    assert_eq!((with_all.open("pods"), with_all.watches_opened), (1, with_one.watches_opened));
    let encodings = fresh::encoded_once(address, EAST, "pods").await;
    let line = fresh::feed(address, EAST, "pods").await;
    assert_eq!(line["eventsIn"].as_u64(), Some(with_all.events), "every event was taken once: {line}");
    assert!(line["suppressed"].as_u64() >= Some(20), "{line}");
    assert!(encodings > 0 && encodings == first.state.deltas(), "{line}, {:?}", first.state.counts);

    let wanted = fresh::list(east, "pods", None).await;
    assert_eq!(first.state.rows.hash(), wanted.hash(), "{}", fresh::difference(&first.state.rows, &wanted));
    for state in crowd.states() {
        assert_eq!(state.end, None);
        assert_eq!(state.rows.hash(), wanted.hash(), "{}", fresh::difference(&state.rows, &wanted));
    }
}
