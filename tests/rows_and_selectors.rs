//! Full rows and label selectors: what they show, what they cost the apiserver, and how many there may be.

mod fresh;
mod house;
mod tab;

use std::time::Duration;

use foretop::sim::{Command, Fault};
use house::{EAST, House, config, eventually, list, pod};
use jiff::Timestamp;
use serde_json::{Value, json};
use tab::state::State;
use tab::{Answer, Open, Tab, get};

/// A pod with this label `app`.
fn labelled(name: &str, app: &str) -> Value {
    let mut pod = pod("shop", name, "Running");
    pod["metadata"]["labels"] = json!({ "app": app });
    pod
}

async fn listed(house: &House, query: &str) -> Answer {
    let answer = get(house.address(), &format!("{}?{query}", list("pods")), &[]).await;
    assert_eq!(answer.head.status, 200, "{query}: {}", answer.text());
    answer
}

async fn open(house: &House, query: &str) -> Tab {
    let mut tab = Tab::open(Open::watch(house.address(), EAST, "pods", None).query(query)).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    tab
}

/// How many feeds there are.
async fn feeds(house: &House) -> usize {
    let lines = get(house.address(), "/debug/feeds", &[]).await.json();
    lines.as_array().expect("a line per feed").len()
}

fn names(state: &State) -> Vec<String> {
    let mut names: Vec<_> =
        state.rows.items().map(|row| row["name"].as_str().expect("a name").to_owned()).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_selectors_and_tabs_cost_the_apiserver_nothing_more() {
    let house = House::small().await;
    listed(&house, "rows=full").await;
    let with_one = house.east().counters();
    assert_eq!(with_one.of("watch", "pods") + with_one.of("list", "pods"), 1, "{with_one:?}");
    let mut tabs = Vec::new();
    let selectors = ["app", "!app", "app%3Dweb", "app+in+(web,db)", "app%21%3Dweb"];
    for number in 0..50 {
        let query = match number % 10 {
            0 => "rows=plain".to_owned(),
            1 => "rows=full".to_owned(),
            _ => format!("rows={}&labelSelector={}", ["full", "plain"][number % 2], selectors[number % 5]),
        };
        tabs.push(open(&house, &query).await.follow());
    }
    house.east().put("pods", labelled("marker", "web")).expect("a pod");
    for (number, tab) in tabs.iter_mut().enumerate() {
        let shows = !matches!((number % 10, number % 5), (2.., 1 | 4));
        if shows {
            tab.until("the last write", |state| state.rows.named("marker").is_some()).await;
        }
    }
    let with_all = house.east().counters();
    assert_eq!(with_all.requests, with_one.requests, "nobody asked for anything more");
    assert_eq!((with_all.open("pods"), with_all.watches_opened), (1, with_one.watches_opened));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_joins_plain_rows_shares_one_list_and_the_others_hear_nothing_of_it() {
    let house = House::small().await;
    let mut plain = open(&house, "rows=plain").await;
    let before = house.east().counters();
    // The list that the first of them asks for is there when all have come.
    house.east().faults().add(Fault::Stall.on("pods"));
    let all_have_come = async {
        eventually("four feeds", async || feeds(&house).await == 4).await;
        house.east().heal();
    };
    let (full, web, none, ()) = tokio::join!(
        open(&house, "rows=full"),
        open(&house, "labelSelector=app"),
        open(&house, "labelSelector=!app"),
        all_have_come,
    );
    let after = house.east().counters();
    let asked = after.of("watch", "pods") + after.of("list", "pods");
    assert_eq!(asked, before.of("watch", "pods") + before.of("list", "pods") + 1, "{after:?}");
    assert_eq!(full.state.rows.len(), plain.state.rows.len());
    assert_eq!(web.state.rows.len() + none.state.rows.len(), full.state.rows.len());
    let marker = fresh::mark(house.east(), "pods", "marker");
    assert!(marker.contains("marker"));
    plain.until("the next write", |state| state.rows.named("marker").is_some()).await;
    assert_eq!((plain.state.deltas(), plain.state.relists.len()), (1, 0), "the list was no news");
    let line = fresh::feed(house.address(), EAST, "pods").await;
    assert_eq!((line["shows"].as_str(), line["diffed"].as_u64()), (Some("plain"), Some(0)), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_fails_where_a_feed_asks_for_one_costs_the_others_nothing() {
    let house = House::small().await;
    let mut plain = open(&house, "rows=plain").await;
    house.east().faults().add(Fault::Internal.on("pods").times(2));
    let full = tokio::spawn({
        let address = house.address();
        async move {
            let mut tab = Tab::open(Open::watch(address, EAST, "pods", None).query("rows=full")).await;
            tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
            tab
        }
    });
    fresh::mark(house.east(), "pods", "marker");
    plain.until("the watch goes on", |state| state.rows.named("marker").is_some()).await;
    let full = full.await.expect("it gets its rows");
    assert!(full.state.rows.named("marker").is_some());
    assert_eq!((plain.state.count("snapshot"), plain.state.relists.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_that_flips_moves_the_row_between_selectors_and_is_no_news_to_plain_rows() {
    let house = House::with(&config(), 0).await;
    let east = house.east();
    for (name, app) in [("one", "web"), ("two", "db")] {
        east.put("pods", labelled(name, app)).expect("a pod");
    }
    let mut full = open(&house, "rows=full").await;
    let mut plain = open(&house, "rows=plain").await;
    let mut web = open(&house, "labelSelector=app%3Dweb").await;
    let mut database = open(&house, "labelSelector=app+in+(db)&rows=full").await;
    assert_eq!((names(&web.state), names(&database.state)), (vec!["one".into()], vec!["two".into()]));

    east.patch("pods", "shop", "one", &json!({"metadata": {"labels": {"app": "db"}}})).expect("a pod");
    web.until("the row leaves", |state| state.rows.is_empty()).await;
    database.until("the row comes", |state| state.rows.len() == 2).await;
    full.until("another label", |state| {
        state.rows.named("one").is_some_and(|row| row["labels"] == json!({"app": "db"}))
    })
    .await;
    assert_eq!((web.state.count("deleted"), database.state.count("added")), (1, 1));
    let row = database.state.rows.named("one").expect("it came");
    assert_eq!((&row["labels"]["app"], &row["owner"]), (&json!("db"), &Value::Null));
    assert!(row["uid"].as_str().is_some_and(|uid| !uid.is_empty()), "{row}");

    let marker = labelled("marker", "web");
    east.put("pods", marker).expect("a pod");
    plain.until("the next write", |state| state.rows.named("marker").is_some()).await;
    assert_eq!(plain.state.deltas(), 1, "plain rows show no labels");
    assert!(plain.state.rows.named("one").is_some_and(|row| row.get("uid").is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_full_rows_has_a_body_and_an_etag_of_its_own() {
    let house = House::with(&config(), 0).await;
    let east = house.east();
    let mut owned = labelled("one", "web");
    owned["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "v1", "kind": "Thing", "name": "other", "uid": "0"},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "7", "controller": true},
    ]);
    east.put("pods", owned).expect("a pod");
    let (full, plain) = (listed(&house, "rows=full").await, listed(&house, "").await);
    let row = full.json()["pods"][0].clone();
    assert_eq!(row["owner"], json!({"kind": "ReplicaSet", "name": "web", "uid": "7"}));
    assert_eq!(row["labels"], json!({"app": "web"}));
    let text = plain.text();
    let own = text
        .trim_end()
        .strip_prefix(r#"{"pods":["#)
        .and_then(|text| text.strip_suffix("}]}"))
        .expect("a row");
    assert!(full.text().contains(&format!("{own},\"uid\":\"")), "{} behind {own}", full.text());

    let etag = |answer: &Answer| answer.head.header("etag").expect("an ETag").to_owned();
    let (full_etag, plain_etag) = (etag(&full), etag(&plain));
    assert_ne!(full_etag, plain_etag);
    let again = |query: &str, etag: String| {
        let (address, path) = (house.address(), format!("{}?{query}", list("pods")));
        async move { get(address, &path, &[("If-None-Match", &etag)]).await.head }
    };
    let unchanged = again("rows=full", full_etag.clone()).await;
    assert_eq!(unchanged.status, 304);
    assert!(unchanged.header("foretop-as-of").is_some() && unchanged.header("foretop-age-ms").is_some());
    east.patch("pods", "shop", "one", &json!({"metadata": {"labels": {"app": "db"}}})).expect("a pod");
    eventually("the label is shown", async || again("rows=full", full_etag.clone()).await.status == 200)
        .await;
    assert_eq!(again("", plain_etag).await.status, 304, "plain rows show no labels");
    assert_eq!(listed(&house, "labelSelector=app%3Dweb").await.json(), json!({"pods": []}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_asks_for_no_rows_is_told_what_is_wrong_with_it() {
    let house = House::small().await;
    for (query, code, words) in [
        ("rows=all", "bad_rows", "rows is plain or full"),
        (
            "labelSelector=app+in+web",
            "bad_selector",
            "labelSelector: at byte 8: an opening parenthesis belongs here",
        ),
        (
            "labelSelector=a%3D%22%3Cscript%3E",
            "bad_selector",
            "labelSelector: at byte 3: no label has such a value",
        ),
    ] {
        for path in [list("pods"), house::watch("pods")] {
            let answer = get(house.address(), &format!("{path}?{query}"), &[]).await;
            let error = &answer.json()["error"];
            assert_eq!((answer.head.status, error["code"].as_str()), (400, Some(code)), "{query}: {error}");
            assert!(error["message"].as_str().is_some_and(|said| said.starts_with(words)), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selector_too_many_is_refused_until_another_is_out_of_use() {
    let mut settings = config();
    settings.feeds.selectors_per_kind = 2;
    let house = House::small_with(&settings).await;
    let one = open(&house, "labelSelector=app%3Da").await;
    let _other = open(&house, "labelSelector=app%3Db").await;
    let _same = open(&house, "labelSelector=app+in+(b)&rows=full").await;
    let third =
        || async { get(house.address(), &format!("{}?labelSelector=app%3Dc", list("pods")), &[]).await };
    let refused = third().await;
    assert_eq!(
        (refused.head.status, refused.json()["error"]["code"].as_str()),
        (429, Some("too_many_selectors"))
    );
    let mut told =
        Tab::open(Open::watch(house.address(), EAST, "pods", None).query("labelSelector=app%3Dc")).await;
    told.until_end().await;
    let last = told.state.last.as_ref().map(|event| format!("{event:?}")).unwrap_or_default();
    assert!(last.contains("too_many_selectors"), "{last}");
    let services = get(house.address(), &format!("{}?labelSelector=app%3Dc", list("services")), &[]).await;
    assert_eq!(services.head.status, 200, "each kind has selectors of its own");
    drop(one);
    eventually("its place is free", async || third().await.head.status == 200).await;
}

/// A list's `Foretop-As-Of`.
async fn as_of(house: &House) -> Timestamp {
    let answer = listed(house, "rows=full").await;
    let told = answer.head.header("foretop-as-of").expect("as of when").to_owned();
    told.parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_list_is_as_of_the_last_answered_ping_and_no_later() {
    let mut settings = config();
    settings.upstream.ping = Duration::from_millis(100);
    settings.upstream.ping_timeout = Duration::from_millis(500);
    let house = House::small_with(&settings).await;
    let first = as_of(&house).await;
    assert!(first <= Timestamp::now());
    eventually("pings are answered", async || as_of(&house).await > first).await;
    house.east().command(Command::EndWatches { resource: None });
    let ended = as_of(&house).await;
    eventually("the next watch is heard of", async || as_of(&house).await > ended).await;
    house.east().stop().await;
    let stopped = Timestamp::now();
    eventually("it is noticed", async || {
        fresh::feed(house.address(), EAST, "pods").await["state"] == "failed"
    })
    .await;
    let last = as_of(&house).await;
    assert!(last <= stopped, "{last} is after the apiserver was gone, at {stopped}");
}
