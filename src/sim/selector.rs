//! Field and label selectors: equality only, which is what kubectl's common calls need.

use serde_json::Value;

use super::object::Object;

/// A condition on one value of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    path: Vec<String>,
    value: Option<String>,
    equal: bool,
}

/// A conjunction of conditions; without any it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<Term>,
}

/// A selector with set operators.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unable to parse requirement: the simulated apiserver knows equality only")]
pub struct NotSimple;

impl Selector {
    /// Parses both selectors, each empty if absent.
    pub fn parse(fields: &str, labels: &str) -> Result<Self, NotSimple> {
        let mut terms = Vec::new();
        for text in fields.split(',').filter(|text| !text.is_empty()) {
            terms.push(term(text, |name| name.split('.').map(str::to_owned).collect())?);
        }
        for text in labels.split(',').filter(|text| !text.is_empty()) {
            terms.push(term(text, |name| vec!["metadata".into(), "labels".into(), name.to_owned()])?);
        }
        Ok(Selector { terms })
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it matches an object.
    pub fn matches(&self, object: &Object) -> bool {
        if self.is_empty() {
            return true;
        }
        let value = object.value();
        self.terms.iter().all(|term| term.matches(&value))
    }
}

impl Term {
    fn matches(&self, object: &Value) -> bool {
        let found = self.path.iter().try_fold(object, |value, step| value.get(step));
        let found = found.and_then(Value::as_str);
        let same = match &self.value {
            Some(wanted) => found.unwrap_or_default() == wanted,
            None => found.is_some(),
        };
        same == self.equal
    }
}

fn term(text: &str, path: impl FnOnce(&str) -> Vec<String>) -> Result<Term, NotSimple> {
    if text.contains(['(', ')', ' ']) {
        return Err(NotSimple);
    }
    let value = |text: &str| Some(text.to_owned());
    if let Some((name, wanted)) = text.split_once("!=") {
        return Ok(Term { path: path(name), value: value(wanted), equal: false });
    }
    if let Some((name, wanted)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Term { path: path(name), value: value(wanted), equal: true });
    }
    match text.strip_prefix('!') {
        Some(name) => Ok(Term { path: path(name), value: None, equal: false }),
        None => Ok(Term { path: path(text), value: None, equal: true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_of_fields_and_labels() {
        let text = r#"{"metadata":{"name":"a","resourceVersion":"","labels":{"app":"web"}},"status":{"phase":"Running"}}"#;
        let object = Object::from_text(text.to_owned());
        let matches = |fields, labels| Selector::parse(fields, labels).unwrap().matches(&object);
        assert!(matches("metadata.name=a,status.phase!=Failed", "app=web"));
        assert!(matches("", "app,!tier"));
        assert!(!matches("metadata.name=b", ""));
        assert!(!matches("", "app!=web"));
        assert_eq!(Selector::parse("", "app in (a,b)"), Err(NotSimple));
    }
}
