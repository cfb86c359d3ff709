//! The metrics as Markdown tables, for `docs/metrics.md`.

use std::fmt::Write;

use super::table::{Metric, SECTIONS, Type};

/// One table per section.
#[must_use]
pub fn page() -> String {
    let mut page = String::new();
    for section in SECTIONS {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## {}\n\n| Metric | Type | Labels | What it tells |\n|---|---|---|---|\n",
            section.heading
        );
        for metric in section.metrics {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (labels, help) = (labels.join(", "), metric.help);
            let _ = writeln!(page, "| `{}` | {} | {labels} | {help} |", sample(metric), metric.kind.word());
        }
    }
    page
}

/// The names by which queries know them, save the suffixes of a histogram.
pub fn names() -> impl Iterator<Item = String> {
    SECTIONS.iter().flat_map(|section| section.metrics).map(sample)
}

fn sample(metric: &Metric) -> String {
    let suffix = if metric.kind == Type::Counter { "_total" } else { "" };
    format!("{}{suffix}", metric.name)
}
