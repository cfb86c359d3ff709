//! Sealing: what a browser or a disk keeps for us, so that it can neither be read nor changed nor made up by anybody else.
//!
//! XChaCha20-Poly1305 with keys derived (HKDF-SHA-256, RFC 5869) from key files, a key for each purpose, so that nothing sealed for one is taken for another.
//! Its nonces are long enough to be drawn at random for as long as a key lives. The first file's keys seal; every file's open.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};

use super::tag::Tags;

/// The least that a key file may hold, in bytes.
const LEAST_KEY: usize = 32;

/// The most that is read of one.
const MOST_KEY: usize = 64 * 1024;

const NONCE: usize = 24;

/// What is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A session.
    Session,
    /// A sign-in that is under way.
    Login,
    /// A feed that is to survive a restart.
    Feed,
}

/// Why a key file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("auth.session.keys names no file")]
    None,
    /// It cannot be read.
    #[error("the key file {} (auth.session.keys) cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// It does not hold a key.
    #[error(
        "the key file {} (auth.session.keys) holds {bytes} bytes; {LEAST_KEY} to {MOST_KEY} random ones are needed, such as `openssl rand -base64 48` writes",
        path.display()
    )]
    Size {
        /// Which.
        path: PathBuf,
        /// What it holds, without white space at its end.
        bytes: usize,
    },
}

/// The keys of one file.
struct Key {
    session: XChaCha20Poly1305,
    login: XChaCha20Poly1305,
    feed: XChaCha20Poly1305,
}

/// Seals and opens.
pub struct Seals {
    keys: Box<[Key]>,
    tags: Tags,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seals({} keys)", self.keys.len())
    }
}

impl Seals {
    /// By the keys in these files, the newest first.
    ///
    /// # Errors
    /// Where one cannot be read or is too short, and where there is none.
    pub fn read(files: &[PathBuf]) -> Result<Self, KeyError> {
        let secrets: Result<Vec<_>, _> = files.iter().map(|path| read_key(path)).collect();
        let secrets = secrets?;
        if secrets.is_empty() {
            return Err(KeyError::None);
        }
        Ok(Seals::new(secrets.iter().map(Vec::as_slice)))
    }

    /// By these secrets, the newest first.
    #[must_use]
    pub fn new<'a>(secrets: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let cipher = |secret, purpose| XChaCha20Poly1305::new(&derive(secret, purpose).into());
        let key = |secret| Key {
            session: cipher(secret, b"foretop session 1"),
            login: cipher(secret, b"foretop login 1"),
            feed: cipher(secret, b"foretop feed 1"),
        };
        let newest = secrets.clone().next().unwrap_or_default();
        Seals { keys: secrets.map(key).collect(), tags: Tags::by(&derive(newest, b"foretop tag 1")) }
    }

    /// Makes the tags of sessions, by the newest key.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Seals these bytes, as text that a cookie may hold.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal_bytes(purpose, plain))
    }

    /// Seals these bytes, as bytes.
    #[must_use]
    pub fn seal_bytes(&self, purpose: Purpose, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = random();
        let cipher = self.keys[0].of(purpose);
        let sealed = cipher.encrypt(&XNonce::from(nonce), plain).expect("far below the cipher's limit");
        [nonce.as_slice(), &sealed].concat()
    }

    /// What was sealed as text. `None`: it was not, or for something else, or with a key that is not among ours.
    #[must_use]
    pub fn open(&self, purpose: Purpose, text: &str) -> Option<Vec<u8>> {
        self.open_bytes(purpose, &URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    /// What was sealed as bytes. `None`: as for a text.
    #[must_use]
    pub fn open_bytes(&self, purpose: Purpose, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let nonce = XNonce::from(*nonce);
        self.keys.iter().find_map(|key| key.of(purpose).decrypt(&nonce, sealed).ok())
    }
}

impl Key {
    fn of(&self, purpose: Purpose) -> &XChaCha20Poly1305 {
        match purpose {
            Purpose::Session => &self.session,
            Purpose::Login => &self.login,
            Purpose::Feed => &self.feed,
        }
    }
}

/// So many random bytes.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has random bytes for a process that runs");
    bytes
}

/// How long a derived key is.
struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

fn derive(secret: &[u8], purpose: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"foretop").extract(secret);
    let purpose = [purpose];
    let expanded = extracted.expand(&purpose, KeyLength).expect("a short key is asked for");
    expanded.fill(&mut key).expect("as long as was asked for");
    key
}

fn read_key(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut secret =
        std::fs::read(path).map_err(|source| KeyError::Unreadable { path: path.into(), source })?;
    secret.truncate(secret.trim_ascii_end().len());
    if (LEAST_KEY..=MOST_KEY).contains(&secret.len()) {
        Ok(secret)
    } else {
        Err(KeyError::Size { path: path.into(), bytes: secret.len() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &[u8] = b"an old key of some forty random bytes ...";
    const NEW: &[u8] = b"a new key of some forty random bytes ....";

    fn seals(secrets: &[&'static [u8]]) -> Seals {
        Seals::new(secrets.iter().copied())
    }

    #[test]
    fn what_an_old_key_has_sealed_opens_beside_a_new_one() {
        let old = seals(&[OLD]).seal(Purpose::Session, b"ann");
        assert_eq!(seals(&[NEW, OLD]).open(Purpose::Session, &old).as_deref(), Some(&b"ann"[..]));
        let new = seals(&[NEW, OLD]).seal(Purpose::Session, b"ann");
        assert_eq!(
            seals(&[NEW]).open(Purpose::Session, &new).as_deref(),
            Some(&b"ann"[..]),
            "the first seals"
        );
        assert_eq!(seals(&[NEW]).open(Purpose::Session, &old), None, "another deployment's");
    }

    #[test]
    fn what_is_sealed_for_one_purpose_is_nothing_for_another() {
        let text = seals(&[OLD]).seal(Purpose::Login, b"ann");
        assert_eq!(seals(&[OLD]).open(Purpose::Session, &text), None);
    }

    #[test]
    fn a_short_key_is_refused_by_its_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        std::fs::write(&path, format!("{}\n\n", "x".repeat(31))).expect("written");
        let error = Seals::read(std::slice::from_ref(&path)).expect_err("too short").to_string();
        assert!(error.contains("31 bytes") && error.contains("key"), "{error}");
        std::fs::write(&path, "x".repeat(32)).expect("written");
        assert!(Seals::read(std::slice::from_ref(&path)).is_ok());
        assert!(Seals::read(&[dir.path().join("none")]).is_err());
        assert!(Seals::read(&[]).is_err());
    }

    proptest! {
        #[test]
        fn only_the_very_text_opens(plain in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_-]") {
            let seals = seals(&[OLD]);
            let text = seals.seal(Purpose::Session, &plain);
            prop_assert_eq!(seals.open(Purpose::Session, &text), Some(plain));
            let at = at.index(text.len());
            let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
            if changed != text {
                prop_assert_eq!(seals.open(Purpose::Session, &changed), None);
            }
            prop_assert_eq!(seals.open(Purpose::Session, &text[..at]), None);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = seals(&[OLD]).open(Purpose::Session, &text);
        }
    }
}
