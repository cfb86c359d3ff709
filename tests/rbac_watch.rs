//! With `access.watchRbac` a change of roles and bindings is seen at the tab within 12 s of it, and mostly at once; without, or where they may not be
//! watched, the clock notices it.

mod house;
mod rights;
mod tab;

use std::time::{Duration, Instant};

use foretop::config::Config;
use foretop::sim::{Cluster, Fault};
use house::{House, eventually, pod};
use rights::{User, add_namespace, bind, cluster_role, group, reads, user};
use tab::{Following, Tab};

const ANN: User = User { name: "ann", groups: &["dev"] };
const FOLLOWED: [&str; 4] = ["roles", "clusterroles", "rolebindings", "clusterrolebindings"];

/// What is promised, with some for a machine that is busy with other tests.
const BOUND: Duration = Duration::from_secs(12 + 5);

/// Two namespaces, `red` and `blue`, and the cluster role `reader` of pods.
async fn house_with(config: &Config) -> House {
    let house = House::start(config, vec![rights::cluster()]).await;
    for namespace in ["red", "blue"] {
        add_namespace(house.east(), namespace);
    }
    cluster_role(house.east(), "reader", &reads(&["pods"]));
    house
}

async fn house() -> House {
    house_with(&rights::config()).await
}

/// Waits until roles and bindings are followed; somebody must have asked for something.
async fn is_watched(east: &Cluster) {
    eventually("roles and bindings are watched", async || {
        FOLLOWED.iter().all(|plural| east.counters().open(plural) == 1)
    })
    .await;
}

/// A tab with rows, and roles and bindings followed.
async fn open(house: &House, who: User, namespace: Option<&str>) -> Following {
    let mut tab = Tab::open(who.watch(house, "pods", namespace)).await.follow();
    tab.until("the first rows", |state| !state.rows.is_empty()).await;
    is_watched(house.east()).await;
    tab
}

/// The time until the tab is cut, since `since`; it must be told why.
async fn cut(tab: Following, since: Instant) -> Duration {
    let mut tab = tab;
    assert!(tab.reach(|state| state.end.is_some()).await, "it is cut");
    let took = since.elapsed();
    assert_eq!(tab.state().last.map(|event| event.name), Some("error".to_owned()));
    assert!(took < BOUND, "{took:?}");
    took
}

fn namespaces(state: &tab::state::State) -> Vec<String> {
    let mut found: Vec<_> =
        state.rows.items().filter_map(|row| row["namespace"].as_str().map(str::to_owned)).collect();
    found.sort_unstable();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_opens_and_its_end_cuts() {
    let house = house().await;
    let east = house.east();
    assert_eq!(ANN.list(&house, "pods", Some("red")).await.head.status, 403);
    is_watched(east).await;
    bind(east, Some("red"), "ann", "reader", &user("ann"));
    let bound = Instant::now();
    eventually("she may", async || ANN.list(&house, "pods", Some("red")).await.head.status == 200).await;
    println!("granted after {:?}", bound.elapsed());
    assert!(bound.elapsed() < BOUND);
    let tab = open(&house, ANN, Some("red")).await;
    let unbound = Instant::now();
    east.delete("rolebindings", "red", "ann").expect("her binding");
    println!("cut after {:?}", cut(tab, unbound).await);
    assert_eq!(ANN.list(&house, "pods", Some("red")).await.head.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_loses_its_rule_cuts_those_who_have_it() {
    let house = house().await;
    bind(house.east(), Some("red"), "dev", "reader", &group("dev"));
    bind(house.east(), Some("blue"), "bob", "other", &user("bob"));
    cluster_role(house.east(), "other", &reads(&["pods"]));
    let mut other = open(&house, User::of("bob"), Some("blue")).await;
    let tab = open(&house, ANN, Some("red")).await;
    let edited = Instant::now();
    cluster_role(house.east(), "reader", &reads(&["services"]));
    println!("cut after {:?}", cut(tab, edited).await);
    house.east().put("pods", pod("blue", "new", "Pending")).expect("a pod");
    other.until("who has another role goes on", |state| state.rows.named("new").is_some()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_my_namespaces_grow_and_shrink_as_they_come_and_go() {
    let house = house().await;
    let east = house.east();
    bind(east, Some("red"), "dev", "reader", &group("dev"));
    let mut tab = open(&house, ANN, None).await;
    assert_eq!(namespaces(&tab.state()), ["red"]);
    let snapshots = tab.state().count("snapshot");
    let began = Instant::now();
    add_namespace(east, "green");
    bind(east, Some("green"), "ann", "reader", &user("ann"));
    let state = tab.until("a namespace is gained", |state| state.rows.len() == 2).await;
    println!("gained after {:?}", began.elapsed());
    assert_eq!(namespaces(&state), ["green", "red"]);
    assert_eq!((state.count("snapshot"), state.count("added"), state.relists.len()), (snapshots, 1, 0));
    assert!(began.elapsed() < BOUND);
    let ended = Instant::now();
    east.delete("rolebindings", "red", "dev").expect("the group's binding");
    let state = tab.until("a namespace is lost", |state| namespaces(state) == ["green"]).await;
    println!("lost after {:?}", ended.elapsed());
    assert!(ended.elapsed() < BOUND);
    assert_eq!((state.relists.len(), state.count("snapshot")), (1, snapshots + 1));
    bind(east, Some("blue"), "ann", "reader", &user("ann"));
    tab.until("another is gained", |state| namespaces(state) == ["blue", "green"]).await;
    east.delete_namespace("green").expect("the namespace");
    let state = tab.until("a whole namespace is gone", |state| {
        namespaces(state) == ["blue"] && state.relists.len() == 2
    });
    assert_eq!(state.await.end, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authorizer_that_lags_is_asked_until_it_knows() {
    const LAG: Duration = Duration::from_secs(2);
    let house = house().await;
    bind(house.east(), Some("red"), "ann", "reader", &user("ann"));
    let tab = open(&house, ANN, Some("red")).await;
    house.east().set_authorizer_lag(LAG);
    let unbound = Instant::now();
    house.east().delete("rolebindings", "red", "ann").expect("her binding");
    let took = cut(tab, unbound).await;
    println!("cut after {took:?}, with a lag of {LAG:?}");
    assert!(took >= LAG);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_they_may_not_be_watched_the_clock_notices() {
    the_clock_notices(&Fault::Forbidden).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_are_no_roles_at_all_the_clock_notices() {
    the_clock_notices(&Fault::Absent).await;
}

/// What becomes of a right where following roles and bindings fails like this.
async fn the_clock_notices(fault: &Fault) {
    let mut config = rights::config();
    config.access.review_every = Duration::from_secs(1);
    let house = house_with(&config).await;
    for plural in FOLLOWED {
        house.east().faults().add((*fault).on(plural).times(1000));
    }
    bind(house.east(), Some("red"), "ann", "reader", &user("ann"));
    let mut tab = Tab::open(ANN.watch(&house, "pods", None)).await.follow();
    tab.until("hers of all namespaces", |state| namespaces(state) == ["red"]).await;
    let tried = || FOLLOWED.iter().map(|plural| house.east().counters().of("watch", plural)).sum::<u64>();
    eventually("it was tried", async || tried() >= 4).await;
    house.east().delete("rolebindings", "red", "ann").expect("her binding");
    let ended = Instant::now();
    cut(tab, ended).await;
    assert!(tried() < 20, "{} attempts: a refusal is tried again slowly", tried());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_watched_once_for_all_and_name_whom_to_ask_about() {
    let house = house().await;
    let east = house.east();
    for number in 0..60 {
        east.put("namespaces", serde_json::json!({"metadata": {"name": format!("n{number}")}}))
            .expect("a namespace");
    }
    bind(east, Some("red"), "dev", "reader", &group("dev"));
    let _first = open(&house, ANN, None).await;
    let names = ["bob", "cid", "dan", "eve"];
    for name in names {
        bind(east, Some("blue"), name, "reader", &user(name));
    }
    let asked = |house: &House| house.east().counters().reviews;
    eventually("all is asked that the first needs", async || {
        let before = asked(&house);
        tokio::time::sleep(Duration::from_millis(200)).await;
        asked(&house) == before
    })
    .await;
    let before = asked(&house);
    let mut tabs = Vec::new();
    for name in names {
        let mut tab = Tab::open(User::of(name).watch(&house, "pods", None)).await.follow();
        tab.until("their rows", |state| namespaces(state) == ["blue"]).await;
        tabs.push(tab);
    }
    let reviews = asked(&house) - before;
    println!("{reviews} reviews for {} users among 64 namespaces", names.len());
    assert!(reviews <= 4 * 8 + 20, "{reviews}");
    for plural in FOLLOWED {
        assert_eq!((east.counters().open(plural), east.counters().of("watch", plural)), (1, 1), "{plural}");
    }
}
