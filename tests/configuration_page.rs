//! `docs/configuration.md` and the example file say what the code says.
//!
//! `FORETOP_BLESS=1` writes the page's tables anew.

use std::path::{Path, PathBuf};

use foretop::config::{self, File, Sources};

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(at_root(path)).expect("a file of the repository")
}

/// The page with the text between `<!-- NAME:begin … -->` and `<!-- NAME:end -->` replaced.
fn with_part(page: &str, name: &str, part: &str) -> String {
    let begin = page.find(&format!("<!-- {name}:begin")).expect("a begin marker");
    let begin = begin + page[begin..].find("-->\n").expect("the marker's end") + "-->\n".len();
    let end = page.find(&format!("<!-- {name}:end -->")).expect("an end marker");
    format!("{}{part}{}", &page[..begin], &page[end..])
}

fn kinds_by_group() -> String {
    let mut table = "\n| Group | Kinds |\n|---|---|\n".to_owned();
    for group in foretop::kind::Group::ALL {
        let kinds = foretop::kind::all().iter().filter(|kind| kind.group == group);
        let names: Vec<String> = kinds.map(|kind| format!("`{}`", kind.name)).collect();
        table += &format!("| `{}` | {} |\n", group.name(), names.join(", "));
    }
    table.push('\n');
    table
}

#[test]
fn the_page_has_the_tables_of_the_code() {
    let page = read("docs/configuration.md");
    let right = with_part(&page, "kinds", &kinds_by_group());
    let right = with_part(&right, "settings", &format!("{}\n", config::reference()));
    if std::env::var_os("FORETOP_BLESS").is_some() {
        std::fs::write(at_root("docs/configuration.md"), right).expect("the page is written");
        return;
    }
    assert!(page == right, "docs/configuration.md is not what the code says: FORETOP_BLESS=1 writes it");
}

/// Loads a file with nothing else around it.
fn load(name: &str, text: &str) -> config::Loaded {
    let file = File { name: name.into(), text: text.into() };
    config::load(&Sources { file: Some(file), ..Sources::default() })
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn the_example_file_has_no_mistake_and_changes_no_default_unsaid() {
    let loaded = load("foretop.example.yaml", &read("foretop.example.yaml"));
    let mut config = loaded.config;
    assert_eq!(config.watch.prewarm.len(), 1);
    assert!(config.clusters_file.is_some());
    config.watch.prewarm.clear();
    config.clusters_file = None;
    assert_eq!(format!("{config:?}"), format!("{:?}", config::Config::default()));
}

/// The YAML blocks of a page, but for registries of clusters and what is Kubernetes' own.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let is_other = |text: &str| {
        ["clusters:", "# clusters.yaml", "apiVersion:"].iter().any(|begin| text.starts_with(begin))
    };
    blocks.filter(|text| !is_other(text)).map(str::to_owned).collect()
}

#[test]
fn the_examples_on_the_page_have_no_mistake() {
    let settings = examples(&read("docs/configuration.md"));
    assert_eq!(settings.len(), 2);
    for text in settings {
        load("docs/configuration.md", &text);
    }
}

#[test]
fn what_other_pages_show_of_the_settings_has_no_mistake() {
    for (page, count) in [("README.md", 1), ("docs/quick-start.md", 1), ("docs/access.md", 4)] {
        let settings = examples(&read(page));
        assert_eq!(settings.len(), count, "{page}");
        for text in settings {
            // A part of a file leaves out what the part before it said.
            let mode = if text.contains("bearer:") { "bearer" } else { "dev" };
            let said_before = [
                ("auth.mode", "FORETOP_AUTH_MODE", mode),
                ("authorization.mode", "FORETOP_AUTHORIZATION_MODE", "raw"),
                ("server.publicUrl", "FORETOP_SERVER_PUBLIC_URL", "https://foretop.example"),
            ];
            let is_said = |key: &str| match key {
                "auth.mode" => text.contains("  mode: ") || text.contains("{mode: "),
                "server.publicUrl" => text.contains("publicUrl: "),
                _ => false,
            };
            let environment = said_before.into_iter().filter(|(key, ..)| !is_said(key));
            let sources = Sources {
                file: Some(File { name: page.into(), text: text.clone() }),
                environment: environment.map(|(_, name, value)| (name.into(), value.into())).collect(),
                ..Sources::default()
            };
            config::load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        }
    }
}
