//! The file of a saved feed: what it is, by whom and with what checksum it was written, and the feed, sealed.
//!
//! A build reads its own files alone: another may make other rows of the same objects, or other bytes of the same rows.

use crate::feed::saved::{Cold, Moment, Saved};
use crate::identity::seal::{Purpose, Seals};
use crate::wire::fields::{Rest, put_bytes, put_number, put_wide};
use xxhash_rust::xxh3::xxh3_128;

/// What such a file begins with.
const MAGIC: &[u8] = b"foretop saved feed\n";

/// The version of all that follows.
const VERSION: u64 = 1;

/// The file of a feed that was written out by this build.
#[must_use]
pub fn write(feed: &[u8], build: u128, seals: &Seals) -> Vec<u8> {
    let sealed = seals.seal_bytes(Purpose::Feed, feed);
    let mut out = Vec::with_capacity(MAGIC.len() + 64 + sealed.len());
    out.extend_from_slice(MAGIC);
    put_number(&mut out, VERSION);
    put_wide(&mut out, build);
    put_wide(&mut out, xxh3_128(&sealed));
    put_bytes(&mut out, &sealed);
    out
}

/// The feed that such a file holds, still as bytes.
///
/// # Errors
/// Why there is none.
pub fn open(file: &[u8], build: u128, seals: &Seals) -> Result<Vec<u8>, Cold> {
    let mut rest = Rest(file.strip_prefix(MAGIC).ok_or(Cold::Foreign)?);
    if rest.number().ok_or(Cold::Broken)? != VERSION || rest.wide().ok_or(Cold::Broken)? != build {
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
pub fn read(file: &[u8], build: u128, seals: &Seals, now: Moment) -> Result<Saved, Cold> {
    Saved::read(&open(file, build, seals)?, now).ok_or(Cold::Broken)
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
    fn only_the_build_that_wrote_a_file_opens_it_with_its_key() {
        let file = write(b"a feed", 7, &seals(OURS));
        assert_eq!(open(&file, 7, &seals(OURS)).as_deref(), Ok(&b"a feed"[..]));
        assert_eq!(open(&file, 8, &seals(OURS)), Err(Cold::Version));
        assert_eq!(open(&file, 7, &seals(b"another key of some forty bytes .......")), Err(Cold::Keys));
        assert_eq!(open(b"", 7, &seals(OURS)), Err(Cold::Foreign));
        assert_eq!(open(b"apiVersion: v1", 7, &seals(OURS)), Err(Cold::Foreign));
    }

    #[test]
    fn its_version_is_looked_at_first() {
        let mut file = write(b"a feed", 7, &seals(OURS));
        file[MAGIC.len() + 7] += 1;
        assert_eq!(open(&file, 7, &seals(OURS)), Err(Cold::Version));
    }

    #[test]
    fn what_nobody_else_can_read_is_not_in_it() {
        let file = write(b"the name of a pod", 7, &seals(OURS));
        assert!(memchr::memmem::find(&file, b"pod").is_none());
    }

    proptest! {
        #[test]
        fn a_file_that_is_cut_or_changed_holds_nothing(
            feed in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let file = write(&feed, 7, &seals(OURS));
            prop_assert!(open(&file[..at.index(file.len())], 7, &seals(OURS)).is_err());
            let mut changed = file.clone();
            changed[at.index(file.len())] ^= flip;
            prop_assert!(open(&changed, 7, &seals(OURS)).is_err());
            let longer = [&file[..], b"x"].concat();
            prop_assert_eq!(open(&longer, 7, &seals(OURS)), Err(Cold::Broken));
        }
    }
}
