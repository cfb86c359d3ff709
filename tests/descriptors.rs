//! A process that may open no further descriptor: nobody is lost who is there, and whoever comes waits.

mod fresh;
mod house;
mod tab;

use std::net::TcpStream;
use std::time::Duration;

use foretop::sim::Cluster;
use house::process::Process;
use house::{EAST, eventually, list, pod};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tab::{Open, Tab, try_get};

const SETTINGS: &str = "auth: {mode: dev}\nserver: {listen: \"127.0.0.1:0\", cores: 1}\ndrain: {lame: 0s, window: 0s}\nclustersFile: clusters.yaml\n";
const CLUSTERS: &str = "clusters: [{name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}]\n";

/// Descriptors that a process has open.
fn open(pid: Pid) -> u64 {
    std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).expect("its descriptors").count() as u64
}

fn may_open(pid: Pid, most: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let before = prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(most), maximum });
    before.expect("its own child's limit");
}

/// Processor time that it has taken, in hundredths of a second.
fn ticks(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).expect("its times");
    let fields = stat.rsplit_once(") ").expect("a name").1.split(' ').skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_none_left_streams_go_on_and_newcomers_wait() {
    let east = Cluster::start(house::cluster(EAST, 5)).await.expect("a simulated cluster");
    let kubeconfig = Cluster::kubeconfig(&[&east]);
    let files = [("foretop.yaml", SETTINGS), ("clusters.yaml", CLUSTERS), ("kubeconfig", &*kubeconfig)];
    let process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    let mut tab = Tab::open(Open::watch(process.address, EAST, "pods", None)).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;

    may_open(process.pid(), open(process.pid()) + 8);
    let flood: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect(process.address).expect("the kernel takes it")).collect();
    process.says("core.no_descriptors");
    let (before, window) = (ticks(process.pid()), Duration::from_secs(2));
    tokio::time::sleep(window).await;
    let taken = ticks(process.pid()) - before;
    assert!(
        taken < 100,
        "it takes half a processor while it waits for descriptors: {taken} ticks in {window:?}"
    );
    let rv = east.put("pods", pod("team-x", "meanwhile", "Running")).unwrap().to_string();
    tab.until("what happens meanwhile", |state| state.last_id == rv).await;

    drop(flood);
    let answers =
        async || try_get(process.address, &list("pods"), &[]).await.is_ok_and(|got| got.head.status == 200);
    eventually("whoever is new is answered", answers).await;
    assert!(fresh::metric(process.managed, "foretop_accept_pauses_total").await > 1);
    let said = process.terminate();
    assert!(!said.contains("core.no_descriptors"), "it is told once, not at each pause: {said}");
}
