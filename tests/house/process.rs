//! Foretop as an operator starts it: the binary, with a folder for its files.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A started binary; dropping it kills it.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it tells its figures.
    pub managed: SocketAddr,
    _folder: tempfile::TempDir,
    path: PathBuf,
}

/// The binary, to be started in a folder with these files, and with nothing of ours in its environment.
fn command(folder: &Path, arguments: &[&str], files: &[(&str, &str)]) -> Command {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_foretop"));
    command
        .current_dir(folder)
        .args(arguments)
        .env_clear()
        // So that many may run at once, unless a test is about it.
        .envs(
            (!files.iter().any(|(_, text)| text.contains("manage:")))
                .then_some(("FORETOP_MANAGE_LISTEN", "127.0.0.1:0")),
        )
        .envs(std::env::var("MONOIO_FORCE_LEGACY_DRIVER").map(|value| ("MONOIO_FORCE_LEGACY_DRIVER", value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the binary to its end: its status, and what it wrote to either output.
pub fn run(arguments: &[&str], files: &[(&str, &str)]) -> (ExitStatus, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let child = command(folder.path(), arguments, files).spawn().expect("the binary starts");
    let output = child.wait_with_output().expect("the binary ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

impl Process {
    /// Starts the binary and waits until it listens.
    pub fn start(arguments: &[&str], files: &[(&str, &str)]) -> Process {
        Process::prepared(arguments, files, |_| ())
    }

    /// Like [`Process::start`], for a command that needs something done to it first.
    pub fn prepared(
        arguments: &[&str],
        files: &[(&str, &str)],
        prepare: impl FnOnce(&mut Command),
    ) -> Process {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command(folder.path(), arguments, files);
        prepare(&mut command);
        let mut child = command.spawn().expect("the binary starts");
        let (send, lines) = channel();
        let said = BufReader::new(child.stdout.take().expect("its output is piped"));
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let path = folder.path().to_owned();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Process { child, lines, address: nowhere, managed: nowhere, _folder: folder, path };
        let line = process.says("server.started");
        let after = |name: &str| {
            let value = line.split(name).nth(1).and_then(|rest| rest.split_whitespace().next());
            value.expect("the line names the address").trim_matches('"').parse().expect("an address")
        };
        process.address = after("address=");
        process.managed = after("manage=");
        process
    }

    /// Waits for a line that holds this text, and returns it without its colours.
    pub fn says(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("it never says {text:?}"));
            let line = without_colours(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Writes one of its files anew, at once for who reads it.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.path.join(format!("{name}.new"));
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(&new, self.path.join(name)).expect("the same folder");
    }

    /// One of its files as it is now.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path.join(name)).expect("a file of its own")
    }

    /// Ends it in order, and returns all that it wrote to either output and nobody has waited for.
    pub fn terminate(self) -> String {
        self.signal(rustix::process::Signal::TERM);
        self.last_words()
    }

    /// Waits for its end, and returns the same.
    pub fn last_words(mut self) -> String {
        let mut said: String = self.lines.iter().map(|line| without_colours(&line) + "\n").collect();
        let mut errors = self.child.stderr.take().expect("its errors are piped");
        errors.read_to_string(&mut said).expect("text");
        said
    }

    /// Its number.
    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("it runs");
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        let waiting = async {
            loop {
                if let Some(status) = self.ended() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        super::patient("the end of the process", waiting).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn without_colours(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('\u{1b}') {
        out.push_str(&rest[..start]);
        let code = &rest[start..];
        rest = code.find('m').map_or("", |end| &code[end + 1..]);
    }
    out + rest
}
