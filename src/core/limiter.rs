//! How many streams, and views of multiplexed streams, each user has. A user's streams are all on one core, so this is plain memory.

use std::collections::HashMap;
use std::sync::Arc;

/// A user's number on their home core.
pub type UserId = u32;

struct User {
    name: Arc<str>,
    streams: u32,
    views: u32,
}

/// The streams of each user.
pub struct Limiter {
    most: u32,
    most_views: u32,
    users: Vec<Option<User>>,
    by_name: HashMap<Arc<str>, UserId>,
    free: Vec<UserId>,
}

impl Limiter {
    /// Nobody yet; `most` streams and `most_views` views of multiplexed ones for each, 0 for no limit.
    #[must_use]
    pub fn new(most: u32, most_views: u32) -> Self {
        Limiter { most, most_views, users: Vec::new(), by_name: HashMap::new(), free: Vec::new() }
    }

    /// One more stream. `None`: the user has as many as one may have.
    pub fn acquire(&mut self, name: &Arc<str>) -> Option<UserId> {
        let id = match self.by_name.get(name) {
            Some(id) => *id,
            None => self.insert(name.clone()),
        };
        let user = self.users[id as usize].as_mut().expect("a user lives while it has a stream");
        if self.most > 0 && user.streams >= self.most {
            return None;
        }
        user.streams += 1;
        Some(id)
    }

    /// One less.
    pub fn release(&mut self, id: UserId) {
        let slot = &mut self.users[id as usize];
        let Some(user) = slot else { return };
        user.streams -= 1;
        if user.streams == 0 {
            self.by_name.remove(&user.name);
            *slot = None;
            self.free.push(id);
        }
    }

    /// One more view of a user who has a stream. Returns whether they may.
    pub fn acquire_view(&mut self, id: UserId) -> bool {
        let user = self.users[id as usize].as_mut().expect("a user lives while it has a stream");
        let may = self.most_views == 0 || user.views < self.most_views;
        user.views += u32::from(may);
        may
    }

    /// One view less of a user who has a stream.
    pub fn release_view(&mut self, id: UserId) {
        let user = self.users[id as usize].as_mut().expect("a user lives while it has a stream");
        user.views -= 1;
    }

    /// A user's name.
    #[must_use]
    pub fn name(&self, id: UserId) -> &str {
        self.users[id as usize].as_ref().map_or("", |user| &user.name)
    }

    /// Users with a stream.
    #[must_use]
    pub fn users(&self) -> usize {
        self.by_name.len()
    }

    fn insert(&mut self, name: Arc<str>) -> UserId {
        let user = Some(User { name: name.clone(), streams: 0, views: 0 });
        let id = if let Some(id) = self.free.pop() {
            self.users[id as usize] = user;
            id
        } else {
            self.users.push(user);
            u32::try_from(self.users.len() - 1).expect("fewer users than 2^32")
        };
        self.by_name.insert(name, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_as_a_naive_table_does(most in 0u32..4, steps in prop::collection::vec((0u8..5, any::<bool>()), 0..200)) {
            let mut limiter = Limiter::new(most, 0);
            let mut held: Vec<Vec<UserId>> = vec![Vec::new(); 5];
            for (user, opens) in steps {
                let name: Arc<str> = format!("user {user}").into();
                let mine = &mut held[usize::from(user)];
                if opens {
                    let got = limiter.acquire(&name);
                    prop_assert_eq!(got.is_some(), most == 0 || mine.len() < most as usize);
                    if let Some(id) = got {
                        prop_assert_eq!(limiter.name(id), &*name);
                        mine.push(id);
                    }
                } else if let Some(id) = mine.pop() {
                    limiter.release(id);
                }
                prop_assert_eq!(limiter.users(), held.iter().filter(|mine| !mine.is_empty()).count());
            }
        }
    }

    #[test]
    fn views_are_counted_for_each_user() {
        let mut limiter = Limiter::new(0, 2);
        let [ann, bob] = ["ann", "bob"].map(|name| limiter.acquire(&name.into()).expect("no limit"));
        assert_eq!([ann, ann, ann, bob].map(|user| limiter.acquire_view(user)), [true, true, false, true]);
        limiter.release_view(ann);
        assert!(limiter.acquire_view(ann));
    }
}
