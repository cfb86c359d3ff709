//! The summary of a run: a row per figure, a column per phase.

use std::fmt::Write;

use super::fit;
use crate::figures::Figure;
use crate::result::RunResult;

/// The figures that the table shows, in its order, with their units.
pub const SHOWN: [(Figure, &str); 29] = [
    (Figure::Tabs, "tabs"),
    (Figure::EventsPerSecond, "changes/s"),
    (Figure::FramesPerSecond, "frames/s"),
    (Figure::BytesPerSecond, "bytes/s"),
    (Figure::SendsPerSecond, "sends/s"),
    (Figure::FramesPerSend, "frames per send"),
    (Figure::SendsPerTab, "sends per tab and s"),
    (Figure::LapMs, "a lap, ms"),
    (Figure::SendsOfBound, "sends × (lap + window)"),
    (Figure::Cpus, "CPUs of the server"),
    (Figure::CpuPerFrame, "CPU s per M frames"),
    (Figure::CpuPerSend, "CPU s per M sends"),
    (Figure::UserPerSend, "  of it user"),
    (Figure::CpuPerEvent, "CPU µs per change"),
    (Figure::CpuPerTab, "CPU ms per connect"),
    (Figure::UserPerTab, "  of it user"),
    (Figure::RssMb, "RSS MB"),
    (Figure::RssPerTab, "RSS B per tab"),
    (Figure::EncodingsPerEvent, "encodings per change"),
    (Figure::UpstreamRequests, "requests upstream"),
    (Figure::EventToSocketP50, "event to socket p50 ms"),
    (Figure::EventToSocketP99, "event to socket p99 ms"),
    (Figure::LatencyP50, "latency p50 ms"),
    (Figure::LatencyP99, "latency p99 ms"),
    (Figure::LatencyP999, "latency p99.9 ms"),
    (Figure::NoisyP99, "noisy view's p99 ms"),
    (Figure::FirstRowP50, "first row p50 ms"),
    (Figure::FirstRowP99, "first row p99 ms"),
    (Figure::Unequal, "tabs unequal"),
];

/// The middle value; `None` of none.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// A number to three digits.
pub fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 100.0 || size.fract() == 0.0 => grouped(value),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// The median of a figure over the repetitions, with its range where there are several.
pub fn cell(values: &[f64]) -> String {
    match (values, median(values)) {
        ([first, .., last], Some(median)) => {
            format!("{} [{}–{}]", short(median), short(*first), short(*last))
        }
        (_, Some(median)) => short(median),
        (_, None) => String::new(),
    }
}

/// The table.
pub fn text(result: &RunResult) -> String {
    let mut columns = vec![
        std::iter::once(String::new()).chain(SHOWN.map(|(_, unit)| unit.to_owned())).collect::<Vec<_>>(),
    ];
    for (index, phase) in result.scenario.phases.iter().enumerate() {
        let cells = SHOWN.iter().map(|(figure, _)| cell(&result.values(index, *figure)));
        columns.push(std::iter::once(phase.name.clone()).chain(cells).collect());
    }
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = format!("{} ({} repetitions)\n", result.scenario.name, result.repetitions.len());
    for row in 0..=SHOWN.len() {
        if row > 0 && columns[1..].iter().all(|column| column[row].is_empty()) {
            continue;
        }
        for (at, (column, width)) in columns.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - column[row].chars().count());
            let line =
                if at == 0 { format!("{}{pad}", column[row]) } else { format!("  {pad}{}", column[row]) };
            text.push_str(&line);
        }
        text.push('\n');
    }
    text.push_str(&straightness(result).unwrap_or_default());
    for repetition in &result.repetitions {
        for (fault, view, last_id) in
            repetition.phases.last().into_iter().flat_map(|phase| &phase.report.examples)
        {
            let _ = writeln!(text, "FAULT {fault:?} in view {view}, after id {last_id}");
        }
    }
    for (phase, verdict) in result.broken() {
        let found = verdict.found.map_or_else(|| "not known".to_owned(), short);
        let _ = writeln!(text, "BROKEN {phase}: {} is {found}, wanted {}", verdict.figure, verdict.wanted);
    }
    text
}

/// How processor time grows with sends, where several phases tell.
fn straightness(result: &RunResult) -> Option<String> {
    const FEWEST: usize = 4;
    let point = |phase| {
        let of = |figure| median(&result.values(phase, figure));
        Some((of(Figure::SendsPerSecond)?, of(Figure::Cpus)?))
    };
    let points: Vec<_> = (0..result.scenario.phases.len()).filter_map(point).collect();
    let fit = fit::line(&points).filter(|_| points.len() >= FEWEST)?;
    let (base, slope) = (short(fit.base), short(fit.slope * 1e6));
    Some(format!("CPUs = {base} + {slope} µs × sends/s, r² = {:.4}\n", fit.r2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [1_234_567.8, 12.345, 1.234, 0.01234, 3.0, 0.0].map(short),
            ["1,234,568", "12.3", "1.23", "0.0123", "3", "0"]
        );
    }

    #[test]
    fn a_cell_is_a_median_with_its_range() {
        assert_eq!(cell(&[1.0, 2.0, 9.0]), "2 [1–9]");
        assert_eq!(cell(&[1.0]), "1");
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
    }
}
