//! A cluster behind a proxy that its kubeconfig names.

mod house;
mod tab;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use foretop::cluster::ClusterSpec;
use foretop::sim::Cluster;
use house::{EAST, House, cluster, config, eventually, list};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that knows CONNECT and nothing else, and what it was asked.
async fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let heads = heads.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let to = head.split(' ').nth(1).expect("a target").to_owned();
                heads.lock().expect("no panic").push(head);
                let mut server = TcpStream::connect(to).await?;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (address, asked)
}

fn behind(cluster: &Cluster, proxy: &str) -> ClusterSpec {
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": cluster.url(), "proxy-url": proxy}}],
        "users": [],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
        "current-context": "c",
    });
    ClusterSpec::from_kubeconfig_text(EAST, &kubeconfig.to_string(), None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_asked_of_the_cluster_goes_through_it() {
    let east = Cluster::start(cluster(EAST, 3)).await.expect("a cluster");
    let (address, asked) = proxy().await;
    let house = House::before(&config(), behind(&east, &format!("http://ann:secret@{address}")));
    let answer = tab::get(house.address(), &list("pods"), &[]).await;
    assert_eq!((answer.head.status, answer.json()["pods"].as_array().map(Vec::len)), (200, Some(3)));
    let asked = asked.lock().expect("no panic").clone();
    let authority =
        east.url().trim_start_matches("http://").split('/').next().expect("an authority").to_owned();
    assert!(
        !asked.is_empty() && asked.iter().all(|head| head.starts_with(&format!("CONNECT {authority} "))),
        "{asked:?}"
    );
    // `ann:secret`
    assert!(
        asked.iter().all(|head| head.contains("Proxy-Authorization: Basic YW5uOnNlY3JldA==")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_is_away_is_named_without_its_credentials() {
    let east = Cluster::start(cluster(EAST, 3)).await.expect("a cluster");
    let away =
        TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener").local_addr().expect("an address");
    let mut config = config();
    config.feeds.wait = std::time::Duration::from_secs(1);
    let house = House::before(&config, behind(&east, &format!("http://ann:secret@{away}")));
    assert_eq!(tab::get(house.address(), &list("pods"), &[]).await.head.status, 503);
    eventually("the reason is told", async || {
        let feeds = tab::get(house.address(), "/debug/feeds", &[]).await.text();
        assert!(!feeds.contains("secret"), "{feeds}");
        feeds.contains(&format!("http://{away}"))
    })
    .await;
}
