//! The 22 kinds: the same rows in snapshot, list and delta, of the contract's fields in the contract's order; and what is
//! special about events.

mod house;
mod tab;

use std::fmt;

use foretop::kind;
use foretop::sim::Cluster;
use house::wire::Stream;
use house::{EAST, House, config, list, watch};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tab::{Open, Tab};

/// Kind, wrapper, and the fields of a row in order; a `?` marks one that is left out where it is empty.
const ROWS: [(&str, &str, &str); 22] = [
    ("pods", "pods", "name namespace phase nodeName? podIP? ready restarts createdAt"),
    ("events", "events", "uid namespace kind name type reason message count first last source"),
    (
        "deployments",
        "deployments",
        "name namespace replicas readyReplicas updatedReplicas availableReplicas createdAt",
    ),
    (
        "statefulsets",
        "statefulSets",
        "name namespace replicas readyReplicas updatedReplicas currentReplicas createdAt",
    ),
    (
        "daemonsets",
        "daemonSets",
        "name namespace desiredNumberScheduled numberReady updatedNumberScheduled numberAvailable numberMisscheduled createdAt",
    ),
    ("replicasets", "replicaSets", "name namespace createdAt desired current ready owner"),
    ("jobs", "jobs", "name namespace completions status duration createdAt"),
    ("cronjobs", "cronJobs", "name namespace schedule suspend active lastScheduleTime? createdAt"),
    (
        "horizontalpodautoscalers",
        "hpas",
        "name namespace createdAt target minReplicas maxReplicas currentReplicas desiredReplicas ready",
    ),
    (
        "poddisruptionbudgets",
        "pdbs",
        "name namespace createdAt minAvailable maxUnavailable currentHealthy desiredHealthy expectedPods disruptionsAllowed",
    ),
    ("services", "services", "name namespace type clusterIP? externalIP? ports createdAt"),
    ("ingresses", "ingresses", "name namespace class? hosts address? createdAt"),
    ("networkpolicies", "networkPolicies", "name namespace createdAt podSelector policyTypes"),
    (
        "endpointslices",
        "endpointSlices",
        "name namespace addressType ports serviceName? readyCount totalCount createdAt",
    ),
    ("ingressclasses", "ingressClasses", "name createdAt controller isDefault"),
    ("pvs", "pvs", "name status storageClass? capacity? accessModes reclaimPolicy? createdAt"),
    ("pvcs", "pvcs", "name namespace status storageClass? capacity? accessModes createdAt"),
    (
        "storageclasses",
        "storageClasses",
        "name provisioner reclaimPolicy? volumeBindingMode? allowVolumeExpansion createdAt",
    ),
    (
        "nodes",
        "nodes",
        "name status roles kubeletVersion internalIP cpuCapacity memoryCapacity createdAt unschedulable",
    ),
    ("namespaces", "namespaces", "name phase createdAt"),
    ("priorityclasses", "priorityClasses", "name createdAt value globalDefault preemptionPolicy"),
    ("runtimeclasses", "runtimeClasses", "name createdAt handler cpuOverhead memoryOverhead"),
];

/// The names of an object's fields, in the order in which they are written.
struct Fields(Vec<String>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Fields(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// Fails unless the row's fields are those of the contract, in its order.
fn check_fields(kind: &str, fields: &str, row: &str) {
    let mut given = serde_json::from_str::<Fields>(row).expect("an object").0.into_iter().peekable();
    for field in fields.split(' ') {
        let (name, may_miss) = field.strip_suffix('?').map_or((field, false), |name| (name, true));
        if given.next_if(|given| given == name).is_none() {
            assert!(may_miss, "{kind}: {name} is missing, or not at its place, in {row}");
        }
    }
    assert_eq!(given.next(), None, "{kind}: {row}");
}

/// The rows of an array as they stand there.
fn rows(array: &str) -> Vec<String> {
    let rows: Vec<Box<RawValue>> = serde_json::from_str(array).expect("an array");
    rows.iter().map(|row| row.get().to_owned()).collect()
}

/// What follows the clock differs from one second to the next.
fn without_duration(row: &str) -> String {
    let Some((before, after)) = row.split_once(r#""duration":""#) else { return row.to_owned() };
    let (_, after) = after.split_once('"').expect("the end of a string");
    format!("{before}{after}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_shows_the_same_rows_in_snapshot_and_list() {
    let house = House::with(&config(), 60).await;
    // What has happened for a while has events, jobs that are over, pods that restart.
    house.east().churn_step(300);
    assert_eq!(
        ROWS.map(|(kind, ..)| kind).to_vec(),
        kind::all().iter().map(|kind| kind.name).collect::<Vec<_>>()
    );
    for (kind, wrapper, fields) in ROWS {
        let answer = tab::get(house.address(), &list(kind), &[]).await;
        let body = answer.text();
        let open = format!("{{\"{wrapper}\":");
        let array = body.strip_prefix(&open).and_then(|rest| rest.strip_suffix("}\n"));
        let listed = rows(array.unwrap_or_else(|| panic!("{kind}: {body}")));
        assert!(!listed.is_empty(), "{kind}: nothing to compare");
        listed.iter().for_each(|row| check_fields(kind, fields, row));

        let mut stream = Stream::open(house.address(), &watch(kind), "").await;
        let snapshot = stream.events(1).await.remove(0);
        let id = snapshot.id.expect("an id");
        let open = format!("{{\"resourceVersion\":\"{id}\",\"items\":");
        let array = snapshot.data.strip_prefix(&open).and_then(|rest| rest.strip_suffix('}'));
        let shown = rows(array.unwrap_or_else(|| panic!("{kind}: {}", snapshot.data)));
        let comparable = |rows: &[String]| rows.iter().map(|row| without_duration(row)).collect::<Vec<_>>();
        assert_eq!(comparable(&shown), comparable(&listed), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kinds_deltas_have_the_same_rows() {
    let house = House::with(&config(), 60).await;
    let east = house.east();
    for (token, _, fields) in ROWS {
        let plural = kind::by_name(token).expect("one of the 22").api.plural;
        let (namespace, name) = east.names(plural).unwrap().remove(0);
        let object = east.get(plural, &namespace, &name).unwrap();
        let mut stream = Stream::open(house.address(), &watch(token), "").await;
        let before = stream.events(1).await.remove(0);
        let deleted = east.delete(plural, &namespace, &name).unwrap();
        stream
            .until("deleted", |items| house::wire::events(items).iter().any(|event| event.name == "deleted"))
            .await;
        let gone = stream.seen().pop().unwrap();
        assert_eq!(gone.id, Some(deleted.to_string()), "{token}");
        let added = east.put(plural, object).unwrap();
        let new = stream.events(stream.seen().len() + 1).await.pop().unwrap();
        assert_eq!((new.name.as_str(), new.id), ("added", Some(added.to_string())), "{token}");
        let row = new.data.strip_prefix("{\"object\":").and_then(|rest| rest.strip_suffix('}')).unwrap();
        check_fields(token, fields, row);
        assert!(
            without_duration(&before.data).contains(&without_duration(row)) || token == "jobs",
            "{token}: {row}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn html_is_escaped_as_the_reference_escapes_it() {
    let house = House::small().await;
    let east = house.east();
    east.put(
        "pods",
        json!({
            "metadata": {"name": "odd", "namespace": "team-x", "creationTimestamp": "2026-05-01T12:00:00Z"},
            "spec": {"containers": []},
            "status": {"phase": "Running", "reason": "<b>&\u{2028}\u{2029}\n\r\"\\\u{1}é"},
        }),
    )
    .unwrap();
    let mut stream = Stream::open(house.address(), &format!("{}?namespace=team-x", watch("pods")), "").await;
    let data = stream.events(1).await.remove(0).data;
    let phase = r#""phase":"\u003cb\u003e\u0026\u2028\u2029\n\r\"\\\u0001é""#;
    assert!(data.contains(phase), "{data}");
}

fn event(number: u32, count: u32) -> Value {
    let time = format!("2026-05-01T{:02}:{:02}:{:02}Z", number / 3600, number / 60 % 60, number % 60);
    json!({
        "metadata": {"name": format!("e{number}"), "namespace": "team-x", "uid": format!("uid-{number}")},
        "involvedObject": {"kind": "Pod", "name": "a", "namespace": "team-x"},
        "type": "Normal", "reason": "Tried", "message": format!("number {number}"), "count": count,
        "firstTimestamp": time, "lastTimestamp": time, "source": {"component": "kubelet", "host": "n1"},
    })
}

fn put_events(east: &Cluster, numbers: std::ops::Range<u32>) {
    for number in numbers {
        east.put("events", event(number, 1)).unwrap();
    }
}

fn of_team_x(house: &House) -> Open {
    Open::watch(house.address(), EAST, "events", Some("team-x"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_newest_500_events_are_in_a_snapshot_newest_first() {
    let house = House::small().await;
    put_events(house.east(), 0..620);
    let mut tab = Tab::open(of_team_x(&house)).await;
    let state = tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    let uids: Vec<&str> = state.rows.items().map(|row| row["uid"].as_str().unwrap()).collect();
    let expected: Vec<String> = (120..620).rev().map(|number| format!("uid-{number}")).collect();
    assert_eq!(uids, expected);
    let listed = tab::get(house.address(), &format!("{}?namespace=team-x", list("events")), &[]).await.json();
    let listed: Vec<&str> =
        listed["events"].as_array().unwrap().iter().map(|row| row["uid"].as_str().unwrap()).collect();
    assert_eq!(listed, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_events_update_comes_as_added_so_that_no_page_ignores_it() {
    let house = House::small().await;
    put_events(house.east(), 0..510);
    let mut stream =
        Stream::open(house.address(), &format!("{}?namespace=team-x", watch("events")), "").await;
    stream.events(1).await;
    // One that the snapshot shows, and one that it does not.
    for (place, number) in [(1, 400), (2, 3)] {
        let rv = house.east().put("events", event(number, 2)).unwrap();
        let update = stream.events(place + 1).await.remove(place);
        assert_eq!((update.name.as_str(), update.id), ("added", Some(rv.to_string())));
        assert!(
            update.data.contains(&format!(r#""uid":"uid-{number}""#)) && update.data.contains(r#""count":2"#)
        );
    }
    let rv = house.east().delete("events", "team-x", "e400").unwrap();
    let gone = stream.events(4).await.remove(3);
    assert_eq!((gone.name.as_str(), gone.id), ("deleted", Some(rv.to_string())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_resume_of_events_gets_an_added_that_the_page_has() {
    let house = House::small().await;
    put_events(house.east(), 0..3);
    let mut tab = Tab::open(of_team_x(&house)).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    let hash = tab.state.rows.hash();
    tab.reconnect().await;
    let state = tab.until("a frame", |state| state.deltas() == 1).await;
    assert_eq!((state.count("added"), state.rows.hash(), state.rows.len()), (1, hash, 3));
}
