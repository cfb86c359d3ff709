//! Kubernetes' resourceVersion, as a number that can be compared.

use std::fmt;
use std::str::FromStr;

/// A resourceVersion: a decimal number of up to 128 bits.
///
/// Comparable only between objects of one kind of one cluster (KEP-5504). The empty string and anything that is not a
/// plain decimal number is refused, since such a version has no order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rv(pub u128);

/// The text was no resourceVersion.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a decimal resourceVersion of at most 128 bits")]
pub struct NotAnRv;

impl FromStr for Rv {
    type Err = NotAnRv;

    /// Accepts `0` and decimal digits without a leading zero or sign: exactly what the apiserver prints, so that an id
    /// that was printed by us parses to what it was printed from, and no two texts name one version.
    fn from_str(text: &str) -> Result<Self, NotAnRv> {
        let digits = text.as_bytes();
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !plain || (digits[0] == b'0' && digits.len() > 1) {
            return Err(NotAnRv);
        }
        text.parse().map(Rv).map_err(|_| NotAnRv)
    }
}

impl fmt::Display for Rv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Rv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rv {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_apiserver_prints_is_a_version() {
        assert_eq!("0".parse(), Ok(Rv(0)));
        assert_eq!("1839".parse(), Ok(Rv(1839)));
        assert_eq!(u128::MAX.to_string().parse(), Ok(Rv(u128::MAX)));
        for bad in ["", "abc", "-1", "+1", "01", " 1", "1 ", "1.0", "340282366920938463463374607431768211456"]
        {
            assert_eq!(bad.parse::<Rv>(), Err(NotAnRv), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(number: u128) {
            proptest::prop_assert_eq!(Rv(number).to_string().parse(), Ok(Rv(number)));
        }

        #[test]
        fn no_two_texts_name_one_version(text in "[0-9+ -]{0,40}") {
            if let Ok(rv) = text.parse::<Rv>() {
                proptest::prop_assert_eq!(rv.to_string(), text);
            }
        }
    }
}
