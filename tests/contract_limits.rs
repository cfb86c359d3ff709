//! How many streams there may be, for whom, and what the one too many hears.

mod fresh;
mod house;
mod tab;

use foretop::config::{AuthMode, Cidr, Config, Refusal};
use house::wire::Stream;
use house::{House, config, eventually, list, watch};
use tab::Answer;

const TEXT: &str = "too many concurrent watch streams for this user\n";

/// Everybody is whom a header from loopback says.
fn by_header(mut config: Config) -> Config {
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse::<Cidr>().expect("a block")];
    config
}

fn with_limit(per_user: u32) -> Config {
    let mut config = by_header(config());
    config.streams.per_user = per_user;
    config
}

async fn open(house: &House, user: &str) -> Stream {
    Stream::open(house.address(), &watch("pods"), &format!("X-Forwarded-User: {user}\r\n")).await
}

/// A stream that is there, with its snapshot.
async fn opened(house: &House, user: &str) -> Stream {
    let mut stream = open(house, user).await;
    assert_eq!(stream.head.status, 200);
    assert_eq!(stream.events(1).await[0].name, "snapshot");
    stream
}

async fn ask(house: &House, user: &str, accept: &str) -> Answer {
    tab::get(house.address(), &watch("pods"), &[("X-Forwarded-User", user), ("Accept", accept)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_too_many_is_429_in_the_contracts_text() {
    let house = House::small_with(&with_limit(2)).await;
    let _open = (opened(&house, "ann").await, opened(&house, "ann").await);
    let answer = ask(&house, "ann", "text/event-stream").await;
    assert_eq!((answer.head.status, answer.text().as_str()), (429, TEXT));
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("retry-after", "5"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.head.header(name), Some(value));
    }
    let answer = ask(&house, "ann", "application/json").await;
    assert_eq!((answer.head.status, answer.head.header("retry-after")), (429, Some("5")));
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["error"]["code"], "too_many_streams");
    assert_eq!(answer.json()["error"]["message"], TEXT.trim_end());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_user_is_counted_for_themselves_and_lists_are_not_counted() {
    let house = House::small_with(&with_limit(1)).await;
    let mut streams = Vec::new();
    // Enough of them that some live on either core.
    for user in 0..8 {
        streams.push(opened(&house, &format!("user-{user}")).await);
    }
    for user in 0..8 {
        assert_eq!(ask(&house, &format!("user-{user}"), "*/*").await.head.status, 429);
    }
    let listed = tab::get(house.address(), &list("pods"), &[("X-Forwarded-User", "user-0")]).await;
    assert_eq!(listed.head.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cap_spans_kinds_namespaces_and_clusters() {
    let house =
        House::start(&with_limit(2), vec![house::cluster(house::EAST, 5), house::cluster(house::WEST, 5)])
            .await;
    let user = "X-Forwarded-User: ann\r\n";
    let one = Stream::open(house.address(), "/api/clusters/west/nodes/watch", user).await;
    let two = Stream::open(house.address(), &format!("{}?namespace=x", watch("pods")), user).await;
    assert_eq!((one.head.status, two.head.status), (200, 200));
    assert_eq!(ask(&house, "ann", "*/*").await.head.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_makes_room() {
    let house = House::small_with(&with_limit(1)).await;
    for _ in 0..5 {
        let stream = opened(&house, "ann").await;
        assert_eq!(ask(&house, "ann", "*/*").await.head.status, 429);
        drop(stream);
        eventually("room again", async || {
            let stream = open(&house, "ann").await;
            stream.head.status == 200
        })
        .await;
        eventually("no stream", async || lines(&house, "ann").await.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_the_server_ends_makes_room_too() {
    let house = House::small_with(&with_limit(1)).await;
    house.east().faults().add(foretop::sim::Fault::Forbidden.on("pods"));
    for _ in 0..5 {
        let mut stream = open(&house, "ann").await;
        assert_eq!(stream.head.status, 200);
        assert_eq!(stream.until_end().await[0].name, "error");
        eventually("no stream", async || lines(&house, "ann").await.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zero_is_no_limit() {
    let house = House::small_with(&with_limit(0)).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(open(&house, "ann").await);
    }
    assert!(streams.iter().all(|stream| stream.head.status == 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_another_reason_takes_no_place() {
    let house = House::small_with(&with_limit(1)).await;
    let user = [("X-Forwarded-User", "ann")];
    for _ in 0..3 {
        let answer = tab::get(house.address(), "/api/clusters/nowhere/pods/watch", &user).await;
        assert_eq!(answer.head.status, 404);
        let bad = tab::get(house.address(), &format!("{}?namespace=No", watch("pods")), &user).await;
        assert_eq!(bad.head.status, 200, "an error inside the stream");
    }
    let stream = opened(&house, "ann").await;
    // With the cap reached, an unknown cluster is still told first.
    let answer = tab::get(house.address(), "/api/clusters/nowhere/pods/watch", &user).await;
    assert_eq!(answer.head.status, 404);
    drop(stream);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_can_be_a_stream_that_says_when_to_come_back() {
    let mut config = with_limit(1);
    config.streams.refusal = Refusal::Event;
    let house = House::small_with(&config).await;
    let _open = opened(&house, "ann").await;
    for http10 in [false, true] {
        let user = "X-Forwarded-User: ann\r\n";
        let mut refused = if http10 {
            Stream::open_http10(house.address(), &watch("pods"), user).await
        } else {
            Stream::open(house.address(), &watch("pods"), user).await
        };
        assert_eq!(
            (refused.head.status, refused.head.header("content-type")),
            (200, Some("text/event-stream"))
        );
        let seen = refused.until_end().await;
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].name.as_str(), seen[0].data.as_str()),
            (
                "error",
                r#"{"message":"too many concurrent watch streams for this user","code":"too_many_streams"}"#
            )
        );
        let retry = refused.text.strip_prefix("retry: ").and_then(|text| text.split_once('\n'));
        let milliseconds: u64 = retry.unwrap().0.parse().unwrap();
        assert!((2000..=5000).contains(&milliseconds), "{}", refused.text);
    }
    let mut nobody = Stream::open(house.address(), &watch("pods"), "").await;
    assert_eq!(nobody.head.status, 200);
    assert!(nobody.until_end().await[0].data.contains("unauthenticated"));
    let mut unknown =
        Stream::open(house.address(), "/api/clusters/nowhere/pods/watch", "X-Forwarded-User: bob\r\n").await;
    assert_eq!(unknown.head.status, 200);
    assert!(unknown.until_end().await[0].data.contains("unknown_cluster"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_core_is_503() {
    let mut config = with_limit(0);
    config.streams.per_core = 2;
    config.server.cores = 1;
    let house = House::small_with(&config).await;
    let one = opened(&house, "ann").await;
    let _two = opened(&house, "bob").await;
    let answer = ask(&house, "cid", "application/json").await;
    assert_eq!((answer.head.status, answer.json()["error"]["code"].as_str()), (503, Some("full")));
    assert_eq!(answer.head.header("retry-after"), Some("5"));
    drop(one);
    eventually("room again", async || open(&house, "cid").await.head.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connects_can_be_bounded_per_second() {
    let mut config = with_limit(0);
    config.streams.connects_per_second = 3;
    config.server.cores = 1;
    let house = House::small_with(&config).await;
    house::patient("a refusal", async {
        // Each second has room for three; more than that are tried in any.
        loop {
            let answers: Vec<_> = (0..20).map(|_| open(&house, "ann")).collect();
            let mut statuses = Vec::new();
            for answer in answers {
                statuses.push(answer.await);
            }
            if let Some(refused) = statuses.iter().find(|stream| stream.head.status != 200) {
                assert_eq!((refused.head.status, refused.head.header("retry-after")), (429, Some("1")));
                return;
            }
        }
    })
    .await;
    eventually("the next second", async || open(&house, "ann").await.head.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_memory_ceiling_new_streams_are_refused_and_old_ones_go_on() {
    let mut config = with_limit(0);
    let rows = {
        let house = House::with(&config, 2000).await;
        let _stream = opened(&house, "ann").await;
        fresh::metric(house.managed(), "foretop_memory_bytes{thing=\"replicas\"}").await
    };
    // No more than the pods take and a little, so that it is reached by the first snapshot.
    config.memory.limit = Some(usize::try_from(rows).unwrap() + 64 * 1024);
    let house = House::with(&config, 2000).await;
    let mut first = opened(&house, "ann").await;
    let answer = ask(&house, "ann", "application/json").await;
    assert_eq!((answer.head.status, answer.json()["error"]["code"].as_str()), (503, Some("full")));
    let rv = house.east().put("pods", house::pod("team-x", "a", "Running")).unwrap();
    assert_eq!(first.events(2).await[1].id, Some(rv.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_bound_of_feeds_a_further_one_is_refused_and_open_ones_go_on() {
    let mut config = with_limit(1);
    config.feeds.max = 1;
    let house = House::small_with(&config).await;
    let _open = opened(&house, "ann").await;
    let user = [("X-Forwarded-User", "bob"), ("Accept", "application/json")];
    let answer = tab::get(house.address(), &list("nodes"), &user).await;
    assert_eq!((answer.head.status, answer.json()["error"]["code"].as_str()), (503, Some("full")));
    // A stream is opened before its feed is asked for, so that it ends with an error; and takes no place of its user.
    for _ in 0..2 {
        let mut stream = Stream::open(house.address(), &watch("nodes"), "X-Forwarded-User: bob\r\n").await;
        let last = stream.until_end().await.remove(0);
        assert_eq!((stream.head.status, &*last.name), (200, "error"));
        assert!(last.data.contains(r#""code":"full""#), "{}", last.data);
    }
    assert_eq!(tab::get(house.address(), &list("pods"), &user).await.head.status, 200);
}

/// The lines of `/debug/streams`, as somebody sees them.
async fn lines(house: &House, user: &str) -> Vec<serde_json::Value> {
    let answer = tab::get(
        house.address(),
        "/debug/streams",
        &[("X-Forwarded-User", user), ("X-Forwarded-Groups", house::OPERATORS)],
    )
    .await;
    assert_eq!((answer.head.status, answer.head.header("content-type")), (200, Some("application/json")));
    answer.json().as_array().expect("a bare array").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_streams_are_told_in_the_order_of_their_ids() {
    let house = House::small_with(&with_limit(0)).await;
    let empty = tab::get(
        house.address(),
        "/debug/streams",
        &[("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", house::OPERATORS)],
    )
    .await;
    assert_eq!(empty.text(), "[]\n");
    let mut streams = Vec::new();
    for user in 0..6 {
        let lines = format!("X-Forwarded-User: user-{user}\r\n");
        let path = format!("{}?namespace=team-{user}", watch("pods"));
        let mut stream = Stream::open(house.address(), &path, &lines).await;
        stream.events(1).await;
        streams.push(stream);
    }
    let nodes = format!("{}?namespace=ignored", watch("nodes"));
    let _last = Stream::open(house.address(), &nodes, "X-Forwarded-User: user-0\r\n").await;
    eventually("seven streams", async || lines(&house, "ann").await.len() == 7).await;
    let lines = lines(&house, "ann").await;
    let ids: Vec<u64> = lines.iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert!(ids[0] > 0 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    for (user, line) in lines[..6].iter().enumerate() {
        assert_eq!(line["actor"], format!("user-{user}"));
        assert_eq!((&line["cluster"], &line["kind"]), (&"east".into(), &"pods".into()));
        assert_eq!(line["namespace"], format!("team-{user}"));
        let opened = line["openedAt"].as_str().unwrap();
        assert!(opened.ends_with('Z') && opened.starts_with("20") && opened.contains('T'), "{opened}");
        assert!(line["bytesSent"].as_u64().unwrap() > 0);
    }
    assert_eq!((&lines[6]["kind"], &lines[6]["actor"]), (&"nodes".into(), &"user-0".into()));
    let cores: std::collections::BTreeSet<_> = lines.iter().map(|line| line["core"].as_u64()).collect();
    assert_eq!(cores.len(), 2, "users' homes are on both cores");
}
