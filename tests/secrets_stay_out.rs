//! Secrets stay out: what is planted in objects, credentials and requests reaches no log, figure, error, record, frame or debug page.

mod house;
mod tab;

use std::time::Duration;

use foretop::sim::{Cluster, Fault};
use house::process::Process;
use house::wire::{Stream, Wire, get};
use house::{EAST, cluster, list, pod, watch};
use serde_json::json;

/// What must be found nowhere.
const PLANTED: &str = "planted-secret";

/// What rows show, and nothing else may.
const SHOWN: &str = "shown-in-rows-alone";

const SETTINGS: &str = "auth: {mode: header, header: {trustedPeers: [127.0.0.1]}}\n\
    authorization: {mode: shared}\n\
    access: {adminGroups: [operators]}\n\
    server: {listen: \"127.0.0.1:0\", cores: 2}\n\
    manage: {listen: \"127.0.0.1:0\"}\n\
    audit: {stdout: true, file: audit.jsonl}\n\
    drain: {lame: 0s, window: 0s}\n\
    log: {level: trace}\n\
    clustersFile: clusters.yaml\n";

const CLUSTERS: &str = "clusters:\n\
    - {name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}\n\
    - {name: away, backend: kubeconfig, kubeconfigPath: away}\n";

const AWAY: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "away",
    "clusters": [{"name": "away", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "away", "user": {"token": "planted-secret-token"}}],
    "contexts": [{"name": "away", "context": {"cluster": "away", "user": "away"}}]}"#;

const ANN: &str = "X-Forwarded-User: ann\r\nX-Forwarded-Groups: operators\r\n";

/// Headers in which browsers and scripts send what is nobody's business.
const CARELESS: [&str; 6] = [
    "Cookie: session=planted-secret; __Host-foretop-0=planted-secret\r\n",
    "Authorization: Bearer planted-secret.planted-secret.planted-secret\r\n",
    "Authorization: Basic planted-secret\r\n",
    "X-Request-Id: planted-secret with a blank\r\n",
    "Last-Event-ID: planted-secret\r\nIf-None-Match: \"planted-secret\"\r\n",
    "User-Agent: planted-secret\r\nReferer: http://localhost/?code=planted-secret\r\nSet-Cookie: planted-secret\r\n",
];

/// Writes objects that hold secrets where people leave them.
fn plant(east: &Cluster) {
    let mut tainted = pod("team-a", "tainted", "Running");
    tainted["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/last-applied-configuration": format!(r#"{{"password":"{PLANTED}"}}"#),
        PLANTED: PLANTED,
    });
    tainted["metadata"]["managedFields"] = json!([{"manager": PLANTED}]);
    tainted["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD", "value": PLANTED}]);
    tainted["spec"]["containers"][0]["args"] = json!([format!("--password={PLANTED}")]);
    tainted["data"] = json!({"password": PLANTED});
    tainted["stringData"] = json!({"password": PLANTED});
    east.put("pods", tainted).unwrap();
    let event = json!({
        "metadata": {"name": "e", "namespace": "team-a", "annotations": {"secret": PLANTED}},
        "involvedObject": {"kind": "Pod", "name": "tainted", "namespace": "team-a"}, "reason": "Failed", "type": "Warning",
        "message": format!("{SHOWN}: it could not log in"), "lastTimestamp": "2026-05-01T12:00:00Z",
    });
    east.put("events", event).unwrap();
}

/// All that the server answers to this, to the end of the connection.
async fn everything(process: &Process, request: String) -> String {
    let request = request.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    Wire::with(process.address, request).await.rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_planted_is_found_nowhere() {
    let east = Cluster::start(cluster(EAST, 5)).await.unwrap();
    east.set_token(Some(format!("{PLANTED}-token")));
    plant(&east);
    let kubeconfig = Cluster::kubeconfig(&[&east]);
    assert!(kubeconfig.contains(PLANTED), "the token is in use");
    let files = [
        ("foretop.yaml", SETTINGS),
        ("clusters.yaml", CLUSTERS),
        ("kubeconfig", &kubeconfig),
        ("away", AWAY),
    ];
    let process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    let mut frames = String::new();
    let mut answers = String::new();

    let query = "?token=planted-secret&access_token=planted-secret";
    let mut pods = Stream::open(process.address, &format!("{}{query}", watch("pods")), ANN).await;
    pods.events(1).await;
    let mut events = Stream::open(process.address, &watch("events"), ANN).await;
    events.events(1).await;
    let mut away = Stream::open(process.address, &format!("/api/clusters/away/pods/watch{query}"), ANN).await;

    // Objects that cannot be read, each where something else is expected.
    for kind in ["pods", "nodes", "services"] {
        let all = format!("{}{query}", list(kind));
        frames += &everything(&process, get(&all, ANN)).await;
    }
    let (namespace, name) = east.names("services").unwrap().swap_remove(0);
    let bad =
        json!({"spec": {"ports": [{"port": PLANTED}], "type": {"planted-secret": PLANTED}, "clusterIP": 7}});
    east.patch("services", &namespace, &name, &bad).unwrap();
    east.faults().add(Fault::WatchGone.on("services"));
    east.faults().add(Fault::Unauthorized.on("nodes"));
    frames += &everything(&process, get(&list("services"), ANN)).await;
    east.faults().add(Fault::Garbage.on("pods"));
    east.patch("pods", "team-a", "tainted", &json!({"status": {"phase": "Failed"}})).unwrap();
    pods.until("the tainted pod's change", |_| true).await;
    pods.events(2).await;

    for path in [
        list("pods"),
        watch("nodes"),
        "/api/clusters".into(),
        "/api/features".into(),
        "/api/auth/whoami".into(),
    ] {
        for careless in CARELESS {
            for who in [ANN, ""] {
                let path = format!("{path}{query}");
                let request = get(&path, &format!("{who}{careless}"));
                let status = everything(&process, request.replace("/watch?", "/nowhere?")).await;
                answers += &status;
            }
        }
    }
    // Overviews count, and name pods in trouble. Who may read an object is shown what it holds, by the very request, and nowhere else.
    for path in ["/api/fleet", "/api/clusters/east/dashboard", "/api/clusters/east/search?q=tainted"] {
        frames += &everything(&process, get(path, ANN)).await;
    }
    let tainted = "/api/clusters/east/pods/team-a/tainted";
    let mut objects = String::new();
    for facet in ["", "/yaml", "/events"] {
        objects += &everything(&process, get(&format!("{tainted}{facet}{query}"), ANN)).await;
    }
    assert!(objects.contains("name: PASSWORD") && objects.contains(SHOWN), "{objects}");
    for hidden in ["last-applied", "managedFields"] {
        found_not("an object", &objects, hidden);
    }
    let body = r#"{"checks": "planted-secret", "#;
    let lines = format!("{ANN}Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    for path in ["/api/clusters/east/can-i", "/api/auth/whoami", "/api/clusters/east/pods", "/planted"] {
        let post = get(&format!("{path}{query}"), &lines).replacen("GET", "POST", 1);
        answers += &everything(&process, post + body).await;
    }
    for path in [
        "/debug/streams",
        "/debug/feeds",
        "/debug/limits",
        "/metrics",
        "/readyz",
        "/debug/threads",
        "/debug/memory",
    ] {
        let headers = [("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", "operators")];
        for address in [process.address, process.managed] {
            answers += &tab::get(address, &format!("{path}{query}"), &headers).await.text();
        }
    }
    assert!(
        answers.contains("foretop_streams") && answers.contains("\"actor\":\"ann\""),
        "the pages were read"
    );
    tokio::time::timeout(Duration::from_secs(30), away.until_end()).await.ok();
    for stream in [&pods, &events, &away] {
        frames += &stream.text;
    }
    assert!(frames.contains(SHOWN) && frames.contains("tainted"), "rows were shown");

    let audit = process.read("audit.jsonl");
    assert!(audit.contains("stream.opened") && audit.contains("\"admin\""), "{audit}");
    drop((pods, events, away));
    let log = process.terminate();
    assert!(log.contains("TRACE") && log.contains("stream.closed"), "the log was read");
    for (what, text) in
        [("a frame", &frames), ("an answer", &answers), ("the audit", &audit), ("the log", &log)]
    {
        found_not(what, text, PLANTED);
    }
    for (what, text) in [("an answer", &answers), ("the audit", &audit), ("the log", &log)] {
        found_not(what, text, SHOWN);
    }
}

#[track_caller]
fn found_not(what: &str, text: &str, secret: &str) {
    if let Some(line) = text.lines().find(|line| line.contains(secret)) {
        panic!("{what} tells {secret:?}: {line}");
    }
}

/// No kind has a name for where Secrets and `ConfigMaps` keep their data, or for what objects were applied from.
#[test]
fn no_kind_decodes_what_may_be_secret() {
    let mut files = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kind")];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        read += 1;
        for word in [
            "stringData",
            "string_data",
            "binaryData",
            "binary_data",
            "last-applied",
            "\"data\"",
            "plural: \"configmaps\"",
            "plural: \"secrets\"",
        ] {
            assert!(!text.contains(word), "{} in {}", word, path.display());
        }
    }
    assert!(read > 25, "{read} files");
    for kind in foretop::kind::all() {
        assert!(!matches!(kind.api.plural, "secrets" | "configmaps"), "{}", kind.name);
    }
}
