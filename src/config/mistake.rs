//! What is wrong with the settings, said so that it can be mended.

use std::borrow::Cow;
use std::fmt;

/// One mistake in one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands: the name of a file, an environment variable or a flag.
    pub source: String,
    /// The line in the file, 1-based, where it is known.
    pub line: Option<u32>,
    /// The key's path, such as `streams.perUser`; empty where the whole source is wrong.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", plain(&self.source))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", plain(&self.key))?;
        }
        write!(f, ": {}; right would be {}", plain(&self.what), plain(&self.right))
    }
}

impl Mistake {
    /// A file that cannot be read, and why.
    #[must_use]
    pub fn unreadable(source: String, why: &dyn fmt::Display) -> Self {
        Mistake {
            source,
            line: None,
            key: String::new(),
            what: format!("this file cannot be read: {why}"),
            right: "a file of UTF-8 text that this user may read".into(),
        }
    }
}

/// Every mistake that was found; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// A value as it was written, for an error text: quoted, escaped, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", plain(&cut_to(60, text)))
}

/// A text of somebody else's making, cut where it is long.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    cut_to(300, text)
}

fn cut_to(most: usize, text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// One line without control characters, whatever the text holds.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The valid spelling that is nearest to what was written.
///
/// A candidate is a spelling and what it stands for, which may differ: `deployment.apps` may lead to `deployments`.
pub(crate) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<&'a str> {
    let written = written.to_lowercase();
    candidates
        .into_iter()
        .map(|(spelling, meant)| (strsim::damerau_levenshtein(&written, &spelling.to_lowercase()), meant))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, meant)| meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_one_line_whatever_it_quotes() {
        let mistake = Mistake {
            source: "foretop.yaml".into(),
            line: Some(12),
            key: "streams.perUser".into(),
            what: format!("{} is not a whole number", quoted("6\n\u{1b}[31m\u{202e}")),
            right: "a whole number".into(),
        };
        assert_eq!(
            mistake.to_string(),
            "foretop.yaml:12: streams.perUser: `6\\n\\u{1b}[31m\\u{202e}` is not a whole number; right would be a whole number"
        );
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(quoted(&"ä".repeat(1000)), format!("`{}…`", "ä".repeat(60)));
        assert_eq!(quoted(&"ä".repeat(60)), format!("`{}`", "ä".repeat(60)));
    }

    #[test]
    fn the_nearest_is_found_across_case_and_swaps() {
        let words = ["pods", "nodes", "pvcs"].map(|word| (word, word));
        for (written, meant) in [("Pods", "pods"), ("pdos", "pods"), ("node", "nodes"), ("pvc", "pvcs")] {
            assert_eq!(nearest(written, words), Some(meant));
        }
        assert_eq!(nearest("pods", []), None);
    }
}
