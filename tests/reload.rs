//! Settings that change while the server runs: what can take effect does, what cannot is named, and a mistake changes nothing.

mod house;
mod tab;

use foretop::sim::Cluster;
use house::process::Process;
use house::watch;
use house::wire::Stream;
use rustix::process::Signal;

fn settings(lame: &str, head: &str, level: &str) -> String {
    format!(
        "auth: {{mode: dev}}\nserver: {{listen: \"127.0.0.1:0\", cores: 1, headTimeout: {head}}}\n\
         drain: {{lame: {lame}, window: 0s}}\nlog: {{level: {level}}}\nclustersFile: clusters.yaml\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_take_effect_does_and_what_cannot_is_named() {
    let east = Cluster::start(house::cluster(house::EAST, 5)).await.unwrap();
    let kubeconfig = Cluster::kubeconfig(&[&east]);
    let clusters = "clusters: [{name: east, backend: kubeconfig, kubeconfigPath: kubeconfig}]\n";
    let before = settings("10m", "10s", "info");
    let files = [("foretop.yaml", &*before), ("clusters.yaml", clusters), ("kubeconfig", &*kubeconfig)];
    let mut process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    let mut stream = Stream::open(process.address, &watch("pods"), "").await;
    stream.events(1).await;
    process.write("foretop.yaml", &settings("0s", "11s", "debug"));
    process.signal(Signal::HUP);
    // In the order of the reference page.
    let line = process.says("settings.needs_restart");
    assert!(line.contains("server.headTimeout"), "{line}");
    for setting in ["drain.lame", "log.level"] {
        let line = process.says("settings.reloaded");
        assert!(line.contains(setting), "{line}");
    }
    process.write("foretop.yaml", &settings("10 parsecs", "11s", "debug"));
    let line = process.says("settings.bad_file");
    assert!(line.contains("drain.lame"), "{line}");
    process.signal(Signal::TERM);
    let line = process.says("stream.ending");
    assert!(line.contains("DEBUG"), "{line}");
    assert!(process.end().await.success(), "it is lame for no time at all, as was said last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_that_brings_nothing_new_ends_nobody() {
    let files = [("foretop.yaml", &*settings("0s", "10s", "info")), ("clusters.yaml", "clusters: []\n")];
    let mut process = Process::start(&["serve", "--config", "foretop.yaml"], &files);
    process.signal(Signal::HUP);
    process.says("server.reloading");
    assert!(process.ended().is_none());
    assert_eq!(tab::get(process.address, "/healthz", &[]).await.head.status, 200);
    process.signal(Signal::TERM);
    assert!(process.end().await.success());
}
