//! The lanes of a line: what its client calls them, what each is to show, and which stream it has become.
//!
//! Lines are many, and idle most of the time. So a line keeps of a lane what is found nowhere else, and no more: what a lane shows stands in the decision that
//! its stream rests on and in the key of its feed; here it is a hash, by which equal wishes are found to be equal.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::names::Names;
use crate::access::Wanted;
use crate::core::slot::SlotName;
use crate::feed::Selector;
use crate::kind::Kind;

/// A lane's number in its line; another lane of that line has it only four billion lanes later.
pub type LaneId = u32;

/// Views of one stream, whatever limit its user has.
pub const MOST_VIEWS: usize = 1000;

/// What a lane is to show. Equal ones are one lane.
#[derive(Hash)]
pub(super) struct Wish<'a> {
    pub cluster: &'a str,
    pub kind: &'static Kind,
    pub wanted: &'a Wanted,
    pub selector: Option<&'a Arc<Selector>>,
}

/// Stands for a wish: of 1,000 wishes two have the same one in 10^13 lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WishHash(u64);

impl From<Wish<'_>> for WishHash {
    fn from(wish: Wish<'_>) -> Self {
        let mut hash = Xxh3::new();
        wish.hash(&mut hash);
        WishHash(hash.finish())
    }
}

struct Lane {
    id: LaneId,
    wish: WishHash,
    /// `None` until its right is decided, and its feed is here.
    stream: Option<SlotName>,
}

/// Whether a line has a lane that shows what is wished for.
pub(super) enum Joined {
    /// There is none.
    New,
    /// It has become no stream yet.
    Awaited,
    /// It is this stream.
    Shown(SlotName),
}

/// What is left of a lane whose name was taken away.
pub(super) enum Forgotten {
    /// No lane had that name.
    Unknown,
    /// It goes by another name.
    Named,
    /// It has no name.
    Nameless(LaneId),
}

/// The lanes of a line.
#[derive(Default)]
pub(super) struct Lanes {
    all: Vec<Lane>,
    names: Names,
    next: LaneId,
}

impl Lanes {
    /// What the client calls the lane with this stream.
    pub fn refs_of(&self, stream: SlotName) -> impl Iterator<Item = &str> {
        let index = self.all.iter().position(|lane| lane.stream == Some(stream));
        index.into_iter().flat_map(|index| self.names.of(index))
    }

    /// The lane with this stream.
    pub fn of(&self, stream: SlotName) -> Option<LaneId> {
        let found = self.all.iter().find(|lane| lane.stream == Some(stream));
        found.map(|lane| lane.id)
    }

    /// What the client calls its views.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.all()
    }

    /// Views, by whatever name.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether a lane is still wanted that has become no stream yet.
    pub fn awaits(&self, id: LaneId) -> bool {
        self.index(id).is_some_and(|index| self.all[index].stream.is_none())
    }

    /// Each lane's stream, where it has one.
    pub fn streams(&self) -> impl Iterator<Item = Option<SlotName>> {
        self.all.iter().map(|lane| lane.stream)
    }

    /// A lane has become a stream.
    pub fn seat(&mut self, id: LaneId, stream: SlotName) {
        if let Some(index) = self.index(id) {
            self.all[index].stream = Some(stream);
        }
    }

    /// One more lane.
    pub fn add(&mut self, name: &str, wish: WishHash) -> LaneId {
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.names.push(name);
        self.all.push(Lane { id, wish, stream: None });
        id
    }

    /// The lane that shows this already, if there is one, goes by one more name.
    pub fn join(&mut self, name: &str, wish: WishHash) -> Joined {
        let Some(index) = self.all.iter().position(|lane| lane.wish == wish) else { return Joined::New };
        self.names.join(index, name);
        self.all[index].stream.map_or(Joined::Awaited, Joined::Shown)
    }

    /// Takes a lane out, with all its names.
    pub fn remove(&mut self, id: LaneId) -> Option<(Vec<Box<str>>, Option<SlotName>)> {
        let index = self.index(id)?;
        let refs = self.names.of(index).map(Box::from).collect();
        self.names.remove(index);
        Some((refs, self.all.remove(index).stream))
    }

    /// Takes a name away.
    pub fn forget(&mut self, name: &str) -> Forgotten {
        let Some(index) = self.names.find(name) else { return Forgotten::Unknown };
        let is_named = self.names.forget(index, name);
        if is_named { Forgotten::Named } else { Forgotten::Nameless(self.all[index].id) }
    }

    /// Keeps no room for lanes that may never come.
    pub fn fit(&mut self) {
        self.all.shrink_to_fit();
        self.names.fit();
    }

    fn index(&self, id: LaneId) -> Option<usize> {
        self.all.iter().position(|lane| lane.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_little_beside_its_stream() {
        assert_eq!((size_of::<Lane>(), size_of::<Lanes>()), (24, 56));
    }

    #[test]
    fn wishes_are_told_apart_by_all_that_they_are_of() {
        let pods = crate::kind::by_name("pods").expect("a kind");
        let nodes = crate::kind::by_name("nodes").expect("a kind");
        let of = |names: &[&str]| {
            let names = names.iter().map(|name| Arc::from(*name));
            Wanted::Namespaces(crate::feed::Namespaces::new(names).expect("names"))
        };
        let (one, two) = (of(&["a"]), of(&["a", "b"]));
        let selector = |text: &str| Selector::parse(text).expect("a selector").expect("one that selects");
        let (x, y) = (selector("x"), selector("y"));
        let wish = |cluster, kind, wanted, selector| WishHash::from(Wish { cluster, kind, wanted, selector });
        let all = [
            wish("c", pods, &Wanted::Everything, None),
            wish("d", pods, &Wanted::Everything, None),
            wish("c", nodes, &Wanted::Everything, None),
            wish("c", pods, &one, None),
            wish("c", pods, &two, None),
            wish("c", pods, &two, Some(&x)),
            wish("c", pods, &two, Some(&y)),
        ];
        for (index, hash) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == hash), Some(index));
        }
        assert_eq!(wish("c", pods, &of(&["b", "a"]), Some(&selector("x"))), all[5]);
    }
}
