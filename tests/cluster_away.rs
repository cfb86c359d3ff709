//! An apiserver that is killed and comes back: no tab is closed, each is told once, and what it missed comes as a difference.

mod crowd;
mod fresh;
mod house;
mod tab;

use std::time::Duration;

use crowd::Crowd;
use foretop::config::Config;
use house::{EAST, House, WEST, cluster, eventually};
use tab::state::Badge;
use tab::{Open, Tab};

const AWAY: &str = r#"{"reason":"upstream_away"}"#;

/// With `FORETOP_LONG` the apiserver is away as long as the promise says, and tabs are told after the default time.
fn settings() -> Config {
    let mut config = crowd::config();
    if std::env::var_os("FORETOP_LONG").is_none() {
        config.feeds.away_after = Duration::from_secs(1);
        config.upstream.max_backoff = Duration::from_secs(1);
    }
    config
}

/// What is left of the 30 s when the tabs have been told.
async fn stay_away(since: std::time::Instant) {
    if std::env::var_os("FORETOP_LONG").is_some() {
        tokio::time::sleep(Duration::from_secs(30).saturating_sub(since.elapsed())).await;
    }
}

fn watch(house: &House, cluster: &str) -> Open {
    Open::watch(house.address(), cluster, "pods", None).header("X-Forwarded-User", "somebody")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_outlive_a_killed_apiserver_and_get_what_they_missed() {
    let house = House::start(&settings(), vec![cluster(EAST, 40), cluster(WEST, 10)]).await;
    let (east, west, address) = (house.east(), house.west(), house.address());
    let mut crowd = Crowd::open(address, EAST, "pods", fresh::from_env("FORETOP_TABS", 2000)).await;
    let mut other = Tab::open(watch(&house, WEST)).await.follow();
    other.until("its snapshot", |state| state.count("snapshot") == 1).await;
    let snapshots = fresh::metric(house.managed(), "foretop_snapshots_sent_total").await;

    let killed = std::time::Instant::now();
    east.stop().await;
    east.churn_step(60);
    crowd.until("the notice", AWAY).await;
    let mut newcomer = Tab::open(watch(&house, EAST)).await.follow();
    let told = newcomer.until("the notice for a newcomer", |state| state.relists == [AWAY]).await;
    assert_eq!((told.count("snapshot"), told.badge), (1, Badge::Reconnecting), "rows first, then the notice");
    fresh::mark(west, "pods", "meanwhile");
    other.until("an event of another cluster", |state| state.rows.named("meanwhile").is_some()).await;
    stay_away(killed).await;

    east.restart().await.unwrap();
    eventually("a following feed", || async { fresh::feed(address, EAST, "pods").await["state"] == "ok" })
        .await;
    let marker = fresh::mark(east, "pods", "back");
    crowd.until("what came after", &marker).await;
    let wanted = fresh::list(east, "pods", None).await;
    for state in crowd.states() {
        assert_eq!((&state.end, state.badge), (&None, Badge::Live));
        assert_eq!(state.relists, [AWAY], "each was told once: {:?}", state.counts);
        assert_eq!(state.count("snapshot"), 1, "the difference was smaller: {:?}", state.counts);
        assert_eq!(state.rows.hash(), wanted.hash(), "{}", fresh::difference(&state.rows, &wanted));
    }
    let newcomer = fresh::becomes_equal(&mut newcomer, east, "pods", None).await;
    assert_eq!((newcomer.count("snapshot"), newcomer.relists.len()), (1, 1));
    assert_eq!(other.state().relists, [""; 0], "the other cluster was never away");
    assert_eq!(
        fresh::metric(house.managed(), "foretop_snapshots_sent_total").await,
        snapshots + 1,
        "the newcomer's"
    );
    fresh::encoded_once(address, EAST, "pods").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_has_changed_one_frame_turns_tabs_live() {
    let house = House::with(&settings(), 20).await;
    let (east, address) = (house.east(), house.address());
    let mut crowd = Crowd::open(address, EAST, "pods", 300).await;
    let before = crowd.states();
    let rows = before[0].rows.hash();

    let killed = std::time::Instant::now();
    east.stop().await;
    crowd.until("the notice", AWAY).await;
    stay_away(killed).await;
    east.restart().await.unwrap();
    crowd.until("a frame that says nothing new", "event: modified").await;

    for state in crowd.states() {
        assert_eq!((&state.end, state.badge, state.rows.hash()), (&None, Badge::Live, rows));
        assert_eq!(
            (state.count("snapshot"), state.deltas(), state.relists.len()),
            (1, 1, 1),
            "{:?}",
            state.counts
        );
    }
    assert_eq!(fresh::feed(address, EAST, "pods").await["lists"], 1, "it went on from where it was");
    assert_eq!(east.counters().of("list", "pods"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_difference_is_larger_than_the_list_there_is_a_new_snapshot() {
    let house = House::with(&settings(), 60).await;
    let (east, address) = (house.east(), house.address());
    let mut crowd = Crowd::open(address, EAST, "pods", 300).await;

    let killed = std::time::Instant::now();
    east.stop().await;
    let pods = east.names("pods").unwrap();
    for (namespace, name) in &pods[4..] {
        east.delete("pods", namespace, name).unwrap();
    }
    crowd.until("the notice", AWAY).await;
    stay_away(killed).await;
    east.restart().await.unwrap();
    crowd.until("the new snapshot", "event: snapshot").await;
    let marker = fresh::mark(east, "pods", "back");
    crowd.until("what came after", &marker).await;

    let wanted = fresh::list(east, "pods", None).await;
    for state in crowd.states() {
        assert_eq!((&state.end, state.badge), (&None, Badge::Live));
        assert_eq!((state.count("snapshot"), state.count("deleted")), (2, 0), "{:?}", state.counts);
        assert_eq!(state.relists, [AWAY, r#"{"reason":"gone_410"}"#]);
        assert_eq!(state.rows.hash(), wanted.hash(), "{}", fresh::difference(&state.rows, &wanted));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_that_reads_the_notice_late_still_turns_live() {
    let house = House::with(&settings(), 40).await;
    let east = house.east();
    let mut slow = Tab::open(watch(&house, EAST).receive_buffer(4096)).await;
    slow.until("its snapshot", |state| state.count("snapshot") == 1).await;
    let mut healthy = Tab::open(watch(&house, EAST)).await.follow();
    // More than its kernel takes, and less than it may lag.
    fresh::restart(east, &east.names("pods").unwrap(), 800);
    fresh::mark(east, "pods", "before");
    healthy.until("all of it", |state| state.rows.named("before").is_some()).await;

    let killed = std::time::Instant::now();
    east.stop().await;
    healthy.until("the notice", |state| state.relists == [AWAY]).await;
    stay_away(killed).await;
    east.restart().await.unwrap();
    healthy.until("the return", |state| state.badge == Badge::Live).await;

    slow.until("the notice", |state| state.relists == [AWAY]).await;
    slow.until("the return", |state| state.badge == Badge::Live).await;
    assert_eq!(slow.state.rows.hash(), healthy.state().rows.hash());
}
