//! What stands where in 64 bytes, as sets of bits: bit *n* stands for byte *n*.
//!
//! On x86-64 16 bytes are compared at a time, with what every such processor has (SSE2); elsewhere 8, in an ordinary register.

/// A piece of a line, cut without regard to what stands in it.
pub type Chunk = [u8; 64];

/// Where the bytes are by which strings and brackets are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// `"`
    pub quotes: u64,
    /// `\`
    pub backslashes: u64,
    /// `{` and `[`
    pub opening: u64,
    /// `}` and `]`
    pub closing: u64,
}

/// What makes `[` a `{` and `]` a `}`, and no other byte one of them.
const FOLD: u8 = b'{' ^ b'[';

#[cfg(not(target_arch = "x86_64"))]
pub use portable::{marks, plain};
#[cfg(target_arch = "x86_64")]
pub use sse2::{marks, plain};

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };

    use super::{Chunk, FOLD, Marks};

    /// The marks of a chunk.
    pub fn marks(chunk: &Chunk) -> Marks {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { marks_by_sse2(chunk) }
    }

    /// How many of the first bytes are ASCII that stands for itself in a string.
    pub fn plain(bytes: &[u8; 16]) -> usize {
        // SAFETY: as above.
        unsafe { plain_by_sse2(bytes) }
    }

    #[target_feature(enable = "sse2")]
    fn marks_by_sse2(chunk: &Chunk) -> Marks {
        let (lanes, _) = chunk.as_chunks::<16>();
        let lanes: [__m128i; 4] = std::array::from_fn(|at| lane(&lanes[at]));
        let folded = lanes.map(|lane| _mm_or_si128(lane, all(FOLD)));
        Marks {
            quotes: places(&lanes, b'"'),
            backslashes: places(&lanes, b'\\'),
            opening: places(&folded, b'{'),
            closing: places(&folded, b'}'),
        }
    }

    #[target_feature(enable = "sse2")]
    fn plain_by_sse2(bytes: &[u8; 16]) -> usize {
        let lane = lane(bytes);
        let is = |byte| _mm_cmpeq_epi8(lane, all(byte));
        // Compared with their sign, bytes beyond ASCII are the smallest.
        let strange = _mm_cmplt_epi8(lane, all(b' '));
        let ends = _mm_or_si128(strange, _mm_or_si128(is(b'"'), is(b'\\')));
        (_mm_movemask_epi8(ends) | 1 << 16).trailing_zeros() as usize
    }

    #[target_feature(enable = "sse2")]
    fn lane(bytes: &[u8; 16]) -> __m128i {
        let both = i128::from_le_bytes(*bytes);
        #[expect(clippy::cast_possible_truncation, reason = "each half by itself")]
        _mm_set_epi64x((both >> 64) as i64, both as i64)
    }

    #[target_feature(enable = "sse2")]
    fn all(byte: u8) -> __m128i {
        _mm_set1_epi8(byte.cast_signed())
    }

    #[target_feature(enable = "sse2")]
    fn places(lanes: &[__m128i; 4], byte: u8) -> u64 {
        let of = |lane| u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(lane, all(byte))).cast_unsigned());
        of(lanes[0]) | of(lanes[1]) << 16 | of(lanes[2]) << 32 | of(lanes[3]) << 48
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{Chunk, FOLD, Marks};

    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const LOW_BITS: u64 = ONES * 0x7F;

    /// The marks of a chunk.
    pub fn marks(chunk: &Chunk) -> Marks {
        let (words, _) = chunk.as_chunks::<8>();
        let words: [u64; 8] = std::array::from_fn(|at| u64::from_le_bytes(words[at]));
        let folded = words.map(|word| word | (ONES * u64::from(FOLD)));
        Marks {
            quotes: places(&words, b'"'),
            backslashes: places(&words, b'\\'),
            opening: places(&folded, b'{'),
            closing: places(&folded, b'}'),
        }
    }

    /// How many of the first bytes are ASCII that stands for itself in a string.
    pub fn plain(bytes: &[u8; 16]) -> usize {
        let is_plain = |byte: &u8| matches!(byte, b' '..=0x7F) && !matches!(byte, b'"' | b'\\');
        bytes.iter().position(|byte| !is_plain(byte)).unwrap_or(bytes.len())
    }

    fn places(words: &[u64; 8], byte: u8) -> u64 {
        words.iter().rev().fold(0, |places, word| (places << 8) | equal(*word, byte))
    }

    /// Which of a word's 8 bytes are this one.
    fn equal(word: u64, byte: u8) -> u64 {
        let other = word ^ (ONES * u64::from(byte));
        // The highest bit of each byte that is zero now; no byte carries into the next.
        let same = !(((other & LOW_BITS) + LOW_BITS) | other | LOW_BITS);
        // Gathers the eight bits, each 8 places from the next, in the highest byte.
        (same >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes among which those that count are frequent, and their neighbours too.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            proptest::sample::select(b"\"\\{}[]z|~;:!#\x7F\x1F \x80\xFB\xFD\xDB\xDD\x00\xFF".to_vec()),
            any::<u8>()
        ]
    }

    proptest! {
        #[test]
        fn each_mark_is_where_its_byte_is(bytes in proptest::collection::vec(byte(), 64)) {
            let chunk: Chunk = bytes.try_into().unwrap();
            let of = |wanted: &[u8]| {
                (0..64).filter(|at| wanted.contains(&chunk[*at])).map(|at| 1_u64 << at).sum::<u64>()
            };
            let expected =
                Marks { quotes: of(b"\""), backslashes: of(b"\\"), opening: of(b"{["), closing: of(b"}]") };
            prop_assert_eq!(marks(&chunk), expected);
            prop_assert_eq!(portable::marks(&chunk), expected);
        }

        #[test]
        fn what_is_plain_ends_before_what_is_not(bytes in proptest::collection::vec(prop_oneof![9 => Just(b'a'), 1 => byte()], 16)) {
            let bytes: [u8; 16] = bytes.try_into().unwrap();
            let strange = |byte: &u8| *byte < 0x20 || *byte > 0x7F || b"\"\\".contains(byte);
            let expected = bytes.iter().take_while(|byte| !strange(byte)).count();
            prop_assert_eq!(plain(&bytes), expected);
            prop_assert_eq!(portable::plain(&bytes), expected);
        }
    }
}
