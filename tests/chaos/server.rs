//! The server under test: the binary as an operator starts it, in a folder that outlives it, and where the machine allows it with a hosts file, a full disk and a clock of
//! its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::house::process::Process;

/// The name of the apiserver's host.
pub const HOST: &str = "apiserver.test";

/// Where a clock is put between the process and the system.
const FAKE_CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// Makes what the process sees of the machine its own: names, the disk of `state.dir`.
const OWN_VIEW: &str = "mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf && \
    { [ ! -e full ] || { mount -t tmpfs -o size=64k none state && { cat /dev/zero >state/ballast 2>/dev/null || true; }; }; } && \
    cd \"$OLDPWD\" && exec \"$0\" \"$@\"";

/// What this machine lets a test do.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// A process may have its own mounts.
    pub has_mounts: bool,
    /// There is a library that moves a process's clock.
    pub has_clock: bool,
}

impl Machine {
    pub fn this() -> Machine {
        let mut command = Command::new("unshare");
        command
            .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Machine {
            has_mounts: command.status().is_ok_and(|status| status.success()),
            has_clock: Path::new(FAKE_CLOCK).exists(),
        }
    }
}

/// Where the server's files are, and how it is started.
pub struct Site {
    pub machine: Machine,
    folder: tempfile::TempDir,
    kubeconfig: String,
    /// Whether it has a `state.dir`.
    keeps: bool,
    moves_clock: bool,
}

impl Site {
    pub fn new(machine: Machine, kubeconfig: String, keeps: bool, moves_clock: bool) -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let site = Site { machine, folder, kubeconfig, keeps, moves_clock };
        site.write("key", "some forty random bytes, which are none here");
        site.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
        std::fs::create_dir(site.path("state")).expect("a folder");
        site.resolves_names(true);
        site.moves_clock(0);
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        // In place: the file that a process has mounted is this very one.
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// Whether the apiserver's name leads anywhere.
    pub fn resolves_names(&self, does: bool) {
        let apiserver = if does { format!("127.0.0.1 {HOST}\n") } else { String::new() };
        self.write("hosts", &format!("127.0.0.1 localhost\n{apiserver}"));
    }

    /// Moves the process's clock by so many seconds.
    pub fn moves_clock(&self, by: i64) {
        self.write("clock", &format!("{by:+}s\n"));
    }

    /// Whether the disk of `state.dir` is full, from the next start on.
    pub fn fills_disk(&self) {
        self.write("full", "");
    }

    /// Starts it.
    pub fn start(&self) -> Process {
        let at = self.folder.path().display();
        let state = if self.keeps { format!("state: {{dir: \"{at}/state\"}}\n") } else { String::new() };
        let settings = format!(
            "auth: {{mode: header, header: {{trustedPeers: [127.0.0.0/8]}}, session: {{keys: [\"{at}/key\"]}}}}\n\
             authorization: {{mode: raw, userPrefix: \"\", groupPrefix: \"\", allowUnprefixed: true}}\n\
             access: {{watchRbac: true, adminGroups: [operators]}}\n\
             server: {{listen: \"127.0.0.1:0\", cores: 2}}\n\
             manage: {{listen: \"127.0.0.1:0\"}}\n\
             streams: {{perUser: 0, refusal: event, retry: {{min: 1s, max: 2s}}}}\n\
             drain: {{lame: 0s, window: 1s}}\n{state}\
             clustersFile: clusters.yaml\n"
        );
        let entry = |name: &str| {
            format!(
                "{{name: {name}, backend: kubeconfig, kubeconfigPath: kubeconfig, kubeconfigContext: {name}}}"
            )
        };
        let clusters = format!("clusters: [{}, {}]\n", entry("east"), entry("west"));
        let files =
            [("foretop.yaml", &*settings), ("clusters.yaml", &*clusters), ("kubeconfig", &*self.kubeconfig)];
        Process::prepared(&["serve", "--config", "foretop.yaml"], &files, |command| self.prepare(command))
    }

    fn prepare(&self, command: &mut Command) {
        if self.moves_clock && self.machine.has_clock {
            command
                .env("LD_PRELOAD", FAKE_CLOCK)
                .env("FAKETIME_TIMESTAMP_FILE", self.path("clock"))
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        if self.machine.has_mounts {
            *command = self.in_own_view(command);
        }
    }

    /// The command, to be run where it sees other files than the rest of the machine.
    fn in_own_view(&self, command: &Command) -> Command {
        let mut own = Command::new("unshare");
        own.args(["-m", "sh", "-c"])
            .arg(format!("cd \"{}\" && {OWN_VIEW}", self.folder.path().display()))
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = command.get_current_dir() {
            own.current_dir(folder);
        }
        own
    }
}

/// A kubeconfig with a context for each cluster: its name, URL and (for `https`) who signed its certificate.
pub fn kubeconfig(east: &str, authority: &Path, west: SocketAddr) -> String {
    let west = format!("http://{west}");
    let context =
        |name: &str| serde_json::json!({"name": name, "context": {"cluster": name, "user": "foretop"}});
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "east", "cluster": {"server": east, "certificate-authority": authority}},
            {"name": "west", "cluster": {"server": west}},
        ],
        "users": [{"name": "foretop", "user": {}}],
        "contexts": [context("east"), context("west")],
        "current-context": "east",
    })
    .to_string()
}
