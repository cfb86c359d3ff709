//! Fills the tree from its sources, and finds every mistake on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::grammar::Wrong;
use super::mistake::quoted;
use super::periscope::Periscope;
use super::sources::{Sources, variables};
use super::table::{Row, Table, Visit};
use super::yaml::{Node, Value};
use super::{Config, Mistake, Mistakes, contradictions, unknown};

/// What the sources say.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The whole tree. Where there are mistakes, what could not be read has its default: good for finding more mistakes only.
    pub config: Config,
    /// What is no mistake but should be known, one line each.
    pub warnings: Vec<String>,
    /// How many settings some source has set.
    pub set: usize,
}

/// Reads the settings that a process is to run with.
///
/// # Errors
///
/// Every mistake of every source, as [`read`] finds them.
pub fn load(sources: &Sources) -> Result<Loaded, Mistakes> {
    let (loaded, mistakes) = read(sources);
    if mistakes.is_empty() { Ok(loaded) } else { Err(Mistakes(mistakes)) }
}

/// Reads the settings, and finds every mistake of every source at once: those of the file first, in the order of its lines.
#[must_use]
pub fn read(sources: &Sources) -> (Loaded, Vec<Mistake>) {
    let mut config = Config::default();
    let mut filling = Filling::new(sources);
    filling.parse_file();
    Table::walk(&mut config, &mut filling);
    config.auth.insecure = sources.insecure;
    let Filling { root, periscope, keys, places, bad, mut mistakes, mut warnings, .. } = filling;
    mistakes.extend(periscope.mistakes);
    warnings.extend(periscope.warnings);
    if let (Some(root), Some(file)) = (&root, &sources.file) {
        unknown::file_keys(root, &file.name, &keys, &mut mistakes);
    }
    unknown::variables(&sources.environment, &keys, &mut mistakes, &mut warnings);
    // A file that is no YAML may hold anything: nothing can be said about what is missing from it or contradicts it.
    if root.is_some() {
        let known = contradictions::Known { places: &places, bad: &bad, file: sources.file.as_ref() };
        contradictions::find(&config, &known, &mut mistakes);
    }
    let in_file = |mistake: &Mistake| sources.file.as_ref().is_some_and(|file| file.name == mistake.source);
    mistakes.sort_by_key(|mistake| (!in_file(mistake), mistake.line.unwrap_or(u32::MAX)));
    (Loaded { config, warnings, set: places.len() }, mistakes)
}

/// Where a setting got its value.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub source: String,
    pub line: Option<u32>,
}

struct Filling<'a> {
    sources: &'a Sources,
    /// The file's tree; nothing where there is no file, `None` where it is no YAML.
    root: Option<Node>,
    periscope: Periscope,
    keys: Vec<String>,
    places: BTreeMap<String, Place>,
    bad: BTreeSet<String>,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
}

impl<'a> Filling<'a> {
    fn new(sources: &'a Sources) -> Self {
        Filling {
            sources,
            root: Some(Node { line: None, value: Value::Nothing }),
            periscope: Periscope::read(sources),
            keys: Vec::new(),
            places: BTreeMap::new(),
            bad: BTreeSet::new(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn parse_file(&mut self) {
        let Some(file) = &self.sources.file else { return };
        self.root = Node::parse(&file.text)
            .map_err(|syntax| {
                self.mistakes.push(Mistake {
                    source: file.name.clone(),
                    line: syntax.line,
                    key: String::new(),
                    what: format!("this is not YAML that can be read: {}", syntax.what),
                    right: "a YAML map of settings".into(),
                });
            })
            .ok();
    }

    fn read(&mut self, row: &mut Row<'_>, place: Place, given: &Node) {
        let key = row.key.clone();
        self.read_as(&key, row, place, given);
    }

    /// Reads a value that stands there under this key.
    fn read_as(&mut self, key: &str, row: &mut Row<'_>, place: Place, given: &Node) {
        match row.field.read(given) {
            Ok(()) => {}
            Err(wrongs) => {
                self.bad.insert(row.key.clone());
                let right = right(row);
                self.mistakes.extend(wrongs.into_iter().map(|wrong| mistake(key, &place, wrong, &right)));
            }
        }
        self.places.insert(row.key.clone(), place);
    }

    fn read_periscope(&mut self, row: &mut Row<'_>) {
        let Some(given) = self.periscope.given(&row.key) else { return };
        let (key, place, node) = (given.key.clone(), given.place.clone(), given.node.clone());
        self.read_as(&key, row, place, &node);
    }

    fn read_file(&mut self, row: &mut Row<'_>) {
        let Some(file) = &self.sources.file else { return };
        let path: Vec<&str> = row.key.split('.').collect();
        let Some(node) = self.root.as_ref().and_then(|root| root.at(&path)).cloned() else { return };
        self.read(row, Place { source: file.name.clone(), line: node.line }, &node);
    }

    fn read_environment(&mut self, row: &mut Row<'_>) {
        let environment = &self.sources.environment;
        let mut given = variables(&row.key)
            .into_iter()
            .filter_map(|name| environment.get(&name).map(|value| (name, value)));
        let Some((name, value)) = given.next() else { return };
        for (loser, other) in given.filter(|(_, other)| *other != value) {
            self.warnings.push(format!(
                "{name}={} and {loser}={} differ; {name} counts",
                quoted(value),
                quoted(other)
            ));
        }
        self.read(row, Place { source: name, line: None }, &Node::scalar(value));
    }

    fn read_flags(&mut self, row: &mut Row<'_>) {
        for flag in &self.sources.flags {
            if flag.key != row.key {
                continue;
            }
            self.read(row, Place { source: flag.name.to_owned(), line: None }, &Node::scalar(&flag.value));
        }
    }
}

impl Visit for Filling<'_> {
    fn section(&mut self, _: &str, _: &'static str) {}

    fn setting(&mut self, mut row: Row<'_>) {
        self.keys.push(row.key.clone());
        self.read_periscope(&mut row);
        self.read_file(&mut row);
        self.read_environment(&mut row);
        self.read_flags(&mut row);
    }
}

/// What would be right, as the grammar and the default say it.
fn right(row: &Row<'_>) -> String {
    let mut right = row.field.expected();
    let range = row.field.range();
    if !range.is_empty() {
        right = format!("{right}, {range}");
    }
    let example = row.field.show();
    if !example.is_empty() {
        right = format!("{right}, such as `{example}`");
    }
    right
}

fn mistake(key: &str, place: &Place, wrong: Wrong, right: &str) -> Mistake {
    Mistake {
        source: place.source.clone(),
        line: wrong.line.or(place.line),
        key: key.to_owned(),
        what: wrong.what,
        right: wrong.right.unwrap_or_else(|| right.to_owned()),
    }
}
