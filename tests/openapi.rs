//! `docs/openapi.yaml` has every route of the port for tabs and no other, and answers are what it says.

mod house;
mod tab;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use foretop::config::AuthMode;
use house::wire::Wire;
use house::{EAST, House, config};
use serde_json::Value;
use tab::http::Head;

/// Routes of the contract that are answered by 501: they are another backend's.
const NOT_HERE: [&str; 1] = ["/api/clusters/{cluster}/{branch}"];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .expect("a file of the repository")
}

fn document() -> Value {
    serde_saphyr::from_str(&read("docs/openapi.yaml")).expect("YAML")
}

/// The routes of the control plane, as its code has them, and those that cores answer.
fn routes() -> BTreeSet<String> {
    let code = read("src/api/mod.rs");
    let quoted = code.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut routes: BTreeSet<String> = quoted.map(str::to_owned).collect();
    for route in NOT_HERE {
        assert!(routes.remove(route), "{route}");
    }
    assert!(routes.remove("/api/clusters/{cluster}/{kind}/{*rest}"));
    for object in ["{namespace}/{name}", "{name}"] {
        for part in ["", "/yaml", "/events"] {
            routes.insert(format!("/api/clusters/{{cluster}}/{{kind}}/{object}{part}"));
        }
    }
    let on_cores = [
        "/api/clusters/{cluster}/{kind}",
        "/api/clusters/{cluster}/{kind}/watch",
        "/api/stream",
        "/api/stream/{stream}/views",
    ];
    routes.extend(on_cores.map(str::to_owned));
    routes
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let document = document();
    let named: BTreeSet<String> = document["paths"].as_object().expect("paths").keys().cloned().collect();
    assert_eq!(named, routes());
}

/// What a reference of the document leads to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(to) => {
            document.pointer(to.trim_start_matches('#')).unwrap_or_else(|| panic!("{to} leads nowhere"))
        }
        None => value,
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        resolved(document, value);
        match value {
            Value::Object(map) => map.values().for_each(|inner| walk(document, inner)),
            Value::Array(list) => list.iter().for_each(|inner| walk(document, inner)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

/// A request by the document: its path with these values, and its examples.
fn target(document: &Value, path: &str, operation: &Value, values: &BTreeMap<&str, &str>) -> String {
    let (mut target, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolved(document, parameter);
        let name = parameter["name"].as_str().expect("a name");
        let value = values.get(name).copied().or(parameter["example"].as_str()).unwrap_or("x");
        match parameter["in"].as_str() {
            Some("path") => target = target.replace(&format!("{{{name}}}"), value),
            Some("query") if parameter["required"] == true || parameter.get("example").is_some() => {
                query.push(format!("{name}={value}"));
            }
            _ => {}
        }
    }
    if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
}

/// The status and the content type of an answer, which may be a stream.
async fn asked(house: &House, method: &str, target: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{} {target} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
        method.to_uppercase()
    );
    let text = Wire::with(house.address(), request).await.head_text().await;
    let (head, _) = Head::parse(text.as_bytes()).expect("HTTP").expect("a whole head");
    let kind = head.header("content-type").unwrap_or_default();
    (head.status, kind.split(';').next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_what_the_document_says() {
    let house = House::small().await;
    house.warm("pods").await;
    let (document, values) = (document(), BTreeMap::from([("cluster", EAST)]));
    let mut statuses = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let target = target(&document, path, operation, &values);
            let body = operation.get("requestBody").map_or("", |_| "{}");
            let (status, sent) = asked(&house, method, &target, body).await;
            statuses.insert(status);
            let told = &operation["responses"][status.to_string()];
            assert!(
                !told.is_null(),
                "{method} {target} answers {status}, of which the document says nothing"
            );
            let told = resolved(&document, told);
            let Some(content) = told["content"].as_object() else { continue };
            assert!(content.contains_key(&sent), "{method} {target}, {status}: {sent:?}");
            if method == "get" && sent == "application/json" {
                let value =
                    tab::get(house.address(), &target, &[("Accept", "application/json")]).await.json();
                let schema = resolved(&document, &content[&sent]["schema"]);
                for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    assert!(value.get(field).is_some(), "{target}: no {field} in {value}");
                }
            }
        }
    }
    assert!(statuses.is_superset(&BTreeSet::from([200, 400, 404])), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_what_the_document_says() {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["192.0.2.1".parse().unwrap()];
    let values = BTreeMap::from([("cluster", EAST)]);
    let document = document();
    let house = House::small_with(&config).await;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let Some(operation) = operations.get("get") else { continue };
        let target = target(&document, path, operation, &values);
        let answer = tab::get(house.address(), &target, &[]).await;
        let told = &operation["responses"][answer.head.status.to_string()];
        assert!(
            !told.is_null(),
            "{target} answers {}, of which the document says nothing",
            answer.head.status
        );
    }
}
