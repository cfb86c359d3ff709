//! The settings as Markdown tables, for `docs/configuration.md`.

use std::fmt::Write;

use super::Config;
use super::sources::variables;
use super::table::{Row, Table, Visit};

/// One table per section of the tree, in its order.
#[must_use]
pub fn reference() -> String {
    let mut page = Page { text: String::new(), heading: None, in_table: false };
    Table::walk(&mut Config::default(), &mut page);
    page.text
}

struct Page {
    text: String,
    heading: Option<String>,
    in_table: bool,
}

impl Visit for Page {
    fn section(&mut self, path: &str, says: &'static str) {
        self.heading = Some(format!("\n### `{path}`\n\n{says}\n"));
        self.in_table = false;
    }

    fn setting(&mut self, row: Row<'_>) {
        // A section that holds nothing but sections would have an empty table.
        self.text.push_str(&self.heading.take().unwrap_or_default());
        if !self.in_table {
            self.text.push_str("\n| Key | Type | Default | Range | Environment | What it does |\n|---|---|---|---|---|---|\n");
            self.in_table = true;
        }
        let names: Vec<String> = variables(&row.key).iter().map(|name| format!("`{name}`")).collect();
        let cells = [
            format!("`{}`", row.key),
            row.field.expected(),
            code(&row.field.show()),
            row.field.range(),
            names.join("<br>"),
            row.says.to_owned(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}
