//! While newcomers come to a view they all get one snapshot, however long their coming lasts.

mod fresh;
mod house;
mod tab;

use std::time::{Duration, Instant};

use house::{EAST, House};
use tab::{Open, Tab};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_over_several_heartbeats_get_one_snapshot() {
    let mut config = house::config();
    config.streams.heartbeat = Duration::from_secs(2);
    config.streams.per_user = 0;
    let house = House::small_with(&config).await;
    let watch = || Open::watch(house.address(), EAST, "pods", None);
    let _first = Tab::open(watch()).await;
    let (began, mut tabs) = (Instant::now(), 0);
    // With the second heartbeat a view lets go of what nobody was given for a while: but somebody was.
    while began.elapsed() < Duration::from_secs(5) {
        let mut tab = Tab::open(watch()).await;
        tab.until("the snapshot", |state| state.count("snapshot") == 1).await;
        tabs += 1;
    }
    let line = fresh::feed(house.address(), EAST, "pods").await;
    assert_eq!(line["snapshots"].as_u64(), Some(1), "for {tabs} tabs: {line}");
}
