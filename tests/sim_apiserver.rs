//! The simulated apiserver over real sockets, asked by a client that knows nothing of it: it lists, watches and reviews as an apiserver does.

#[path = "sim/client.rs"]
mod client;
#[path = "sim/small.rs"]
mod small;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use client::{Client, End, json, rv, word};
use foretop::sim::{AccessRule, AccessTable, Cluster, Fault, Options, Tuning, serve};
use http::StatusCode;
use serde_json::{Value, json};
use small::{PODS, cluster, eventually, pod, tuned, watch_from};

fn watch_list() -> String {
    format!(
        "{PODS}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    )
}

#[tokio::test]
async fn pages_join_to_the_whole_list_in_etcd_order() {
    let cluster = cluster(60).await;
    for mut client in [Client::http1(cluster.addr()).await, Client::http2(cluster.addr()).await] {
        let (status, whole) = client.json(PODS).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&whole["kind"], &whole["apiVersion"]), (&json!("PodList"), &json!("v1")));
        assert_eq!(whole["metadata"]["resourceVersion"], json!(cluster.rv().to_string()));
        let mut joined = Vec::new();
        let mut path = format!("{PODS}?limit=25");
        let mut sizes = Vec::new();
        loop {
            let (_, page) = client.json(&path).await;
            let items = page["items"].as_array().unwrap();
            sizes.push((items.len(), page["metadata"]["remainingItemCount"].as_u64()));
            joined.extend(items.clone());
            let Some(token) = page["metadata"]["continue"].as_str() else { break };
            path = format!("{PODS}?limit=25&continue={token}");
        }
        assert_eq!(sizes, [(25, Some(35)), (25, Some(10)), (10, None)]);
        assert_eq!(whole["items"], Value::from(joined.clone()));
        let keys = joined.iter().map(|item| {
            assert!(item.get("kind").is_none());
            let metadata = &item["metadata"];
            format!("{}/{}", metadata["namespace"].as_str().unwrap(), metadata["name"].as_str().unwrap())
        });
        assert!(keys.is_sorted());
    }
}

#[tokio::test]
async fn a_page_is_of_the_version_of_the_first() {
    let cluster = cluster(20).await;
    let mut client = Client::http1(cluster.addr()).await;
    let (_, before) = client.json(PODS).await;
    let (_, first) = client.json(&format!("{PODS}?limit=10")).await;
    cluster.churn_step(300);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = client.json(&format!("{PODS}?continue={token}")).await;
    assert_eq!(second["metadata"], before["metadata"]);
    assert_eq!(second["items"].as_array().unwrap()[..], before["items"].as_array().unwrap()[10..]);
}

#[tokio::test]
async fn an_expired_token_offers_another() {
    let cluster = cluster(20).await;
    let mut client = Client::http1(cluster.addr()).await;
    let (_, first) = client.json(&format!("{PODS}?limit=10")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    cluster.put("pods", pod("new")).unwrap();
    cluster.compact();
    let (status, refusal) = client.json(&format!("{PODS}?limit=10&continue={token}")).await;
    assert_eq!((status, &refusal["reason"]), (StatusCode::GONE, &json!("Expired")));
    let other = refusal["metadata"]["continue"].as_str().unwrap();
    let (status, rest) = client.json(&format!("{PODS}?continue={other}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(rest["metadata"]["resourceVersion"], json!(cluster.rv().to_string()));
}

#[tokio::test]
async fn versions_of_a_list_mean_what_they_mean_in_kubernetes() {
    let cluster = tuned(5, Tuning { future_wait: Duration::from_millis(20), ..Tuning::default() }).await;
    let mut client = Client::http1(cluster.addr()).await;
    let then = cluster.rv();
    cluster.put("pods", pod("late")).unwrap();
    let count = |list: &Value| list["items"].as_array().unwrap().len();
    let exact = format!("{PODS}?resourceVersion={then}&resourceVersionMatch=Exact");
    assert_eq!(count(&client.json(&exact).await.1), 5);
    assert_eq!(count(&client.json(&format!("{PODS}?resourceVersion={then}")).await.1), 6);
    assert_eq!(count(&client.json(&format!("{PODS}?resourceVersion=0")).await.1), 6);
    let (status, refusal) = client.json(&format!("{PODS}?resourceVersion=99999999")).await;
    assert_eq!((status, &refusal["reason"]), (StatusCode::GATEWAY_TIMEOUT, &json!("Timeout")));
    assert_eq!(refusal["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    cluster.compact();
    assert_eq!(client.json(&exact).await.0, StatusCode::GONE);
    assert_eq!(client.json(&format!("{PODS}?resourceVersion=x")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn scopes_selectors_and_objects() {
    let cluster = cluster(5).await;
    cluster.put("pods", pod("a")).unwrap();
    let mut client = Client::http1(cluster.addr()).await;
    let path = "/api/v1/namespaces/shop/pods?labelSelector=app%3Da&fieldSelector=status.phase%3DPending";
    let (_, list) = client.json(path).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (_, object) = client.json("/api/v1/namespaces/shop/pods/a").await;
    assert_eq!((&object["kind"], &object["metadata"]["name"]), (&json!("Pod"), &json!("a")));
    assert_eq!(client.json("/api/v1/namespaces/shop").await.1["kind"], "Namespace");
    let (status, missing) = client.json("/apis/apps/v1/namespaces/shop/deployments/none").await;
    assert_eq!(
        (status, &missing["message"]),
        (StatusCode::NOT_FOUND, &json!("deployments.apps \"none\" not found"))
    );
    assert_eq!(client.json("/apis/apps/v1/nothings").await.0, StatusCode::NOT_FOUND);
    assert_eq!(client.json("/version").await.1["major"], "1");
}

#[tokio::test]
async fn a_watch_tells_what_happens_from_a_version_on() {
    let cluster = cluster(3).await;
    for mut client in [Client::http1(cluster.addr()).await, Client::http2(cluster.addr()).await] {
        let from = cluster.put("pods", pod("a")).unwrap();
        let second = cluster.put("pods", pod("b")).unwrap();
        let mut watch = client.watch(&watch_from(from)).await;
        let line = watch.next().await;
        assert_eq!((word(&line), rv(&line)), ("ADDED b".to_owned(), second));
        assert_eq!(line["object"]["kind"], "Pod");
        cluster.touch("pods", "shop", "a").unwrap();
        let deleted = cluster.delete("pods", "shop", "b").unwrap();
        cluster.delete("pods", "shop", "a").unwrap();
        assert_eq!(watch.take(1).await, ["MODIFIED a"]);
        let terminating = watch.next().await;
        assert_eq!((word(&terminating), rv(&terminating)), ("MODIFIED b".to_owned(), deleted - 1));
        assert!(terminating["object"]["metadata"]["deletionTimestamp"].is_string());
        let gone = watch.next().await;
        assert_eq!((word(&gone), rv(&gone)), ("DELETED b".to_owned(), deleted));
    }
}

#[tokio::test]
async fn a_watch_of_a_namespace_or_selection_sees_its_own() {
    let cluster = cluster(3).await;
    let mut client = Client::http2(cluster.addr()).await;
    let from = cluster.rv();
    let mut elsewhere = pod("far");
    elsewhere["metadata"]["namespace"] = "shop-2".into();
    cluster.put("pods", elsewhere).unwrap();
    cluster.put("pods", pod("near")).unwrap();
    let running = json!({"status": {"phase": "Running"}});
    cluster.patch("pods", "shop", "near", &running).unwrap();
    let path = format!("/api/v1/namespaces/shop/pods?watch=1&resourceVersion={from}");
    assert_eq!(client.watch(&path).await.take(2).await, ["ADDED near", "MODIFIED near"]);
    let pending = format!("{path}&fieldSelector=status.phase%3DPending");
    assert_eq!(client.watch(&pending).await.take(2).await, ["ADDED near", "DELETED near"]);
}

#[tokio::test]
async fn a_watch_without_a_version_begins_with_all() {
    let cluster = cluster(4).await;
    let mut client = Client::http1(cluster.addr()).await;
    let mut watch = client.watch(&format!("{PODS}?watch=true")).await;
    for _ in 0..4 {
        assert_eq!(watch.next().await["type"], "ADDED");
    }
    cluster.put("pods", pod("a")).unwrap();
    assert_eq!(watch.take(1).await, ["ADDED a"]);
}

#[tokio::test]
async fn what_is_too_old_is_told_in_band() {
    let cluster = cluster(3).await;
    let mut client = Client::http1(cluster.addr()).await;
    let old = cluster.rv();
    let mut open = client.watch(&watch_from(old)).await;
    cluster.put("pods", pod("a")).unwrap();
    cluster.compact();
    let mut other = Client::http1(cluster.addr()).await;
    let mut refused = other.watch(&watch_from(old)).await;
    let line = refused.next().await;
    assert_eq!(line["type"], "ERROR");
    assert_eq!((&line["object"]["code"], &line["object"]["status"]), (&json!(410), &json!("Failure")));
    assert_eq!(line["object"]["message"], format!("too old resource version: {old} ({})", cluster.rv()));
    assert_eq!(refused.end().await, End::Clean);
    assert_eq!(open.take(1).await, ["ADDED a"]);
}

#[tokio::test]
async fn a_version_from_the_future_is_waited_for_and_then_refused() {
    let cluster = tuned(3, Tuning { future_wait: Duration::from_millis(30), ..Tuning::default() }).await;
    let mut client = Client::http1(cluster.addr()).await;
    let line = client.watch(&watch_from(cluster.rv() + 100)).await.next().await;
    assert_eq!((&line["type"], &line["object"]["code"]), (&json!("ERROR"), &json!(504)));

    let cluster = tuned(3, Tuning { future_wait: Duration::from_secs(60), ..Tuning::default() }).await;
    let mut client = Client::http1(cluster.addr()).await;
    let mut watch = client.watch(&watch_from(cluster.rv() + 1)).await;
    cluster.put("pods", pod("a")).unwrap();
    cluster.put("pods", pod("b")).unwrap();
    assert_eq!(watch.take(1).await, ["ADDED b"]);
}

#[tokio::test]
async fn bookmarks_name_versions_that_other_resources_moved() {
    let tuning = Tuning { bookmark_interval: Duration::from_millis(20), ..Tuning::default() };
    let cluster = tuned(3, tuning).await;
    let mut client = Client::http2(cluster.addr()).await;
    let mut watch = client.watch(&watch_from(cluster.rv())).await;
    cluster.touch("nodes", "", "worker-1").unwrap();
    let line = watch.next().await;
    assert_eq!((&line["type"], rv(&line)), (&json!("BOOKMARK"), cluster.rv()));
    assert_eq!(line["object"]["spec"], json!({"containers": null}));
}

#[tokio::test]
async fn a_watch_ends_cleanly_at_its_timeout_after_a_last_bookmark() {
    let tuning = Tuning { bookmark_before_end: Duration::from_millis(500), ..Tuning::default() };
    let cluster = tuned(3, tuning).await;
    let mut client = Client::http2(cluster.addr()).await;
    let mut pods = client.watch(&format!("{}&timeoutSeconds=1", watch_from(cluster.rv()))).await;
    let path = format!(
        "/api/v1/events?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion={}",
        cluster.rv()
    );
    let mut events = client.watch(&path).await;
    cluster.touch("nodes", "", "worker-1").unwrap();
    assert_eq!(pods.next().await["type"], "BOOKMARK");
    assert_eq!(pods.raw().await, Err(End::Clean));
    assert_eq!(events.raw().await, Err(End::Clean), "events never get a bookmark");
}

#[tokio::test]
async fn a_watch_list_is_all_and_then_a_bookmark() {
    let cluster = cluster(4).await;
    let mut client = Client::http2(cluster.addr()).await;
    for path in [watch_list(), watch_list().replace("pods", "events")] {
        let mut watch = client.watch(&path).await;
        let mut line = watch.next().await;
        while line["type"] == "ADDED" {
            line = watch.next().await;
        }
        assert_eq!(line["type"], "BOOKMARK");
        assert_eq!(line["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
        assert_eq!(rv(&line), cluster.rv());
    }
}

#[tokio::test]
async fn a_watch_list_is_refused_in_every_known_way() {
    let cluster = cluster(4).await;
    let mut client = Client::http2(cluster.addr()).await;
    let without = watch_list().replace("&resourceVersionMatch=NotOlderThan", "");
    assert_eq!(client.json(&without).await.0, StatusCode::UNPROCESSABLE_ENTITY);

    cluster.faults().add(Fault::GateOff);
    let (status, refusal) = client.json(&watch_list()).await;
    assert_eq!((status, &refusal["reason"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("Invalid")));
    assert_eq!(refusal["details"]["causes"][0]["field"], "sendInitialEvents");

    cluster.faults().clear();
    cluster.faults().add(Fault::Etcd34.on("pods"));
    let line = client.watch(&watch_list()).await.next().await;
    assert_eq!((&line["type"], &line["object"]["code"]), (&json!("ERROR"), &json!(500)));

    cluster.faults().clear();
    cluster.faults().add(Fault::NoEndBookmark);
    let mut watch = client.watch(&watch_list()).await;
    for _ in 0..4 {
        assert_eq!(watch.next().await["type"], "ADDED");
    }
    cluster.put("pods", pod("after")).unwrap();
    assert_eq!(watch.take(1).await, ["ADDED after"]);
}

#[tokio::test]
async fn access_is_reviewed_and_enforced_by_the_table() {
    let cluster = cluster(4).await;
    let alice = AccessRule {
        user: Some("alice".to_owned()),
        namespace: Some("team-a".to_owned()),
        allow: true,
        ..AccessRule::default()
    };
    cluster.set_access(AccessTable { default: false, rules: vec![alice] });
    let mut client = Client::http2(cluster.addr()).await;
    let review = |user: &str, namespace: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": user,
            "resourceAttributes": {"verb": "watch", "resource": "pods", "namespace": namespace}}})
        .to_string()
    };
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    for (user, namespace, allowed) in
        [("alice", "team-a", true), ("alice", "", false), ("bob", "team-a", false)]
    {
        let (status, answer) = client.call("POST", path, &review(user, namespace)).await;
        assert_eq!((status, &answer["status"]["allowed"]), (StatusCode::CREATED, &json!(allowed)));
    }
    let who = [("impersonate-user", "alice"), ("impersonate-group", "team-a")];
    assert_eq!(client.get_with("/api/v1/namespaces/team-a/pods", &who).await.status(), StatusCode::OK);
    let (status, refusal) = json(client.get_with(PODS, &who).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let message = "pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    assert_eq!(refusal["message"], message);
    let group_only = client.get_with(PODS, &[("impersonate-group", "team-a")]).await;
    assert_eq!(group_only.status(), StatusCode::BAD_REQUEST);
    assert_eq!(client.get(PODS).await.status(), StatusCode::OK, "the administrator may");
    assert_eq!(cluster.counters().reviews, 3);
    assert_eq!(cluster.counters().impersonated, 2);
}

#[tokio::test]
async fn a_watch_that_is_not_read_is_ended_and_holds_little() {
    let tuning = Tuning { watch_buffer: 4, watch_stall: Duration::from_millis(20), ..Tuning::default() };
    let cluster = tuned(50, tuning).await;
    for mut client in [Client::http1(cluster.addr()).await, Client::http2(cluster.addr()).await] {
        let mut watch = client.watch(&watch_from(cluster.rv())).await;
        let name = cluster.names("pods").unwrap().remove(0);
        let writes = 6000;
        for _ in 0..writes {
            cluster.touch("pods", &name.0, &name.1).unwrap();
        }
        // The client reads nothing; some megabytes fit into the sockets.
        eventually("the watch is ended", || cluster.counters().open("pods") == 0).await;
        let mut read = 0;
        let end = loop {
            match watch.raw().await {
                Ok(_) => read += 1,
                Err(end) => break end,
            }
        };
        assert_eq!(end, End::Clean);
        assert!(read < writes, "{read} lines were read");
    }
}

#[tokio::test]
async fn a_hundred_streams_are_announced() {
    let cluster = cluster(1).await;
    let mut client = Client::http2(cluster.addr()).await;
    client.json(PODS).await;
    assert_eq!(client.max_streams.load(SeqCst), 100);
}

#[tokio::test]
async fn counters_prove_how_little_was_asked() {
    let cluster = cluster(4).await;
    let mut client = Client::http2(cluster.addr()).await;
    client.json(&format!("{PODS}?limit=2")).await;
    let mut watch = client.watch(&watch_from(cluster.rv())).await;
    cluster.put("pods", pod("a")).unwrap();
    watch.next().await;
    let (_, counts) = client.json("/_sim/counters").await;
    assert_eq!(counts["requests"], json!({"list": {"pods": 1}, "watch": {"pods": 1}}));
    assert_eq!((&counts["watchesOpen"], &counts["watchesOpened"]), (&json!({"pods": 1}), &json!(1)));
    assert_eq!((&counts["connections"], &counts["events"]), (&json!(1), &json!(1)));
    drop(watch);
    eventually("the watch is closed", || cluster.counters().open_in_all() == 0).await;
}

#[tokio::test]
async fn a_fleet_shares_a_listener_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sim.kubeconfig");
    let clusters = ["sim-1", "sim-2"].map(str::to_owned).to_vec();
    let options = Options { clusters, pods: 5, kubeconfig_out: Some(file.clone()), ..Options::default() };
    let fleet = serve(options).await.unwrap();
    let config: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let [one, two] = fleet.clusters() else { panic!("two clusters") };
    assert_eq!(config["clusters"][1]["cluster"]["server"], two.url());
    assert_eq!(config["current-context"], "sim-1");
    let path = |cluster: &Cluster| format!("/clusters/{}{}", cluster.name(), watch_from(cluster.rv()));
    let (mut to_one, mut to_two) = (Client::http2(fleet.addr()).await, Client::http2(fleet.addr()).await);
    let mut watch_one = to_one.watch(&path(one)).await;
    let mut watch_two = to_two.watch(&path(two)).await;
    one.stop().await;
    assert!(matches!(watch_one.raw().await, Err(End::Broken(_))));
    two.put("pods", pod("a")).unwrap();
    assert_eq!(watch_two.take(1).await, ["ADDED a"]);
    let mut to_one = Client::http2(fleet.addr()).await;
    assert!(to_one.try_get(&path(one)).await.is_err());
    one.restart().await.unwrap();
    let mut to_one = Client::http2(fleet.addr()).await;
    assert_eq!(to_one.json(&format!("/clusters/sim-1{PODS}")).await.0, StatusCode::OK);
    assert_eq!(to_one.json("/clusters/sim-9/api").await.0, StatusCode::NOT_FOUND);
    drop(watch_two);
    drop(fleet);
    to_one.connection.await.unwrap();
}
