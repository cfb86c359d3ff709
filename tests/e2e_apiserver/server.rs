//! A Foretop process that serves the real apiserver's cluster, started from files that the test writes.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::tab;

/// The cluster as the kubeconfig's user `admin` sees it.
pub const CLUSTER: &str = "east";
/// The same cluster as `bob` sees it, who has no right at first.
pub const FORBIDDEN: &str = "bobs";

/// How long the process may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `foretop serve`. Killed, and its log's end shown if the test is failing, when it is dropped.
pub struct Foretop {
    pub address: SocketAddr,
    process: Child,
    directory: TempDir,
}

impl Foretop {
    /// Starts it and waits until it is ready.
    pub async fn start(kubeconfig: &Path) -> Foretop {
        let directory = tempfile::tempdir().unwrap();
        let address = free_address();
        let registry = directory.path().join("clusters.yaml");
        std::fs::write(&registry, clusters(kubeconfig)).unwrap();
        let config = directory.path().join("foretop.yaml");
        std::fs::write(&config, settings(address, &registry)).unwrap();

        let log = File::create(directory.path().join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_foretop"))
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut foretop = Foretop { address, process, directory };
        foretop.wait_until_ready().await;
        foretop
    }

    async fn wait_until_ready(&mut self) {
        let started = Instant::now();
        loop {
            if let Ok(answer) = tab::try_get(self.address, "/readyz", &[]).await
                && answer.head.status == 200
            {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "foretop has ended: {ended:?}");
            assert!(started.elapsed() < PATIENCE, "foretop is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A list, as its body.
    pub async fn list(&self, cluster: &str, kind: &str, namespace: Option<&str>) -> tab::Answer {
        let query = namespace.map(|namespace| format!("?namespace={namespace}")).unwrap_or_default();
        tab::get(self.address, &format!("/api/clusters/{cluster}/{kind}{query}"), &[]).await
    }

    /// A number of `/debug/feeds` for a kind of [`CLUSTER`].
    pub async fn figure(&self, kind: &str, name: &str) -> u64 {
        let feeds = tab::get(self.address, "/debug/feeds", &[]).await.json();
        let of_kind = |feed: &&Value| feed["cluster"] == CLUSTER && feed["kind"] == kind;
        let feed = feeds.as_array().into_iter().flatten().find(of_kind);
        feed.and_then(|feed| feed[name].as_u64()).unwrap_or_else(|| panic!("no {name} of {kind} in {feeds}"))
    }

    /// Stops the process in its tracks: whatever happens meanwhile, it learns of later.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "foretop does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Foretop {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of foretop's log:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

fn clusters(kubeconfig: &Path) -> String {
    let entry = |name: &str, context: &str| {
        let path = kubeconfig.display();
        format!(
            "- {{name: {name}, backend: kubeconfig, kubeconfigPath: {path}, kubeconfigContext: {context}}}\n"
        )
    };
    format!("clusters:\n{}{}", entry(CLUSTER, "admin"), entry(FORBIDDEN, "bob"))
}

fn settings(listen: SocketAddr, registry: &Path) -> String {
    format!(
        "manage: {{listen: off}}\nserver: {{listen: \"{listen}\", cores: 2}}\nauth: {{mode: dev}}\nclustersFile: {}\n\
         drain: {{lame: 1s, window: 2s}}\n",
        registry.display()
    )
}

/// Below the ports that the kernel gives to outgoing connections, so that none of those takes it before the process does.
fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(12_000..20_000)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
