//! Which sessions were ended before their time.
//!
//! A session is its cookie, and cookies can be copied: what a logout ends is kept until it would have ended by itself, across restarts, and every request asks.
//! Cores read an immutable set without a lock. [`Revocations::revoke`] returns once the entry is on disk and whoever [hears](Hear) of it was told: the cores, which
//! end streams. Other replicas would hear of it in the same way.
//!
//! The file, `revocations` in `state.dir`, has an entry a line, `UNTIL session ID`, `UNTIL provider SID BEFORE` or `UNTIL subject BEFORE NAME`; entries are appended,
//! and what has ended is left out when it is written anew.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::session::{Revoked, SessionRef, UnixSeconds};

/// The most entries. Beyond, a logout is refused, and says so.
const MOST: usize = 200_000;

/// Entries that may have ended before the file is written anew.
const SLACK: usize = 1000;

/// The file's name.
const NAME: &str = "revocations";

/// Hears of sessions that are ended.
pub trait Hear: Send + Sync + 'static {
    /// These sessions are ended, as of now.
    fn hear(&self, what: &Revoked);
}

/// Why revocations cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// The file cannot be read or written.
    #[error("{} (state.dir) cannot be read and written: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The file is not one of ours.
    #[error(
        "{}:{line}: this is no revocation; mend the line, or remove the file, which lets whoever has copied a cookie of an ended session in again",
        path.display()
    )]
    Corrupted {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
    /// There are as many as may be.
    #[error("{MOST} sessions and users are ended already")]
    Full,
}

/// What is ended, and until when each entry is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ended {
    sessions: HashMap<u128, UnixSeconds>,
    /// By the provider's session: (sessions that began until then, needed until then).
    providers: HashMap<u128, (UnixSeconds, UnixSeconds)>,
    subjects: HashMap<Arc<str>, (UnixSeconds, UnixSeconds)>,
}

impl Ended {
    fn len(&self) -> usize {
        self.sessions.len() + self.providers.len() + self.subjects.len()
    }

    fn contains(&self, subject: &str, session: &SessionRef) -> bool {
        let began_before = |entry: Option<&(UnixSeconds, UnixSeconds)>| {
            entry.is_some_and(|(before, _)| session.began <= *before)
        };
        self.sessions.contains_key(&session.id)
            || began_before(self.subjects.get(subject))
            || began_before(session.provider.and_then(|sid| self.providers.get(&sid)))
    }

    fn add(&mut self, what: &Revoked, until: UnixSeconds) {
        let later = |entry: &mut (UnixSeconds, UnixSeconds), before: UnixSeconds| {
            *entry = (entry.0.max(before), entry.1.max(until));
        };
        match what {
            Revoked::Session(id) => {
                let entry = self.sessions.entry(*id).or_default();
                *entry = until.max(*entry);
            }
            Revoked::Provider(sid, before) => later(self.providers.entry(*sid).or_default(), *before),
            Revoked::Subject(whose, before) => {
                later(self.subjects.entry(whose.clone()).or_default(), *before);
            }
        }
    }

    fn forget(&mut self, now: UnixSeconds) {
        self.sessions.retain(|_, until| *until > now);
        self.providers.retain(|_, (_, until)| *until > now);
        self.subjects.retain(|_, (_, until)| *until > now);
    }

    fn lines(&self) -> String {
        let sessions = self.sessions.iter().map(|(id, until)| line(&Revoked::Session(*id), *until));
        let providers = self
            .providers
            .iter()
            .map(|(sid, (before, until))| line(&Revoked::Provider(*sid, *before), *until));
        let subjects = self
            .subjects
            .iter()
            .map(|(whose, (before, until))| line(&Revoked::Subject(whose.clone(), *before), *until));
        sessions.chain(providers).chain(subjects).collect()
    }
}

fn line(what: &Revoked, until: UnixSeconds) -> String {
    match what {
        Revoked::Session(id) => format!("{until} session {id:032x}\n"),
        Revoked::Provider(sid, before) => format!("{until} provider {sid:032x} {before}\n"),
        Revoked::Subject(whose, before) => {
            let whose = serde_json::Value::from(&**whose);
            format!("{until} subject {before} {whose}\n")
        }
    }
}

fn parse(line: &str) -> Option<(Revoked, UnixSeconds)> {
    let (until, rest) = line.split_once(' ')?;
    let (sort, rest) = rest.split_once(' ')?;
    let id = |text: &str| (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten();
    let what = match sort {
        "session" => Revoked::Session(id(rest)?),
        "provider" => {
            let (sid, before) = rest.split_once(' ')?;
            Revoked::Provider(id(sid)?, before.parse().ok()?)
        }
        "subject" => {
            let (before, whose) = rest.split_once(' ')?;
            let whose: String = serde_json::from_str(whose).ok()?;
            Revoked::Subject(whose.into(), before.parse().ok()?)
        }
        _ => return None,
    };
    Some((what, until.parse().ok()?))
}

/// The file, and how many of its lines there are.
struct Kept {
    path: PathBuf,
    file: File,
    lines: usize,
}

/// The sessions that were ended before their time.
pub struct Revocations {
    ended: ArcSwap<Ended>,
    kept: Mutex<Kept>,
    hearers: ArcSwap<Vec<Arc<dyn Hear>>>,
    /// How long a session lives at most, in seconds.
    longest: UnixSeconds,
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Revocations({})", self.ended.load().len())
    }
}

impl Revocations {
    /// Those that this directory keeps. Sessions live at most so many seconds.
    ///
    /// # Errors
    /// Where its file cannot be read and written, or is not one of ours.
    pub fn open(dir: &Path, longest: UnixSeconds, now: UnixSeconds) -> Result<Self, RevocationError> {
        let path = dir.join(NAME);
        let io = |source| RevocationError::Io { path: path.clone(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(RevocationError::Corrupted { path, line: 1 });
            }
            Err(error) => return Err(io(error)),
        };
        let mut ended = Ended::default();
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            let Some(line) = line.strip_suffix('\n') else {
                // The process or the machine went down while this was written: nobody was told yet that it is ended.
                tracing::warn!(file = %path.display(), line = number, "revocations.torn_line");
                continue;
            };
            let Some((what, until)) = parse(line) else {
                return Err(RevocationError::Corrupted { path, line: number });
            };
            ended.add(&what, until);
        }
        ended.forget(now);
        let kept = write_anew(&path, &ended).map_err(io)?;
        Ok(Revocations {
            ended: ArcSwap::from_pointee(ended),
            kept: Mutex::new(kept),
            hearers: ArcSwap::default(),
            longest,
        })
    }

    /// Whether this session was ended. Takes no lock.
    #[must_use]
    pub fn contains(&self, subject: &str, session: &SessionRef) -> bool {
        self.ended.load().contains(subject, session)
    }

    /// Has somebody told of what is ended from now on.
    pub fn tell(&self, who: impl Hear) {
        let who: Arc<dyn Hear> = Arc::new(who);
        self.hearers.rcu(|before| {
            let mut hearers = Vec::clone(before);
            hearers.push(who.clone());
            hearers
        });
    }

    /// Ends these sessions: it is on disk, known here, and told, when this returns. Blocks for the disk.
    ///
    /// # Errors
    /// Where it cannot be kept. It is known here and told all the same, save where there are too many.
    pub fn revoke(&self, what: &Revoked, now: UnixSeconds) -> Result<(), RevocationError> {
        let until = now + self.longest;
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut ended = Ended::clone(&self.ended.load());
        ended.forget(now);
        if ended.len() >= MOST {
            return Err(RevocationError::Full);
        }
        ended.add(what, until);
        let written = kept.append(&line(what, until), &ended);
        self.ended.store(Arc::new(ended));
        let path = kept.path.clone();
        drop(kept);
        for hearer in self.hearers.load().iter() {
            hearer.hear(what);
        }
        written.map_err(|source| RevocationError::Io { path, source })
    }
}

impl Kept {
    fn append(&mut self, line: &str, ended: &Ended) -> io::Result<()> {
        if self.lines > ended.len() + SLACK {
            *self = write_anew(&self.path, ended)?;
            return Ok(());
        }
        self.file.write_all(line.as_bytes())?;
        self.lines += 1;
        self.file.sync_data()
    }
}

/// Writes the file beside the old one, and puts it in its place.
fn write_anew(path: &Path, ended: &Ended) -> io::Result<Kept> {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(ended.lines().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(Kept { path: path.into(), file, lines: ended.len() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    const LONGEST: UnixSeconds = 100;

    fn open(dir: &Path, now: UnixSeconds) -> Revocations {
        Revocations::open(dir, LONGEST, now).expect("a good file")
    }

    fn session(id: u128, began: UnixSeconds, provider: Option<u128>) -> SessionRef {
        SessionRef { id, began, until: began + LONGEST, provider }
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<Revoked>>);

    impl Hear for Arc<Heard> {
        fn hear(&self, what: &Revoked) {
            self.0.lock().expect("no panic").push(what.clone());
        }
    }

    #[test]
    fn what_is_ended_stays_so_after_a_restart_and_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let revocations = open(dir.path(), 0);
        let heard = Arc::new(Heard::default());
        revocations.tell(heard.clone());
        let odd = "ann \"the\nodd\" ✓";
        let ends = [Revoked::Session(7), Revoked::Provider(8, 10), Revoked::Subject(odd.into(), 10)];
        for what in &ends {
            revocations.revoke(what, 10).expect("kept");
        }
        assert_eq!(*heard.0.lock().expect("no panic"), ends);
        for again in [revocations, open(dir.path(), 10)] {
            assert!(again.contains("bob", &session(7, 0, None)));
            assert!(again.contains("bob", &session(1, 10, Some(8))));
            assert!(again.contains(odd, &session(1, 10, None)));
            assert!(!again.contains(odd, &session(1, 11, None)), "signed in again");
            assert!(!again.contains("bob", &session(1, 11, Some(8))));
            assert!(!again.contains("bob", &session(1, 0, None)));
        }
        let mode = std::fs::metadata(dir.path().join(NAME)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let later = open(dir.path(), 110);
        assert_eq!(later.ended.load().len(), 0, "no session of then lives any more");
        assert_eq!(std::fs::read_to_string(dir.path().join(NAME)).expect("a file"), "");
    }

    #[test]
    fn a_corrupted_file_is_named_and_a_torn_last_line_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(NAME);
        let good = line(&Revoked::Session(7), 1000);
        std::fs::write(&path, format!("{good}nonsense\n{good}")).expect("written");
        let error = Revocations::open(dir.path(), LONGEST, 0).expect_err("corrupted").to_string();
        assert!(error.contains("revocations:2"), "{error}");
        std::fs::write(&path, format!("{good}{}", &line(&Revoked::Session(8), 1000)[..30])).expect("written");
        let torn = open(dir.path(), 0);
        assert!(torn.contains("ann", &session(7, 0, None)));
        assert_eq!(torn.ended.load().len(), 1);
        std::fs::write(&path, b"\xff\xfe").expect("written");
        assert!(Revocations::open(dir.path(), LONGEST, 0).is_err());
    }

    #[test]
    fn a_file_of_the_past_is_written_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let revocations = open(dir.path(), 0);
        for round in 0..3 {
            for id in 0..(SLACK as u128) {
                revocations.revoke(&Revoked::Session(id), round * LONGEST).expect("kept");
            }
        }
        let lines = std::fs::read_to_string(dir.path().join(NAME)).expect("a file").lines().count();
        assert!(lines <= 2 * SLACK + 1, "{lines}");
        assert!(open(dir.path(), 2 * LONGEST).contains("ann", &session(5, 0, None)));
    }

    fn any_end() -> impl Strategy<Value = Revoked> {
        prop_oneof![
            (0u128..5).prop_map(Revoked::Session),
            (0u128..5, 0u64..50).prop_map(|(sid, before)| Revoked::Provider(sid, before)),
            ("[ab]", 0u64..50).prop_map(|(whose, before)| Revoked::Subject(whose.into(), before)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_set_is_what_its_entries_say(
            ends in prop::collection::vec((any_end(), 0u64..50), 0..8),
            sessions in prop::collection::vec((0u128..5, 0u64..60, prop::option::of(0u128..5), "[abc]"), 1..20),
        ) {
            let dir = tempfile::tempdir().expect("a directory");
            let revocations = open(dir.path(), 0);
            for (what, now) in &ends {
                revocations.revoke(what, *now).expect("kept");
            }
            let restarted = open(dir.path(), 50);
            for (id, began, provider, subject) in sessions {
                let session = session(id, began, provider);
                let oracle = ends.iter().any(|(what, _)| what.ends(&subject, &session));
                prop_assert_eq!(revocations.contains(&subject, &session), oracle);
                prop_assert_eq!(restarted.contains(&subject, &session), oracle);
            }
        }

        #[test]
        fn every_line_reads_back(what in any_end(), until in any::<u64>()) {
            prop_assert_eq!(parse(line(&what, until).trim_end()), Some((what, until)));
        }
    }
}
