//! One object: its details, YAML and events, for who may read it by its name; and what is left to another backend.

mod house;
mod rights;
mod tab;

use foretop::config::{AccessUpstream, Config};
use foretop::sim::Fault;
use house::wire::{Wire, get as request};
use house::{EAST, House, cluster, config};
use rights::{bind, cluster_role, user};
use serde_json::{Value, json};
use tab::Answer;

const WEB: &str = "/api/clusters/east/pods/team-a/web";

async fn ask(house: &House, path: &str, user: &str) -> Answer {
    tab::get(house.address(), path, &[("X-Forwarded-User", user)]).await
}

/// A pod with all that is not shown, and some that is.
fn web() -> Value {
    let mut pod = house::pod("team-a", "web", "Running");
    pod["metadata"]["labels"] = json!({"app": "web"});
    pod["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": "{\"a\":1}", "note": "shown"});
    pod["metadata"]["managedFields"] = json!([{"manager": "kubectl"}]);
    pod["status"]["hostIP"] = json!("192.0.2.1");
    pod
}

fn event(name: &str, of: &str, last: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "team-a"},
        "involvedObject": {"kind": "Pod", "name": of, "namespace": "team-a"},
        "type": "Warning", "reason": "BackOff", "message": name, "count": 2,
        "firstTimestamp": "2026-05-01T11:00:00Z", "lastTimestamp": last,
        "source": {"component": "kubelet", "host": "n1"},
    })
}

fn plant(house: &House) {
    let east = house.east();
    east.put("pods", web()).expect("a pod");
    for (name, of, last) in [
        ("old", "web", "2026-05-01T12:00:00Z"),
        ("new", "web", "2026-05-01T13:00:00Z"),
        ("other", "api", "2026-05-01T14:00:00Z"),
    ] {
        east.put("events", event(name, of, last)).expect("an event");
    }
}

/// Ann may get pods in team-a, and list their events there; bob may list pods, and get none.
async fn of_ann_and_bob(config: &Config) -> House {
    let house = House::start(config, vec![rights::cluster()]).await;
    plant(&house);
    let east = house.east();
    let rule = |verbs: &[&str], resources: &[&str]| json!([{"verbs": verbs, "apiGroups": [""], "resources": resources}]);
    cluster_role(east, "getter", &rule(&["get"], &["pods"]));
    cluster_role(east, "lister", &rule(&["list", "watch"], &["pods", "events"]));
    bind(east, Some("team-a"), "ann-gets", "getter", &user("ann"));
    bind(east, Some("team-a"), "ann-lists", "lister", &user("ann"));
    bind(east, None, "bob-lists", "lister", &user("bob"));
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_detail_is_the_row_and_more_in_one_flat_object() {
    let house = House::with(&config(), 40).await;
    plant(&house);
    let detail = ask(&house, WEB, "somebody").await;
    assert_eq!((detail.head.status, detail.head.header("content-type")), (200, Some("application/json")));
    assert!(
        detail.text().starts_with(&house::pod_row("team-a", "web", "Running").replace('}', ",")),
        "{}",
        detail.text()
    );
    let detail = detail.json();
    assert_eq!(
        (&detail["labels"], &detail["annotations"]),
        (&json!({"app": "web"}), &json!({"note": "shown"}))
    );
    assert_eq!(
        (&detail["hostIP"], &detail["containers"][0]["state"]),
        (&json!("192.0.2.1"), &json!("Unknown"))
    );
    assert_eq!(detail.get("managedFields"), None);
    let lists = [
        ("pods", "pods"),
        ("events", "events"),
        ("deployments", "deployments"),
        ("statefulSets", "statefulsets"),
        ("daemonSets", "daemonsets"),
        ("replicaSets", "replicasets"),
        ("jobs", "jobs"),
        ("cronJobs", "cronjobs"),
        ("hpas", "horizontalpodautoscalers"),
        ("pdbs", "poddisruptionbudgets"),
        ("services", "services"),
        ("ingresses", "ingresses"),
        ("networkPolicies", "networkpolicies"),
        ("endpointSlices", "endpointslices"),
        ("ingressClasses", "ingressclasses"),
        ("pvs", "pvs"),
        ("pvcs", "pvcs"),
        ("storageClasses", "storageclasses"),
        ("nodes", "nodes"),
        ("namespaces", "namespaces"),
        ("priorityClasses", "priorityclasses"),
        ("runtimeClasses", "runtimeclasses"),
    ];
    for (wrapper, kind) in lists {
        let list = ask(&house, &house::list(kind), "somebody").await.json();
        let Some(row) = list[wrapper].as_array().expect("a list").first() else { continue };
        // An event is known by its own name, which its row does not hold.
        let name = if kind == "events" { json!("new") } else { row["name"].clone() };
        let place = row["namespace"].as_str().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        let place = if kind == "events" { "team-a/".to_owned() } else { place };
        let path = format!("/api/clusters/east/{kind}/{place}{}", name.as_str().expect("a name"));
        let detail = ask(&house, &path, "somebody").await;
        assert_eq!(detail.head.status, 200, "{path}: {}", detail.text());
        let detail = detail.json();
        for (field, value) in row.as_object().expect("a row").iter().filter(|_| kind != "events") {
            assert_eq!(&detail[field], value, "{path} {field}");
        }
        let yaml = ask(&house, &format!("{path}/yaml"), "somebody").await;
        assert_eq!(
            (yaml.head.status, yaml.head.header("content-type")),
            (200, Some("application/yaml; charset=utf-8")),
            "{path}"
        );
        let events = ask(&house, &format!("{path}/events"), "somebody").await;
        assert_eq!(events.head.status, 200, "{path}: {}", events.text());
        assert!(events.json()["events"].is_array(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workloads_page_has_its_pods_and_a_jobs_always_says_so() {
    let house = House::with(&config(), 40).await;
    let (namespace, name) = house.east().names("deployments").expect("deployments").swap_remove(0);
    let path = format!("/api/clusters/east/deployments/{namespace}/{name}");
    let deployment = ask(&house, &path, "somebody").await.json();
    let pods = deployment["pods"].as_array().unwrap_or_else(|| panic!("pods in {deployment}"));
    assert!((1..=20).contains(&pods.len()), "{deployment}");
    let keys: Vec<&String> = pods[0].as_object().expect("a pod").keys().collect();
    assert_eq!(keys, ["createdAt", "name", "phase", "ready", "restarts"]);
    let mut job = json!({"metadata": {"name": "alone", "namespace": "team-a"}, "spec": {"template": {"spec": {"containers": []}}}});
    job["spec"]["selector"] = json!({"matchLabels": {"job": "alone"}});
    house.east().put("jobs", job).expect("a job");
    assert_eq!(
        ask(&house, "/api/clusters/east/jobs/team-a/alone", "somebody").await.json()["pods"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yaml_is_the_object_without_what_hides_it() {
    let house = House::with(&config(), 0).await;
    plant(&house);
    let yaml = ask(&house, &format!("{WEB}/yaml"), "somebody").await.text();
    for shown in ["kind: Pod", "name: web", "note: shown", "hostIP:", "uid:", "resourceVersion:"] {
        assert!(yaml.contains(shown), "{shown} in {yaml}");
    }
    for hidden in ["managedFields", "last-applied", "kubectl"] {
        assert!(!yaml.contains(hidden), "{hidden} in {yaml}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_objects_events_are_its_own_and_the_newest_comes_first() {
    let house = House::with(&config(), 0).await;
    plant(&house);
    let events = ask(&house, &format!("{WEB}/events"), "somebody").await.json();
    let expected = json!({"type": "Warning", "reason": "BackOff", "message": "new", "count": 2, "first": "2026-05-01T11:00:00Z",
        "last": "2026-05-01T13:00:00Z", "source": "kubelet"});
    assert_eq!(events["events"][0], expected);
    let named: Vec<&Value> =
        events["events"].as_array().expect("events").iter().map(|event| &event["message"]).collect();
    assert_eq!(named, ["new", "old"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_read_by_who_may_get_it_by_its_name() {
    let house = of_ann_and_bob(&rights::config()).await;
    assert_eq!(ask(&house, WEB, "ann").await.json()["name"], "web");
    assert_eq!(ask(&house, &format!("{WEB}/yaml"), "ann").await.head.status, 200);
    assert_eq!(
        ask(&house, &format!("{WEB}/events"), "ann").await.json()["events"].as_array().map(Vec::len),
        Some(2)
    );
    let reads = house.east().counters().of("get", "pods");
    for (path, who) in [
        (WEB.to_owned(), "bob"),
        (format!("{WEB}/yaml"), "bob"),
        ("/api/clusters/east/nodes/n1".into(), "ann"),
        (format!("{WEB}/events"), "eve"),
    ] {
        let refused = ask(&house, &path, who).await;
        assert_eq!(
            (refused.head.status, refused.text().as_str()),
            (403, "operation failed\n"),
            "{path} {who}"
        );
    }
    assert_eq!(house.east().counters().of("get", "pods"), reads, "what is denied is not read");
    // Somebody who may not learn what there is learns nothing of it.
    let none = ask(&house, "/api/clusters/east/pods/team-a/none", "bob").await;
    assert_eq!(none.head.status, 403);
    let none = ask(&house, "/api/clusters/east/pods/team-a/none", "ann").await;
    assert_eq!((none.head.status, none.text().as_str()), (404, "operation failed\n"));
    assert_eq!(house.east().counters().impersonated, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_watches_are_the_users_own_so_are_reads() {
    let mut config = rights::config();
    config.access.upstream = AccessUpstream::Impersonate;
    config.access.watch_rbac = false;
    let house = of_ann_and_bob(&config).await;
    assert_eq!(ask(&house, WEB, "ann").await.head.status, 200);
    assert_eq!(ask(&house, WEB, "bob").await.head.status, 403);
    let asked = house.east().counters();
    assert!(asked.impersonated >= 2, "{asked:?}");
    assert_eq!(asked.reviews, 0, "the apiserver decides");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_apiserver_says_is_passed_on_as_the_contract_has_it() {
    let house = House::with(&config(), 0).await;
    plant(&house);
    for (fault, status) in [(Fault::Forbidden, 403), (Fault::Absent, 404), (Fault::Internal, 500)] {
        house.east().faults().add(fault.on("pods"));
        let answer = ask(&house, WEB, "somebody").await;
        assert_eq!((answer.head.status, answer.text().as_str()), (status, "operation failed\n"), "{fault:?}");
        house.east().faults().clear();
    }
    house.east().stop().await;
    let away = tab::get(house.address(), WEB, &[("Accept", "application/json")]).await;
    assert_eq!((away.head.status, &away.json()["error"]["code"]), (503, &json!("unavailable")));
    for path in ["/api/clusters/nowhere/pods/team-a/web", "/api/clusters/nowhere/pods/team-a/web/logs"] {
        let answer = ask(&house, path, "somebody").await;
        assert_eq!((answer.head.status, answer.text().as_str()), (404, "cluster not found\n"), "{path}");
    }
}

async fn send(house: &House, method: &str, path: &str) -> Answer {
    let lines = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    let text = request(path, if method == "GET" { "" } else { lines }).replacen("GET", method, 1);
    let body = if method == "GET" { "" } else { "{}" };
    Wire::with(house.address(), text + body).await.answer().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_shells_and_writes_are_somebody_elses_and_say_so() {
    let house = House::start(&config(), vec![cluster(EAST, 1)]).await;
    for (method, path) in [
        ("GET", "/api/clusters/east/pods/team-a/web/logs"),
        ("GET", "/api/clusters/east/pods/team-a/web/exec"),
        ("GET", "/api/clusters/east/deployments/team-a/web/logs"),
        ("GET", "/api/clusters/east/nodes/n1/metrics"),
        ("GET", "/api/clusters/east/configmaps"),
        ("GET", "/api/clusters/east/secrets/team-a/s"),
        ("GET", "/api/clusters/east/openapi/v3/apis/apps/v1"),
        ("POST", "/api/clusters/east/deployments/team-a/web/scale"),
        ("PATCH", "/api/clusters/east/pods/team-a/web"),
        ("PUT", "/api/clusters/east/resources/apps/v1/deployments/team-a/web"),
        ("DELETE", "/api/clusters/east/pods/team-a/web"),
    ] {
        let answer = send(&house, method, path).await;
        assert_eq!(answer.head.status, 501, "{method} {path}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["code"], "not_here", "{method} {path}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("docs/api.md")), "{error}");
    }
    assert_eq!(send(&house, "GET", "/api/clusters/east/pods/team-a/web/planted").await.head.status, 404);
    let asked = house.east().counters();
    assert!(asked.requests.is_empty(), "nothing of it reaches a cluster: {asked:?}");
}
