use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::kind::{Kind, all, by_name};

/// An object that has what any kind reads.
const ANYTHING: &str = r#"{"type":"ADDED","object":{"kind":"Any","apiVersion":"v1",
"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7","creationTimestamp":"2026-05-01T12:00:00Z",
"deletionTimestamp":"2026-05-01T13:00:00.5+02:00","labels":{"node-role.kubernetes.io/x":"","kubernetes.io/service-name":"s"},
"annotations":{"ingressclass.kubernetes.io/is-default-class":"true"},"ownerReferences":[{"kind":"Deployment","name":"d"}],
"managedFields":[{"manager":"m","fieldsV1":{"f:metadata":{".":{}}}}]},
"spec":{"replicas":3,"suspend":true,"completions":2,"schedule":"* * * * *","nodeName":"node","containers":[{"name":"c"}],
"initContainers":[{}],"scaleTargetRef":{"kind":"k","name":"n"},"minReplicas":1,"maxReplicas":2,"minAvailable":"50%",
"maxUnavailable":1,"type":"ClusterIP","clusterIP":"192.0.2.1","ports":[{"name":"p","protocol":"TCP","port":80,
"targetPort":"http","nodePort":30000}],"ingressClassName":"i","rules":[{"host":"h"}],"tls":[{"hosts":["t","h"]}],
"podSelector":{"matchLabels":{"b":"2","a":"1"}},"policyTypes":["Ingress"],"controller":"c","storageClassName":"fast",
"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Delete","unschedulable":false,
"resources":{"requests":{"storage":"2Gi"}}},
"status":{"phase":"Running","reason":"","podIP":"192.0.2.2","replicas":1,"readyReplicas":1,"active":[],
"startTime":"2026-05-01T12:00:00Z","completionTime":null,"lastScheduleTime":"2026-05-01T12:00:00Z",
"conditions":[{"type":"Ready","status":"True"}],"capacity":{"cpu":"1500m","memory":"16Gi","storage":"3Gi"},
"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]},"addresses":[{"type":"InternalIP","address":"192.0.2.3"}],
"nodeInfo":{"kubeletVersion":"v1"},"initContainerStatuses":[{"state":{"terminated":{"exitCode":0}}}],
"containerStatuses":[{"ready":true,"restartCount":1,"state":{"running":{}}},{"state":{"waiting":{"reason":"r<"}}}]},
"involvedObject":{"kind":"Pod","name":"p"},"reason":"r","message":"m\n","count":2,"type":"Normal",
"firstTimestamp":"2026-05-01T12:00:00Z","lastTimestamp":null,"source":{"component":"c","host":"h"},
"reportingComponent":"","addressType":"IPv4","ports":[{"port":1}],"endpoints":[{"conditions":{"ready":true}}],
"provisioner":"p","reclaimPolicy":"r","volumeBindingMode":"v","allowVolumeExpansion":true,"value":5,"globalDefault":false,
"preemptionPolicy":"Never","handler":"h","overhead":{"podFixed":{"cpu":"1","memory":null}}}}"#;

/// [`ANYTHING`] as a kind's apiserver would send it: jobs have a number where cron jobs have an array.
fn line_of(kind: &Kind) -> String {
    let active = if kind.name == "jobs" { r#""active":1"# } else { r#""active":[]"# };
    ANYTHING.replace(r#""active":[]"#, active)
}

fn pods() -> &'static Kind {
    by_name("pods").unwrap()
}

fn decode(line: &str) -> Result<Change, DecodeError> {
    (pods().decode_line)(line.as_bytes())
}

fn status(fields: &str) -> String {
    format!(
        r#"{{"kind":"Status","status":"Failure","message":"too old","reason":"Expired",{fields}"code":410}}"#
    )
}

fn expired() -> StatusError {
    StatusError { code: 410, reason: "Expired".into(), message: "too old".into(), retry_after_seconds: None }
}

#[test]
fn every_kind_decodes_what_any_kind_has() {
    for kind in all() {
        let Ok(Change::Put(object)) = (kind.decode_line)(line_of(kind).as_bytes()) else {
            panic!("{kind:?}")
        };
        assert_eq!((&*object.name, object.rv), ("a", Rv(7)), "{kind:?}");
        assert_eq!(&*object.namespace, if kind.namespaced { "n" } else { "" }, "{kind:?}");
        serde_json::from_slice::<serde_json::Value>(&object.row.json).unwrap();
    }
}

#[test]
fn the_type_says_what_became_of_an_object() {
    let object = r#""object":{"metadata":{"name":"a","namespace":"n","resourceVersion":"7"}}}"#;
    assert!(matches!(decode(&format!(r#"{{"type":"ADDED",{object}"#)), Ok(Change::Put(_))));
    assert!(matches!(decode(&format!(r#"{{"type":"MODIFIED",{object}"#)), Ok(Change::Put(_))));
    assert!(matches!(decode(&format!(r#"{{"type":"DELETED",{object}"#)), Ok(Change::Deleted(_))));
    for unknown in ["added", "", "ADDED ", "PATCHED"] {
        assert!(
            matches!(decode(&format!(r#"{{"type":"{unknown}",{object}"#)), Err(DecodeError::Type)),
            "{unknown}"
        );
    }
    assert!(matches!(decode(&format!("{{{object}")), Err(DecodeError::Type)));
    for broken in ["", "{}x", "[]", r#"{"type":"ADDED"}"#, r#"{"type":"ADDED","object":null}"#] {
        assert!(matches!(decode(broken), Err(DecodeError::Json { .. })), "{broken}");
    }
}

#[test]
fn errors_are_understood_in_any_order_of_keys() {
    let status = status("");
    let lines = [
        format!(r#"{{"type":"ERROR","object":{status}}}"#),
        format!(r#"{{"object":{status},"type":"ERROR"}}"#),
        format!(r#" {{ "type" : "ERROR", "object" : {status} }}"#),
        format!(r#"{{"type":"\u0045RROR","object":{status}}}"#),
    ];
    for line in lines {
        assert_eq!(decode(&line).unwrap(), Change::Error(expired()), "{line}");
    }
    assert_eq!(decode(r#"{"type":"ERROR","object":null}"#).unwrap(), Change::Error(StatusError::default()));
}

#[test]
fn bookmarks_hold_nothing_but_their_version() {
    let bookmark = |metadata: &str| {
        decode(&format!(
            r#"{{"type":"BOOKMARK","object":{{"metadata":{{{metadata}}},"spec":{{"containers":null}},"status":null}}}}"#
        ))
    };
    let end = |value: &str| bookmark(&format!(r#""resourceVersion":"9","annotations":{value}"#)).unwrap();
    let at_9 = |initial_events_end| Change::Bookmark { rv: Rv(9), initial_events_end };
    assert_eq!(end(r#"{"k8s.io/initial-events-end":"true"}"#), at_9(true));
    assert_eq!(end(r#"{"k8s.io/initial-events-end":"false"}"#), at_9(false));
    assert_eq!(end("null"), at_9(false));
    assert!(matches!(bookmark(r#""resourceVersion":"""#), Err(DecodeError::Version)));
}

#[test]
fn versions_have_to_be_numbers() {
    for rv in [
        r#""resourceVersion":"abc""#,
        r#""resourceVersion":"""#,
        r#""resourceVersion":null"#,
        r#""name":"a""#,
    ] {
        let line = format!(r#"{{"type":"ADDED","object":{{"metadata":{{{rv}}}}}}}"#);
        assert!(matches!(decode(&line), Err(DecodeError::Version)), "{rv}");
        let page = format!(r#"{{"metadata":{{{rv}}},"items":[]}}"#);
        assert!(matches!((pods().decode_page)(page.as_bytes()), Err(DecodeError::Version)), "{rv}");
    }
}

#[test]
fn what_is_wrong_is_told_by_its_place_alone() {
    let error = decode("{\"type\":\"ADDED\",\n\"object\":{\"spec\":\"secret\"}}").unwrap_err();
    assert_eq!(error.to_string(), "not the JSON that was expected, at line 2 column 25");
    for line in [
        r#"{"type":"secret","object":{}}"#,
        r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"secret"}}}"#,
    ] {
        assert!(!decode(line).unwrap_err().to_string().contains("secret"));
    }
}

#[test]
fn pages_hold_their_objects_in_order() {
    let page = |body: &str| (pods().decode_page)(body.as_bytes()).unwrap();
    let both = page(
        r#"{"kind":"PodList","metadata":{"resourceVersion":"9","continue":"token","remainingItemCount":3},"items":[
        {"metadata":{"name":"b","namespace":"n","resourceVersion":"3"}},{"metadata":{"name":"a","resourceVersion":"4"}}]}"#,
    );
    let names: Vec<_> = both.items.iter().map(|item| (&*item.namespace, &*item.name, item.rv)).collect();
    assert_eq!(names, [("n", "b", Rv(3)), ("", "a", Rv(4))]);
    assert_eq!((both.rv, both.next.as_deref()), (Rv(9), Some("token")));

    let empty = Page { rv: Rv(9), next: None, items: Vec::new() };
    assert_eq!(page(r#"{"metadata":{"resourceVersion":"9","continue":""},"items":null}"#), empty);
    assert_eq!(page(r#"{"metadata":{"resourceVersion":"9","continue":null}}"#), empty);
}

#[test]
fn a_status_keeps_its_code_and_what_to_wait() {
    assert_eq!(StatusError::from_body(500, status("").as_bytes()), expired());
    let waiting = StatusError::from_body(500, status(r#""details":{"retryAfterSeconds":3},"#).as_bytes());
    assert_eq!(waiting.retry_after_seconds, Some(3));
    let negative = StatusError::from_body(500, status(r#""details":{"retryAfterSeconds":-3},"#).as_bytes());
    assert_eq!(negative.retry_after_seconds, None);
    let nameless = StatusError::from_body(429, br#"{"kind":"Status","details":null,"code":null}"#);
    assert_eq!(nameless, StatusError { code: 429, ..StatusError::default() });
    assert_eq!(StatusError::from_body(503, br#"{"kind":"Status","code":-1}"#).code, 503);
}

#[test]
fn a_body_that_is_no_status_is_the_message() {
    for body in ["Too many requests", "{}", r#"{"kind":"Pod"}"#, ""] {
        let expected = StatusError { code: 429, message: body.into(), ..StatusError::default() };
        assert_eq!(StatusError::from_body(429, body.as_bytes()), expected);
    }
    assert_eq!(StatusError::from_body(500, b"\xFFx").message, "\u{FFFD}x");
}

#[test]
fn texts_for_people_are_cut() {
    let long = "é".repeat(4000);
    assert_eq!(StatusError::from_body(500, long.as_bytes()).message, "é".repeat(512));
    let odd = format!("x{long}");
    assert_eq!(StatusError::from_body(500, odd.as_bytes()).message, format!("x{}", "é".repeat(511)));
    let line = format!(r#"{{"type":"ERROR","object":{{"message":"{long}","reason":"{long}"}}}}"#);
    let Ok(Change::Error(error)) = decode(&line) else { panic!("no error") };
    assert_eq!((error.message.len(), error.reason.len()), (1024, 1024));
}

#[test]
fn nesting_costs_no_stack() {
    let deep = 1_000_000;
    let line = format!(
        r#"{{"type":"ADDED","object":{{"metadata":{{"resourceVersion":"1","managedFields":{}{}}}}}}}"#,
        "[".repeat(deep),
        "]".repeat(deep)
    );
    assert!(matches!(decode(&line), Ok(Change::Put(_))));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let keys = ANYTHING.split('"').skip(1).step_by(2).filter(|key| !key.is_empty()).collect::<Vec<_>>();
    let text = prop_oneof![
        any::<String>(),
        proptest::sample::select(vec!["True", "2026-05-01T12:00:00.5+02:00", "16Gi", "1e9999", "7"])
            .prop_map(String::from)
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(proptest::sample::select(keys.clone()), inner, 0..8)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn decode_with_every_kind(line: &[u8]) {
    for kind in all() {
        if let Ok(Change::Put(object) | Change::Deleted(object)) = (kind.decode_line)(line) {
            serde_json::from_slice::<serde_json::Value>(&object.row.json).unwrap();
        }
        let _ = (kind.decode_page)(line);
    }
    let _ = StatusError::from_body(500, line);
}

proptest! {
    #[test]
    fn damaged_bytes_do_no_harm(edits in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_usize), 1..6)) {
        let mut line = ANYTHING.as_bytes().to_vec();
        for (place, byte, edit) in edits {
            let at = place.index(line.len());
            match edit {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                _ => { line.remove(at); }
            }
        }
        decode_with_every_kind(&line);
    }

    #[test]
    fn a_cut_line_is_refused(end in 1..ANYTHING.len()) {
        for kind in all() {
            prop_assert!((kind.decode_line)(&ANYTHING.as_bytes()[..end]).is_err());
        }
    }

    #[test]
    fn values_of_any_type_do_no_harm(key in proptest::sample::select(vec!["spec", "status", "metadata", "ports", "endpoints"]), value in any_json()) {
        let mut object = serde_json::json!({ "metadata": { "name": "a", "resourceVersion": "7" } });
        object[key] = value;
        let line = serde_json::json!({ "type": "ADDED", "object": object.clone() });
        decode_with_every_kind(line.to_string().as_bytes());
        let page = serde_json::json!({ "metadata": { "resourceVersion": "9" }, "items": [object, null] });
        decode_with_every_kind(page.to_string().as_bytes());
    }
}
