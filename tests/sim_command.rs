//! `foretop sim`, as an operator runs it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A simulation that ends with its test, and what it says.
struct Sim(Child, BufReader<ChildStdout>);

impl Sim {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foretop"));
        command.args(["sim", "--clusters", "2", "--pods", "5", "--churn", "0", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        Sim(child, said)
    }

    /// The next line that says where a cluster is; log lines are passed over.
    fn place(&mut self) -> (String, String) {
        loop {
            let mut line = String::new();
            assert_ne!(self.1.read_line(&mut line).expect("text"), 0, "it ended");
            if let Some((name, url)) = line.trim_end().split_once(" is at ") {
                return (name.to_owned(), url.to_owned());
            }
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn either_signal_ends_clusters_that_share_a_listener() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut sim = Sim::start();
        let places = [sim.place(), sim.place()];
        let (listener, _) = places[0].1.rsplit_once("/clusters/").expect("a path of its own");
        let expected =
            ["sim-1", "sim-2"].map(|name| (name.to_owned(), format!("{listener}/clusters/{name}")));
        assert_eq!(places, expected);
        kill_process(Pid::from_child(&sim.0), signal).expect("it runs");
        let status = sim.0.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{signal:?}: in order, and not by the signal itself");
    }
}
