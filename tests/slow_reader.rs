//! Clients that read slowly, or not at all: what they have not got is kept for nobody in particular, and others never notice.

mod fresh;
mod house;
mod tab;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foretop::config::Config;
use foretop::sim::Cluster;
use house::{EAST, House, eventually, patient};
use serde_json::Value;
use tab::state::{Badge, End, State};
use tab::{Open, Tab, get};

const LOGS: &str = "foretop_memory_bytes{thing=\"logs\"}";
const TICK: Duration = Duration::from_millis(20);

/// Restarts of containers, which every list shows: so many per tick, for so many ticks.
async fn restarts(cluster: &Cluster, per_tick: usize, ticks: usize) {
    let started = |pod: &Value| pod["status"]["containerStatuses"].is_array();
    let mut pods = cluster.names("pods").unwrap();
    pods.retain(|(namespace, name)| cluster.get("pods", namespace, name).is_some_and(|pod| started(&pod)));
    let mut clock = tokio::time::interval(TICK);
    for _ in 0..ticks {
        clock.tick().await;
        fresh::restart(cluster, &pods, per_tick);
        let written = per_tick % pods.len();
        pods.rotate_left(written);
    }
}

/// A tab whose kernel takes as little as it can.
fn narrow(house: &House) -> Open {
    Open::watch(house.address(), EAST, "pods", None).receive_buffer(4096)
}

async fn with_snapshot(open: Open) -> Tab {
    let mut tab = Tab::open(open).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    tab
}

/// What the server's kernel holds for this client, sent or not.
fn held_by_kernel(server: SocketAddr, client: SocketAddr) -> usize {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => format!("{:08X}:{:04X}", u32::from_le_bytes(v4.ip().octets()), v4.port()),
        SocketAddr::V6(_) => unreachable!("the tests listen on 127.0.0.1"),
    };
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table of connections");
    let (server, client) = (hex(server), hex(client));
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|fields| fields[1] == server && fields[2] == client).expect("the connection");
    let queue = line[4].split(':').next().expect("tx_queue:rx_queue");
    usize::from_str_radix(queue, 16).expect("hexadecimal")
}

async fn stream_lines(house: &House) -> Vec<Value> {
    let lines = get(house.address(), "/debug/streams", &[]).await.json();
    lines.as_array().cloned().unwrap_or_default()
}

fn settings() -> Config {
    let mut config = house::config();
    config.streams.per_user = 0;
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_costs_its_slot_and_is_equal_soon_after() {
    if house::is_of_cleartext("it looks at what the kernel holds of a socket that the core writes to itself")
    {
        return;
    }
    let house = House::with(&settings(), 40).await;
    let (east, address) = (house.east(), house.address());
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(with_snapshot(narrow(&house)).await);
    }
    let mut healthy = with_snapshot(Open::watch(address, EAST, "pods", None)).await.follow();
    let seconds = fresh::from_env("FORETOP_SLOW_SECONDS", 5);
    let reading = async {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        for _ in 0..seconds {
            clock.tick().await;
            for tab in &mut slow {
                assert!(tab.read(1024).await, "it stays connected: {:?}", tab.state.end);
                let held = held_by_kernel(address, tab.local_address());
                assert!(held <= 64 * 1024, "the kernel holds {held} bytes");
            }
        }
        slow
    };
    let (mut slow, ()) = tokio::join!(reading, restarts(east, 40, seconds * 50));
    let healthy = fresh::becomes_equal(&mut healthy, east, "pods", None).await;
    let events = 2000 * seconds as u64;
    assert_eq!(healthy.count("modified"), events, "a healthy tab beside them got each event");
    assert_eq!(fresh::encoded_once(address, EAST, "pods").await, events);

    let live = |lines: &[Value]| lines.iter().filter(|line| line["state"] == "live").count();
    let lines = stream_lines(&house).await;
    assert_eq!(live(&lines), 1, "all but the healthy one are out of the log: {lines:?}");
    let held = || fresh::metric(house.managed(), LOGS);
    eventually("what they have not got is kept for nobody", || async { held().await < 512 * 1024 }).await;

    let wanted = fresh::list(east, "pods", None).await;
    fresh::counted(address).await;
    let sent = fresh::metric(house.managed(), "foretop_sent_bytes_total").await;
    let reads_on = Instant::now();
    for tab in &mut slow {
        tab.until("what a fresh LIST shows", |state| state.rows.hash() == wanted.hash()).await;
        assert_eq!((tab.state.count("snapshot"), tab.state.relists.len()), (1, 0), "{:?}", tab.state.counts);
        assert_eq!(tab.state.dropped, []);
        assert!(tab.state.count("modified") < events / 2, "it was given the latest rows alone");
    }
    // The promise is 2 s for one; it takes milliseconds for all twenty.
    assert!(reads_on.elapsed() < Duration::from_secs(2), "{:?}", reads_on.elapsed());
    fresh::counted(address).await;
    let catching_up = fresh::metric(house.managed(), "foretop_sent_bytes_total").await - sent;
    assert!(catching_up < 20 * 256 * 1024, "twenty catch-ups took {catching_up} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_holds_for_a_reader_is_in_the_books() {
    let house = House::with(&settings(), 40).await;
    let east = house.east();
    let mut slow = with_snapshot(narrow(&house)).await;
    let log = async |wanted: fn(u64) -> bool| wanted(fresh::metric(house.managed(), LOGS).await);
    // Far more than its kernel takes, but less than it may lag.
    restarts(east, 150, 4).await;
    eventually("some of it waits in the log", || log(|bytes| bytes > 16 * 1024)).await;
    let wanted = fresh::list(east, "pods", None).await;
    slow.until("what a fresh LIST shows", |state| state.rows.hash() == wanted.hash()).await;
    assert_eq!(slow.state.count("modified"), 600, "within its lag it gets every event");
    eventually("nothing waits", || log(|bytes| bytes == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_nothing_for_long_is_reset() {
    let mut config = settings();
    config.streams.stall = Duration::from_secs(2);
    let house = House::with(&config, 40).await;
    let (east, address) = (house.east(), house.address());
    let mut stuck = with_snapshot(narrow(&house)).await;
    let mut healthy = with_snapshot(Open::watch(address, EAST, "pods", None)).await.follow();
    restarts(east, 200, 5).await;

    eventually("the reset", || async {
        fresh::metric(house.managed(), "foretop_streams_stalled_total").await == 1
    })
    .await;
    assert!(matches!(stuck.until_end().await, End::Reset(_)), "{:?}", stuck.state.end);
    eventually("one stream is left", || async { stream_lines(&house).await.len() == 1 }).await;
    fresh::becomes_equal(&mut healthy, east, "pods", None).await;

    stuck.reconnect().await;
    let mut back = stuck.follow();
    let state = fresh::becomes_equal(&mut back, east, "pods", None).await;
    assert_eq!(state.count("snapshot"), 1, "it resumed: {:?}", state.counts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_whose_place_was_evicted_gets_the_list_anew() {
    let mut config = settings();
    config.journal.max_bytes = 64 * 1024;
    config.streams.lag = 64 * 1024;
    let house = House::with(&config, 40).await;
    let (east, address) = (house.east(), house.address());
    let mut slow = with_snapshot(narrow(&house)).await;
    restarts(east, 200, 5).await;
    let bounded = || async {
        let line = fresh::feed(address, EAST, "pods").await;
        line["eventsIn"] == 1000 && line["journalBytes"].as_u64() < Some(80 * 1024)
    };
    eventually("a journal that holds a part of it", bounded).await;

    let wanted = fresh::list(east, "pods", None).await;
    slow.until("the list anew", |state| state.count("snapshot") == 2).await;
    slow.until("what a fresh LIST shows", |state| state.rows.hash() == wanted.hash()).await;
    assert_eq!(slow.state.relists, [r#"{"reason":"gone_410"}"#]);
    assert_eq!(slow.state.badge, Badge::Live);
    assert_eq!(slow.state.dropped, []);
}

/// Reads a little now and then, until the state is as wanted.
async fn trickle(tab: &mut Tab, what: &str, wanted: impl Fn(&State) -> bool) {
    let reading = async {
        while !wanted(&tab.state) {
            assert!(tab.read(512).await, "{what}: {:?}", tab.state.end);
            tokio::task::yield_now().await;
        }
    };
    patient(what, reading).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_in_the_midst_of_its_snapshot_goes_on_with_what_came_meanwhile() {
    let house = House::with(&settings(), 600).await;
    let east = house.east();
    let mut slow = Tab::open(narrow(&house)).await;
    assert!(slow.read(512).await);
    restarts(east, 40, 5).await;
    fresh::mark(east, "pods", "marker");
    let mut other = with_snapshot(Open::watch(house.address(), EAST, "pods", None)).await.follow();
    other.until("the marker", |state| state.rows.named("marker").is_some()).await;
    trickle(&mut slow, "the marker", |state| state.rows.named("marker").is_some()).await;
    let wanted = fresh::list(east, "pods", None).await;
    assert_eq!(slow.state.rows.hash(), wanted.hash(), "{}", fresh::difference(&slow.state.rows, &wanted));
    assert_eq!((slow.state.count("snapshot"), slow.state.relists.len()), (1, 0), "{:?}", slow.state.counts);
}
