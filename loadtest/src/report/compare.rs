//! Two runs beside each other: how many times as much each figure of the second is, and how sure that is.

use std::fmt::Write;

use super::table::{SHOWN, median, short};
use crate::figures::Figure;
use crate::result::RunResult;

/// The ratio of a figure's medians, and the least and the largest ratio that any two repetitions give.
pub fn ratio(first: &[f64], second: &[f64]) -> Option<(f64, f64, f64)> {
    let (a, b) = (median(first)?, median(second)?);
    let (least, most) = (second.first()? / first.last()?, second.last()? / first.first()?);
    [b / a, least, most].iter().all(|value| value.is_finite()).then_some((b / a, least, most))
}

/// A line per phase that both runs have and per figure that both know.
pub fn text(first: &RunResult, second: &RunResult) -> String {
    let mut text =
        format!("{} against {}: how many times as much\n", second.scenario.name, first.scenario.name);
    for (index, phase) in first.scenario.phases.iter().enumerate() {
        let Some(other) = second.scenario.phases.iter().position(|other| other.name == phase.name) else {
            continue;
        };
        let _ = writeln!(text, "{}", phase.name);
        for (figure, unit) in SHOWN {
            if let Some(line) =
                line(&first.values(index, figure), &second.values(other, figure), figure, unit)
            {
                text.push_str(&line);
            }
        }
    }
    text
}

fn line(first: &[f64], second: &[f64], figure: Figure, unit: &str) -> Option<String> {
    if figure == Figure::Unequal {
        return None;
    }
    let (ratio, least, most) = ratio(first, second)?;
    let (a, b) = (short(median(first)?), short(median(second)?));
    Some(format!("  {unit:<22} {ratio:>7.2} [{least:.2}–{most:.2}]   {a} → {b}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_the_spread_of_both_runs() {
        let (ratio, least, most) = ratio(&[1.0, 2.0, 4.0], &[3.0, 4.0, 5.0]).unwrap();
        assert_eq!((ratio, least, most), (2.0, 0.75, 5.0));
        assert!(super::ratio(&[0.0], &[1.0]).is_none());
        assert!(super::ratio(&[], &[1.0]).is_none());
    }
}
