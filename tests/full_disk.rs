//! A disk that is full: what cannot be kept is told, and everything else goes on.

mod fresh;
mod house;
mod tab;

use std::path::Path;
use std::process::Command;

use foretop::sim::Cluster;
use house::process::Process;
use house::{EAST, eventually, list, patient};
use rustix::process::Signal;
use serde_json::Value;
use tab::{Open, Tab, get};

const CLUSTERS: &str = "clusters: [{name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}]\n";

/// A small disk on a folder, as long as it lives.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// `None` where the test may not mount one.
    fn mount(at: &'a Path, bytes: usize) -> Option<Self> {
        let size = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Disk(at));
        }
        println!("skipped: a small disk can only be mounted by root");
        None
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).output();
    }
}

async fn east() -> (Cluster, String) {
    let east = Cluster::start(house::cluster(EAST, 400)).await.expect("a simulated cluster");
    let kubeconfig = Cluster::kubeconfig(&[&east]);
    (east, kubeconfig)
}

fn start(settings: &str, kubeconfig: &str) -> Process {
    let files = [("foretop.yaml", settings), ("clusters.yaml", CLUSTERS), ("kubeconfig", kubeconfig)];
    Process::start(&["serve", "--config", "foretop.yaml"], &files)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_starts_cold() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::mount(folder.path(), 64 * 1024) else { return };
    let at = folder.path().display();
    std::fs::write(folder.path().join("key"), "some forty random bytes, which are none here").unwrap();
    let settings = format!(
        "auth: {{mode: dev, session: {{keys: [\"{at}/key\"]}}}}\nserver: {{listen: \"127.0.0.1:0\"}}\n\
         drain: {{lame: 0s, window: 0s}}\nstate: {{dir: \"{at}/state\"}}\nclustersFile: clusters.yaml\n"
    );
    let (_east, kubeconfig) = east().await;
    let mut process = start(&settings, &kubeconfig);
    for kind in ["pods", "nodes"] {
        assert_eq!(get(process.address, &list(kind), &[]).await.head.status, 200);
    }
    process.signal(Signal::TERM);
    let told = process.says("state.not_saved");
    assert!(told.contains("pods") && told.contains("No space left"), "{told}");
    let told = process.says("state.saved");
    assert!(told.contains("feeds=1") && told.contains("failed=1"), "{told}");
    assert!(process.end().await.success(), "it ends as ever");

    let process = start(&settings, &kubeconfig);
    assert_eq!(fresh::metric(process.managed, "foretop_state_restored_total").await, 1);
    let mut tab = Tab::open(Open::watch(process.address, EAST, "pods", None)).await;
    tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
}

/// Records that were written, or lost.
async fn records(process: &Process, outcome: &str) -> u64 {
    fresh::metric(process.managed, &format!("foretop_audit_records_total{{outcome=\"{outcome}\"}}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_lost_and_counted_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::mount(folder.path(), 64 * 1024) else { return };
    let at = folder.path().display();
    let settings = format!(
        "auth: {{mode: dev}}\nserver: {{listen: \"127.0.0.1:0\"}}\naudit: {{file: \"{at}/audit.log\"}}\nclustersFile: clusters.yaml\n"
    );
    let (_east, kubeconfig) = east().await;
    let process = start(&settings, &kubeconfig);
    let stream = async || {
        let mut tab = Tab::open(Open::watch(process.address, EAST, "nodes", None)).await;
        tab.until("a snapshot", |state| state.count("snapshot") == 1).await;
    };
    stream().await;
    eventually("a record", async || records(&process, "written").await > 0).await;
    // All but some bytes, so that a record is cut short.
    let room =
        64 * 1024 - std::fs::metadata(folder.path().join("audit.log")).unwrap().len().next_multiple_of(4096);
    std::fs::write(folder.path().join("filler"), vec![0; usize::try_from(room).unwrap()]).unwrap();
    let losing = async {
        while records(&process, "lost").await == 0 {
            stream().await;
        }
    };
    patient("a record that is lost, while streams are served", losing).await;
    process.says("audit.not_written");

    std::fs::remove_file(folder.path().join("filler")).unwrap();
    let written = records(&process, "written").await;
    stream().await;
    eventually("records again", async || records(&process, "written").await > written).await;
    let text = std::fs::read_to_string(folder.path().join("audit.log")).unwrap();
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}
