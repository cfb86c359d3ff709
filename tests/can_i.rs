//! What a user may do, as buttons ask for it; and why they see what they see, as an admin asks for it.

mod house;
mod tab;

use std::time::Duration;

use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::sim::{AccessRule as Rule, AccessTable as Table, Fault};
use house::wire::{Wire, get};
use house::{EAST, House, OPERATORS, cluster, config};
use serde_json::{Value, json};
use tab::Answer;

/// Users by header; the cluster knows them by their prefixed names.
fn settings() -> Config {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().unwrap()];
    config.authorization.mode = AuthorizationMode::Raw;
    config
}

/// A house where ann may list, watch and delete pods in team-a.
async fn house(config: &Config) -> House {
    let house = House::start(config, vec![cluster(EAST, 0)]).await;
    let rule = |verb: &str| Rule {
        user: Some("ann".into()),
        verb: Some(verb.into()),
        resource: Some("pods".into()),
        namespace: Some("team-a".into()),
        allow: true,
        ..Rule::default()
    };
    let rules = ["list", "watch", "delete"].map(rule).into();
    house.east().set_access(Table { default: false, rules });
    house
}

async fn post(house: &House, path: &str, user: &str, body: &str) -> Answer {
    let lines = format!(
        "X-Forwarded-User: {user}\r\nX-Forwarded-Groups: web\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = get(path, &lines).replacen("GET", "POST", 1) + body;
    Wire::with(house.address(), request).await.answer().await
}

async fn can_i(house: &House, user: &str, checks: &Value) -> Value {
    let body = json!({ "checks": checks }).to_string();
    let answer = post(house, "/api/clusters/east/can-i", user, &body).await;
    assert_eq!((answer.head.status, answer.head.header("content-type")), (200, Some("application/json")));
    answer.json()["results"].clone()
}

/// Access reviews that the cluster was asked for.
fn reviews(house: &House) -> u64 {
    house.east().counters().requests.get("review").map_or(0, |reviews| reviews.values().sum())
}

fn check(verb: &str, namespace: &str) -> Value {
    json!({"verb": verb, "resource": "pods", "namespace": namespace})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_in_the_order_of_the_checks_and_are_known_for_a_while() {
    let house = house(&settings()).await;
    let checks = json!([check("delete", "team-b"), check("delete", "team-a"), check("create", "team-a")]);
    let expected = json!([
        {"allowed": false, "reason": "denied"},
        {"allowed": true, "reason": ""},
        {"allowed": false, "reason": "denied"},
    ]);
    assert_eq!(can_i(&house, "ann", &checks).await, expected);
    let asked = reviews(&house);
    assert_eq!(asked, 3);
    assert_eq!(can_i(&house, "ann", &checks).await, expected);
    assert_eq!(reviews(&house), asked, "nothing new was asked");
    let bobs = can_i(&house, "bob", &checks).await;
    assert!(bobs.as_array().unwrap().iter().all(|result| result["allowed"] == false), "{bobs}");
    assert_eq!(reviews(&house), 2 * asked, "another user is asked about by themselves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_everyone_is_the_servers_account_that_is_asked_about() {
    let house = House::start(&config(), vec![cluster(EAST, 0)]).await;
    let first = can_i(&house, "ann", &json!([check("delete", "team-a")])).await;
    assert_eq!(first, json!([{"allowed": true, "reason": ""}]));
    can_i(&house, "bob", &json!([check("delete", "team-a")])).await;
    assert_eq!(reviews(&house), 1, "for all users once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_list_of_checks_is_refused() {
    let house = house(&settings()).await;
    let path = "/api/clusters/east/can-i";
    for none in ["{}", r#"{"checks":[]}"#, r#"{"checks":null}"#] {
        assert_eq!(post(&house, path, "ann", none).await.text(), "{\"results\":[]}\n", "{none}");
    }
    for bad in ["", "{", "[]x", r#"{"checks":1}"#, r#"{"checks":[{"verb":1}]}"#] {
        assert_eq!(post(&house, path, "ann", bad).await.head.status, 400, "{bad}");
    }
    let many = |count| json!({"checks": vec![check("get", "team-a"); count]}).to_string();
    let answer = post(&house, path, "ann", &many(65)).await;
    assert_eq!((answer.head.status, answer.text().as_str()), (400, "too many checks (limit 64)\n"));
    let answer = post(&house, path, "ann", &many(64)).await;
    assert_eq!(answer.json()["results"].as_array().map(Vec::len), Some(64));
    let long = json!({"checks": [check("get", &"x".repeat(100_000))]}).to_string();
    assert_eq!(post(&house, path, "ann", &long).await.head.status, 413);
    let answer = post(&house, "/api/clusters/nowhere/can-i", "ann", "{}").await;
    assert_eq!((answer.head.status, answer.text().as_str()), (404, "cluster not found\n"));
    let answer = tab::get(house.address(), path, &[("X-Forwarded-User", "ann")]).await;
    assert_eq!(answer.head.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_cluster_does_not_say_is_not_allowed() {
    let house = house(&settings()).await;
    for (fault, reason) in [(Fault::Forbidden, "auth_failed"), (Fault::Internal, "unknown")] {
        house.east().faults().add(fault.on("subjectaccessreviews"));
        let results = can_i(&house, "ann", &json!([check("delete", "team-a")])).await;
        assert_eq!(results, json!([{"allowed": false, "reason": reason}]), "{fault:?}");
        house.east().heal();
    }
    let results = can_i(&house, "ann", &json!([check("delete", "team-a")])).await;
    assert_eq!(results[0]["allowed"], true, "and it is not remembered: {results}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserved_names_may_do_nothing() {
    let mut config = settings();
    config.authorization.mode = AuthorizationMode::Raw;
    let house = house(&config).await;
    let answer = post(&house, "/api/clusters/east/can-i", "system:admin", r#"{"checks":[]}"#).await;
    assert_eq!(answer.head.status, 403);
}

async fn explain(house: &House, query: &str) -> Answer {
    let headers =
        [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", OPERATORS), ("Accept", "application/json")];
    tab::get(house.address(), &format!("/api/access/explain?{query}"), &headers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_is_told_why_somebody_sees_what_they_see() {
    let mut config = settings();
    config.access.review_every = Duration::from_secs(600);
    let house = house(&config).await;
    let explained = explain(&house, "cluster=east&kind=pods&namespace=team-a").await;
    assert_eq!(explained.head.status, 200);
    let explained = explained.json();
    assert_eq!(
        (&explained["subject"], &explained["asksAs"]["user"]),
        (&"ann".into(), &"ann".into()),
        "{explained}"
    );
    assert_eq!(explained["asksAs"]["groups"], json!(["periscope:operators"]), "{explained}");
    assert_eq!(explained["tenant"], "default", "{explained}");
    let allowed = json!([
        {"verb": "list", "allowed": true, "reason": ""},
        {"verb": "watch", "allowed": true, "reason": ""},
    ]);
    assert_eq!((&explained["now"], explained.get("decision")), (&allowed, None), "{explained}");
    assert!(explained["advice"].as_str().unwrap().starts_with("nothing"), "{explained}");

    let explained =
        explain(&house, "cluster=east&kind=pods&namespace=team-a&user=bob&group=web&group=ops").await.json();
    assert_eq!(explained["asksAs"]["groups"], json!(["periscope:ops", "periscope:web"]), "{explained}");
    assert_eq!(
        explained["now"][0],
        json!({"verb": "list", "allowed": false, "reason": "denied"}),
        "{explained}"
    );
    let advice = explained["advice"].as_str().unwrap();
    assert!(advice.contains("user bob") && advice.contains("on pods in namespace team-a"), "{advice}");

    let explained = explain(&house, "cluster=east&kind=pods&user=system:admin").await.json();
    assert!(explained["advice"].as_str().unwrap().contains("system:"), "{explained}");
    assert!(explained.get("asksAs").is_none() && explained["now"] == json!([]), "{explained}");

    for query in ["cluster=nowhere&kind=pods", "cluster=east&kind=secrets", "kind=pods", "cluster=east"] {
        assert_eq!(explain(&house, query).await.head.status, 404, "{query}");
    }
    let headers = [("X-Forwarded-User", "bob"), ("Accept", "application/json")];
    let answer = tab::get(house.address(), "/api/access/explain?cluster=east&kind=pods", &headers).await;
    assert_eq!((answer.head.status, &answer.json()["error"]["code"]), (403, &"denied".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_that_stands_is_told_beside_what_is_said_now() {
    let mut config = settings();
    config.access.review_every = Duration::from_secs(600);
    let house = house(&config).await;
    let headers = [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", OPERATORS)];
    let path = format!("{}?namespace=team-a", house::list("pods"));
    assert_eq!(tab::get(house.address(), &path, &headers).await.head.status, 200);
    house.east().set_access(Table { default: false, rules: Vec::new() });
    let explained = explain(&house, "cluster=east&kind=pods&namespace=team-a").await.json();
    let decision = &explained["decision"];
    assert_eq!(
        (&decision["ruling"], &decision["namespaces"]),
        (&"allowed".into(), &json!(["team-a"])),
        "{explained}"
    );
    assert!(decision["askedAgainInMs"].as_u64().unwrap() > 500_000, "{explained}");
    assert_eq!(explained["now"][0]["allowed"], false, "asked anew: {explained}");
}
