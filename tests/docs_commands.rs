//! Every command in the documents is run by a test: here, by a script that is named, or by nobody for a reason that stands below.
//!
//! What a section (`## …`) has in `sh` blocks is one terminal: its lines run in their order, in a folder of their own, where the section's YAML blocks
//! that begin with `# NAME.yaml` are files. Ports are others, so that the test disturbs nobody. Blocks of `console` need what no test has.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Sections that are run, and what their reader has running already.
const RUN: [(&str, &str, &str); 5] = [
    ("README.md", "Try it", ""),
    ("README.md", "On real clusters", ""),
    ("docs/quick-start.md", "Nothing but your machine", ""),
    ("docs/quick-start.md", "The binary", ""),
    ("docs/troubleshooting.md", "With curl", DEMO),
];

const DEMO: &str = "foretop demo --clusters 1 --pods 50";

/// Pages that a script runs: it names them.
const BY_SCRIPT: [(&str, &str); 2] =
    [("docs/operations.md", "tests/chart/docs.sh"), ("docs/upgrading.md", "tests/chart/docs.sh")];

/// Commands that are not run, by how they begin, and why; where something else is run in place of one, that.
const NOT_RUN: [(&str, &str, &str, &str); 16] = [
    ("README.md", "make demo", "a release build takes minutes; this is what it runs", DEMO),
    ("README.md", "make test", "runs this test", ""),
    ("docs/quick-start.md", "make demo", "a release build takes minutes; this is what it runs", DEMO),
    (
        "docs/api.md",
        "foretop serve --config foretop.yaml --console",
        "a front end of others: tests/console_dir.rs",
        "",
    ),
    ("docs/client.md", "npm install", "asks the registry of packages; make test-web builds both", ""),
    ("docs/operations.md", "kubectl -n foretop port-forward", "needs a node that runs pods", ""),
    ("docs/operations.md", "curl -N localhost:8080/api/clusters/here", "needs a node that runs pods", ""),
    ("docs/operations.md", "kubectl -n foretop rollout status", "needs a node that runs pods", ""),
    ("docs/operations.md", "kubectl -n foretop exec", "needs a node that runs pods; tests/doctor.rs", ""),
    ("docs/operations.md", "podman build", "needs a container engine and a registry", ""),
    (
        "docs/operations.md",
        "make image && skopeo",
        "a release build, and a registry; make image is what the release runs",
        "",
    ),
    (
        "docs/performance.md",
        "make loadtest",
        "minutes, on a quiet machine; make loadtest-smoke runs the harness",
        "",
    ),
    ("docs/performance.md", "target/release/foretop-loadtest", "the same", ""),
    ("docs/runbook.md", "kubectl -n foretop exec", "needs a node that runs pods; tests/doctor.rs", ""),
    ("web/client/README.md", "npm install", "asks the registry of packages; make test-web builds it", ""),
    ("web/react/README.md", "npm install", "the same", ""),
];

/// What a document may have in a fence that is no command.
const NO_COMMANDS: [&str; 11] =
    ["html", "http", "ini", "js", "json", "nginx", "rust", "text", "ts", "tsx", "yaml"];

/// A fenced block.
struct Block {
    page: String,
    /// The heading of its section, or nothing before the first.
    section: String,
    language: String,
    lines: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<String> {
    let folder = std::fs::read_dir(root().join("docs")).expect("docs");
    let names = folder.map(|entry| format!("docs/{}", entry.expect("an entry").file_name().display()));
    let mut pages: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    pages.extend(
        ["README.md", "SECURITY.md", "web/README.md", "web/client/README.md", "web/react/README.md"]
            .map(str::to_owned),
    );
    pages.sort();
    pages
}

fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(page)).expect("a page");
    let (mut blocks, mut section, mut is_inside) = (Vec::<Block>::new(), String::new(), false);
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_inside = !is_inside;
            if is_inside {
                let (page, section) = (page.to_owned(), section.clone());
                blocks.push(Block { page, section, language: language.to_owned(), lines: Vec::new() });
            }
        } else if is_inside {
            blocks.last_mut().expect("a block has begun").lines.push(line.to_owned());
        } else if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        }
    }
    assert!(!is_inside, "{page}: a block without an end");
    blocks
}

fn all_blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks(page)).collect()
}

fn not_run(
    page: &str,
    command: &str,
) -> Option<&'static (&'static str, &'static str, &'static str, &'static str)> {
    NOT_RUN.iter().find(|(of, begin, ..)| *of == page && command.starts_with(begin))
}

#[test]
fn every_command_is_run_or_says_why_not() {
    let mut used = BTreeSet::new();
    for block in all_blocks() {
        let (page, section, language) = (&*block.page, &block.section, &*block.language);
        if NO_COMMANDS.contains(&language) {
            continue;
        }
        assert!(["sh", "console"].contains(&language), "{page}, {section}: a block of {language:?}");
        let is_run = RUN.iter().any(|(of, is, _)| of == &page && is == section)
            || BY_SCRIPT.iter().any(|(of, _)| *of == page);
        for command in block.lines.iter().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            match not_run(page, command) {
                Some(entry) => drop(used.insert(entry)),
                None => assert!(is_run && language == "sh", "{page}, {section}: nobody runs `{command}`"),
            }
        }
    }
    let stale: Vec<_> = NOT_RUN.iter().filter(|entry| !used.contains(entry)).collect();
    assert!(stale.is_empty(), "no page has these any more: {stale:?}");
}

#[test]
fn pages_that_a_script_runs_are_named_by_it() {
    for (page, script) in BY_SCRIPT {
        let text = std::fs::read_to_string(root().join(script)).expect("the script");
        let name = page.trim_start_matches("docs/");
        assert!(text.contains(name), "{script} does not name {name}");
    }
}

/// What stands before a section's commands: a live list has no end, so its first bytes are read, and have to come.
const PRELUDE: &str = r#"
set -euo pipefail
trap 'kill -KILL $(jobs -p) 2>/dev/null || true' EXIT
curl() {
  case " $* " in *" -N "* | *" -sN "*) ;; *) command curl "$@"; return ;; esac
  { command curl --max-time 30 "$@" || true; } | head -c 2000 >said
  cat said
  [ "$(wc -c <said)" = 2000 ]
}
until_said() {
  for _ in $(seq 300); do ! grep -q "$1" "$2" || return 0; sleep 0.1; done
  cat "$2"
  return 1
}
set -x
"#;

/// What does not end by itself, and what it says when it is up.
const STARTED: [(&str, &str); 3] =
    [("foretop sim", " is at "), ("foretop serve", "server.started"), ("foretop demo", "server.started")];

/// What is run for a line of a document.
fn run_for(page: &str, line: &str) -> String {
    let command = match not_run(page, line) {
        Some((.., "")) => return String::new(),
        Some((.., instead)) => instead,
        None => line,
    };
    // Who types is slower than a server starts.
    if let Some((_, up)) = STARTED.iter().find(|(begin, _)| command.starts_with(begin)) {
        let log = command.split_once('>').and_then(|(_, rest)| rest.split(' ').next());
        let command =
            if log.is_some() { command.to_owned() } else { format!("{command} >server.log 2>&1 &") };
        return format!("{command}\nuntil_said '{up}' {}", log.unwrap_or("server.log"));
    }
    // A status that the page says, behind the command that shows it.
    match command.rsplit_once("# ") {
        Some((shows, status)) if status.len() == 3 && status.parse::<u16>().is_ok() => {
            format!("[ \"$({})\" = {status} ]", shows.trim_end())
        }
        _ => command.to_owned(),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// The ports of the documents, and free ones in their place.
struct Ports([(&'static str, u16); 3]);

impl Ports {
    fn free() -> Ports {
        Ports(["8080", "8081", "6443"].map(|port| (port, free_port())))
    }

    fn put_into(&self, text: String) -> String {
        self.0.iter().fold(text, |text, (port, free)| text.replace(&format!(":{port}"), &format!(":{free}")))
    }
}

/// The script of a section, whose files are written into the folder.
fn script(page: &str, section: &str, before: &str, ports: &Ports, folder: &Path) -> String {
    let mut script = format!("{PRELUDE}{}\n", run_for(page, before));
    let begin = script.len();
    for block in blocks(page).into_iter().filter(|block| block.section == section) {
        let first = block.lines.first().and_then(|line| line.strip_prefix("# ")?.split(' ').next());
        match (&*block.language, first) {
            ("yaml", Some(name)) if name.ends_with(".yaml") => {
                let text = ports.put_into(block.lines.join("\n"));
                std::fs::write(folder.join(name), text).expect("a file of the page");
            }
            ("sh", _) => {
                for line in &block.lines {
                    let _ = writeln!(script, "{}", ports.put_into(run_for(page, line)));
                }
            }
            _ => {}
        }
    }
    assert!(script.len() > begin, "{page} has no commands in {section:?}");
    script
}

/// Runs a section; what it said, where a command fails.
fn run(page: &str, section: &str, before: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let ports = Ports::free();
    let script = script(page, section, before, &ports, folder.path());
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_foretop"), bin.join("foretop")).expect("a link");
    let path = std::env::var("PATH").unwrap_or_default();
    let [(_, served), (_, managed), _] = ports.0;
    let output = Command::new("timeout")
        // Of bash and all that it has started.
        .args(["--signal=KILL", "120", "bash", "-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", folder.path())
        .env("FORETOP_SERVER_LISTEN", format!("127.0.0.1:{served}"))
        .env("FORETOP_MANAGE_LISTEN", format!("127.0.0.1:{managed}"))
        // `doctor` follows a stream for two of them.
        .env("FORETOP_STREAMS_HEARTBEAT", "2s")
        .envs(std::env::var("MONOIO_FORCE_LEGACY_DRIVER").map(|value| ("MONOIO_FORCE_LEGACY_DRIVER", value)))
        .stdin(Stdio::null())
        .output()
        .expect("bash and timeout are there");
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let logs = logs(folder.path());
    Err(format!("{page}, {section}: {}\n{}\n{}\n{logs}", output.status, end(&said[0]), end(&said[1])))
}

fn end(text: &str) -> &str {
    let from = text.len().saturating_sub(4000);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[from..]
}

fn logs(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let logs: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    logs.iter().fold(String::new(), |said, log| {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        format!("{said}== {}\n{}\n", log.display(), end(&text))
    })
}

#[test]
fn the_commands_do_what_they_are_for() {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let sections = RUN.map(|(page, section, before)| scope.spawn(move || run(page, section, before)));
        sections.into_iter().filter_map(|section| section.join().expect("it does not panic").err()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
