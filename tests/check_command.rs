//! `foretop check`, as an operator runs it.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary in a folder, with nothing of ours in its environment but what is given.
fn foretop(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foretop"));
    command.current_dir(folder).args(arguments).env_clear().envs(environment.iter().copied());
    command.output().expect("the binary runs")
}

fn check(files: &[(&str, &str)], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let output = foretop(folder.path(), &["check", "--config", "foretop.yaml"], environment);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

const CLUSTERS: &str = "clusters:\n  - name: here\n    backend: in-cluster\n";

#[test]
fn all_good_is_said_with_counts() {
    let settings = "clustersFile: clusters.yaml\nauth: {mode: dev}\nwatch: {kinds: core}\n";
    let (code, said) = check(&[("foretop.yaml", settings), ("clusters.yaml", CLUSTERS)], &[]);
    assert_eq!(said.lines().last(), Some("3 settings, 1 clusters, 2 kinds: all good"));
    assert!(said.starts_with("memory.limit would be "), "{said}");
    assert_eq!(code, Some(0));
}

#[test]
fn mistakes_of_settings_environment_and_clusters_come_at_once() {
    let settings = "clustersFile: clusters.yaml\nauth: {mode: dev}\nstreams:\n  perUser: many\n  stal: 5m\n";
    let clusters =
        "clusters:\n  - name: here\n    backend: in-cluster\n  - name: here\n    backend: kubeconfig\n";
    let (code, said) = check(
        &[("foretop.yaml", settings), ("clusters.yaml", clusters)],
        &[("PERISCOPE_WATCH_STREAMS", "pods,Nodes"), ("FORETOP_DRAIN_LAME", "")],
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "foretop.yaml:4: streams.perUser: `many` is not a whole number; right would be a whole number, 0 to 1000000, such as `60`",
            "foretop.yaml:5: streams.stal: no setting has this name; right would be `streams.stall`",
            "PERISCOPE_WATCH_STREAMS: watch.kinds: `Nodes` is neither a kind nor a group; right would be `nodes`",
            "FORETOP_DRAIN_LAME: drain.lame: is empty; right would be a duration, 0 to 10m, such as `10s`",
        ],
        "{said}"
    );
    assert!(lines[4..].iter().all(|line| line.starts_with("clusters.yaml:")), "{said}");
    assert!(lines.len() >= 6, "{said}");
    assert_eq!(code, Some(1));
}

#[test]
fn the_name_of_a_file_is_escaped() {
    let name = "clusters\u{1b}[31m.yaml";
    let settings = "clustersFile: \"clusters\\e[31m.yaml\"\nauth: {mode: dev}\n";
    let (code, said) = check(&[("foretop.yaml", settings), (name, "clusters: 3\n")], &[]);
    assert_eq!(said, "clusters\\u{1b}[31m.yaml:1: clusters: is `3`; right would be a list of clusters\n");
    assert_eq!(code, Some(1));
}

#[test]
fn an_alias_that_loses_is_told() {
    let (code, said) = check(
        &[("foretop.yaml", "auth: {mode: dev}\n")],
        &[("FORETOP_WATCH_PER_USER_LIMIT", "5"), ("PERISCOPE_WATCH_PER_USER_LIMIT", "6")],
    );
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("memory.limit")).collect();
    assert_eq!(
        lines,
        [
            "warning: FORETOP_WATCH_PER_USER_LIMIT=`5` and PERISCOPE_WATCH_PER_USER_LIMIT=`6` differ; FORETOP_WATCH_PER_USER_LIMIT counts",
            "2 settings, 0 clusters, 22 kinds: all good",
        ]
    );
    assert_eq!(code, Some(0));
}

#[test]
fn a_limit_of_memory_that_is_no_help_is_told() {
    let settings = "auth: {mode: dev}\nmemory: {limit: 4096GiB}\n";
    let (code, said) = check(&[("foretop.yaml", settings)], &[]);
    assert!(said.starts_with("warning: memory.limit would be 4194304 MiB, as set, of the "), "{said}");
    assert_eq!(code, Some(0));
}

#[test]
fn files_that_cannot_be_read_are_mistakes() {
    let (code, said) = check(&[], &[]);
    assert!(said.starts_with("foretop.yaml: this file cannot be read: "), "{said}");
    assert_eq!(code, Some(1));
    let (code, said) = check(&[("foretop.yaml", "clustersFile: nowhere.yaml\nauth: {mode: dev}\n")], &[]);
    assert!(said.starts_with("nowhere.yaml: this file cannot be read: "), "{said}");
    assert_eq!(code, Some(1));
}

#[test]
fn serve_and_demo_do_not_start_on_a_mistake() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("foretop.yaml"), "auth: {mode: dev}\n").expect("a file");
    let listen = "0.0.0.0:0";
    for arguments in [
        vec!["serve", "--config", "foretop.yaml", "--listen", listen, "--cores", "x"],
        vec!["demo", "--listen", listen, "--cores", "x"],
    ] {
        let output = foretop(folder.path(), &arguments, &[]);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{arguments:?}: {said}");
        assert!(
            said.contains(
                "--listen: server.listen: `auth.mode: dev` would let everyone who reaches 0.0.0.0:0 in"
            ),
            "{said}"
        );
        assert!(said.contains("--cores: server.cores: `x` is not a whole number"), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn what_is_no_command_line_exits_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["check"][..], &["serve"], &["demo", "--clusters", "0"], &["nonsense"], &[]] {
        assert_eq!(foretop(folder.path(), arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
}
