//! The simulated apiserver on command: it breaks off, stalls, restarts, forgets, is restored, and goes on changing by itself.

#[path = "sim/client.rs"]
#[allow(dead_code, reason = "this test asks less than the simulation's other one")]
mod client;
#[path = "sim/small.rs"]
mod small;

use client::{Client, End, json};
use foretop::sim::{Cluster, Command, Fault, FaultRule, Options, serve};
use http::StatusCode;
use serde_json::{Value, json};
use small::{PODS, cluster, eventually, pod, watch_from};

#[tokio::test]
async fn refusals_on_command() {
    let cluster = cluster(4).await;
    let mut client = Client::http1(cluster.addr()).await;
    for (fault, code) in
        [(Fault::Unauthorized, 401), (Fault::Forbidden, 403), (Fault::Absent, 404), (Fault::Internal, 500)]
    {
        cluster.faults().add(fault.on("pods"));
        assert_eq!(client.json("/api/v1/nodes").await.0, 200);
        cluster.faults().clear();
        let mut client = Client::http1(cluster.addr()).await;
        cluster.faults().add(fault.times(1));
        assert_eq!(client.json(PODS).await.0, code);
        let mut client = Client::http1(cluster.addr()).await;
        assert_eq!(client.json(PODS).await.0, 200, "{fault:?} is used up");
    }
    cluster.faults().add(Fault::TooManyRequests { retry_after: 7 });
    let response = client.get(PODS).await;
    assert_eq!(
        (response.status(), &response.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"7".parse().unwrap())
    );
    let (_, body) = json(response).await;
    assert_eq!(body, "Too many requests, please try again later.");
    cluster.faults().clear();
    cluster.faults().add(Fault::ContinueGone);
    let (_, first) = client.json(&format!("{PODS}?limit=1")).await;
    let path = format!("{PODS}?limit=1&continue={}", first["metadata"]["continue"].as_str().unwrap());
    assert_eq!(client.json(&path).await.0, StatusCode::GONE);
    assert_eq!(client.json(&path).await.0, StatusCode::OK);
}

#[tokio::test]
async fn lines_go_wrong_on_command() {
    let cluster = cluster(4).await;
    let mut client = Client::http2(cluster.addr()).await;
    cluster.faults().add(Fault::WatchGone.on("pods"));
    assert_eq!(client.watch(&watch_from(cluster.rv())).await.next().await["object"]["code"], 410);

    let mut watch = client.watch(&watch_from(cluster.rv())).await;
    cluster.faults().add(Fault::Garbage.on("pods"));
    assert!(serde_json::from_slice::<Value>(&watch.raw().await.unwrap()).is_err());

    cluster.faults().add(Fault::LongLine { bytes: 300_000 });
    let long = watch.raw().await.unwrap();
    assert!(long.len() > 300_000);
    assert_eq!(serde_json::from_slice::<Value>(&long).unwrap()["type"], "MODIFIED");

    cluster.faults().add(Fault::Silent);
    let unheard = cluster.put("pods", pod("unheard")).unwrap();
    let mut nodes = client.watch(&format!("/api/v1/nodes?watch=1&resourceVersion={unheard}")).await;
    assert_eq!(cluster.counters().events, 0);
    cluster.faults().clear();
    assert_eq!(watch.take(1).await, ["ADDED unheard"]);

    cluster.command(Command::EndWatches { resource: Some("pods".to_owned()) });
    assert_eq!(watch.end().await, End::Clean);
    cluster.touch("nodes", "", "worker-1").unwrap();
    assert_eq!(nodes.take(1).await, ["MODIFIED worker-1"]);
}

#[tokio::test]
async fn half_a_line_breaks_off() {
    let cluster = cluster(4).await;
    for mut client in [Client::http1(cluster.addr()).await, Client::http2(cluster.addr()).await] {
        let mut watch = client.watch(&watch_from(cluster.rv())).await;
        cluster.faults().add(Fault::HalfLine);
        let Err(End::Broken(half)) = watch.raw().await else { panic!("the watch goes on") };
        assert!(half.starts_with(b"{\"type\":\"MODIFIED\"") && !half.ends_with(b"}"));
    }
}

#[tokio::test]
async fn slow_and_stalled_requests_are_answered_when_the_fault_is_gone() {
    let cluster = cluster(4).await;
    let mut client = Client::http2(cluster.addr()).await;
    cluster.faults().add(Fault::Slow { ms: 1 }.times(1));
    assert_eq!(client.json(PODS).await.0, StatusCode::OK);
    cluster.faults().add(Fault::Stall.on("pods"));
    let mut other = Client::http2(cluster.addr()).await;
    let stalled = tokio::spawn(async move { client.json(PODS).await.0 });
    eventually("the request arrives", || cluster.counters().of("list", "pods") == 2).await;
    assert_eq!(other.json("/api/v1/nodes").await.0, StatusCode::OK);
    assert!(!stalled.is_finished());
    cluster.faults().clear();
    assert_eq!(stalled.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn a_stopped_cluster_is_gone_and_a_restarted_one_has_forgotten_its_past() {
    let cluster = cluster(4).await;
    let old = cluster.rv();
    let mut client = Client::http2(cluster.addr()).await;
    let mut watch = client.watch(&watch_from(old)).await;
    let mut idle = Client::http1(cluster.addr()).await;
    idle.json(PODS).await;
    cluster.stop().await;
    assert_eq!(watch.raw().await, Err(End::Broken(Vec::new())));
    idle.connection.await.unwrap();
    assert!(tokio::net::TcpStream::connect(cluster.addr()).await.is_err());
    cluster.put("pods", pod("meanwhile")).unwrap();
    cluster.restart().await.unwrap();
    let mut client = Client::http2(cluster.addr()).await;
    let (_, list) = client.json(PODS).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 5);
    assert_eq!(client.watch(&watch_from(old)).await.next().await["object"]["code"], 410);
    let mut watch = client.watch(&watch_from(cluster.rv())).await;
    cluster.put("pods", pod("after")).unwrap();
    assert_eq!(watch.take(1).await, ["ADDED after"]);
    eventually("closed watches are not counted", || cluster.counters().open("pods") == 1).await;
}

#[tokio::test]
async fn connections_are_dropped_and_refused_on_command() {
    let cluster = cluster(4).await;
    let mut client = Client::http1(cluster.addr()).await;
    let mut watch = client.watch(&watch_from(cluster.rv())).await;
    cluster.command(Command::DropConnections);
    assert!(matches!(watch.raw().await, Err(End::Broken(_))));
    let mut client = Client::http1(cluster.addr()).await;
    client.json(PODS).await;
    cluster.command(Command::Refuse { seconds: None });
    while tokio::net::TcpStream::connect(cluster.addr()).await.is_ok() {}
    assert_eq!(client.json(PODS).await.0, StatusCode::OK, "what is open stays");
    cluster.heal();
    while tokio::net::TcpStream::connect(cluster.addr()).await.is_err() {}
}

#[tokio::test]
async fn a_restored_etcd_goes_back_in_data_and_version() {
    let cluster = cluster(4).await;
    let then = cluster.rv();
    let mut client = Client::http1(cluster.addr()).await;
    let (_, before) = client.json(PODS).await;
    cluster.put("pods", pod("lost")).unwrap();
    cluster.command(Command::Rewind { by: 1 });
    client.connection.await.unwrap();
    assert_eq!(cluster.rv(), then);
    let mut client = Client::http1(cluster.addr()).await;
    assert_eq!(client.json(PODS).await.1, before);
}

#[tokio::test]
async fn a_rebuilt_cluster_has_another_kube_system() {
    let cluster = cluster(4).await;
    let uid =
        |cluster: &Cluster| cluster.get("namespaces", "", "kube-system").unwrap()["metadata"]["uid"].clone();
    let before = uid(&cluster);
    cluster.command(Command::ReplaceKubeSystem);
    assert_ne!(uid(&cluster), before);
}

#[tokio::test]
async fn a_401_and_a_fault_say_goaway_and_let_watches_be() {
    let options = Options { pods: 4, token: Some("one".to_owned()), ..Options::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let mut client = Client::http2(cluster.addr()).await;
    let with = |token| [("authorization", token)];
    assert_eq!(client.get_with(PODS, &with("Bearer one")).await.status(), StatusCode::OK);
    cluster.set_token(Some("two".to_owned()));
    assert_eq!(client.get_with(PODS, &with("Bearer one")).await.status(), StatusCode::UNAUTHORIZED);
    client.connection.await.unwrap();
    cluster.set_token(None);

    let mut client = Client::http2(cluster.addr()).await;
    let mut watch = client.watch(&watch_from(cluster.rv())).await;
    cluster.faults().add(Fault::Goaway.times(1));
    assert_eq!(client.json(PODS).await.0, StatusCode::OK);
    cluster.put("pods", pod("a")).unwrap();
    assert_eq!(watch.take(1).await, ["ADDED a"]);
    cluster.command(Command::EndWatches { resource: None });
    assert_eq!(watch.end().await, End::Clean);
    client.connection.await.unwrap();
}

#[tokio::test]
async fn faults_and_churn_are_commanded_over_http() {
    let cluster = cluster(10).await;
    let mut client = Client::http2(cluster.addr()).await;
    let fault = r#"{"fault":"slow","ms":1,"resource":"pods","times":3}"#;
    assert_eq!(client.call("POST", "/_sim/faults", fault).await.0, StatusCode::OK);
    let (_, standing) = client.json("/_sim/faults").await;
    assert_eq!(standing, json!([{"fault": "slow", "ms": 1, "resource": "pods", "times": 3}]));
    assert_eq!(
        cluster.faults().standing(),
        [FaultRule { resource: Some("pods".to_owned()), ..Fault::Slow { ms: 1 }.times(3) }]
    );
    client.call("DELETE", "/_sim/faults", "").await;
    assert!(cluster.faults().standing().is_empty());
    let old = cluster.rv();
    client.call("POST", "/_sim/churn", r#"{"step": 12}"#).await;
    assert_eq!(cluster.rv(), old + 12);
    client.call("POST", "/_sim/faults", r#"{"fault":"compact"}"#).await;
    assert_eq!(client.watch(&watch_from(old)).await.next().await["object"]["code"], 410);
    assert_eq!(
        client.call("POST", "/_sim/faults", r#"{"fault":"unheard-of"}"#).await.0,
        StatusCode::BAD_REQUEST
    );
    client.call("POST", "/_sim/access", r#"{"default":false}"#).await;
    assert_eq!(client.get_with(PODS, &[("impersonate-user", "x")]).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn churn_goes_on_by_itself_and_can_be_held() {
    let cluster = Cluster::start(Options { pods: 20, churn: 500.0, ..Options::default() }).await.unwrap();
    eventually("there is churn", || cluster.churned() > 20).await;
    cluster.pause_churn(true);
    let mut client = Client::http1(cluster.addr()).await;
    let mut watch = client.watch(&format!("/api/v1/nodes?watch=1&resourceVersion={}", cluster.rv())).await;
    let at = cluster.churned();
    cluster.churn_step(200);
    assert!(cluster.churned() - at < 260, "the background is held");
    assert_eq!(watch.next().await["type"], "MODIFIED");
}

#[tokio::test]
async fn a_fleets_pulse_is_shared_out_and_each_write_says_when_it_was_due() {
    let clusters = ["sim-1", "sim-2"].map(str::to_owned).to_vec();
    let fleet = serve(Options { clusters, pods: 10, bare: true, ..Options::default() }).await.unwrap();
    let mut client = Client::http1(fleet.addr()).await;
    let mut watching = Vec::new();
    for cluster in fleet.clusters() {
        let mut client = Client::http2(fleet.addr()).await;
        let watch = client.watch(&format!("/clusters/{}{}", cluster.name(), watch_from(cluster.rv()))).await;
        watching.push((client, watch));
    }
    assert_eq!(client.call("POST", "/_sim/pulse", r#"{"rate": 200}"#).await.0, StatusCode::OK);
    for (_, watch) in &mut watching {
        let mut due = Vec::new();
        for _ in 0..3 {
            let line = watch.next().await;
            due.push(line["object"]["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap());
        }
        // 100 a second in each of the two; the stamp is in microseconds, and begins anew every 36 minutes.
        let apart = |pair: &[i64]| (pair[1] - pair[0]).rem_euclid(1 << 31);
        assert!(due.windows(2).all(|pair| (9_999..=10_001).contains(&apart(pair))), "{due:?}");
    }
    assert!(client.json("/_sim/pulse").await.1["made"].as_u64().unwrap() >= 6);
    assert_eq!(client.json("/_sim/counters").await.1["requests"]["watch"]["pods"], 2);
    assert_eq!(client.call("POST", "/_sim/pulse", r#"{"rat": 1}"#).await.0, StatusCode::BAD_REQUEST);
    client.call("POST", "/_sim/churn", r#"{"step": 5}"#).await;
    assert!(fleet.clusters().iter().all(|cluster| cluster.churned() == 5));
}
