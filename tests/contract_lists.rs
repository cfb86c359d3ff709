//! The lists that the streams mirror.

mod house;
mod tab;

use std::time::Duration;

use foretop::cluster::{Backend, ClusterSpec};
use foretop::sim::Fault;
use house::wire::{Stream, Wire, get};
use house::{EAST, House, config, eventually, list, pod, pod_row, watch};
use tab::Answer;

async fn ask(house: &House, path: &str) -> Answer {
    tab::get(house.address(), path, &[]).await
}

/// Waits until a list has come to this many rows: a write reaches it by way of the watch.
async fn has_rows(house: &House, path: &str, wrapper: &str, count: usize) {
    eventually("so many rows", async || {
        ask(house, path).await.json()[wrapper].as_array().is_some_and(|rows| rows.len() == count)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_an_object_with_one_array_in_the_apiservers_order() {
    let house = House::with(&config(), 0).await;
    let east = house.east();
    // In the order of keys `namespace/name`, in which `-` comes before `/`.
    for (namespace, name) in [("b", "a"), ("a", "b"), ("a-b", "z"), ("a", "a")] {
        east.put("pods", pod(namespace, name, "Running")).unwrap();
    }
    let answer = ask(&house, &list("pods")).await;
    let rows = [("a-b", "z"), ("a", "a"), ("a", "b"), ("b", "a")]
        .map(|(namespace, name)| pod_row(namespace, name, "Running"));
    assert_eq!(answer.text(), format!("{{\"pods\":[{}]}}\n", rows.join(",")));
    assert_eq!(answer.head.status, 200);
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "private, no-cache"),
        ("vary", "Cookie, Authorization"),
    ] {
        assert_eq!(answer.head.header(name), Some(value));
    }
    assert!(answer.head.header("x-request-id").is_some() && answer.head.header("date").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_rows_has_an_empty_array() {
    let house = House::with(&config(), 0).await;
    assert_eq!(ask(&house, &list("pods")).await.text(), "{\"pods\":[]}\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_filters_and_an_empty_one_does_not() {
    let house = House::with(&config(), 0).await;
    for namespace in ["a", "b"] {
        house.east().put("pods", pod(namespace, "x", "Running")).unwrap();
    }
    let of = async |query: &str| ask(&house, &format!("{}{query}", list("pods"))).await.text();
    let only = format!("{{\"pods\":[{}]}}\n", pod_row("b", "x", "Running"));
    assert_eq!(of("?namespace=b").await, only);
    assert_eq!(of("?other=a&namespace=b").await, only);
    assert_eq!(of("?namespace=b&namespace=a&namespace=b").await, of("").await, "repeated: these together");
    assert_eq!(of("?namespace=").await, of("").await);
    assert_eq!(of("?namespace=c").await, "{\"pods\":[]}\n");
    let bad = ask(&house, &format!("{}?namespace=No", list("pods"))).await;
    assert_eq!((bad.head.status, bad.json()["error"]["code"].as_str()), (400, Some("bad_namespace")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_scoped_kinds_ignore_the_namespace() {
    let house = House::small().await;
    let nodes = ask(&house, &list("nodes")).await.text();
    assert_eq!(ask(&house, &format!("{}?namespace=team-x", list("nodes"))).await.text(), nodes);
    assert!(nodes.contains(r#"{"name":""#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_has_not_changed_is_304() {
    let house = House::small().await;
    let first = ask(&house, &list("pods")).await;
    let etag = first.head.header("etag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2);
    let again =
        async |given: &str| tab::get(house.address(), &list("pods"), &[("If-None-Match", given)]).await;
    for given in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let answer = again(&given).await;
        assert_eq!((answer.head.status, answer.body.len()), (304, 0), "{given}");
        assert_eq!(answer.head.header("etag"), Some(etag.as_str()));
        assert_eq!(answer.head.header("cache-control"), Some("private, no-cache"));
        assert_eq!(answer.head.header("vary"), Some("Cookie, Authorization"));
    }
    for given in ["\"other\"", "nonsense", ""] {
        assert_eq!(again(given).await.head.status, 200, "{given}");
    }
    let before = first.json()["pods"].as_array().unwrap().len();
    house.east().put("pods", pod("team-x", "new", "Running")).unwrap();
    has_rows(&house, &list("pods"), "pods", before + 1).await;
    let changed = again(&etag).await;
    assert_eq!(changed.head.status, 200);
    assert_ne!(changed.head.header("etag"), Some(etag.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_etag_of_a_list_is_that_of_its_rows_alone() {
    let house = House::small().await;
    let path = format!("{}?namespace=team-x", list("pods"));
    house.east().put("pods", pod("team-x", "a", "Running")).unwrap();
    let etag = ask(&house, &path).await.head.header("etag").unwrap().to_owned();
    let all = ask(&house, &list("pods")).await.json()["pods"].as_array().unwrap().len();
    house.east().put("pods", pod("team-y", "b", "Running")).unwrap();
    has_rows(&house, &list("pods"), "pods", all + 1).await;
    assert_eq!(ask(&house, &path).await.head.header("etag"), Some(etag.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_the_list_without_its_body() {
    let house = House::small().await;
    let full = ask(&house, &list("pods")).await;
    let request = get(&list("pods"), "").replacen("GET", "HEAD", 1);
    let mut wire = Wire::with(house.address(), &request).await;
    let head = wire.answer_to_head().await.head;
    assert_eq!(head.status, 200);
    for name in ["content-length", "content-type", "etag", "cache-control", "vary"] {
        assert_eq!(head.header(name), full.head.header(name), "{name}");
    }
    assert_eq!(head.header("content-length"), Some(full.body.len().to_string().as_str()));
    wire.send(get(&list("pods"), "Connection: close\r\n")).await;
    assert_eq!(wire.answer().await.body, full.body, "the next answer begins where the head ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_are_405() {
    let house = House::small().await;
    for (path, allow) in [(list("pods"), "GET, HEAD"), (watch("pods"), "GET")] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let request = get(&path, "").replacen("GET", method, 1);
            let answer = Wire::with(house.address(), &request).await.answer().await;
            assert_eq!(
                (answer.head.status, answer.head.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
        }
    }
    let request = get(&watch("pods"), "").replacen("GET", "HEAD", 1);
    assert_eq!(Wire::with(house.address(), &request).await.answer_to_head().await.head.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_waits_for_the_first_sync() {
    let house = House::small().await;
    house.east().faults().add(Fault::Stall.on("pods"));
    let mut wire = Wire::with(house.address(), get(&list("pods"), "")).await;
    assert!(wire.is_silent_for(Duration::from_millis(200)).await);
    house.east().heal();
    let answer = wire.answer().await;
    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.json()["pods"].as_array().unwrap().len(), house.east().count("pods").unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_does_not_come_is_503_and_says_when_to_try_again() {
    let mut config = config();
    config.feeds.wait = Duration::from_millis(100);
    let house = House::small_with(&config).await;
    house.east().faults().add(Fault::Stall.on("pods"));
    let answer = ask(&house, &list("pods")).await;
    assert_eq!((answer.head.status, answer.json()["error"]["code"].as_str()), (503, Some("unavailable")));
    assert_eq!(answer.head.header("retry-after"), Some("5"));
    assert_eq!(answer.head.header("cache-control"), Some("no-store"));
    assert_eq!(ask(&house, &list("nodes")).await.head.status, 200, "other kinds go on");
    house.east().heal();
    eventually("the list", async || ask(&house, &list("pods")).await.head.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_apiserver_refuses_keeps_its_status() {
    for (fault, status) in [(Fault::Forbidden, 403), (Fault::Absent, 404)] {
        let house = House::small().await;
        house.east().faults().add(fault.on("pods"));
        let answer = ask(&house, &list("pods")).await;
        assert_eq!((answer.head.status, answer.text()), (status, "operation failed\n".to_owned()));
        assert_eq!(answer.head.header("content-type"), Some("text/plain; charset=utf-8"));
        let answer = tab::get(house.address(), &list("pods"), &[("Accept", "application/json")]).await;
        assert_eq!(
            (answer.head.status, &answer.json()["error"]["message"]),
            (status, &"operation failed".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_outlives_its_cluster() {
    let house = House::small().await;
    let before = ask(&house, &list("pods")).await.text();
    house.east().stop().await;
    assert_eq!(ask(&house, &list("pods")).await.text(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_clusters_and_kinds_are_404() {
    let house = House::small().await;
    for (path, text) in [
        ("/api/clusters/nowhere/pods", "cluster not found\n"),
        ("/api/clusters/%00/pods", "cluster not found\n"),
        ("/api/clusters/east/gadgets", "404 page not found\n"),
        ("/api/clusters/east/persistentvolumes", "404 page not found\n"),
        ("/api/clusters/east/PODS", "404 page not found\n"),
        ("/api/clusters/east/pods/", "404 page not found\n"),
        ("/api/clusters//pods", "cluster not found\n"),
    ] {
        let answer = ask(&house, path).await;
        assert_eq!((answer.head.status, answer.text().as_str()), (404, text), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_without_a_stream_still_has_its_list() {
    let mut config = config();
    config.watch.kinds.retain(|kind| kind.name != "nodes");
    let house = House::small_with(&config).await;
    assert_eq!(ask(&house, &watch("nodes")).await.head.status, 404);
    assert_eq!(ask(&house, &list("nodes")).await.head.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_ask_the_apiserver_once_however_many_there_are() {
    let house = House::small().await;
    house.warm("pods").await;
    let before = house.east().counters();
    for _ in 0..50 {
        ask(&house, &list("pods")).await;
    }
    let after = house.east().counters();
    assert_eq!((after.all("list"), after.all("watch")), (before.all("list"), before.all("watch")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_cannot_be_entered_is_503_without_its_secrets() {
    let mut config = config();
    config.feeds.wait = Duration::from_millis(500);
    let missing = ClusterSpec {
        kubeconfig_path: Some("/nonexistent/secret-folder/kubeconfig".into()),
        ..ClusterSpec::new(EAST, Backend::Kubeconfig)
    };
    let nonsense = ClusterSpec::from_kubeconfig_text(EAST, "secret-token: [", None);
    let nobody = ClusterSpec::from_url(EAST, "http://127.0.0.1:1");
    for spec in [missing, nonsense, nobody] {
        let house = House::before(&config, spec.clone());
        let answer = tab::get(house.address(), &list("pods"), &[("Accept", "application/json")]).await;
        assert_eq!(
            (answer.head.status, answer.json()["error"]["code"].as_str()),
            (503, Some("unavailable")),
            "{spec:?}"
        );
        let mut stream = Stream::open(house.address(), &watch("pods"), "").await;
        let seen = stream.until_end().await;
        assert_eq!((stream.head.status, seen.len(), &*seen[0].name), (200, 1, "error"), "{spec:?}");
        assert!(seen[0].data.contains(r#""code":"unavailable""#), "{spec:?}: {}", seen[0].data);
        assert!(!seen[0].data.contains("secret") && !answer.text().contains("secret"), "{}", seen[0].data);
    }
}
