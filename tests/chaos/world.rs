//! One server between two clusters and nine pages, with a troubled wire on either side of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use foretop::kind;
use foretop::sim::{Cluster, Options, Tuning};
use rustix::process::Signal;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

use crate::fresh;
use crate::house::process::Process;
use crate::house::tls::{Authority, Signed};
use crate::house::{self, EAST, WEST};
use crate::pages::{Living, PAGES, Page, Sort, by_view};
use crate::proxy::Proxy;
use crate::rights::{add_namespace, bind, cluster_role, reads, user};
use crate::server::{HOST, Machine, Site, kubeconfig};
use crate::tab::get;
use crate::truth::{Pulse, Watchman};

/// Where the first cluster's pulses are, and the second's.
const EASTERN: &[&str] = &["red", "blue"];
const WESTERN: &[&str] = &["red"];

pub struct World {
    pub east: Arc<Cluster>,
    /// Between the server and the first cluster.
    pub upstream: Proxy,
    /// Between the pages and the server.
    pub clients: Proxy,
    pub site: Site,
    pub pages: Arc<Vec<Living>>,
    pub pulses: Arc<BTreeMap<&'static str, Pulse>>,
    pub watchman: Watchman,
    west: Arc<Cluster>,
    authority: Authority,
    server: Mutex<Option<Process>>,
    /// What servers said that are gone.
    said: Mutex<String>,
    /// Lists that they took.
    listed: Mutex<u64>,
}

impl World {
    /// A world in which all is well, and whose pages are open.
    pub async fn new(machine: Machine, keeps: bool, moves_clock: bool) -> World {
        let east = Arc::new(cluster(EAST, true).await);
        let west = Arc::new(cluster(WEST, false).await);
        people(&east);
        add_namespace(&west, "red");
        let pulses = Arc::new(BTreeMap::from([
            (EAST, Pulse::of(east.clone(), EASTERN)),
            (WEST, Pulse::of(west.clone(), WESTERN)),
        ]));
        let authority = Authority::new();
        let upstream = Proxy::before(east.addr()).await;
        std::fs::write(authority.path("ca.crt"), authority.pem()).expect("a file");
        let host = if machine.has_mounts { HOST } else { "localhost" };
        let url = format!("https://{host}:{}", upstream.address.port());
        let kubeconfig = kubeconfig(&url, &authority.path("ca.crt"), west.addr());
        let site = Site::new(machine, kubeconfig, keeps, moves_clock);
        upstream.speaks_tls(shown(&authority, false));
        let server = tokio::task::block_in_place(|| site.start());
        let clients = Proxy::before(server.address).await;
        let pages: Arc<Vec<_>> =
            Arc::new(PAGES.iter().map(|page| Living::open(clients.address, *page)).collect());
        let watchman = Watchman::over(pages.clone(), pulses.clone());
        let world = World {
            east,
            upstream,
            clients,
            site,
            pages,
            pulses,
            watchman,
            west,
            authority,
            server: Mutex::new(Some(server)),
            said: Mutex::default(),
            listed: Mutex::default(),
        };
        house::eventually("every page is live", async || world.is_well()).await;
        world
    }

    /// Whether each page says live, of rows that are so.
    pub fn is_well(&self) -> bool {
        assert!(!self.pages.iter().any(Living::has_died), "a page has met what it must not meet");
        let noticed = self.watchman.noticed();
        noticed.len() == self.pages.len() && noticed.values().all(|page| page.is_well())
    }

    /// Takes a right away, which all say of whom `cid` is.
    pub fn takes_a_right(&self) {
        self.east.delete("rolebindings", "blue", "cid").expect("his binding");
    }

    pub fn shows_certificate(&self, is_expired: bool) {
        self.upstream.speaks_tls(shown(&self.authority, is_expired));
    }

    pub fn signals(&self, signal: Signal) {
        let server = self.server.lock().expect("nothing panics under this lock");
        server.as_ref().expect("it runs").signal(signal);
    }

    /// Ends the server by a signal.
    pub async fn server_dies(&self, signal: Signal) {
        let listed = self.listed_by_this_one().await;
        *self.listed.lock().expect("nothing panics under this lock") += listed;
        let taken = self.server.lock().expect("nothing panics under this lock").take();
        let mut process = taken.expect("it runs");
        process.signal(signal);
        process.end().await;
        self.said.lock().expect("nothing panics under this lock").push_str(&process.last_words());
    }

    pub fn server_starts(&self) {
        let server = tokio::task::block_in_place(|| self.site.start());
        self.clients.leads_to(server.address);
        *self.server.lock().expect("nothing panics under this lock") = Some(server);
    }

    /// Ends all, and returns all that was logged.
    pub async fn ends(self) -> String {
        for page in self.pages.iter() {
            page.closes();
        }
        self.server_dies(Signal::TERM).await;
        self.said.into_inner().expect("nothing panics under this lock")
    }

    /// A figure of the server that runs.
    pub async fn figure(&self, name: &str) -> u64 {
        let managed =
            self.server.lock().expect("nothing panics under this lock").as_ref().expect("it runs").managed;
        fresh::metric(managed, name).await
    }

    async fn listed_by_this_one(&self) -> u64 {
        self.figure("foretop_feed_lists_total").await
    }

    /// Lists that its servers have taken from either cluster, initial events counted.
    pub async fn listed(&self) -> u64 {
        let before = *self.listed.lock().expect("nothing panics under this lock");
        before + self.listed_by_this_one().await
    }

    /// Whether the server is ready.
    pub async fn is_ready(&self) -> bool {
        let address =
            self.server.lock().expect("nothing panics under this lock").as_ref().expect("it runs").address;
        get(address, "/readyz", &[]).await.head.status == 200
    }

    /// Frames that were encoded for more than one event, or events for which more than one was.
    pub async fn encoded_amiss(&self) -> u64 {
        let address =
            self.server.lock().expect("nothing panics under this lock").as_ref().expect("it runs").address;
        let feeds = get(address, "/debug/feeds", fresh::OPERATOR).await.json();
        let amiss = |line: &Value| {
            let count = |name: &str| line[name].as_u64().unwrap_or(0);
            (count("eventsIn") - count("suppressed") + count("diffed")).abs_diff(count("encodings"))
        };
        feeds.as_array().expect("a line per feed").iter().map(amiss).sum()
    }

    /// The pages that do not show what a fresh LIST would, by now.
    pub async fn unequal(&self) -> Vec<String> {
        let mut unequal = Vec::new();
        for living in self.pages.iter() {
            let wanted = self.wanted(&living.page).await;
            let shown = living.glance().rows;
            if fresh::hash(&shown) != fresh::hash(&wanted) {
                let missing: Vec<_> =
                    wanted.iter().filter(|(key, row)| shown.get(*key) != Some(row)).take(2).collect();
                let more: Vec<_> =
                    shown.iter().filter(|(key, row)| wanted.get(*key) != Some(row)).take(2).collect();
                unequal.push(format!("{}: shows {more:?}, and not {missing:?}", living.page.name()));
            }
        }
        unequal
    }

    /// What a page must show in the end: of a fresh LIST what its user may see.
    async fn wanted(&self, page: &Page) -> BTreeMap<String, Value> {
        let cluster = if page.cluster == EAST { &self.east } else { &self.west };
        // Who may see two namespaces loses the second.
        let may = page.may.map(|namespaces| &namespaces[..1]);
        if page.sort != Sort::Multiplexed {
            return fresh::list(cluster, page.kinds[0], may.map(|only| only[0])).await.comparable();
        }
        let mut views = Vec::new();
        for kind in page.kinds {
            views.push((*kind, full(cluster, kind, may).await));
        }
        by_view(views.iter().map(|(kind, rows)| (*kind, rows)))
    }
}

/// The full rows of a fresh LIST, by namespace and name.
async fn full(cluster: &Cluster, kind: &str, may: Option<&[&str]>) -> BTreeMap<String, Value> {
    let known = kind::by_name(kind).expect("a kind of the registry");
    let answer = get(cluster.addr(), &known.api.path(None), &[]).await;
    let page = (known.detail_page)(&answer.body).expect("a list");
    let shown = page.items.iter().filter(|object| may.is_none_or(|may| may.contains(&&*object.namespace)));
    let row = |object: &kind::Object| {
        let details = object.details.as_ref().expect("they were asked for");
        let mut json = Vec::new();
        details.full(&object.row).write(jiff::Timestamp::now(), &mut json);
        let row: Value = serde_json::from_slice(&json).expect("a row is JSON");
        (format!("{}/{}", object.namespace, object.name), row)
    };
    shown.map(row).collect()
}

async fn cluster(name: &str, rbac: bool) -> Cluster {
    // An apiserver says each minute how far its watches have come; here nobody waits so long.
    let tuning = Tuning { bookmark_interval: std::time::Duration::from_secs(2), ..Tuning::default() };
    Cluster::start(Options { rbac, tuning, ..house::cluster(name, 20) }).await.expect("a simulated cluster")
}

/// Who may see what in the first cluster.
fn people(east: &Cluster) {
    for namespace in EASTERN {
        add_namespace(east, namespace);
    }
    cluster_role(east, "reader", &reads(&["pods", "nodes", "services"]));
    bind(east, None, "op", "reader", &user("op"));
    bind(east, Some("red"), "ann", "reader", &user("ann"));
    bind(east, Some("blue"), "bob", "reader", &user("bob"));
    bind(east, Some("red"), "cid", "reader", &user("cid"));
    bind(east, Some("blue"), "cid", "reader", &user("cid"));
}

/// What the apiserver shows of itself.
fn shown(authority: &Authority, is_expired: bool) -> ServerConfig {
    let names = [HOST, "localhost"];
    let Signed { certificate, key } =
        if is_expired { authority.signs_expired(&names) } else { authority.signs(&names) };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("they fit");
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
