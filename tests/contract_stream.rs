//! The event stream, byte by byte and event by event, as the reference's front end and its operators know it.

mod house;
mod tab;

use house::{EAST, House};
use tab::{Open, Tab};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_stream_begins_with_the_snapshot() {
    let house = House::small().await;
    let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None)).await;
    let state = tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    assert_eq!(state.rows.len(), house.east().count("pods").unwrap());
}
