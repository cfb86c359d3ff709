//! Tenants: a cluster of another tenant is as none, and what one tenant has taken is no other's loss.

mod house;
mod tab;

use foretop::cluster::ClusterSpec;
use foretop::config::{AuthMode, Config, TenantRule};
use foretop::sim::Cluster;
use house::wire::Stream;
use house::{EAST, House, WEST, cluster, config};
use tab::Answer;

/// Blue and red, each by a group of its name.
fn blue_and_red() -> Config {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    let rule =
        |name: &str| TenantRule { name: name.into(), groups: vec![name.into()], ..TenantRule::default() };
    config.tenants.rules = vec![rule("blue"), rule("red")];
    config
}

/// East is blue's, west is both's.
async fn house(config: &Config) -> House {
    let mut clusters = Vec::new();
    let mut specs = Vec::new();
    for (name, tenants) in [(EAST, &["blue"][..]), (WEST, &["blue", "red"])] {
        let running = Cluster::start(cluster(name, 3)).await.expect("a simulated cluster starts");
        let tenants = tenants.iter().map(|tenant| (*tenant).into()).collect();
        specs.push(ClusterSpec { tenants, ..ClusterSpec::from_url(name, &running.url()) });
        clusters.push(running);
    }
    House::of(config, specs, clusters)
}

async fn ask(house: &House, group: &str, path: &str) -> Answer {
    let headers = [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", group)];
    tab::get(house.address(), path, &headers).await
}

/// What tells one answer from another, save the time and the request's number.
fn shown(answer: &Answer) -> String {
    let head: Vec<_> =
        ["content-type", "content-length", "cache-control", "connection", "retry-after", "vary"]
            .map(|name| answer.head.header(name).unwrap_or_default().to_owned())
            .into();
    format!("{} {head:?} {}", answer.head.status, answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_another_tenant_is_as_none() {
    let house = house(&blue_and_red()).await;
    for (group, cluster, there) in [
        ("blue", EAST, true),
        ("blue", WEST, true),
        ("red", EAST, false),
        ("red", WEST, true),
        ("grey", EAST, false),
        ("grey", WEST, false),
        ("red,blue", EAST, true),
    ] {
        let clusters = ask(&house, group, "/api/clusters").await.text();
        assert_eq!(clusters.contains(&format!("\"{cluster}\"")), there, "{group}: {clusters}");
        let listed = ask(&house, group, &format!("/api/clusters/{cluster}/pods")).await;
        if there {
            assert_eq!(listed.head.status, 200, "{group} {cluster}: {}", listed.text());
            continue;
        }
        for route in ["pods", "pods/watch", "pods?namespace=a", "pods/watch?namespace=Not_one"] {
            let theirs = ask(&house, group, &format!("/api/clusters/{cluster}/{route}")).await;
            let none = ask(&house, group, &format!("/api/clusters/nowhere/{route}")).await;
            assert_eq!(
                (theirs.head.status, theirs.text().as_str()),
                (404, "cluster not found\n"),
                "{group} {cluster} {route}"
            );
            assert_eq!(shown(&theirs), shown(&none), "{group} {cluster} {route}");
        }
    }
}

async fn open(house: &House, cluster: &str, user: &str, group: &str) -> Stream {
    let path = format!("/api/clusters/{cluster}/pods/watch");
    let headers = format!("X-Forwarded-User: {user}\r\nX-Forwarded-Groups: {group}\r\n");
    Stream::open(house.address(), &path, &headers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_streams_are_counted_over_its_users_and_no_others() {
    let mut config = blue_and_red();
    config.tenants.streams = 2;
    let house = house(&config).await;
    let mut first = open(&house, EAST, "ann", "blue").await;
    assert_eq!(first.events(1).await[0].name, "snapshot");
    let mut second = open(&house, WEST, "bob", "blue").await;
    assert_eq!(second.events(1).await[0].name, "snapshot");
    let headers =
        [("X-Forwarded-User", "cid"), ("X-Forwarded-Groups", "blue"), ("Accept", "application/json")];
    let refused = || tab::get(house.address(), "/api/clusters/east/pods/watch", &headers);
    let answer = refused().await;
    assert_eq!((answer.head.status, answer.json()["error"]["code"].as_str()), (429, Some("tenant_streams")));
    let mut red = open(&house, WEST, "rob", "red").await;
    assert_eq!(red.events(1).await[0].name, "snapshot", "another tenant has its own");
    drop(first);
    house::eventually("a place is free", async || open(&house, EAST, "cid", "blue").await.head.status == 200)
        .await;
}
