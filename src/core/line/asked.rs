//! What a client asks of a line: the bodies of `POST /api/stream` and `POST /api/stream/{id}/views`. Pure: bytes in, views out.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::lanes::MOST_VIEWS;
use crate::access::Wanted;
use crate::core::request::is_namespace;
use crate::feed::{Namespaces, Selector};
use crate::kind;
use crate::wire::id::ResumeId;

/// The longest body that is read, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;

/// Characters of a view's name.
const LONGEST_NAME: usize = 64;

/// A view that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedView {
    /// What the client calls it.
    pub name: Box<str>,
    /// Of which cluster.
    pub cluster: Arc<str>,
    /// Of which kind, if there is one of that name.
    pub kind: Box<str>,
    /// Which namespaces.
    pub wanted: Wanted,
    /// Which of their objects; `None`: all.
    pub selector: Option<Arc<Selector>>,
    /// From where it goes on.
    pub resume: Option<ResumeId>,
}

/// What is to become of a line's views. Removing comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Views to add.
    pub add: Vec<AskedView>,
    /// Names of views to remove.
    pub remove: Vec<Box<str>>,
}

/// What is wrong with a body, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Mistake {
    place: String,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    views: Vec<View>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changing {
    #[serde(default)]
    add: Vec<View>,
    #[serde(default)]
    remove: Vec<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct View {
    #[serde(rename = "ref")]
    name: Box<str>,
    cluster: Box<str>,
    kind: Box<str>,
    #[serde(default)]
    namespaces: Option<Vec<Box<str>>>,
    #[serde(default)]
    label_selector: Option<Box<str>>,
    #[serde(default)]
    position: Option<Box<str>>,
}

/// Reads the body that opens a line.
///
/// # Errors
/// What is wrong, and where.
pub fn opening(body: &[u8]) -> Result<Vec<AskedView>, Mistake> {
    let Opening { views } = read(body)?;
    checked("views", views)
}

/// Reads the body that changes a line.
///
/// # Errors
/// What is wrong, and where.
pub fn change(body: &[u8]) -> Result<Change, Mistake> {
    let Changing { add, remove } = read(body)?;
    if remove.len() > MOST_VIEWS {
        return Err(mistake("remove", format!("more than {MOST_VIEWS}")));
    }
    Ok(Change { add: checked("add", add)?, remove })
}

fn mistake(place: impl Into<String>, what: impl Into<String>) -> Mistake {
    Mistake { place: place.into(), what: what.into() }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Mistake> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // What is no JSON has no places that could be named.
        let place = if error.inner().is_data() && path != "." { path } else { "body".to_owned() };
        mistake(place, plain(&error.inner().to_string()))
    })?;
    json.end().map_err(|error| mistake("body", plain(&error.to_string())))?;
    Ok(read)
}

/// Words of the parser, which may repeat what was sent: so many of them, with nothing that would need escaping.
fn plain(words: &str) -> String {
    let plain = |char: char| match char {
        '"' | '\\' | '`' => '\'',
        char if char.is_control() => ' ',
        char => char,
    };
    words.chars().take(200).map(plain).collect()
}

fn checked(list: &str, views: Vec<View>) -> Result<Vec<AskedView>, Mistake> {
    if views.len() > MOST_VIEWS {
        return Err(mistake(list, format!("more than {MOST_VIEWS} views")));
    }
    let mut names = std::collections::HashSet::new();
    let mut asked = Vec::with_capacity(views.len());
    for (index, view) in views.into_iter().enumerate() {
        let at = |field: &str| format!("{list}[{index}].{field}");
        if !is_name(&view.name) {
            let what = format!("1 to {LONGEST_NAME} letters, digits and -_.:/ make a ref");
            return Err(mistake(at("ref"), what));
        }
        if !names.insert(view.name.clone()) {
            return Err(mistake(at("ref"), "another view has this ref"));
        }
        let selector = Selector::parse(view.label_selector.as_deref().unwrap_or_default())
            .map_err(|error| mistake(at("labelSelector"), error.to_string()))?;
        let resume = view.position.as_ref().and_then(|position| ResumeId::parse(position.as_bytes()));
        let wanted = wanted(&view.kind, view.namespaces.unwrap_or_default())
            .map_err(|(field, what)| mistake(at(&field), what))?;
        let (name, cluster) = (view.name, view.cluster.into());
        asked.push(AskedView { name, cluster, kind: view.kind, wanted, selector, resume });
    }
    Ok(asked)
}

fn is_name(name: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(may)
}

fn wanted(kind: &str, names: Vec<Box<str>>) -> Result<Wanted, (String, &'static str)> {
    if let Some(index) = names.iter().position(|name| !is_namespace(name)) {
        return Err((format!("namespaces[{index}]"), "no namespace can have this name"));
    }
    if !names.is_empty() && kind::by_name(kind).is_some_and(|kind| !kind.namespaced) {
        return Err(("namespaces".into(), "objects of this kind are in no namespace"));
    }
    Ok(Namespaces::new(names.into_iter().map(Arc::from)).map_or(Wanted::Everything, Wanted::Namespaces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Rv;

    #[test]
    fn views_are_read_as_they_are_meant() {
        let body = br#"{"views":[
            {"ref":"a","cluster":"c","kind":"pods"},
            {"ref":"b.1:/_-","cluster":"c","kind":"pods","namespaces":["web","shop"],"labelSelector":"","position":"7.0000000000ab"},
            {"ref":"c","cluster":"c","kind":"nodes","namespaces":[],"position":null}
        ]}"#;
        let views = opening(body).expect("three views");
        let names: Vec<&str> = views.iter().map(|view| &*view.name).collect();
        assert_eq!(names, ["a", "b.1:/_-", "c"]);
        assert_eq!(views[0].wanted, Wanted::Everything);
        let Wanted::Namespaces(set) = &views[1].wanted else { panic!("{:?}", views[1]) };
        assert_eq!(set.names().len(), 2);
        assert!(matches!(views[1].resume, Some(ResumeId::At(Rv(7), Some(_)))));
        assert_eq!((&views[2].wanted, views[2].resume), (&Wanted::Everything, None));
        assert_eq!(opening(br#"{"views":[]}"#), Ok(Vec::new()));
    }

    #[test]
    fn a_change_may_add_remove_both_or_nothing() {
        let both = change(br#"{"add":[{"ref":"a","cluster":"c","kind":"pods"}],"remove":["a"]}"#);
        let both = both.expect("a change");
        assert_eq!((both.add.len(), both.remove), (1, vec!["a".into()]));
        assert_eq!(change(b"{}"), Ok(Change { add: Vec::new(), remove: Vec::new() }));
    }

    #[test]
    fn a_mistake_says_where_it_is() {
        let view =
            |fields: &str| format!(r#"{{"views":[{{"ref":"a","cluster":"c","kind":"pods"}},{{{fields}}}]}}"#);
        let many: Vec<String> =
            (0..=MOST_VIEWS).map(|n| format!(r#"{{"ref":"{n}","cluster":"c","kind":"pods"}}"#)).collect();
        for (body, place) in [
            (view(r#""ref":"b","cluster":"c""#), "views[1]: missing field"),
            (view(r#""ref":"b","cluster":"c","kind":5"#), "views[1].kind: "),
            (view(r#""ref":"b","cluster":"c","kind":"pods","labels":1"#), "views[1]"),
            (view(r#""ref":"a","cluster":"c","kind":"pods""#), "views[1].ref: another"),
            (view(r#""ref":"","cluster":"c","kind":"pods""#), "views[1].ref: 1 to"),
            (view(r#""ref":"b\"","cluster":"c","kind":"pods""#), "views[1].ref: 1 to"),
            (
                view(r#""ref":"b","cluster":"c","kind":"pods","namespaces":["a","A"]"#),
                "views[1].namespaces[1]: ",
            ),
            (view(r#""ref":"b","cluster":"c","kind":"nodes","namespaces":["a"]"#), "views[1].namespaces: "),
            (
                view(r#""ref":"b","cluster":"c","kind":"pods","labelSelector":"a in (\"""#),
                "views[1].labelSelector: ",
            ),
            (format!(r#"{{"views":[{}]}}"#, many.join(",")), "views: more than"),
            (r#"{"views":[]} x"#.into(), "body: "),
            ("[]".into(), "body: "),
            (String::new(), "body: "),
            ("{".into(), "body: "),
            (r#"{"views":[{"#.into(), "body: "),
            (r#"{"views":{}}"#.into(), "views: "),
        ] {
            let said = opening(body.as_bytes()).expect_err(&body).to_string();
            assert!(said.starts_with(place), "{said:?} of {body}");
            assert!(!said.contains(['"', '\\', '\n']), "{said:?} needs no escaping");
        }
    }

    #[test]
    fn what_was_sent_is_repeated_shortly_and_plainly() {
        let body = format!(r#"{{"views":[{{"ref":"a","cluster":["{}\u0007"]}}]}}"#, "\\\"x".repeat(1000));
        let said = opening(body.as_bytes()).expect_err("a list").to_string();
        assert!(said.len() < 300 && !said.contains(['"', '\\']), "{said}");
    }
}
