//! The file of a saved feed: what it is, in which version and with what checksum it was written, and the feed, sealed.
//!
//! Any build reads what another has written, in the same version: an upgrade that changes neither the files nor the rows of a kind goes on with them. What changes goes into
//! a number: the version here stands for the form of the file and for the frames in it, and within it each kind's own for its rows
//! ([`crate::kind::Kind::row_version`]). A test notices where one of them ought to have gone up (`tests/row_versions.rs`).

use crate::feed::saved::{Cold, Moment, Saved};
use crate::identity::seal::{Purpose, Seals};
use crate::wire::fields::{Rest, put_bytes, put_number, put_wide};
use xxhash_rust::xxh3::xxh3_128;

/// What such a file begins with.
const MAGIC: &[u8] = b"foretop saved feed\n";

/// The version of all that follows, and of how a row is framed.
pub const VERSION: u64 = 2;

/// The file of a feed that was written out.
#[must_use]
pub fn write(feed: &[u8], seals: &Seals) -> Vec<u8> {
    let sealed = seals.seal_bytes(Purpose::Feed, feed);
    let mut out = Vec::with_capacity(MAGIC.len() + 64 + sealed.len());
    out.extend_from_slice(MAGIC);
    put_number(&mut out, VERSION);
    put_wide(&mut out, xxh3_128(&sealed));
    put_bytes(&mut out, &sealed);
    out
}

/// The feed that such a file holds, still as bytes.
///
/// # Errors
/// Why there is none.
pub fn open(file: &[u8], seals: &Seals) -> Result<Vec<u8>, Cold> {
    let mut rest = Rest(file.strip_prefix(MAGIC).ok_or(Cold::Foreign)?);
    if rest.number().ok_or(Cold::Broken)? != VERSION {
        return Err(Cold::Version);
    }
    let checksum = rest.wide().ok_or(Cold::Broken)?;
    let sealed = rest.bytes().filter(|_| rest.is_empty()).ok_or(Cold::Broken)?;
    if xxh3_128(sealed) != checksum {
        return Err(Cold::Broken);
    }
    seals.open_bytes(Purpose::Feed, sealed).ok_or(Cold::Keys)
}

/// The feed that such a file holds.
///
/// # Errors
/// Why there is none.
pub fn read(file: &[u8], seals: &Seals, now: Moment) -> Result<Saved, Cold> {
    Saved::read(&open(file, seals)?, now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seals(secret: &'static [u8]) -> Seals {
        Seals::new(std::iter::once(secret))
    }

    const OURS: &[u8] = b"a key of some forty random bytes ......";

    #[test]
    fn a_file_opens_with_the_key_that_sealed_it() {
        let file = write(b"a feed", &seals(OURS));
        assert_eq!(open(&file, &seals(OURS)).as_deref(), Ok(&b"a feed"[..]));
        assert_eq!(open(&file, &seals(b"another key of some forty bytes .......")), Err(Cold::Keys));
        assert_eq!(open(b"", &seals(OURS)), Err(Cold::Foreign));
        assert_eq!(open(b"apiVersion: v1", &seals(OURS)), Err(Cold::Foreign));
    }

    #[test]
    fn its_version_is_looked_at_first() {
        for version in [VERSION - 1, VERSION + 1] {
            let mut file = write(b"a feed", &seals(OURS));
            file[MAGIC.len()..MAGIC.len() + 8].copy_from_slice(&version.to_be_bytes());
            assert_eq!(open(&file, &seals(OURS)), Err(Cold::Version));
        }
    }

    #[test]
    fn what_nobody_else_can_read_is_not_in_it() {
        let file = write(b"the name of a pod", &seals(OURS));
        assert!(memchr::memmem::find(&file, b"pod").is_none());
    }

    proptest! {
        #[test]
        fn a_file_that_is_cut_or_changed_holds_nothing(
            feed in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let file = write(&feed, &seals(OURS));
            prop_assert!(open(&file[..at.index(file.len())], &seals(OURS)).is_err());
            let mut changed = file.clone();
            changed[at.index(file.len())] ^= flip;
            prop_assert!(open(&changed, &seals(OURS)).is_err());
            let longer = [&file[..], b"x"].concat();
            prop_assert_eq!(open(&longer, &seals(OURS)), Err(Cold::Broken));
        }
    }
}
