//! The time that all processes of a run share: `CLOCK_MONOTONIC`, in microseconds.

use rustix::time::{ClockId, clock_gettime};

/// Stamps are this wide, so that they fit the number that carries them through a row.
const STAMP_BITS: u32 = 31;

/// Microseconds since some moment that is the same for every process.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).expect("the monotonic clock is not negative");
    seconds * 1_000_000 + u64::try_from(time.tv_nsec).expect("nanoseconds are not negative") / 1000
}

/// How long ago a stamp was made, in microseconds; `None` for a number that is no recent stamp.
pub fn since(stamp: u32, now: u64) -> Option<u64> {
    const RECENT: u64 = 600_000_000;
    // What restarts by itself does so fewer times.
    const LEAST: u32 = 1 << 20;
    if stamp < LEAST {
        return None;
    }
    let passed = now.wrapping_sub(u64::from(stamp)) & ((1 << STAMP_BITS) - 1);
    Some(passed).filter(|passed| *passed < RECENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_low_bits_of_the_time() {
        let then = (5 << STAMP_BITS) - 10;
        let stamp = u32::try_from(then & ((1 << STAMP_BITS) - 1)).unwrap();
        assert_eq!(since(stamp, then + 30), Some(30));
        assert_eq!(since(stamp, then - 1), None);
        assert_eq!(since(stamp, then + 700_000_000), None);
        assert_eq!(since(3, 10), None);
    }
}
