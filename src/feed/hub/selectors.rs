//! How many label selectors there may be: clients choose them, and each is a feed of its own.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Feeds;
use crate::feed::{FeedKey, Selector};

impl Feeds {
    /// Whether a feed of this key may be added, where at most so many different selectors are in use on a kind of a cluster. For a new one, feeds of the selector that
    /// nobody has used for longest end, if there is such a one.
    pub(super) fn make_room_for(&mut self, key: &FeedKey, most: usize) -> bool {
        let Some(selector) = &key.selector else { return true };
        let known = self.selectors_beside(key);
        if known.contains_key(&**selector) || known.len() < most {
            return true;
        }
        let idle = known.into_iter().filter_map(|(selector, idle_since)| Some((idle_since?, selector)));
        let Some((_, longest)) = idle.min() else { return false };
        let longest = longest.clone();
        self.entries.retain(|other, entry| {
            let stays = !is_beside(other, key) || other.selector.as_deref() != Some(&longest);
            if !stays {
                entry.end();
            }
            stays
        });
        true
    }

    /// The selectors in use on the kind of the key's cluster, each with the time since which nobody uses it, where nobody does.
    fn selectors_beside(&self, key: &FeedKey) -> BTreeMap<&Selector, Option<Instant>> {
        let mut selectors = BTreeMap::new();
        for (other, entry) in self.entries.iter().filter(|(other, _)| is_beside(other, key)) {
            let Some(selector) = other.selector.as_deref() else { continue };
            let idle = entry.idle_since;
            let one = selectors.entry(selector).or_insert(idle);
            *one = one.zip(idle).map(|(one, other)| one.max(other));
        }
        selectors
    }
}

fn is_beside(one: &FeedKey, other: &FeedKey) -> bool {
    one.cluster == other.cluster && one.kind == other.kind
}
