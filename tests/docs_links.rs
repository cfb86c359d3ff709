//! Links between documents lead somewhere: to a file that is there and, where they name one, to a heading in it.

use std::path::{Path, PathBuf};

/// A heading's anchor, as forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Its lines that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        is_code ^= line.starts_with("```");
        !is_code
    })
}

fn anchors(text: &str) -> Vec<String> {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

/// What stands in `](…)`.
fn links(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://"))
        .collect()
}

fn pages(root: &Path) -> Vec<PathBuf> {
    let folders =
        ["", "docs", "web", "web/client", "web/react", "deploy/helm/foretop"].map(|name| root.join(name));
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut broken, mut count) = (Vec::new(), 0);
    for page in pages(root) {
        let text = std::fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name("").join(file) };
            let is_good = match std::fs::read_to_string(&target) {
                Ok(text) => heading.is_empty() || anchors(&text).iter().any(|anchor| anchor == heading),
                // A folder or a picture.
                Err(_) => heading.is_empty() && target.exists(),
            };
            if !is_good {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 100, "only {count} links");
    assert!(broken.is_empty(), "{broken:#?}");
}
