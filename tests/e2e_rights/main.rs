//! Random rights on a real kube-apiserver: users, groups, roles, bindings and namespaces come and go while tabs are open. No tab ever shows a row of a namespace
//! that its user could not list within the bound before, and in the end each shows exactly what the apiserver itself lists to that user, impersonated.
//!
//! `make e2e` (`tests/apiserver/run.sh`) starts the cluster; without it this test passes and says that it was skipped. A failure names its seed;
//! `FORETOP_ORACLE_SEED` plays it again, as far as the apiserver's own timing allows.

#[path = "../real/mod.rs"]
mod real;
mod rights;
#[path = "../tab/mod.rs"]
mod tab;

use std::time::{Duration, Instant};

use fastrand::Rng;
use foretop::cluster::ClusterSpec;
use foretop::config::{AuthMode, AuthorizationMode, Config};
use foretop::serve::Server;
use real::Real;
use rights::{KIND, NAMESPACES, Rights, User};
use tab::state::{Rows, State};
use tab::{Following, Open, Tab};

const CLUSTER: &str = "east";
const ROUNDS: usize = 12;
const TABS: usize = 24;

/// What is promised of a change of rights, with some for a machine that is busy with the apiserver too.
const BOUND: Duration = Duration::from_secs(12 + 8);

/// A page: whose, of which namespace, and its stream.
struct Page {
    who: User,
    namespace: Option<&'static str>,
    tab: Option<Following>,
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_show_what_the_apiserver_lists_to_their_users() {
    let Some(real) = Real::from_env().await else { return };
    let set = std::env::var("FORETOP_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = set.unwrap_or_else(|| fastrand::u64(..));
    println!("FORETOP_ORACLE_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let mut rights = Rights::begin(&real, &mut random).await;
    let server = serve(&real).await;
    let mut pages: Vec<Page> = (0..TABS).map(|_| Page::any(&mut random)).collect();
    for page in &mut pages {
        page.open(&server).await;
    }
    let (mut compared, mut slowest) = (0, Duration::ZERO);
    for round in 0..ROUNDS {
        for _ in 0..random.usize(1..12) {
            rights.act(&real, &mut random).await;
            if random.u8(..3) == 0 {
                let page = random.usize(..pages.len());
                pages[page].resume(&server).await;
            }
            no_leak(&pages, &rights, seed);
        }
        let began = Instant::now();
        for number in 0..pages.len() {
            let truth = rights.truth(&real, pages[number].who, pages[number].namespace).await;
            while !pages[number].shows(truth.as_ref()) {
                let what = pages[number].describe();
                assert!(began.elapsed() < BOUND, "seed {seed}, round {round}: {what}, and may see {truth:?}");
                if pages[number].shown().is_none() {
                    pages[number].resume(&server).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                no_leak(&pages, &rights, seed);
            }
            compared += 1;
        }
        slowest = slowest.max(began.elapsed());
    }
    println!(
        "{} changes of rights and objects, {compared} pages compared, no leak; slowest round right after {slowest:?}",
        rights.acts
    );
}

/// Foretop in front of the real apiserver, with users by header.
async fn serve(real: &Real) -> Server {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.manage.listen = None;
    config.auth.mode = AuthMode::Header;
    config.auth.header.trusted_peers = vec!["127.0.0.0/8".parse().expect("a block")];
    config.authorization.mode = AuthorizationMode::Raw;
    config.access.watch_rbac = true;
    config.access.reviews_per_second = 2000;
    config.access.denied_life = Duration::from_millis(300);
    config.streams.per_user = 0;
    let kubeconfig = std::fs::read_to_string(real.kubeconfig()).expect("the cluster's kubeconfig");
    let spec = ClusterSpec::from_kubeconfig_text(CLUSTER, &kubeconfig, Some("admin"));
    Server::start(&config, vec![spec]).expect("the server starts")
}

/// No open page shows a row that its user could not list within the bound before.
fn no_leak(pages: &[Page], rights: &Rights, seed: u64) {
    for page in pages {
        let Some(state) = page.shown() else { continue };
        for row in state.rows.items() {
            let namespace = row["namespace"].as_str().unwrap_or_default();
            let since = rights.allowed_before(page.who, namespace);
            assert!(
                since.is_some_and(|since| since < BOUND),
                "seed {seed}: {} sees {namespace}, {since:?}",
                page.who.name
            );
        }
    }
}

impl Page {
    fn any(random: &mut Rng) -> Page {
        let who = rights::USERS[random.usize(..rights::USERS.len())];
        let namespace = random.bool().then(|| NAMESPACES[random.usize(..NAMESPACES.len())]);
        Page { who, namespace, tab: None }
    }

    async fn open(&mut self, server: &Server) {
        let open = Open::watch(server.address, CLUSTER, KIND, self.namespace)
            .header("X-Forwarded-User", self.who.name);
        let open = open.header("X-Forwarded-Groups", &self.who.groups.join(","));
        self.tab = Some(Tab::open(open).await.follow());
    }

    /// Connects again, with the newest id and the rows that it has.
    async fn resume(&mut self, server: &Server) {
        let Some(tab) = self.tab.take() else { return self.open(server).await };
        let mut tab = tab.stop().await;
        tab.reconnect().await;
        self.tab = Some(tab.follow());
    }

    fn shown(&self) -> Option<State> {
        self.tab.as_ref().map(Following::state).filter(|state| state.end.is_none())
    }

    fn shows(&self, truth: Option<&Rows>) -> bool {
        match (truth, self.shown()) {
            (None, None) => true,
            (Some(truth), Some(state)) => state.rows.comparable() == truth.comparable(),
            _ => false,
        }
    }

    fn describe(&self) -> String {
        let shown = self.shown().map(|state| state.rows.comparable().into_keys().collect::<Vec<_>>());
        format!("{} in {:?} sees {shown:?}", self.who.name, self.namespace)
    }
}
