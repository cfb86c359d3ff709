//! Prometheus' own word on metrics and rules: promtool, where it is installed (Debian's package `prometheus`).

#![allow(dead_code, reason = "every test that has this module uses another part of it")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use foretop::api::metrics;

/// The program.
pub struct Promtool(());

impl Promtool {
    /// `None`, said aloud, where it is not installed.
    pub fn find() -> Option<Promtool> {
        let found =
            Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success());
        if !found {
            println!("skipped: no promtool here (apt-get install prometheus)");
        }
        found.then_some(Promtool(()))
    }

    /// Runs it with this on its standard input: whether it is content, and what it says.
    pub fn with_input(&self, arguments: &[&str], input: &str) -> (bool, String) {
        let mut child = Command::new("promtool")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool starts");
        child.stdin.take().expect("its input is piped").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("promtool ends");
        (output.status.success(), text(&output))
    }

    /// Runs it in a folder.
    pub fn within(&self, folder: &Path, arguments: &[&str]) -> (bool, String) {
        let output =
            Command::new("promtool").current_dir(folder).args(arguments).output().expect("promtool runs");
        (output.status.success(), text(&output))
    }
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// Fails where a text names a metric of ours that there is not.
pub fn all_exist(whose: &str, text: &str) {
    let known: BTreeSet<String> = metrics::names().collect();
    let is_of_name =
        |character: char| character.is_ascii_alphanumeric() || character == '_' || character == ':';
    let words: BTreeSet<&str> = text.split(|character| !is_of_name(character)).collect();
    let named: Vec<&str> = words
        .into_iter()
        .filter(|word| word.starts_with("foretop_") || word.starts_with("process_"))
        .collect();
    assert!(!named.is_empty(), "{whose} names no metric");
    for name in named {
        let family = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let exists = known.contains(name) || family.is_some_and(|family| known.contains(family));
        assert!(exists, "{whose} names {name}, which there is not");
    }
}
