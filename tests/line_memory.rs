//! What a multiplexed stream takes in memory on which nothing happens, to the byte: every allocation of the process is counted, the simulated cluster's among
//! them, so this is the only test of its file.

#[path = "memory/allocator.rs"]
#[allow(dead_code, reason = "this test weighs what grows, and nothing that it makes by itself")]
mod allocator;
mod house;
mod tab;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use foretop::config::{AuthMode, Config};
use house::{EAST, House, config, eventually};
use serde_json::json;

/// What a stream of eight views may take: of each view and of the stream itself as much as of any stream, which is 128, and a tenth.
const MAY: usize = 9 * 128 * 11 / 10;

/// Eight kinds of which a small cluster has few objects: what the sockets hold unread is the kernel's.
const KINDS: [&str; 8] =
    ["pods", "deployments", "services", "nodes", "namespaces", "statefulsets", "daemonsets", "ingresses"];

/// A browser of a user of its own, which reads nothing.
fn open(house: &House, user: usize) -> TcpStream {
    // Names such as `@foretop/client` gives.
    let view = |(at, kind)| json!({"ref": format!("v{at}"), "cluster": EAST, "kind": kind});
    let body = json!({"views": KINDS.iter().enumerate().map(view).collect::<Vec<_>>()}).to_string();
    let mut stream = TcpStream::connect(house.server.address).expect("a connection");
    let head = format!(
        "POST /api/stream HTTP/1.1\r\nHost: {}\r\nX-Forwarded-User: user-{user}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        house.server.address,
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).expect("a socket takes a request");
    stream
}

/// Opens so many, in all, and waits until each shows its views.
async fn fill(house: &House, streams: &mut Vec<TcpStream>, count: usize) {
    streams.reserve_exact(count - streams.len());
    for user in streams.len()..count {
        streams.push(open(house, user));
    }
    let counters = &house.server.cores[0].counters;
    let (lines, views) = (count as u64, (count * KINDS.len()) as u64);
    let all_show = || (counters.lines.get(), counters.lanes.get()) == (lines, views);
    eventually("all views are shown", async || all_show()).await;
}

/// The least that is taken, once three heartbeats have come by which nothing more was let go.
async fn at_rest(config: &Config) -> usize {
    let (mut least, mut since) = (allocator::live(), Instant::now());
    while since.elapsed() < 3 * config.streams.heartbeat {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = allocator::live();
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    least
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_stream_of_eight_views_takes_little() {
    let mut config = config();
    config.server.cores = 1;
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.1".parse().expect("a block")];
    // What views keep for newcomers they let go with a heartbeat.
    config.streams.heartbeat = Duration::from_secs(2);
    let house = House::with(&config, 5).await;
    let mut streams = Vec::new();
    // From one power of two to the next, so that what grows by doubling has no room left at either.
    fill(&house, &mut streams, 256).await;
    let before = at_rest(&config).await;
    fill(&house, &mut streams, 512).await;
    let each = at_rest(&config).await.saturating_sub(before) / 256;
    println!("{each} B for each");
    assert!(each <= MAY, "a stream of eight views takes {each} bytes and may take {MAY}");
}
