//! What a user is told beside streams and lists, held against what the apiserver lists and gives to them.
//!
//! A test that has this module has the modules `house`, `rights` and `tab` too.

use std::collections::BTreeSet;

use foretop::sim::Cluster;
use serde_json::Value;

use crate::house::{EAST, House};
use crate::rights::User;
use crate::tab::{Answer, get};

/// A kind and a namespace that an answer names.
pub type Place = (String, String);

/// All that is told to a user at a glance.
pub struct Glances {
    pods: (u64, bool),
    in_fleet: u64,
    /// Where an object `web` is found.
    found: BTreeSet<Place>,
    /// All that is named in any of them.
    pub named: BTreeSet<Place>,
}

impl Glances {
    pub async fn of(house: &House, who: User) -> Glances {
        let dashboard = ask(house, who, &format!("/api/clusters/{EAST}/dashboard")).await.json();
        let fleet = ask(house, who, "/api/fleet").await.json();
        let search = ask(house, who, &format!("/api/clusters/{EAST}/search?q=web&limit=100")).await.json();
        let place = |kind: &Value, namespace: &Value| {
            (kind.as_str().unwrap_or("pods").to_owned(), namespace.as_str().unwrap_or_default().to_owned())
        };
        let results = search["results"].as_array().expect("results").iter();
        let found: BTreeSet<Place> =
            results.map(|found| place(&found["kind"], &found["namespace"])).collect();
        let troubled = dashboard["needsAttention"].as_array().expect("an array").iter();
        let troubled = troubled.map(|pod| place(&Value::Null, &pod["namespace"]));
        Glances {
            pods: (
                dashboard["podCount"].as_u64().expect("a count"),
                dashboard["accessibility"]["pods"] == "ok",
            ),
            in_fleet: fleet["clusters"][0]["summary"]["pods"]["total"].as_u64().unwrap_or_default(),
            named: troubled.chain(found.iter().cloned()).collect(),
            found,
        }
    }

    /// How they differ from the pods and services that the apiserver lists to the user (`None`: it lists none to them).
    pub fn difference(&self, pods: Option<&[Value]>, services: Option<&[Value]>) -> Option<String> {
        let count = pods.map_or(0, |pods| pods.len() as u64);
        if self.pods != (count, pods.is_some()) || self.in_fleet != count {
            return Some(format!("{:?} and {} pods, not {count}", self.pods, self.in_fleet));
        }
        let webs = |kind: &'static str, rows: Option<&[Value]>| -> BTreeSet<Place> {
            let rows = rows.unwrap_or_default().iter().filter(|row| row["name"] == "web");
            rows.map(|row| (kind.to_owned(), row["namespace"].as_str().unwrap_or_default().to_owned()))
                .collect()
        };
        let truth: BTreeSet<Place> = webs("pods", pods).union(&webs("services", services)).cloned().collect();
        (self.found != truth).then(|| format!("found {:?}, not {truth:?}", self.found))
    }
}

/// How a page of the pod `web` differs from what the apiserver gives to the user.
pub async fn difference_of_page(house: &House, east: &Cluster, who: User, namespace: &str) -> Option<String> {
    let mut headers = vec![("Impersonate-User", who.name)];
    headers.extend(who.groups.iter().map(|group| ("Impersonate-Group", *group)));
    let truth = get(east.addr(), &format!("/api/v1/namespaces/{namespace}/pods/web"), &headers).await;
    let page = ask(house, who, &format!("/api/clusters/{EAST}/pods/{namespace}/web")).await;
    let differs = page.head.status != truth.head.status;
    differs.then(|| format!("web in {namespace} is {}, not {}", page.head.status, truth.head.status))
}

async fn ask(house: &House, who: User, path: &str) -> Answer {
    let groups = who.groups.join(",");
    let headers = [("X-Forwarded-User", who.name), ("X-Forwarded-Groups", &groups)];
    get(house.address(), path, &headers).await
}
