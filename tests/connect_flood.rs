//! One address that opens all the connections it can: it gets its share, and everybody else is served.

mod house;
mod tab;

use std::time::Duration;

use foretop::config::Config;
use house::wire::{Stream, Wire, get};
use house::{House, config, eventually, list, pod, watch};

const FLOOD: [u8; 4] = [127, 0, 0, 2];

/// One core with room for 40 connections, of which one address may have 10.
fn narrow() -> Config {
    let mut config = config();
    config.server.cores = 1;
    config.server.connections_per_core = 40;
    config.server.connections_per_address = 10;
    config.server.head_timeout = Duration::from_secs(60);
    config
}

fn turned_away(house: &House) -> u64 {
    house.server.cores.iter().map(|core| core.counters.turned_away.get()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_address_leaves_room_for_another() {
    let house = House::small_with(&narrow()).await;
    let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
    stream.events(1).await;
    let mut flood = Vec::new();
    for number in 0..100 {
        let mut wire = Wire::connect_from(FLOOD, house.address()).await;
        wire.try_send(if number % 2 == 0 { "" } else { "GET /api/clus" }).await;
        flood.push(wire);
    }
    eventually("the flood is turned away", async || turned_away(&house) == 90).await;
    let mut fresh = Stream::open(house.address(), &watch("pods"), "").await;
    fresh.events(1).await;
    assert_eq!(tab::get(house.address(), &list("pods"), &[]).await.head.status, 200);
    let rv = house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    assert_eq!(stream.events(2).await[1].id, Some(rv.to_string()));
    drop(flood);
    eventually("room again for that address", async || {
        let mut wire = Wire::connect_from(FLOOD, house.address()).await;
        wire.try_send(get("/healthz", "Connection: close\r\n")).await;
        wire.rest().await.starts_with("HTTP/1.1 200")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_do_not_count_and_what_has_ended_does_not_either() {
    let house = House::small_with(&narrow()).await;
    let mut streams = Vec::new();
    for _ in 0..15 {
        let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
        stream.events(1).await;
        streams.push(stream);
    }
    for _ in 0..30 {
        for path in [list("pods"), "/api/features".into(), "/healthz".into()] {
            assert_eq!(tab::get(house.address(), &path, &[]).await.head.status, 200, "{path}");
        }
    }
    assert_eq!(turned_away(&house), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_may_have_as_many_as_the_core_takes() {
    let mut config = narrow();
    config.server.trusted_proxies = vec!["127.0.0.2".parse().expect("an address")];
    let house = House::small_with(&config).await;
    let mut wires = Vec::new();
    for _ in 0..30 {
        wires.push(Wire::connect_from(FLOOD, house.address()).await);
    }
    for wire in &mut wires {
        wire.send(get(&list("pods"), "")).await;
        assert_eq!(wire.answer().await.head.status, 200);
    }
    assert_eq!(turned_away(&house), 0);
}
