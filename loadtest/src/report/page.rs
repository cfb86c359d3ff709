//! The page of a run: one HTML file that needs nothing else, with its plots and all that was found.

use super::plots::{self, Axes, Line};
use super::table;
use crate::figures::Figure;
use crate::result::{PhaseResult, RunResult};

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre{overflow:auto;background:#f6f6f6;padding:1em}\
                     svg{max-width:100%;height:auto;display:block;margin:1.5em 0}.broken{color:#b00}";

/// The page.
pub fn html(result: &RunResult) -> String {
    let name = escaped(&result.scenario.name);
    let machine = &result.machine;
    let figures: String =
        [latency(result), processor(result), memory(result)].into_iter().flatten().collect();
    let json = serde_json::to_string(result).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title><style>{STYLE}</style></head><body>\n\
         <h1>{name}</h1>\n<p>{}</p>\n<p>{}, {} CPUs, Linux {}, load {:.1}</p>\n<pre>{}</pre>\n{figures}\n\
         <script type=\"application/json\" id=\"result\">{}</script>\n</body></html>\n",
        escaped(&result.scenario.about),
        escaped(&machine.processor),
        machine.cpus,
        escaped(&machine.kernel),
        machine.load,
        escaped(&table::text(result)),
        json.replace('<', "\\u003c"),
    )
}

/// The phases of the first repetition, which stands for all in plots.
fn phases(result: &RunResult) -> &[PhaseResult] {
    result.repetitions.first().map_or(&[], |repetition| &repetition.phases)
}

fn latency(result: &RunResult) -> Option<String> {
    let mut lines = Vec::new();
    for phase in phases(result) {
        for (group, times) in phase.report.latency.iter().enumerate() {
            let name =
                if group == 0 { phase.name.clone() } else { format!("{}, the noisy view", phase.name) };
            lines.push(Line { name, points: plots::latency_curve(times) });
        }
    }
    lines.retain(|line| line.points.len() > 1);
    let title = "From the moment a change was due to its frame in a tab";
    plots::lines(
        &Axes { title, x: "nines (1 = 90 %, 3 = 99.9 %)", y: "milliseconds", logarithmic: true },
        &lines,
    )
}

fn processor(result: &RunResult) -> Option<String> {
    let axes = Axes {
        title: "Processor time of the server against sends",
        x: "sends per second",
        y: "CPUs",
        logarithmic: false,
    };
    by_phase(result, &axes, Figure::SendsPerSecond, Figure::Cpus)
}

fn memory(result: &RunResult) -> Option<String> {
    let axes = Axes {
        title: "Memory of the server against streams",
        x: "streams",
        y: "resident MB",
        logarithmic: false,
    };
    by_phase(result, &axes, Figure::Tabs, Figure::RssMb)
}

fn by_phase(result: &RunResult, axes: &Axes<'_>, x: Figure, y: Figure) -> Option<String> {
    let line = |(index, repetition): (usize, &crate::result::Repetition)| {
        let point = |phase: &PhaseResult| Some((*phase.figures.get(&x)?, *phase.figures.get(&y)?));
        let mut points: Vec<_> = repetition.phases.iter().filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Line { name: format!("{} {}", repetition.subject, index + 1), points }
    };
    plots::lines(axes, &result.repetitions.iter().enumerate().map(line).collect::<Vec<_>>())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_scenario_cannot_write_markup() {
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
