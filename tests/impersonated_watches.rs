//! `access.upstream: impersonate`: every read of a cluster is the user's own, one watch per user and view, and rights end streams all the same.

mod house;
mod rights;
mod tab;

use std::time::Duration;

use foretop::config::{AccessUpstream, Config};
use house::{House, eventually, pod};
use rights::{User, add_namespace, bind, cluster_role, reads, user};
use tab::Tab;

const ANN: User = User::of("ann");
const BOB: User = User::of("bob");

fn config() -> Config {
    let mut config = rights::config();
    config.access.upstream = AccessUpstream::Impersonate;
    config.access.watch_rbac = false;
    config.access.review_every = Duration::from_secs(1);
    config.access.allowed_life = Duration::from_millis(200);
    config.access.denied_life = Duration::from_millis(100);
    config
}

/// Two namespaces, `red` and `blue`; ann may see pods in `red`, bob everywhere.
async fn house() -> House {
    let house = House::start(&config(), vec![rights::cluster()]).await;
    for namespace in ["red", "blue"] {
        add_namespace(house.east(), namespace);
    }
    cluster_role(house.east(), "reader", &reads(&["pods"]));
    bind(house.east(), Some("red"), "ann", "reader", &user("ann"));
    bind(house.east(), None, "bob", "reader", &user("bob"));
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_per_user_and_view_whatever_the_number_of_tabs() {
    let house = house().await;
    let east = house.east();
    let mut tabs = Vec::new();
    for who in [ANN, BOB] {
        for _ in 0..5 {
            let mut tab = Tab::open(who.watch(&house, "pods", Some("red"))).await.follow();
            tab.until("the rows", |state| state.rows.len() == 1).await;
            tabs.push(tab);
        }
    }
    let mut all = Tab::open(BOB.watch(&house, "pods", None)).await.follow();
    all.until("both namespaces", |state| state.rows.len() == 2).await;
    assert_eq!(east.counters().open("pods"), 3, "ann's, bob's of one namespace, bob's of all");
    east.put("pods", pod("red", "new", "Pending")).expect("a pod");
    for tab in &mut tabs {
        tab.until("the new pod", |state| state.rows.named("new").is_some()).await;
    }
    assert_eq!(BOB.list(&house, "pods", None).await.json()["pods"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_it_all_names_one_namespace() {
    let house = house().await;
    assert_eq!(ANN.list(&house, "pods", None).await.head.status, 403);
    assert_eq!(ANN.list(&house, "pods", Some("blue")).await.head.status, 403);
    let two = BOB.list(&house, "pods", Some("red&namespace=blue")).await;
    assert_eq!((two.head.status, two.json()["error"]["code"].as_str()), (400, Some("one_namespace")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_ends_ends_the_streams_that_it_opened() {
    let house = house().await;
    let mut tab = Tab::open(ANN.watch(&house, "pods", Some("red"))).await.follow();
    tab.until("the rows", |state| state.rows.len() == 1).await;
    house.east().delete("rolebindings", "red", "ann").expect("her binding");
    assert!(tab.reach(|state| state.end.is_some()).await, "she is told");
    assert_eq!(tab.state().last.map(|event| event.name), Some("error".to_owned()));
    eventually("she is refused", async || ANN.list(&house, "pods", Some("red")).await.head.status == 403)
        .await;
}
