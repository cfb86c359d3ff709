//! News that rights may have changed: what they may concern, and when it is asked about.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::feed::KubeUser;

/// An authorizer learns of a change from a watch of its own, and may lag behind ours: so often, and so long after the news, it is asked.
const AFTER: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
];

/// No two times of asking are nearer than this.
const NEAR: Duration = Duration::from_millis(100);

/// What a change of roles or bindings may concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Anything in the cluster.
    Everything,
    /// Anybody's rights in this namespace.
    Namespace(Arc<str>),
    /// These subjects' rights, in this namespace or (`None`) in all of them and cluster-wide.
    Subjects(Vec<Subject>, Option<Arc<str>>),
}

/// A subject of a binding, as an apiserver knows it. A service account is the user `system:serviceaccount:NAMESPACE:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user's name.
    User(Box<str>),
    /// A group.
    Group(Box<str>),
}

impl Subject {
    /// Whether it is this user, or a group that they are in.
    #[must_use]
    pub fn is(&self, user: &KubeUser) -> bool {
        match self {
            Subject::User(name) => **name == *user.name,
            Subject::Group(group) => {
                &**group == "system:authenticated" || user.groups.binary_search(group).is_ok()
            }
        }
    }
}

impl Touched {
    /// Whether it may concern this user.
    #[must_use]
    pub fn concerns(&self, user: &KubeUser) -> bool {
        match self {
            Touched::Everything | Touched::Namespace(_) => true,
            Touched::Subjects(subjects, _) => subjects.iter().any(|subject| subject.is(user)),
        }
    }

    /// The one namespace that it is about.
    #[must_use]
    pub fn namespace(&self) -> Option<&Arc<str>> {
        match self {
            Touched::Everything => None,
            Touched::Namespace(namespace) => Some(namespace),
            Touched::Subjects(_, namespace) => namespace.as_ref(),
        }
    }
}

/// So many pieces of news are kept one by one; more are kept as one of everything.
const MOST_RECENT: usize = 1024;

/// The news of the last seconds in one cluster. Who comes after it has to heed it too: the authorizer may still lag behind.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<(Instant, Touched)>);

impl Recent {
    /// Keeps it for as long as it is asked about.
    pub fn note(&mut self, now: Instant, touched: &Touched) {
        self.forget_old(now);
        if self.0.len() < MOST_RECENT {
            self.0.push_back((now, touched.clone()));
        } else {
            self.0 = [(now, Touched::Everything)].into();
        }
    }

    /// What may concern this user: when it came, and the namespace that it is about.
    pub fn of(&mut self, user: &KubeUser, now: Instant) -> Vec<(Instant, Option<Arc<str>>)> {
        self.forget_old(now);
        let theirs = self.0.iter().filter(|(_, touched)| touched.concerns(user));
        theirs.map(|(at, touched)| (*at, touched.namespace().cloned())).collect()
    }

    fn forget_old(&mut self, now: Instant) {
        let [.., last] = AFTER;
        while self.0.pop_front_if(|(at, _)| *at + last < now).is_some() {}
    }
}

/// Which of a grant's questions are to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// All.
    All,
    /// Those about these namespaces.
    Namespaces(BTreeSet<Arc<str>>),
}

impl About {
    fn join(self, namespace: Option<&Arc<str>>) -> Self {
        match (self, namespace) {
            (About::Namespaces(mut names), Some(namespace)) => {
                names.insert(namespace.clone());
                About::Namespaces(names)
            }
            _ => About::All,
        }
    }
}

/// When a grant's questions are asked because of what was touched.
#[derive(Debug, Default)]
pub struct Touches {
    times: BTreeSet<Instant>,
    about: Option<About>,
    /// When it was asked last.
    asked: Option<Instant>,
}

impl Touches {
    /// News of this namespace, or of any.
    pub fn touch(&mut self, now: Instant, namespace: Option<&Arc<str>>) {
        let about = self.about.take().unwrap_or(About::Namespaces(BTreeSet::new()));
        self.about = Some(about.join(namespace));
        let first = self.asked.map_or(now, |asked| now.max(asked + NEAR));
        for after in AFTER {
            let time = if after.is_zero() { first } else { now + after };
            // Of two that are near the later one stays: the earlier may be too early for this news.
            self.times.retain(|other| *other <= first || *other + NEAR <= time || *other >= time);
            self.times.insert(time);
        }
    }

    /// The next time of asking.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.times.first().copied()
    }

    /// What is to be asked now.
    pub fn take(&mut self, now: Instant) -> Option<About> {
        self.next().filter(|time| *time <= now)?;
        self.asked = Some(now);
        self.times.retain(|time| *time > now);
        if self.times.is_empty() { self.about.take() } else { self.about.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_change_concerns_the_subjects_and_their_groups() {
        let ann = KubeUser { name: "ann".into(), groups: ["ops".into(), "web".into()].into() };
        let concerns =
            |subject| Touched::Subjects(vec![Subject::User("bob".into()), subject], None).concerns(&ann);
        assert!(concerns(Subject::User("ann".into())));
        assert!(concerns(Subject::Group("web".into())));
        assert!(concerns(Subject::Group("system:authenticated".into())));
        assert!(!concerns(Subject::Group("ann".into())) && !concerns(Subject::User("web".into())));
        assert!(Touched::Everything.concerns(&ann));
    }

    #[test]
    fn news_is_kept_for_who_comes_within_ten_seconds() {
        let user = |name: &str| KubeUser { name: name.into(), groups: Box::default() };
        let (start, mut recent) = (Instant::now(), Recent::default());
        recent.note(start, &Touched::Subjects(vec![Subject::User("ann".into())], Some("a".into())));
        recent.note(ms(start, 500), &Touched::Namespace("b".into()));
        let of_b = (ms(start, 500), Some(Arc::from("b")));
        assert_eq!(recent.of(&user("ann"), ms(start, 600)), [(start, Some("a".into())), of_b.clone()]);
        assert_eq!(recent.of(&user("bob"), ms(start, 600)), std::slice::from_ref(&of_b));
        assert_eq!(recent.of(&user("ann"), ms(start, 10_001)), [of_b]);
        assert_eq!(recent.of(&user("ann"), ms(start, 10_501)), []);
        for _ in 0..=MOST_RECENT {
            recent.note(ms(start, 20_000), &Touched::Subjects(Vec::new(), None));
        }
        assert_eq!(recent.of(&user("bob"), ms(start, 20_000)), [(ms(start, 20_000), None)]);
        let mut touches = Touches::default();
        touches.touch(start, None);
        assert!(touches.take(ms(start, 9000)).is_some(), "at once, as it is late");
        assert_eq!(touches.next(), Some(ms(start, 10_000)));
    }

    #[test]
    fn it_is_asked_at_once_and_four_times_more() {
        let start = Instant::now();
        let mut touches = Touches::default();
        assert_eq!((touches.next(), touches.take(start)), (None, None));
        touches.touch(start, Some(&"a".into()));
        let mut asked = Vec::new();
        for at in 0..=12_000 {
            if let Some(about) = touches.take(ms(start, at)) {
                assert_eq!(about, About::Namespaces(["a".into()].into()));
                asked.push(at);
            }
        }
        assert_eq!(asked, [0, 300, 1000, 3000, 10_000]);
        assert_eq!(touches.about, None, "what comes later starts anew");
    }

    #[test]
    fn a_flood_of_changes_is_asked_about_in_bounds_and_still_ten_seconds_after_the_last() {
        let start = Instant::now();
        let mut touches = Touches::default();
        let mut asked = Vec::new();
        for at in 0..=12_000u64 {
            if at <= 1000 {
                touches.touch(ms(start, at), Some(&format!("n{at}").as_str().into()));
                assert!(touches.times.len() < 200, "{}", touches.times.len());
            }
            if touches.take(ms(start, at)).is_some() {
                asked.push(at);
            }
        }
        assert!(asked.is_sorted_by(|one, next| next - one >= 50), "{asked:?}");
        assert!(asked.iter().filter(|at| **at <= 1000).count() <= 21, "{asked:?}");
        assert_eq!(asked.last(), Some(&11_000));
        let mut touches = Touches::default();
        touches.touch(start, Some(&"a".into()));
        touches.touch(start, None);
        assert_eq!(touches.take(start), Some(About::All));
    }
}
