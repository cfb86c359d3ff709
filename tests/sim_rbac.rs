//! The simulated apiserver's roles and bindings over real sockets: written, listed, watched, and obeyed.

#[path = "sim/client.rs"]
#[allow(dead_code, reason = "this test asks less than the simulation's other one")]
mod client;

use client::{Client, json, word};
use foretop::sim::{Cluster, Options};
use http::StatusCode;
use serde_json::{Value, json};

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/roles";
const ANN: [(&str, &str); 2] = [("impersonate-user", "ann"), ("impersonate-group", "dev")];

async fn cluster() -> Cluster {
    Cluster::start(Options { pods: 5, rbac: true, ..Options::default() }).await.unwrap()
}

fn reader(namespace: &str) -> Value {
    json!({"metadata": {"name": "reader", "namespace": namespace},
        "rules": [{"verbs": ["list", "watch"], "apiGroups": [""], "resources": ["pods"]}]})
}

fn bound(namespace: &str, subject: &Value) -> Value {
    json!({"metadata": {"name": "readers", "namespace": namespace}, "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}})
}

async fn lists(client: &mut Client, namespace: &str) -> StatusCode {
    client.get_with(&format!("/api/v1/namespaces/{namespace}/pods"), &ANN).await.status()
}

async fn reviewed(client: &mut Client, groups: &[&str], verb: &str) -> Value {
    let review = json!({"spec": {"user": "ann", "groups": groups,
        "resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "shop"}}});
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let (status, answer) = client.call("POST", path, &review.to_string()).await;
    assert_eq!(status, StatusCode::CREATED);
    answer["status"]["allowed"].clone()
}

#[tokio::test]
async fn what_is_written_is_obeyed_at_once() {
    let cluster = cluster().await;
    let mut client = Client::http2(cluster.addr()).await;
    assert_eq!(lists(&mut client, "shop").await, StatusCode::FORBIDDEN);
    cluster.put("roles", reader("shop")).unwrap();
    cluster.put("rolebindings", bound("shop", &json!({"kind": "Group", "name": "dev"}))).unwrap();
    assert_eq!(lists(&mut client, "shop").await, StatusCode::OK);
    assert_eq!(lists(&mut client, "bank").await, StatusCode::FORBIDDEN);
    assert_eq!(reviewed(&mut client, &["dev"], "watch").await, true);
    assert_eq!(reviewed(&mut client, &["dev"], "delete").await, false);
    assert_eq!(reviewed(&mut client, &[], "watch").await, false);
    cluster.delete("rolebindings", "shop", "readers").unwrap();
    assert_eq!(lists(&mut client, "shop").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn everyone_who_is_impersonated_is_authenticated_and_nobody_who_is_reviewed() {
    let cluster = cluster().await;
    cluster.put("roles", reader("shop")).unwrap();
    let everyone = json!({"kind": "Group", "name": "system:authenticated"});
    cluster.put("rolebindings", bound("shop", &everyone)).unwrap();
    let mut client = Client::http2(cluster.addr()).await;
    assert_eq!(lists(&mut client, "shop").await, StatusCode::OK);
    assert_eq!(
        reviewed(&mut client, &["dev"], "list").await,
        false,
        "a review means the groups that it names"
    );
    assert_eq!(reviewed(&mut client, &["system:authenticated"], "list").await, true);
    assert!(cluster.may("ann", &["system:authenticated"], "list", "pods", "shop").unwrap());
    assert!(!cluster.may("ann", &["system:authenticated"], "list", "pods", "").unwrap());
}

#[tokio::test]
async fn roles_are_written_and_watched_over_http() {
    let cluster = cluster().await;
    let mut client = Client::http1(cluster.addr()).await;
    let mut watch = Client::http1(cluster.addr())
        .await
        .watch(&format!("{ROLES}?watch=1&resourceVersion={}", cluster.rv()))
        .await;
    let (status, _) = client.call("POST", "/_sim/objects/roles", &reader("shop").to_string()).await;
    assert_eq!(status, StatusCode::OK);
    let (_, list) = client.json(ROLES).await;
    assert_eq!(
        (&list["kind"], &list["items"][0]["metadata"]["name"]),
        (&json!("RoleList"), &json!("reader"))
    );
    let (status, _) =
        json(client.get("/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/reader").await).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = client.call("DELETE", "/_sim/objects/roles/shop/reader", "").await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = client.call("DELETE", "/_sim/objects/roles/shop/reader", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!([word(&watch.next().await), word(&watch.next().await)], ["ADDED reader", "DELETED reader"]);
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_it_holds() {
    let cluster = cluster().await;
    cluster.put("namespaces", json!({"metadata": {"name": "tmp"}})).unwrap();
    cluster.put("roles", reader("tmp")).unwrap();
    cluster.put("pods", json!({"metadata": {"name": "web", "namespace": "tmp"}})).unwrap();
    let others = cluster.count("pods").unwrap() - 1;
    cluster.delete_namespace("tmp").unwrap();
    assert!(cluster.get("namespaces", "", "tmp").is_none());
    assert_eq!((cluster.count("roles").unwrap(), cluster.count("pods").unwrap()), (0, others));
    assert!(cluster.delete_namespace("tmp").is_err());
}
