//! Overviews: what a front end asks when it boots, counted from the replicas and no further than its user may see.

mod house;
mod rights;
mod tab;

use foretop::cluster::ClusterSpec;
use foretop::config::{AuthMode, Config, TenantRule};
use foretop::sim::Options;
use house::{EAST, House, WEST, cluster, config, eventually};
use rights::{User, add_namespace, bind, cluster_role, reads, user};
use serde_json::{Value, json};

const DASHBOARD: &str = "/api/clusters/east/dashboard";

async fn get(house: &House, path: &str, user: &str) -> Value {
    let headers = [("X-Forwarded-User", user)];
    let answer = tab::get(house.address(), path, &headers).await;
    assert_eq!((answer.head.status, answer.head.header("content-type")), (200, Some("application/json")));
    assert!(answer.head.header("x-request-id").is_some());
    answer.json()
}

/// The fleet, once it says this of the first cluster.
async fn fleet_saying(house: &House, status: &str, user: &str) -> Value {
    eventually(status, async || get(house, "/api/fleet", user).await["clusters"][0]["status"] == status)
        .await;
    get(house, "/api/fleet", user).await
}

/// How many objects the cluster holds.
fn held(house: &House, resource: &str) -> usize {
    house.east().names(resource).expect("a resource of the cluster").len()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_has_the_contracts_shape_and_the_clusters_counts() {
    let house = House::start(&config(), vec![cluster(EAST, 40), cluster(WEST, 0)]).await;
    let fleet = get(&house, "/api/fleet", "somebody").await;
    assert_eq!(keys(&fleet), ["clusters", "rollup"]);
    assert_eq!(keys(&fleet["rollup"]), ["byEnvironment", "byStatus", "generatedAt", "totalClusters"]);
    assert_eq!(
        (&fleet["rollup"]["totalClusters"], &fleet["rollup"]["byEnvironment"]["other"]),
        (&json!(2), &json!(2))
    );
    let names: Vec<&Value> =
        fleet["clusters"].as_array().expect("clusters").iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, [EAST, WEST], "in the registry's order");
    let east = &fleet["clusters"][0];
    assert!(matches!(east["status"].as_str(), Some("healthy" | "degraded")), "{east}");
    assert_eq!((&east["backend"], &east["error"]), (&json!("kubeconfig"), &Value::Null));
    let summary = &east["summary"];
    assert_eq!(summary["pods"]["total"], held(&house, "pods"));
    assert_eq!(summary["nodes"]["total"], held(&house, "nodes"));
    assert_eq!(summary["namespaces"], held(&house, "namespaces"));
    assert_eq!(keys(&summary["pods"]), ["failed", "pending", "running", "total"]);
    assert!(east["hotSignals"].is_array() && east["lastContact"].is_string(), "{east}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dashboard_has_the_contracts_shape_and_the_clusters_counts() {
    let house = House::with(&config(), 40).await;
    house.east().put("pods", troubled("crashing", "CrashLoopBackOff", 7)).expect("a pod");
    let dashboard = get(&house, DASHBOARD, "somebody").await;
    for (field, resource) in [("podCount", "pods"), ("nodeCount", "nodes"), ("namespaceCount", "namespaces")]
    {
        assert_eq!(dashboard[field], held(&house, resource), "{field}: {dashboard}");
    }
    for (field, resource) in
        [("deployments", "deployments"), ("daemonSets", "daemonsets"), ("cronJobs", "cronjobs")]
    {
        assert_eq!(dashboard["workloads"][field]["total"], held(&house, resource), "{field}: {dashboard}");
    }
    assert_eq!(dashboard["storage"]["pvCount"], held(&house, "persistentvolumes"));
    let phases = dashboard["podPhases"].as_object().expect("phases");
    let counted: u64 = phases.values().filter_map(Value::as_u64).sum();
    assert_eq!((counted as usize, phases.len()), (held(&house, "pods"), 6));
    let accessible = &dashboard["accessibility"];
    assert_eq!(
        ["nodes", "pods", "namespaces", "metrics"].map(|kind| accessible[kind].as_str()),
        [Some("ok"), Some("ok"), Some("ok"), Some("unavailable")]
    );
    let named = dashboard["needsAttention"].as_array().expect("never null");
    let crashing = named.iter().find(|pod| pod["name"] == "crashing").expect("it is named");
    assert_eq!((&crashing["reason"], &crashing["restartCount"]), (&json!("CrashLoopBackOff"), &json!(7)));
    assert_eq!(
        (&dashboard["provider"], &dashboard["metricsAvailable"]),
        (&json!("Kubeconfig"), &json!(false))
    );
    assert!(dashboard["kubernetesVersion"].as_str().is_some_and(|version| version.starts_with("v1.")));
    assert_eq!((&dashboard["stale"], &dashboard["cpuAllocatable"]), (&json!(false), &json!("")));
    assert_eq!(get(&house, "/api/clusters/east/crds", "somebody").await, json!({"crds": []}));
}

fn troubled(name: &str, reason: &str, restarts: u32) -> Value {
    let mut pod = house::pod("team-a", name, "Running");
    pod["status"]["containerStatuses"] = json!([
        {"name": "main", "ready": false, "restartCount": restarts, "state": {"waiting": {"reason": reason}}}
    ]);
    pod
}

/// Ann may see the pods of two namespaces out of three.
async fn of_two_namespaces() -> House {
    let house = House::start(&rights::config(), vec![rights::cluster()]).await;
    let east = house.east();
    for namespace in ["mine", "ours", "hidden"] {
        add_namespace(east, namespace);
    }
    east.put("pods", house::pod("hidden", "hidden-too", "Failed")).expect("a pod");
    cluster_role(east, "reader", &reads(&["pods", "services"]));
    for namespace in ["mine", "ours"] {
        bind(east, Some(namespace), "ann", "reader", &user("ann"));
    }
    cluster_role(east, "all", &json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]));
    bind(east, None, "root", "all", &user("root"));
    // The namespaces that somebody may be asked about are known.
    eventually("ann's pods", async || User::of("ann").list(&house, "pods", None).await.head.status == 200)
        .await;
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_two_namespaces_gets_the_counts_of_two_and_no_name_beyond() {
    let house = of_two_namespaces().await;
    let all = get(&house, DASHBOARD, "root").await;
    assert_eq!((&all["podCount"], &all["podPhases"]["failed"]), (&json!(held(&house, "pods")), &json!(1)));
    let ann = get(&house, DASHBOARD, "ann").await;
    assert_eq!(
        (&ann["podCount"], &ann["podPhases"]["failed"], &ann["needsAttention"]),
        (&json!(2), &json!(0), &json!([]))
    );
    for (kind, word) in
        [("pods", "ok"), ("nodes", "forbidden"), ("namespaces", "forbidden"), ("deployments", "forbidden")]
    {
        assert_eq!(ann["accessibility"][kind], word, "{kind}");
    }
    assert_eq!(
        (&ann["nodeCount"], &ann["namespaceCount"], &ann["kubernetesVersion"]),
        (&json!(0), &json!(0), &json!(""))
    );
    let fleet = fleet_saying(&house, "healthy", "ann").await;
    assert_eq!(fleet["clusters"][0]["summary"]["pods"]["total"], 2, "{fleet}");
    let search = |query: &'static str, user: &'static str| {
        let path = format!("/api/clusters/east/search?q={query}&limit=10");
        let house = &house;
        async move { get(house, &path, user).await["results"].clone() }
    };
    let found = search("web", "ann").await;
    let namespaces: Vec<&Value> =
        found.as_array().expect("results").iter().map(|result| &result["namespace"]).collect();
    assert_eq!(namespaces, ["mine", "ours"], "{found}");
    assert_eq!(found[0], json!({"kind": "pods", "name": "web", "namespace": "mine", "score": 100}));
    assert_eq!(search("hidden", "ann").await, json!([]));
    assert_eq!(
        search("HIDDEN", "root").await.as_array().map(Vec::len),
        Some(3),
        "two pods and their namespace"
    );
    for path in ["/api/fleet", DASHBOARD, "/api/clusters/east/search?q=e"] {
        let text = get(&house, path, "ann").await.to_string();
        assert!(!text.contains("hidden"), "{path}: {text}");
    }
    // Who may see nothing is told so, and starts nothing.
    let nobody = fleet_saying(&house, "denied", "nobody").await;
    assert_eq!(
        (&nobody["clusters"][0]["summary"], &nobody["clusters"][0]["error"]["code"]),
        (&Value::Null, &json!("denied"))
    );
    assert_eq!(get(&house, DASHBOARD, "nobody").await["podCount"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_gone_is_gone_from_overviews() {
    let house = of_two_namespaces().await;
    assert_eq!(get(&house, DASHBOARD, "ann").await["podCount"], 2);
    house.east().delete("rolebindings", "ours", "ann").expect("a binding");
    eventually("one namespace is left", async || get(&house, DASHBOARD, "ann").await["podCount"] == 1).await;
    assert!(!get(&house, "/api/clusters/east/search?q=web", "ann").await.to_string().contains("ours"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_cluster_is_as_none() {
    let mut config: Config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    config.tenants.rules =
        vec![TenantRule { name: "blue".into(), groups: vec!["blue".into()], ..TenantRule::default() }];
    let mut blues = ClusterSpec::from_url(EAST, "http://127.0.0.1:1");
    blues.tenants = vec!["blue".into()];
    let house = House::before(&config, blues);
    let headers = [("X-Forwarded-User", "rob"), ("X-Forwarded-Groups", "red")];
    for route in ["dashboard", "search?q=a", "crds", "namespaces"] {
        let ask = |cluster: &'static str| {
            let path = format!("/api/clusters/{cluster}/{route}");
            let address = house.address();
            async move { tab::get(address, &path, &headers).await }
        };
        let (theirs, none) = (ask(EAST).await, ask("nowhere").await);
        assert_eq!((theirs.head.status, theirs.text().as_str()), (404, "cluster not found\n"), "{route}");
        assert_eq!(theirs.text(), none.text());
    }
    let fleet = tab::get(house.address(), "/api/fleet", &headers).await.json();
    assert_eq!((&fleet["clusters"], &fleet["rollup"]["totalClusters"]), (&json!([]), &json!(0)));
    let refused = tab::get(house.address(), "/api/fleet", &[]).await;
    assert_eq!(refused.head.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_away_is_unreachable_and_its_last_counts_say_of_when() {
    let house = House::with(&config(), 20).await;
    let pods = held(&house, "pods");
    assert_eq!(get(&house, DASHBOARD, "somebody").await["podCount"], pods);
    get(&house, "/api/fleet", "somebody").await;
    house.east().stop().await;
    let fleet = fleet_saying(&house, "unreachable", "somebody").await;
    let east = &fleet["clusters"][0];
    assert_eq!(
        (&east["error"]["code"], &east["summary"]["pods"]["total"]),
        (&json!("apiserver_unreachable"), &json!(pods))
    );
    assert!(east["lastContact"].as_str() < fleet["rollup"]["generatedAt"].as_str(), "{fleet}");
    let dashboard = get(&house, DASHBOARD, "somebody").await;
    assert_eq!((&dashboard["stale"], &dashboard["podCount"]), (&json!(true), &json!(pods)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_was_never_reached_has_no_counts() {
    let house = House::before(&config(), ClusterSpec::from_url(EAST, "http://127.0.0.1:1"));
    let fleet = fleet_saying(&house, "unreachable", "somebody").await;
    assert_eq!(fleet["clusters"][0]["summary"], Value::Null);
    let dashboard = get(&house, DASHBOARD, "somebody").await;
    assert_eq!(
        (&dashboard["accessibility"]["pods"], &dashboard["podCount"]),
        (&json!("unavailable"), &json!(0))
    );
    assert_eq!((&dashboard["needsAttention"], &dashboard["kubernetesVersion"]), (&json!([]), &json!("")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_is_asked_does_not_grow_with_callers() {
    let house = House::with(&config(), 20).await;
    let paths = ["/api/fleet", DASHBOARD, "/api/clusters/east/search?q=a"];
    for path in paths {
        get(&house, path, "somebody").await;
    }
    let asked = house.east().counters();
    assert_eq!(asked.of("list", "pods") + asked.of("watch", "pods"), 1, "{asked:?}");
    for path in paths {
        let calls: Vec<_> = (0..20).map(|_| get(&house, path, "somebody")).collect();
        for call in calls {
            call.await;
        }
    }
    assert_eq!(house.east().counters().requests, asked.requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_starts_feeds_no_faster_and_no_more_than_it_may() {
    let mut config = config();
    config.overviews.feeds_per_second = 2;
    config.overviews.most_feeds = 9;
    let clusters: Vec<Options> = (0..8).map(|number| cluster(&format!("c{number}"), 1)).collect();
    let house = House::start(&config, clusters).await;
    let first = get(&house, "/api/fleet", "somebody").await;
    assert_eq!(first["rollup"]["byStatus"]["unknown"], 7, "three feeds at once: {first}");
    assert_eq!(house.server.hub.count(), 3);
    eventually("the ceiling", async || {
        get(&house, "/api/fleet", "somebody").await;
        house.server.hub.count() == 9
    })
    .await;
    let fleet = get(&house, "/api/fleet", "somebody").await;
    assert_eq!(
        (&fleet["rollup"]["byStatus"]["unknown"], house.server.hub.count()),
        (&json!(5), 9),
        "{fleet}"
    );
    // What is not looked at is not asked anything either.
    let asked = house.clusters.iter().filter(|cluster| !cluster.counters().requests.is_empty()).count();
    assert_eq!(asked, 3);
    // Streams are not bound by it.
    let unknown =
        fleet["clusters"].as_array().expect("clusters").iter().find(|entry| entry["status"] == "unknown");
    let name = unknown.and_then(|entry| entry["name"].as_str()).expect("a cluster").to_owned();
    let list = tab::get(house.address(), &format!("/api/clusters/{name}/pods"), &[]).await;
    assert_eq!(list.head.status, 200);
}
