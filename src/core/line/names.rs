//! What a client calls the lanes of its line.

use std::ops::Range;

use memchr::memmem;

/// A line of text for each lane, in the order of the lanes: its names, with a space between two. So a name takes its letters and one byte more; as text of its
/// own it would take five times that, for each view on every screen.
#[derive(Default)]
pub(super) struct Names(String);

impl Names {
    /// One more lane, behind the others, goes by this name.
    pub fn push(&mut self, name: &str) {
        self.0.push_str(name);
        self.0.push('\n');
    }

    /// The lane at this index goes by one more name.
    pub fn join(&mut self, index: usize, name: &str) {
        let end = self.span(index).end;
        self.0.insert_str(end, name);
        self.0.insert(end, ' ');
    }

    /// What the lane at this index goes by.
    pub fn of(&self, index: usize) -> impl Iterator<Item = &str> {
        self.0[self.span(index)].split_ascii_whitespace()
    }

    /// Every name.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    /// The index of the lane that goes by this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        let text = self.0.as_bytes();
        let is_name = |at: &usize| {
            let begins = *at == 0 || text[at - 1].is_ascii_whitespace();
            begins && text.get(at + name.len()).is_some_and(u8::is_ascii_whitespace)
        };
        let at = memmem::find_iter(text, name).find(is_name)?;
        Some(memchr::memchr_iter(b'\n', &text[..at]).count())
    }

    /// The lane at this index no longer goes by this name. Returns whether it goes by another.
    pub fn forget(&mut self, index: usize, name: &str) -> bool {
        let left: Vec<&str> = self.of(index).filter(|known| *known != name).collect();
        let left = left.join(" ");
        let span = self.span(index);
        self.0.replace_range(span, &left);
        !left.is_empty()
    }

    /// Takes out the lane at this index; those behind it move up.
    pub fn remove(&mut self, index: usize) {
        let Range { start, end } = self.span(index);
        self.0.drain(start..=end);
    }

    /// Keeps no room for names that may never come.
    pub fn fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Where the names of the lane at this index are.
    fn span(&self, index: usize) -> Range<usize> {
        let text = self.0.as_bytes();
        let mut ends = memchr::memchr_iter(b'\n', text);
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => ends.nth(before).map_or(text.len(), |end| end + 1),
        };
        start..ends.next().unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Act {
        Push(String),
        Join(usize, String),
        Forget(String),
        Remove(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        // Few letters, so that one name is often the beginning, the end or the midst of another.
        let name = || "[ab:]{1,4}";
        prop_oneof![
            4 => name().prop_map(Act::Push),
            3 => (any::<usize>(), name()).prop_map(|(index, name)| Act::Join(index, name)),
            3 => name().prop_map(Act::Forget),
            1 => any::<usize>().prop_map(Act::Remove),
        ]
    }

    proptest! {
        #[test]
        fn they_are_what_a_list_of_lists_would_be(acts in prop::collection::vec(act(), 0..60)) {
            let mut names = Names::default();
            let mut naive: Vec<Vec<String>> = Vec::new();
            for act in acts {
                let is_there = |name: &String| naive.iter().position(|known| known.contains(name));
                match act {
                    Act::Push(name) if is_there(&name).is_none() => {
                        names.push(&name);
                        naive.push(vec![name]);
                    }
                    Act::Join(index, name) if is_there(&name).is_none() && !naive.is_empty() => {
                        let index = index % naive.len();
                        names.join(index, &name);
                        naive[index].push(name);
                    }
                    Act::Forget(name) => {
                        prop_assert_eq!(names.find(&name), is_there(&name));
                        let Some(index) = is_there(&name) else { continue };
                        naive[index].retain(|known| *known != name);
                        prop_assert_eq!(names.forget(index, &name), !naive[index].is_empty());
                        if naive[index].is_empty() {
                            names.remove(index);
                            naive.remove(index);
                        }
                    }
                    Act::Remove(index) if !naive.is_empty() => {
                        let index = index % naive.len();
                        names.remove(index);
                        naive.remove(index);
                    }
                    _ => {}
                }
                names.fit();
                for (index, known) in naive.iter().enumerate() {
                    prop_assert_eq!(names.of(index).collect::<Vec<_>>(), known.iter().collect::<Vec<_>>());
                    prop_assert!(known.iter().all(|name| names.find(name) == Some(index)));
                }
                prop_assert_eq!(names.all().count(), naive.iter().flatten().count());
            }
        }
    }
}
