//! The end-to-end run against a real kube-apiserver and etcd: what tabs hold is compared with fresh LISTs, for every
//! kind, while objects change, etcd is compacted and the apiserver is killed.
//!
//! `make e2e` (`tests/apiserver/run.sh`) starts the cluster; without it these tests pass and say that they were skipped.

mod pages;
#[path = "../real/mod.rs"]
mod real;
mod server;
#[path = "../tab/mod.rs"]
mod tab;

use std::time::{Duration, Instant};

use foretop::kind;
use pages::{Shown, all_equal, of, open_all, states, undisturbed};
use real::Real;
use real::world::{NAMESPACES, World};
use serde_json::json;
use server::{CLUSTER, FORBIDDEN, Foretop};
use tab::state::{Badge, End};
use tab::{Open, Tab};

/// How long the apiserver is away, in the part that takes it away.
const AWAY: Duration = Duration::from_secs(30);

/// How long Foretop may take to notice that it was given a right, or another token.
const SLOW_RETRY: Duration = Duration::from_secs(120);

/// Rounds of changes while every page is open.
const ROUNDS: usize = 5;

const AWAY_REASON: &str = r#"{"reason":"upstream_away"}"#;

/// Everything, on an apiserver that streams its lists.
#[tokio::test(flavor = "multi_thread")]
async fn everything() {
    let Some(mut real) = Real::from_env().await else { return };
    let mut run = Run::start(&mut real).await;
    assert_eq!(run.lists, 0, "pods were listed, not streamed");
    run.changes().await;
    run.heartbeats().await;
    run.compaction().await;
    run.restart_behind_its_back().await;
    run.forbidden().await;
    run.away().await;
    run.resume().await;
    run.other_tokens().await;
    run.granted().await;
    run.shutdown().await;
}

/// What depends on how lists are got, on an apiserver that refuses to stream them.
#[tokio::test(flavor = "multi_thread")]
async fn without_watch_list() {
    let Some(mut real) = Real::from_env().await else { return };
    let mut run = Run::start(&mut real).await;
    assert!(run.lists > 0, "this apiserver was to refuse WatchList for pods");
    run.changes().await;
    run.heartbeats().await;
    run.restart_behind_its_back().await;
    run.resume().await;
    run.shutdown().await;
}

/// One run: the cluster, what is in it, Foretop in front of it, and the open pages.
struct Run<'a> {
    real: &'a mut Real,
    world: World,
    foretop: Foretop,
    shown: Vec<Shown>,
    /// LISTs of pods that Foretop needed to open every page.
    lists: u64,
    /// Watches of pods that were open before Foretop's: the apiserver's own.
    watches: u64,
}

impl<'a> Run<'a> {
    async fn start(real: &'a mut Real) -> Run<'a> {
        println!("kube-apiserver {}", real.control("version").await);
        let world = World::create(real).await;
        let foretop = Foretop::start(&real.kubeconfig()).await;
        let lists = real.requests_on_pods("apiserver_request_total", "LIST").await;
        let watches = real.requests_on_pods("apiserver_longrunning_requests", "WATCH").await;
        let mut shown = open_all(&foretop).await;
        let lists = real.requests_on_pods("apiserver_request_total", "LIST").await - lists;
        all_equal("opened", &mut shown, real, &foretop).await;
        Run { real, world, foretop, shown, lists, watches }
    }

    async fn equal(&mut self, what: &str) {
        all_equal(what, &mut self.shown, self.real, &self.foretop).await;
    }

    async fn changes(&mut self) {
        let before = states(&self.shown);
        for _ in 0..ROUNDS {
            self.world.churn(self.real).await;
        }
        self.equal("changes").await;
        undisturbed("changes", &self.shown, &before);
        let watches = self.real.requests_on_pods("apiserver_longrunning_requests", "WATCH").await;
        assert_eq!(watches - self.watches, 1, "watches upstream for all pages of pods");
    }

    /// Nothing is sent for a change that no row shows. That it was seen is known from what is sent for a change after it.
    async fn heartbeats(&mut self) {
        for kind in kind::all() {
            let suppressed = self.foretop.figure(kind.name, "suppressed").await;
            let before = states(&self.shown);
            let beats = self.world.beat(self.real, kind).await;
            self.world.mark(self.real, kind).await;
            for (page, before) in self.shown.iter_mut().zip(before) {
                if page.kind != kind || page.namespace.is_some_and(|namespace| namespace != NAMESPACES[0]) {
                    continue;
                }
                page.equals(self.real, &self.foretop).await;
                let deltas = page.tab.state().deltas() - before.deltas();
                assert_eq!(deltas, 1, "{}: deltas for one new object and {beats} heartbeats", page.name());
            }
            let now = self.foretop.figure(kind.name, "suppressed").await;
            assert!(now >= suppressed + beats, "{kind:?}: {now} suppressed, before {suppressed}");
        }
        self.encoded_once().await;
        self.equal("heartbeats").await;
    }

    /// An event is encoded once per format: pages of pods speak two (chunked and not), all others one.
    async fn encoded_once(&self) {
        for kind in kind::all().iter().filter(|kind| kind.name != "pods") {
            let figure = async |name| self.foretop.figure(kind.name, name).await;
            let let_through = figure("eventsIn").await - figure("suppressed").await + figure("diffed").await;
            assert_eq!(figure("encodings").await, let_through, "encodings of {kind:?}");
        }
    }

    async fn compaction(&mut self) {
        let before = states(&self.shown);
        self.world.churn(self.real).await;
        println!("compacted at revision {}", self.real.control("compact").await);
        self.world.churn(self.real).await;
        self.equal("compaction under open watches").await;
        undisturbed("compaction", &self.shown, &before);
    }

    /// Foretop stands still while the apiserver is killed and restarted, changes, and is compacted: all that Foretop
    /// knows is then too old (410), and it must find out what is new by comparing lists.
    async fn restart_behind_its_back(&mut self) {
        let before = states(&self.shown);
        let diffed = self.foretop.figure("pods", "diffed").await;
        self.foretop.freeze();
        self.real.control("kill").await;
        self.real.start().await;
        self.world.churn(self.real).await;
        self.real.control("compact").await;
        self.foretop.thaw();
        self.equal("restart with changes meanwhile").await;

        assert!(self.foretop.figure("pods", "diffed").await > diffed, "pods were not repaired by diff");
        for (page, before) in self.shown.iter().zip(&before) {
            let now = page.tab.state();
            assert_eq!(now.end, None, "{}", page.name());
            let snapshots = now.count("snapshot") - before.count("snapshot");
            let relists = now.count("relist") - before.count("relist");
            assert_eq!(snapshots, relists, "{}: no snapshot without a relist", page.name());
            // Of pods there are so many that the few changes of a round are smaller than a snapshot.
            assert!(snapshots == 0 || page.kind.name != "pods", "{}: a needless snapshot", page.name());
        }
    }

    /// The apiserver is gone for long: every page is told once, a newcomer behind its rows, and rows stay.
    async fn away(&mut self) {
        let before = states(&self.shown);
        let began = Instant::now();
        self.real.control("kill").await;
        for (page, before) in self.shown.iter_mut().zip(&before) {
            page.tab
                .until("told that upstream is away", |now| now.relists.len() > before.relists.len())
                .await;
        }
        println!("every page was told {:.1} s after the kill", began.elapsed().as_secs_f32());

        let mut newcomer = Shown::open(&self.foretop, of("pods"), None).await;
        newcomer.tab.until("told that upstream is away", |now| now.relists == [AWAY_REASON]).await;
        let rows = |page: &Shown| page.tab.state().rows.hash();
        let same = |page: &&Shown| page.kind == of("pods") && page.namespace.is_none();
        assert_eq!(rows(&newcomer), rows(self.shown.iter().find(same).expect("a page of pods")));

        tokio::time::sleep(AWAY.saturating_sub(began.elapsed())).await;
        self.real.start().await;
        self.world.churn(self.real).await;
        for page in &mut self.shown {
            page.tab.until("live again", |state| state.badge == Badge::Live).await;
        }
        self.equal("back after 30 s").await;
        for (page, before) in self.shown.iter().zip(&before) {
            let now = page.tab.state();
            assert_eq!(now.end, None, "{}", page.name());
            let told = now.relists[before.relists.len()..].iter();
            assert_eq!(told.filter(|data| *data == AWAY_REASON).count(), 1, "{}", page.name());
            let snapshots = now.count("snapshot") - before.count("snapshot");
            assert!(snapshots == 0 || page.kind.name != "pods", "{}: a needless snapshot", page.name());
        }
    }

    /// Tabs that lost their connection get what they missed and no snapshot, and one that missed nothing turns live.
    async fn resume(&mut self) {
        let mut lost = Vec::new();
        for page in std::mem::take(&mut self.shown) {
            let mut tab = page.tab.stop().await;
            tab.disconnect();
            lost.push((page.kind, page.namespace, tab));
        }
        self.world.churn(self.real).await;
        let mut before = Vec::new();
        for (kind, namespace, mut tab) in lost {
            before.push(tab.state.clone());
            tab.reconnect().await;
            self.shown.push(Shown { kind, namespace, tab: tab.follow() });
        }
        self.equal("resumed").await;
        undisturbed("resume", &self.shown, &before);

        let quiet = self.shown.swap_remove(0);
        let mut tab = quiet.tab.stop().await;
        tab.reconnect().await;
        tab.until("live again though nothing was missed", |state| state.badge == Badge::Live).await;
        assert_eq!(tab.state.count("snapshot"), 1, "{}", quiet.kind.name);
        self.shown.push(Shown { kind: quiet.kind, namespace: quiet.namespace, tab: tab.follow() });
    }

    /// The kubeconfig's user has no right: the stream says so in an event and ends, the list says so by its status.
    async fn forbidden(&mut self) {
        let mut tab = Tab::open(Open::watch(self.foretop.address, FORBIDDEN, "pods", None)).await;
        assert_eq!((tab.status(), tab.until_end().await), (200, End::Closed));
        let last = tab.state.last.expect("an event before the end");
        assert_eq!((last.name.as_str(), tab.state.counts.len()), ("error", 1), "{last:?}");
        assert_eq!(self.foretop.list(FORBIDDEN, "pods", None).await.head.status, 403);

        // Not the role `view`: without the controller that aggregates its rules it has none.
        let group = "rbac.authorization.k8s.io";
        let role = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "sees-pods"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
        });
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "bob-sees-pods"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "sees-pods"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "bob"}],
        });
        for (collection, body) in [("clusterroles", role), ("clusterrolebindings", binding)] {
            self.real.call("POST", &format!("/apis/{group}/v1/{collection}"), Some(&body)).await;
        }
    }

    /// A user who was given the right is served without a restart.
    async fn granted(&mut self) {
        let began = Instant::now();
        while self.foretop.list(FORBIDDEN, "pods", None).await.head.status != 200 {
            assert!(began.elapsed() < SLOW_RETRY, "bob may list pods now, and Foretop does not notice");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let open = Open::watch(self.foretop.address, FORBIDDEN, "pods", Some(NAMESPACES[0]));
        Tab::open(open).await.until("bob's pods", |state| state.rows.len() > 1).await;
        println!("bob was served {:.1} s after he was looked at again", began.elapsed().as_secs_f32());
    }

    /// The apiserver knows the old token no more; the kubeconfig has the new one.
    async fn other_tokens(&mut self) {
        let before = states(&self.shown);
        self.real.control("kill").await;
        self.real.control("turn-tokens").await;
        self.real.start().await;
        self.world.churn(self.real).await;
        self.equal("other tokens").await;
        for (page, before) in self.shown.iter().zip(&before) {
            let now = page.tab.state();
            assert_eq!((now.count("error"), now.end), (before.count("error"), None), "{}", page.name());
        }
    }

    /// Every stream is told, then ended, and the process ends well.
    async fn shutdown(mut self) {
        self.foretop.terminate();
        for page in &mut self.shown {
            page.tab.until("told of the shutdown", |state| state.count("server_shutdown") == 1).await;
        }
        let status = self.foretop.ended().await;
        assert!(status.success(), "{status}");
        for page in self.shown {
            let mut tab = page.tab.stop().await;
            assert_eq!(tab.until_end().await, End::Closed, "{CLUSTER}: {}", page.kind.name);
        }
        println!("shut down: every page was told");
    }
}
