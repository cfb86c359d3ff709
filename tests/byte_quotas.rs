//! Quotas of bytes: a tenant is sent what it may be sent and no more, loses nothing by that, and is nobody else's delay.

mod fresh;
mod house;
mod tab;

use std::time::{Duration, Instant};

use foretop::config::{AuthMode, Config, TenantRule};
use foretop::sim::Cluster;
use house::{EAST, House, eventually, patient};
use tab::{Answer, Following, Open, Tab};

const KIB: usize = 1024;

/// What a core draws ahead, and what is due between two looks at a clock: for each of two cores.
const SLACK: usize = 2 * 64 * KIB;

/// Blue and red, each by a group of its name, each with so many bytes per second.
fn blue_and_red(bytes_per_second: usize) -> Config {
    let mut config = house::config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    let rule =
        |name: &str| TenantRule { name: name.into(), groups: vec![name.into()], ..TenantRule::default() };
    // Operators look at figures.
    config.tenants.rules = vec![rule("blue"), rule("red"), rule(house::OPERATORS)];
    config.tenants.bytes_per_second = bytes_per_second;
    config
}

/// A server as these settings have it, before one cluster that is everyone's.
async fn house(config: &Config, pods: usize) -> House {
    let running = Cluster::start(house::cluster(EAST, pods)).await.expect("a simulated cluster starts");
    let tenants = ["blue", "red", house::OPERATORS].map(Into::into).into();
    let spec = foretop::cluster::ClusterSpec {
        tenants,
        ..foretop::cluster::ClusterSpec::from_url(EAST, &running.url())
    };
    House::of(config, vec![spec], vec![running])
}

fn open(house: &House, user: &str, tenant: &str) -> Open {
    Open::watch(house.address(), EAST, "pods", None)
        .header("X-Forwarded-User", user)
        .header("X-Forwarded-Groups", tenant)
}

async fn shown(house: &House, user: &str, tenant: &str) -> Following {
    let mut tab = Tab::open(open(house, user, tenant)).await.follow();
    tab.until("its snapshot", |state| state.count("snapshot") == 1).await;
    tab
}

async fn list(house: &House, tenant: &str) -> Answer {
    let headers =
        [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", tenant), ("Accept", "application/json")];
    tab::get(house.address(), &house::list("pods"), &headers).await
}

/// The streams of users whose names begin so: how many wait for bytes, and how many bytes all of them were sent.
async fn streams(house: &House, user: &str) -> (usize, usize) {
    let lines = tab::get(house.address(), "/debug/streams", fresh::OPERATOR).await.json();
    let lines: Vec<_> = lines.as_array().expect("an array").clone();
    let mine =
        lines.iter().filter(|line| line["actor"].as_str().is_some_and(|actor| actor.starts_with(user)));
    mine.fold((0, 0), |(held, sent), line| {
        let bytes =
            line["bytesSent"].as_u64().and_then(|bytes| usize::try_from(bytes).ok()).expect("a number");
        (held + usize::from(line["state"] == "held"), sent + bytes)
    })
}

/// Restarts of containers, at this pace, for so many ticks of 20 ms.
async fn restarts(cluster: &Cluster, per_tick: usize, ticks: usize) {
    let pods: Vec<_> = cluster.names("pods").expect("pods");
    let started = |(namespace, name): &(String, String)| {
        cluster.get("pods", namespace, name).is_some_and(|pod| pod["status"]["containerStatuses"].is_array())
    };
    let pods: Vec<_> = pods.into_iter().filter(started).collect();
    assert!(!pods.is_empty(), "some pods have started");
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..ticks {
        clock.tick().await;
        fresh::restart(cluster, &pods, per_tick);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_at_a_hundred_times_its_share_moves_nobody_elses_lag() {
    let quota = 128 * KIB;
    let mut config = blue_and_red(quota);
    // So that they catch up within a test: by the latest rows.
    config.streams.lag = 32 * KIB;
    let house = house(&config, 12).await;
    let east = house.east();
    let began = Instant::now();
    let mut red = shown(&house, "red", "red").await;
    let mut blue = Vec::new();
    for number in 0..220 {
        blue.push(Tab::open(open(&house, &format!("blue-{}", number % 9), "blue")).await.follow());
    }
    // Some 200 events of 300 bytes per second: red's one tab takes half of red's quota, blue's 220 want a hundred times blue's.
    let (ticks, per_tick) = (150, 4);
    let looking = async {
        let (mut looks, mut held) = (0, 0);
        loop {
            let (red_held, _) = streams(&house, "red").await;
            assert_eq!(red_held, 0, "red is never held back");
            let (blue_held, sent) = streams(&house, "blue").await;
            let most = quota * (usize::try_from(began.elapsed().as_millis()).expect("small") + 1000) / 1000;
            assert!(sent <= most + SLACK, "blue was sent {sent} bytes, of {most}");
            (looks, held) = (looks + 1, held + blue_held);
            if looks % 4 == 0 && red.state().count("modified") == (ticks * per_tick) as u64 {
                return held;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let looking = patient("red has each event", looking);
    let (held, ()) = tokio::join!(looking, restarts(east, per_tick, ticks));
    assert!(held > 0, "blue is held back");
    let state = fresh::becomes_equal(&mut red, east, "pods", None).await;
    assert_eq!(state.count("modified"), (ticks * per_tick) as u64, "red got each event: {:?}", state.counts);
    assert_eq!(state.count("snapshot"), 1);
    let (_, sent) = streams(&house, "blue").await;
    assert!(sent > quota, "blue is sent what it may be: {sent}");
    for tab in &mut blue {
        let state = fresh::becomes_equal(tab, east, "pods", None).await;
        assert_eq!(
            (state.relists.len(), state.dropped.len()),
            (0, 0),
            "it missed nothing: {:?}",
            state.counts
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_many_seconds_bytes_arrives_and_is_no_stall() {
    let quota = 64 * KIB;
    let mut config = blue_and_red(quota);
    // Each of 24 waits longer than that for its turn.
    config.streams.stall = Duration::from_secs(1);
    let house = house(&config, 120).await;
    assert_eq!(list(&house, "red").await.head.status, 200);
    let began = Instant::now();
    let mut tabs = Vec::new();
    for _ in 0..24 {
        tabs.push(Tab::open(open(&house, "ann", "blue")).await.follow());
    }
    for tab in &mut tabs {
        fresh::becomes_equal(tab, house.east(), "pods", None).await;
    }
    let (_, sent) = streams(&house, "ann").await;
    let seconds = (sent - SLACK).saturating_sub(quota) / quota;
    assert!(seconds >= 3, "{sent} bytes are far more than a second's");
    assert!(began.elapsed() >= Duration::from_secs(seconds as u64), "{sent} bytes in {:?}", began.elapsed());
    assert_eq!(fresh::metric(house.managed(), "foretop_streams_stalled_total").await, 0);
    assert!(fresh::metric(house.managed(), "foretop_quota_waits_total").await > 0);
    eventually("nobody waits", async || {
        let on_one = fresh::metric(house.managed(), "foretop_streams{core=\"0\",state=\"held\"}").await;
        on_one + fresh::metric(house.managed(), "foretop_streams{core=\"1\",state=\"held\"}").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_beyond_a_tenants_bytes_are_refused_and_no_other_tenants() {
    let house = house(&blue_and_red(32 * KIB), 800).await;
    // Of a second's bytes and more.
    let first = list(&house, "blue").await;
    assert_eq!(first.head.status, 200);
    assert!(first.body.len() > 64 * KIB, "{}", first.body.len());
    let refused = list(&house, "blue").await;
    assert_eq!((refused.head.status, refused.head.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.json()["error"]["code"], "tenant_bytes");
    assert_eq!(list(&house, "red").await.head.status, 200);
    // Streams have bytes of their own.
    shown(&house, "ann", "blue").await;
    eventually("bytes for lists", async || list(&house, "blue").await.head.status == 200).await;
}
