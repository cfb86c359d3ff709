//! The recorder: LIST and WATCH bodies of every kind, byte for byte as a real apiserver sends them.
//!
//! Runs through `tests/apiserver/record.sh`, which names where the bodies go; without that it passes and does nothing.
//! Per kind: `KIND.before.json`, a LIST; `KIND.watch.jsonl`, a watch from that LIST's version to its time-out, in which
//! objects come, change visibly and invisibly, and go; `KIND.after.json`, the LIST then. And beside them the answers
//! that a reflector must know: a WatchList, and two watches from a version that is gone.

mod real;

use std::path::{Path, PathBuf};

use foretop::kind::{self, Kind};
use http_body_util::BodyExt;
use real::Real;
use real::object::{Thing, collection};
use real::patch::{invisible, visible};

/// Where the bodies go.
const INTO: &str = "FORETOP_E2E_RECORDINGS";

/// Long enough for all the writes below; the apiserver's bookmark comes two seconds before it.
const WATCH_SECONDS: u32 = 12;

const NAMESPACE: &str = "shop";

#[tokio::test(flavor = "multi_thread")]
async fn record() {
    let Some(into) = std::env::var_os(INTO).map(PathBuf::from) else {
        println!("skipped: set {INTO} (tests/apiserver/record.sh)");
        return;
    };
    let Some(mut real) = Real::from_env().await else { return };
    real.create(&Thing::new("namespaces", "", NAMESPACE), 0).await;
    for kind in kind::all() {
        real.create(&thing(kind, "first"), 0).await;
        real.create(&thing(kind, "second"), 1).await;
    }

    let mut watches = Vec::new();
    for kind in kind::all() {
        let body = real.call("GET", &collection(kind, None), None).await;
        let rv = (kind.decode_page)(body.as_bytes()).unwrap().rv;
        save(&into, &format!("{}.before.json", kind.name), body.as_bytes());
        let query = format!("allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={rv}");
        watches.push((kind, tokio::spawn(watch(real.raw(), kind, query))));
    }
    for kind in kind::all() {
        change(&real, kind).await;
    }
    for (kind, watch) in watches {
        save(&into, &format!("{}.watch.jsonl", kind.name), &watch.await.unwrap());
        let body = real.call("GET", &collection(kind, None), None).await;
        save(&into, &format!("{}.after.json", kind.name), body.as_bytes());
    }

    for name in ["services", "events"] {
        let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true\
            &timeoutSeconds=3";
        let body = watch(real.raw(), kind::by_name(name).unwrap(), query.into()).await;
        save(&into, &format!("{name}.watchlist.jsonl"), &body);
    }
    real.control("compact").await;
    real.control("kill").await;
    real.start().await;
    for name in ["pods", "events"] {
        let body = watch(real.raw(), kind::by_name(name).unwrap(), "resourceVersion=1".into()).await;
        save(&into, &format!("{name}.watch-410.jsonl"), &body);
    }
}

/// What etcd 3.4 makes of a WatchList.
#[tokio::test]
async fn record_refusal() {
    let Some(into) = std::env::var_os("FORETOP_E2E_REFUSAL").map(PathBuf::from) else { return };
    let Some(real) = Real::from_env().await else { return };
    let query =
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=3";
    let body = watch(real.raw(), kind::by_name("pods").unwrap(), query.into()).await;
    save(&into, "pods.watchlist-refused.jsonl", &body);
}

fn thing(kind: &Kind, name: &str) -> Thing {
    Thing::new(kind.name, NAMESPACE, format!("{}-{name}", kind.name))
}

/// What a watch shall show: an object that comes and goes, one that changes, and one that only seems to.
async fn change(real: &Real, kind: &Kind) {
    let third = thing(kind, "third");
    real.create(&third, 2).await;
    real.patch(&thing(kind, "first"), &invisible(&thing(kind, "first"), 5)).await;
    if let Some(patch) = visible(&thing(kind, "first"), 3) {
        real.patch(&thing(kind, "first"), &patch).await;
    }
    real.delete(&third).await;
    real.delete(&thing(kind, "second")).await;
}

async fn watch(client: kube::Client, kind: &'static Kind, query: String) -> Vec<u8> {
    let uri = format!("{}?watch=true&{query}", collection(kind, None));
    let request = http::Request::get(uri).header("accept", "application/json");
    let answer = client.send(request.body(kube::client::Body::empty()).unwrap()).await.unwrap();
    answer.into_body().collect().await.unwrap().to_bytes().to_vec()
}

fn save(into: &Path, name: &str, body: &[u8]) {
    std::fs::create_dir_all(into).unwrap();
    std::fs::write(into.join(name), body).unwrap();
}
