//! The two texts in which Prometheus reads figures: `OpenMetrics`' 1.0, which is what is written, and its own 0.0.4 for whoever does not ask for the first.

use std::fmt::Write as _;

/// `OpenMetrics`' content type.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prometheus' own.
pub(super) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `OpenMetrics`' text in the older one: there a counter's family has the name of its samples, and nothing marks the end.
pub(super) fn as_prometheus(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // `HELP` stands before `TYPE`, which says whether it is a counter.
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
            continue;
        }
        let Some(rest) = line.strip_prefix("# TYPE ") else {
            if line != "# EOF" {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        let Some((name, kind)) = rest.split_once(' ') else { continue };
        let suffix = if kind == "counter" { "_total" } else { "" };
        let said = help.take().filter(|(of, _)| *of == name).map_or("", |(_, said)| said);
        // Writing to a string does not fail.
        let _ = writeln!(out, "# HELP {name}{suffix} {said}\n# TYPE {name}{suffix} {kind}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::as_prometheus;

    #[test]
    fn a_counters_family_is_named_as_its_samples_are() {
        let open = "# HELP a_sends Sends.\n# TYPE a_sends counter\na_sends_total{core=\"0\"} 1\n\
            # HELP a_streams Open streams.\n# TYPE a_streams gauge\na_streams 2\n# EOF\n";
        let own = "# HELP a_sends_total Sends.\n# TYPE a_sends_total counter\na_sends_total{core=\"0\"} 1\n\
            # HELP a_streams Open streams.\n# TYPE a_streams gauge\na_streams 2\n";
        assert_eq!(as_prometheus(open), own);
    }
}
