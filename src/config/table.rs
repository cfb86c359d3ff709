//! The one table of settings.
//!
//! Each section of the tree writes its rows in [`Section::settings`]: name, field, grammar, and what it is for. Everything else is
//! derived by walking that table: reading a file, the names of environment variables, finding unknown keys, the reference page.
//! So a new setting is one field, one default and one row.

use super::grammar::{Grammar, Wrong};
use super::yaml::Node;

/// A part of the tree that has settings.
pub(crate) trait Section {
    /// Shows each setting of this section to the table, in the order of the reference page.
    fn settings(&mut self, table: &mut Table<'_>);
}

/// What is to be done with each row: it is described, or filled from its sources.
pub(crate) trait Visit {
    /// A section begins. The path of the top is empty.
    fn section(&mut self, path: &str, says: &'static str);
    /// One setting.
    fn setting(&mut self, row: Row<'_>);
}

/// One setting, as the table knows it.
pub(crate) struct Row<'a> {
    /// The path in the file, such as `streams.perUser`.
    pub key: String,
    /// What it is for, as the reference page says it.
    pub says: &'static str,
    /// The field, with the grammar that reads and shows it.
    pub field: &'a mut dyn Field,
}

/// A field of the tree together with its grammar, whatever its type.
pub(crate) trait Field {
    /// What may be written, such as `a whole number`.
    fn expected(&self) -> String;
    /// Which of that, such as `0 to 1000`; empty: any.
    fn range(&self) -> String;
    /// The value that the field has now, as it would be written.
    fn show(&self) -> String;
    /// What tells the value from others; of a secret no more than that.
    fn digest(&self) -> String;
    /// Sets the field, or leaves it and says what is wrong.
    fn read(&mut self, given: &Node) -> Result<(), Vec<Wrong>>;
}

/// Walks a tree of sections and shows each row to a visit.
pub(crate) struct Table<'a> {
    path: Vec<&'static str>,
    visit: &'a mut dyn Visit,
}

impl<'a> Table<'a> {
    /// Shows all settings below `top` to `visit`.
    pub fn walk(top: &mut dyn Section, visit: &'a mut dyn Visit) {
        top.settings(&mut Table { path: Vec::new(), visit });
    }

    /// The settings of a section.
    pub fn section(&mut self, name: &'static str, says: &'static str, section: &mut dyn Section) {
        self.path.push(name);
        self.visit.section(&self.path.join("."), says);
        section.settings(self);
        self.path.pop();
    }

    /// One setting.
    pub fn setting<T>(
        &mut self,
        name: &'static str,
        value: &mut T,
        grammar: impl Grammar<T>,
        says: &'static str,
    ) {
        self.path.push(name);
        let key = self.path.join(".");
        self.path.pop();
        self.visit.setting(Row { key, says, field: &mut Typed { value, grammar } });
    }

    /// Two settings, `NAME.min` and `NAME.max`, of a span that a value is drawn from.
    pub fn span<T>(
        &mut self,
        name: &'static str,
        (min, max): &mut (T, T),
        grammar: impl Grammar<T> + Copy,
        says: &'static str,
    ) {
        self.path.push(name);
        self.setting("min", min, grammar, says);
        self.setting("max", max, grammar, "The other end of the span.");
        self.path.pop();
    }
}

struct Typed<'a, T, G> {
    value: &'a mut T,
    grammar: G,
}

impl<T, G: Grammar<T>> Field for Typed<'_, T, G> {
    fn expected(&self) -> String {
        self.grammar.expected()
    }

    fn range(&self) -> String {
        self.grammar.range()
    }

    fn show(&self) -> String {
        self.grammar.show(self.value)
    }

    fn digest(&self) -> String {
        self.grammar.digest(self.value)
    }

    fn read(&mut self, given: &Node) -> Result<(), Vec<Wrong>> {
        *self.value = self.grammar.read(given)?;
        Ok(())
    }
}
