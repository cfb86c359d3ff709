//! What a user sees is what the cluster says they may list and watch: asked once for all their tabs, again on a clock, and at once
//! where something was touched.

mod house;
mod tab;

use std::time::{Duration, Instant};

use foretop::access::{Subject, Touched};
use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::sim::{AccessRule as Rule, AccessTable as Table, Cluster, Fault};
use house::{EAST, House, cluster, config, eventually, pod};
use serde_json::json;
use tab::{Answer, Following, Open, Tab};

/// Users by header, their groups as they are, and a clock that does not try a test's patience.
fn settings() -> Config {
    let mut config = config();
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    config.authorization.mode = AuthorizationMode::Raw;
    config.streams.per_user = 0;
    config.access.review_every = Duration::from_millis(800);
    config.access.allowed_life = Duration::from_millis(400);
    config.access.denied_life = Duration::from_millis(200);
    config.access.silence = Duration::from_secs(1);
    config.feeds.away_after = Duration::from_secs(1);
    config.upstream.max_backoff = Duration::from_millis(500);
    config
}

/// A clock that does not come round within a test.
fn slow_clock() -> Config {
    let mut config = settings();
    config.access.review_every = Duration::from_secs(600);
    config.access.allowed_life = Duration::from_secs(300);
    config
}

fn user(name: &str, namespace: &str) -> Rule {
    Rule { user: Some(name.into()), namespace: Some(namespace.into()), allow: true, ..Rule::default() }
}

fn allow(rules: Vec<Rule>) -> Table {
    Table { default: false, rules }
}

/// A cluster with namespaces team-a, team-b and team-c, a pod in each, and ann in team-a, bob in team-b.
async fn teams(config: &Config) -> House {
    let house = House::start(config, vec![cluster(EAST, 0)]).await;
    let east = house.east();
    for team in ["team-a", "team-b", "team-c"] {
        add_namespace(east, team);
    }
    east.set_access(allow(vec![user("ann", "team-a"), user("bob", "team-b")]));
    house
}

fn add_namespace(cluster: &Cluster, name: &str) {
    let namespace = json!({"metadata": {"name": name}, "status": {"phase": "Active"}});
    cluster.put("namespaces", namespace).expect("a namespace");
    cluster.put("pods", pod(name, &format!("{name}-pod"), "Running")).expect("a pod");
}

async fn list(house: &House, who: &str, query: &str) -> Answer {
    let path = format!("{}{query}", house::list("pods"));
    tab::get(house.address(), &path, &[("X-Forwarded-User", who), ("Accept", "application/json")]).await
}

fn open(house: &House, who: &str, namespace: Option<&str>) -> Open {
    Open::watch(house.address(), EAST, "pods", namespace).header("X-Forwarded-User", who)
}

/// A tab that has its snapshot.
async fn opened(house: &House, who: &str, namespace: Option<&str>) -> Following {
    let mut tab = Tab::open(open(house, who, namespace)).await.follow();
    tab.until("its snapshot", |state| state.count("snapshot") == 1).await;
    tab
}

async fn has_ended(tab: &mut Following, what: &str) {
    assert!(tab.reach(|state| state.end.is_some()).await, "{what}: {:?}", tab.state());
}

fn names(answer: &Answer) -> Vec<String> {
    let items = answer.json()["pods"].as_array().expect("pods").clone();
    items.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_their_own_and_denied_is_not_empty_and_not_gone() {
    let house = teams(&settings()).await;
    let mine = list(&house, "ann", "?namespace=team-a").await;
    assert_eq!((mine.head.status, names(&mine)), (200, vec!["team-a-pod".to_owned()]));
    let theirs = list(&house, "ann", "?namespace=team-b").await;
    assert_eq!((theirs.head.status, theirs.json()["error"]["code"].as_str()), (403, Some("denied")));
    assert_eq!(names(&list(&house, "bob", "?namespace=team-b").await), ["team-b-pod"]);
    house.east().delete("pods", "team-a", "team-a-pod").expect("it is there");
    eventually("an empty list", async || names(&list(&house, "ann", "?namespace=team-a").await).is_empty())
        .await;
    let gone = tab::get(house.address(), "/api/clusters/west/pods", &[("X-Forwarded-User", "ann")]).await;
    assert_eq!(gone.head.status, 404);
    let mut denied = Tab::open(open(&house, "ann", Some("team-b"))).await;
    denied.until_end().await;
    let last = denied.state.last.clone().expect("an event");
    assert!(last.name == "error" && last.data.contains("denied"), "{last:?}");
    assert_eq!(denied.state.count("snapshot"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_right_is_never_told_that_nothing_has_changed() {
    let house = teams(&settings()).await;
    let tag = list(&house, "ann", "?namespace=team-a").await.head.header("etag").expect("a tag").to_owned();
    let ask = async |who: &str| {
        let path = format!("{}?namespace=team-a", house::list("pods"));
        let headers = [("X-Forwarded-User", who), ("If-None-Match", &*tag), ("Accept", "application/json")];
        tab::get(house.address(), &path, &headers).await
    };
    assert_eq!(ask("ann").await.head.status, 304);
    let theirs = ask("bob").await;
    assert_eq!((theirs.head.status, theirs.json()["error"]["code"].as_str()), (403, Some("denied")));
    assert_eq!(theirs.head.header("etag"), None);
    house.east().set_access(allow(vec![]));
    eventually("a refusal", async || ask("ann").await.head.status == 403).await;
    for _ in 0..4 {
        assert_eq!(ask("ann").await.head.status, 403, "whichever core is asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_verbs_are_needed() {
    let house = teams(&settings()).await;
    let only = |verb: &str| Rule { verb: Some(verb.into()), ..user("eve", "team-a") };
    for verb in ["list", "watch"] {
        house.east().set_access(allow(vec![only(verb)]));
        eventually("a refusal", async || list(&house, "eve", "?namespace=team-a").await.head.status == 403)
            .await;
    }
    house.east().set_access(allow(vec![only("list"), only("watch")]));
    eventually("a list", async || list(&house, "eve", "?namespace=team-a").await.head.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_prefixed_and_everybody_is_authenticated() {
    let house = teams(&slow_clock()).await;
    let group = |group: &str, namespace: &str| Rule {
        group: Some(group.into()),
        namespace: Some(namespace.into()),
        allow: true,
        ..Rule::default()
    };
    house.east().set_access(allow(vec![
        group("periscope:web", "team-a"),
        group("web", "team-b"),
        group("system:authenticated", "team-c"),
    ]));
    for (namespace, status) in [("team-a", 200), ("team-b", 403), ("team-c", 200)] {
        let path = format!("{}?namespace={namespace}", house::list("pods"));
        let headers = [("X-Forwarded-User", "cat"), ("X-Forwarded-Groups", "web")];
        assert_eq!(tab::get(house.address(), &path, &headers).await.head.status, status, "{namespace}");
    }
    let system = list(&house, "system:admin", "?namespace=team-a").await;
    assert_eq!(system.json()["error"]["code"], "identity_refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_tabs_cost_what_one_costs() {
    let house = teams(&slow_clock()).await;
    let _first = opened(&house, "ann", Some("team-a")).await;
    assert_eq!(house.east().counters().reviews, 2, "list and watch");
    let mut tabs = Vec::new();
    for _ in 0..200 {
        tabs.push(opened(&house, "ann", Some("team-a")).await);
    }
    assert_eq!(list(&house, "ann", "?namespace=team-a").await.head.status, 200);
    assert_eq!(house.east().counters().reviews, 2);
    let _bob = opened(&house, "bob", Some("team-b")).await;
    assert_eq!(house.east().counters().reviews, 4, "another user, another question");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tabs_at_once_share_one_question() {
    let house = teams(&slow_clock()).await;
    house.warm_for("ann").await;
    let before = house.east().counters().reviews;
    house.east().faults().add(Fault::Slow { ms: 300 }.on("subjectaccessreviews"));
    let asks = (0..100).map(|_| open(&house, "bob", Some("team-b")));
    let mut tabs: Vec<Tab> = Vec::new();
    let mut opening = tokio::task::JoinSet::new();
    asks.for_each(|open| drop(opening.spawn(Tab::open(open))));
    while let Some(tab) = opening.join_next().await {
        tabs.push(tab.expect("it opens"));
    }
    for tab in &mut tabs {
        tab.until("its snapshot", |state| state.count("snapshot") == 1).await;
    }
    assert_eq!(house.east().counters().reviews - before, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_ends_streams_whose_right_is_gone_and_no_others() {
    let house = teams(&settings()).await;
    let mut ann = opened(&house, "ann", Some("team-a")).await;
    let bob = opened(&house, "bob", Some("team-b")).await;
    let revoked = Instant::now();
    house.east().set_access(allow(vec![user("bob", "team-b")]));
    has_ended(&mut ann, "its right is gone").await;
    // The clock, and time for the answers on a busy machine.
    assert!(revoked.elapsed() < Duration::from_secs(10), "{:?}", revoked.elapsed());
    assert_eq!(list(&house, "ann", "?namespace=team-a").await.head.status, 403);
    assert_eq!(bob.state().end, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_touched_is_asked_at_once_also_where_the_authorizer_lags() {
    let house = teams(&slow_clock()).await;
    let access = &house.server.access;
    let mut ann = opened(&house, "ann", Some("team-a")).await;
    let mut bob = opened(&house, "bob", Some("team-b")).await;
    let before = house.east().counters().reviews;
    access.touched(EAST, &Touched::Subjects(vec![Subject::User("ann".into())], None));
    eventually("the first question", async || house.east().counters().reviews >= before + 2).await;
    // The authorizer says yes once more, and learns only now.
    house.east().set_access(allow(vec![]));
    has_ended(&mut ann, "its right is gone").await;
    assert_eq!(bob.state().end, None, "nobody has touched him");
    access.touched(EAST, &Touched::Namespace("team-b".into()));
    has_ended(&mut bob, "its right is gone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_could_say_lets_nobody_in() {
    let house = teams(&settings()).await;
    house.warm_for("ann").await;
    house.east().set_access(Table { default: true, rules: Vec::new() });
    for (who, fault) in [("bob", Fault::Internal), ("cat", Fault::Forbidden), ("dan", Fault::Absent)] {
        house.east().faults().add(fault.on("subjectaccessreviews"));
        let answer = list(&house, who, "?namespace=team-b").await;
        assert_eq!(
            (answer.head.status, answer.json()["error"]["code"].as_str()),
            (503, Some("authz_unavailable"))
        );
        house.east().faults().clear();
        eventually("an answer", async || list(&house, who, "?namespace=team-b").await.head.status == 200)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_about_a_cluster_ends_with_it() {
    let house = teams(&slow_clock()).await;
    house.warm_for("ann").await;
    house.east().set_access(allow(Vec::new()));
    assert_eq!(list(&house, "ann", "?namespace=team-a").await.head.status, 200, "it was decided just now");
    house.server.access.end_cluster(EAST);
    eventually("asked anew", async || list(&house, "ann", "?namespace=team-a").await.head.status == 403)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_rows_flow_and_nobody_says_what_may_be_seen_streams_end() {
    let house = teams(&settings()).await;
    let mut ann = opened(&house, "ann", Some("team-a")).await;
    house.east().faults().add(Fault::Internal.on("subjectaccessreviews"));
    let since = Instant::now();
    has_ended(&mut ann, "nobody confirms it").await;
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(20), "{took:?}");
    assert_eq!(list(&house, "ann", "?namespace=team-a").await.head.status, 503);
    house.east().faults().clear();
    eventually("its right again", async || list(&house, "ann", "?namespace=team-a").await.head.status == 200)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_cluster_is_away_streams_go_on_for_the_grace() {
    let mut config = settings();
    config.access.grace = Duration::from_secs(6);
    let house = teams(&config).await;
    let mut ann = opened(&house, "ann", Some("team-a")).await;
    let stopped = Instant::now();
    house.east().stop().await;
    ann.until("the notice", |state| !state.relists.is_empty()).await;
    let last_id = ann.state().last_id.clone();
    // Longer than a silent cluster would be borne with.
    tokio::time::sleep(Duration::from_millis(3500).saturating_sub(stopped.elapsed())).await;
    assert_eq!(ann.state().end, None);
    let mut resumed = Tab::resume(open(&house, "ann", Some("team-a")), &last_id).await;
    assert_eq!(resumed.status(), 200);
    resumed.until("the notice", |state| !state.relists.is_empty()).await;
    let bob = list(&house, "bob", "?namespace=team-b").await;
    assert_eq!(bob.json()["error"]["code"], "authz_unavailable", "nobody has ever said what he may see");
    has_ended(&mut ann, "the grace is over").await;
    assert!(stopped.elapsed() >= Duration::from_secs(6), "{:?}", stopped.elapsed());
    assert_eq!(list(&house, "ann", "?namespace=team-a").await.head.status, 503);
    house.east().restart().await.expect("it comes back");
    eventually("its right again", async || list(&house, "ann", "?namespace=team-a").await.head.status == 200)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_absence_is_not_noticed() {
    let house = teams(&settings()).await;
    let mut ann = opened(&house, "ann", Some("team-a")).await;
    house.east().stop().await;
    ann.until("the notice", |state| !state.relists.is_empty()).await;
    house.east().restart().await.expect("it comes back");
    house.east().put("pods", pod("team-a", "after", "Running")).expect("a pod");
    ann.until("what came after", |state| state.rows.named("after").is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_the_cluster_sees_the_union_of_their_namespaces() {
    let house = teams(&settings()).await;
    let east = house.east();
    let both = |also: &str| allow(vec![user("ann", "team-a"), user("ann", also)]);
    east.set_access(both("team-c"));
    let union = list(&house, "ann", "").await;
    assert_eq!((union.head.status, names(&union)), (200, vec!["team-a-pod".to_owned(), "team-c-pod".into()]));
    let none = list(&house, "eve", "").await;
    assert_eq!((none.head.status, none.json()["error"]["code"].as_str()), (403, Some("denied")), "not empty");

    // What was denied a moment ago may be denied a moment longer, so that between two sets there may be none.
    let sees = async |names_of: &[&str]| {
        let answer = list(&house, "ann", "").await;
        answer.head.status == 200 && names(&answer) == names_of
    };
    east.set_access(both("team-d"));
    eventually("a lost namespace", async || sees(&["team-a-pod"]).await).await;
    add_namespace(east, "team-d");
    eventually("a new namespace", async || sees(&["team-a-pod", "team-d-pod"]).await).await;
    east.delete_namespace("team-d").expect("it is there");
    eventually("a gone namespace", async || sees(&["team-a-pod"]).await).await;
    east.set_access(allow(vec![user("ann", "")]));
    eventually("the whole cluster", async || sees(&["team-a-pod", "team-b-pod", "team-c-pod"]).await).await;
    east.set_access(allow(vec![user("ann", "team-b")]));
    eventually("one of it", async || sees(&["team-b-pod"]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_follows_its_union_as_rights_come_and_go() {
    let house = teams(&settings()).await;
    let east = house.east();
    let set = |namespaces: &[&str]| {
        east.set_access(allow(namespaces.iter().map(|namespace| user("ann", namespace)).collect()));
    };
    let mut ann = opened(&house, "ann", None).await;
    assert!(ann.state().rows.len() == 1 && ann.state().rows.named("team-a-pod").is_some());
    set(&["team-a", "team-c"]);
    let gained = ann.until("what it gained", |state| state.rows.named("team-c-pod").is_some()).await;
    assert_eq!((gained.count("added"), gained.count("snapshot")), (1, 1));
    set(&["team-c"]);
    let lost = ann.until("what it lost", |state| state.rows.named("team-a-pod").is_none()).await;
    assert_eq!((lost.count("snapshot"), lost.relists.len()), (2, 1));
    east.put("pods", pod("team-a", "hidden", "Running")).expect("a pod");
    east.put("pods", pod("team-c", "shown", "Running")).expect("a pod");
    let shown = ann.until("what came after", |state| state.rows.named("shown").is_some()).await;
    assert!(shown.rows.named("hidden").is_none(), "{:?}", shown.rows);
    set(&[]);
    has_ended(&mut ann, "nothing is left").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_namespaces_are_all_or_nothing() {
    let house = teams(&settings()).await;
    house.east().set_access(allow(vec![user("ann", "team-a"), user("ann", "team-c")]));
    let both = list(&house, "ann", "?namespace=team-a&namespace=team-c").await;
    assert_eq!(names(&both), ["team-a-pod", "team-c-pod"]);
    let more = list(&house, "ann", "?namespace=team-a&namespace=team-b").await;
    assert_eq!(more.head.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_many_namespaces_delays_nobody() {
    let mut config = slow_clock();
    config.access.reviews_per_second = 20;
    let house = teams(&config).await;
    house.warm_for("bob").await;
    for number in 0..300 {
        let namespace = json!({"metadata": {"name": format!("n{number}")}, "status": {"phase": "Active"}});
        house.east().put("namespaces", namespace).expect("a namespace");
    }
    let (address, path) = (house.address(), house::list("pods"));
    let many = tokio::spawn(async move { tab::get(address, &path, &[("X-Forwarded-User", "eve")]).await });
    let before = house.east().counters().reviews;
    eventually("a long queue", async || house.east().counters().reviews > before + 20).await;
    let asked = house.east().counters().reviews;
    assert_eq!(list(&house, "ann", "?namespace=team-a").await.head.status, 200);
    assert!(house.east().counters().reviews - asked < 30, "hers came after hundreds");
    many.abort();
}

trait WarmFor {
    /// Has the feed of pods synced, and a user's own namespace decided.
    async fn warm_for(&self, who: &str);
}

impl WarmFor for House {
    async fn warm_for(&self, who: &str) {
        let namespace = if who == "ann" { "team-a" } else { "team-b" };
        let answer = list(self, who, &format!("?namespace={namespace}")).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
    }
}
