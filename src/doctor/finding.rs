//! What a check has found.

use std::fmt;

use serde::Serialize;

/// How it stands with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// As it should be.
    #[serde(rename = "ok")]
    Fine,
    /// It works, and might work better, or will not for long.
    #[serde(rename = "warning")]
    Doubtful,
    /// Something does not work.
    #[serde(rename = "error")]
    Broken,
}

impl Verdict {
    /// The word in either form of the report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Fine => "ok",
            Verdict::Doubtful => "warning",
            Verdict::Broken => "error",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub verdict: Verdict,
    /// By which check.
    pub check: &'static str,
    /// Of what.
    #[serde(rename = "where")]
    pub of: String,
    /// What was found.
    pub what: String,
    /// What would mend it; of what is fine, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// A mistake in the settings, which says itself what would be right.
    #[must_use]
    pub fn of_settings(mistake: &str) -> Self {
        Finding::broken(mistake, "mend the settings: nothing else is looked at before")
            .of("settings", "the settings")
    }

    pub(super) fn fine(what: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Fine, check: "", of: String::new(), what: what.into(), fix: None }
    }

    pub(super) fn doubtful(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Doubtful, fix: Some(fix.into()), ..Finding::fine(what) }
    }

    pub(super) fn broken(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Broken, ..Finding::doubtful(what, fix) }
    }

    /// Found by this check of that thing, unless it says itself by which.
    pub(super) fn of(self, check: &'static str, of: &str) -> Self {
        let check = if self.check.is_empty() { check } else { self.check };
        Finding { check, of: of.to_owned(), ..self }
    }

    pub(super) fn by(self, check: &'static str) -> Self {
        Finding { check, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7} {} ({}): {}", self.verdict.word(), self.of, self.check, self.what)?;
        match &self.fix {
            Some(fix) => write!(f, "\n        fix: {fix}"),
            None => Ok(()),
        }
    }
}

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Findings that something does not work.
    pub errors: usize,
    /// Findings that something might be better.
    pub warnings: usize,
    /// Every finding.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings, in their order.
    #[must_use]
    pub fn new(findings: Vec<Finding>) -> Self {
        let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
        Report { errors: count(Verdict::Broken), warnings: count(Verdict::Doubtful), findings }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let fine = self.findings.len() - self.errors - self.warnings;
        write!(f, "\n{} errors, {} warnings, {fine} ok", self.errors, self.warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_says_how_to_mend() {
        let report = Report::new(vec![
            Finding::fine("v1").of("apiserver", "cluster a"),
            Finding::broken("no answer", "look").of("apiserver", "cluster b"),
        ]);
        let text = "ok      cluster a (apiserver): v1\nerror   cluster b (apiserver): no answer\n        fix: look\n\n1 errors, 0 warnings, 1 ok";
        assert_eq!(report.to_string(), text);
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["findings"][1]["where"], "cluster b");
        assert_eq!((&json["errors"], &json["findings"][0]["verdict"]), (&1.into(), &"ok".into()));
    }
}
