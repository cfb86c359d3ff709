//! Field and label selectors. Labels have Kubernetes' whole grammar, which is that of the crate itself; fields equality only, which is what kubectl's common calls need.

use std::sync::Arc;

use serde_json::Value;

use super::object::Object;
use crate::wire::selector::{Selector as LabelSelector, SelectorError};

/// A condition on one field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    path: Vec<String>,
    value: String,
    equal: bool,
}

/// A conjunction of conditions; without any it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    fields: Vec<Term>,
    labels: Option<Arc<LabelSelector>>,
}

/// Why a text is no selector.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotASelector {
    /// Of fields.
    #[error("unable to parse requirement: a field is compared by = == or !=")]
    Fields,
    /// Of labels.
    #[error("unable to parse requirement: {0}")]
    Labels(#[from] SelectorError),
}

impl Selector {
    /// Parses both selectors, each empty if absent.
    pub fn parse(fields: &str, labels: &str) -> Result<Self, NotASelector> {
        let fields = fields.split(',').filter(|text| !text.is_empty()).map(term);
        let fields = fields.collect::<Option<_>>().ok_or(NotASelector::Fields)?;
        Ok(Selector { fields, labels: LabelSelector::parse(labels)? })
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.labels.is_none()
    }

    /// Whether it matches an object.
    pub fn matches(&self, object: &Object) -> bool {
        if self.is_empty() {
            return true;
        }
        let value = object.value();
        let labels = &value["metadata"]["labels"];
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.fields.iter().all(|term| term.matches(&value))
            && self.labels.as_ref().is_none_or(|selector| selector.selects(label))
    }
}

impl Term {
    fn matches(&self, object: &Value) -> bool {
        let found = self.path.iter().try_fold(object, |value, step| value.get(step));
        let found = found.and_then(Value::as_str).unwrap_or_default();
        (found == self.value) == self.equal
    }
}

fn term(text: &str) -> Option<Term> {
    let unequal = text.split_once("!=").map(|pair| (pair, false));
    let ((name, value), equal) = unequal
        .or_else(|| text.split_once("==").or_else(|| text.split_once('=')).map(|pair| (pair, true)))?;
    Some(Term { path: name.split('.').map(str::to_owned).collect(), value: value.to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_equal_or_not_and_labels_are_selected_by_kubernetes_grammar() {
        let text = r#"{"metadata":{"name":"a","resourceVersion":"","labels":{"app":"web"}},"status":{"phase":"Running"}}"#;
        let object = Object::from_text(text.to_owned());
        let matches = |fields, labels| Selector::parse(fields, labels).unwrap().matches(&object);
        assert!(matches("metadata.name=a,status.phase!=Failed", "app=web"));
        assert!(matches("", "app,!tier"));
        assert!(matches("metadata.name==a", "app in (web,db)"));
        assert!(!matches("metadata.name=b", ""));
        assert!(!matches("", "app!=web"));
        assert_eq!(Selector::parse("metadata.name", ""), Err(NotASelector::Fields));
        assert!(matches!(Selector::parse("", "app in web"), Err(NotASelector::Labels(_))));
    }
}
