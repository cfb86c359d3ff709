//! What feeds of one source show of it, each by its key: rows of which kind, of which objects.

use super::key::Rows;
use super::{Feed, FeedKey};
use crate::kind::{Change, Labels, Object, Row, Rv};

impl FeedKey {
    /// What it shows of a whole list that was decoded with details.
    pub(super) fn list_of(&self, objects: &[Object]) -> Vec<Object> {
        objects.iter().filter(|object| self.shows(object)).map(|object| self.shown(object)).collect()
    }

    /// What it shows of changes that were decoded with details. An object that it does not show any more, or never did, is as good as deleted.
    pub(super) fn changes_of(&self, changes: &[Change]) -> Vec<Change> {
        let change_of = |change: &Change| match change {
            Change::Put(object) if self.shows(object) => Change::Put(self.shown(object)),
            Change::Put(object) | Change::Deleted(object) => Change::Deleted(self.shown(object)),
            Change::Bookmark { .. } | Change::Error(_) => change.clone(),
        };
        changes.iter().map(change_of).collect()
    }

    fn shows(&self, object: &Object) -> bool {
        object.details.as_ref().is_some_and(|details| self.selects(details.labels()))
    }

    fn selects(&self, labels: Labels<'_>) -> bool {
        self.selector.as_ref().is_none_or(|selector| selector.selects(|key| labels.get(key)))
    }

    fn shown(&self, object: &Object) -> Object {
        let row = match (self.rows, &object.details) {
            (Rows::Full, Some(details)) => details.full(&object.row),
            _ => object.row.clone(),
        };
        Object {
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            rv: object.rv,
            row,
            details: None,
        }
    }

    /// What it shows of a full row.
    fn part_of(&self, full: &Row) -> Option<Row> {
        self.selects(full.labels()).then(|| match self.rows {
            Rows::Full => full.clone(),
            Rows::Plain => full.plain(),
        })
    }
}

/// A whole list, its version, and the cluster's incarnation.
pub(super) type Donation = (Rv, Vec<Object>, Option<String>);

impl Feed {
    /// What a feed of another key of this source shows, where this one shows all that takes.
    pub(super) fn donate(&self, to: &FeedKey) -> Option<Donation> {
        let shows_all = self.key.rows == Rows::Full && self.key.selector.is_none();
        let shows_enough = to.rows == Rows::Full || !self.key.kind.own_owner;
        let writer = self.lock();
        if !shows_all || !shows_enough || !writer.synced || writer.ended {
            return None;
        }
        let rv = writer.head;
        let object = |(namespace, name, row): (&str, &str, &Row)| {
            let row = to.part_of(row)?;
            Some(Object { namespace: namespace.into(), name: name.into(), rv, row, details: None })
        };
        Some((rv, writer.replica.rows().filter_map(object).collect(), writer.epoch.clone()))
    }
}
