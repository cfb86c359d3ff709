//! Blocks of addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Any address of the block.
    pub address: IpAddr,
    /// Leading bits that count.
    pub bits: u8,
}

impl Cidr {
    /// Whether the block holds the address (an IPv4-mapped IPv6 address counts as IPv4).
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address.to_canonical(), peer.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                mask & (a.to_bits() ^ b.to_bits()) == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                mask & (a.to_bits() ^ b.to_bits()) == 0
            }
            _ => false,
        }
    }
}

/// Why a text is no block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACidr {
    /// What stands before the `/`, or the whole text.
    #[error("does not start with an IP address")]
    Address,
    /// What stands behind the `/`.
    #[error("needs 0 to {most} bits behind the slash")]
    Bits {
        /// The bits of an address of this family.
        most: u8,
    },
    /// `::ffff:10.0.0.0/104`: nobody could say which bits are meant.
    #[error("is an IPv4 block in IPv6 clothing")]
    Mapped,
}

impl FromStr for Cidr {
    type Err = NotACidr;

    /// Reads `10.0.0.0/8`, `fd00::/8`, or an address, which is a block of its own.
    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NotACidr::Address)?;
        if address != address.to_canonical() {
            return Err(NotACidr::Mapped);
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= most).ok_or(NotACidr::Bits { most })?
            }
            Some(_) => return Err(NotACidr::Bits { most }),
        };
        Ok(Cidr { address, bits })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(block: &str, peer: &str) -> bool {
        block.parse::<Cidr>().expect("a block").contains(peer.parse().expect("an address"))
    }

    #[test]
    fn a_block_holds_its_own_addresses_only() {
        assert!(holds("10.1.0.0/16", "10.1.255.255"));
        assert!(!holds("10.1.0.0/16", "10.2.0.0"));
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("fd00::/8", "fdff::1"));
        assert!(!holds("fd00::/8", "fe00::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("192.0.2.7", "192.0.2.7"));
        assert!(!holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(!holds("::/0", "192.0.2.1"));
    }

    #[test]
    fn what_is_no_block() {
        for (text, error) in [
            ("10.0.0.0/33", NotACidr::Bits { most: 32 }),
            ("10.0.0.0/", NotACidr::Bits { most: 32 }),
            ("10.0.0.0/+8", NotACidr::Bits { most: 32 }),
            ("fd00::/129", NotACidr::Bits { most: 128 }),
            ("10.0.0/8", NotACidr::Address),
            ("proxy.example", NotACidr::Address),
            ("::ffff:10.0.0.0/104", NotACidr::Mapped),
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
        }
    }
}
