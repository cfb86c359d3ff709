//! `docs/commands.md` has each command's help as the binary gives it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const BEGIN: &str =
    "<!-- help:begin, written by the code: FORETOP_BLESS=1 cargo test --test commands_page -->\n";
const END: &str = "<!-- help:end -->";

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_foretop")).args(arguments).env_clear().output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The names below `Commands:`.
fn subcommands() -> Vec<String> {
    let all = help(&["--help"]);
    let list = all.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list");
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_page_has_the_help_of_every_command() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("where the help begins");
    let (_, after) = rest.split_once(END).expect("where it ends");
    let names = subcommands();
    assert!(names.len() >= 5, "{names:?}");
    let mut right = format!("{before}{BEGIN}");
    for name in &names {
        let _ = write!(right, "\n## `foretop {name}`\n\n```text\n{}```\n", help(&[name, "--help"]));
    }
    let _ = write!(right, "\n{END}{after}");
    if std::env::var_os("FORETOP_BLESS").is_some() {
        std::fs::write(&path, &right).expect("the page can be written");
        return;
    }
    assert!(page == right, "docs/commands.md is not what the binary says: FORETOP_BLESS=1 writes it");
}
