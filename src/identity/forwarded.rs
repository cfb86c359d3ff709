//! Whose address a request comes from, where proxies stand in between.
//!
//! Each proxy appends to `X-Forwarded-For` the address that it was asked from. What stands to the right was written by the nearest, so
//! the list is read from there for as long as those who wrote it are trusted (`server.trustedProxies`); what stands further to the left is
//! anybody's invention.

use std::net::{IpAddr, SocketAddr};

use crate::config::Cidr;

/// Proxies in a row that are believed in.
const MOST_HOPS: usize = 32;

/// The client's address: of the peer, or, where that is a trusted proxy, the rightmost address of `X-Forwarded-For` that is not one. At an entry that
/// is no address nothing further is known, and the proxy that passed it on counts as the client.
pub fn client<'a>(
    peer: IpAddr,
    trusted: &[Cidr],
    headers: impl DoubleEndedIterator<Item = (&'a str, &'a [u8])>,
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|block| block.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let hops = headers
        .rev()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"))
        .flat_map(|(_, value)| value.rsplit(|byte| *byte == b','));
    for hop in hops.take(MOST_HOPS) {
        let Some(address) = address(hop) else { return client };
        client = address;
        if !is_trusted(client) {
            return client;
        }
    }
    client
}

/// An entry: an address; some proxies write the port too, and brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().expect("a block"), "fd00::/8".parse().expect("a block")];
        let headers = lines.iter().map(|line| ("x-forwarded-for", line.as_bytes()));
        client(peer.parse().expect("an address"), &trusted, headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_say_who_the_client_is() {
        assert_eq!(of("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(of("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(of("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["192.0.2.66, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["192.0.2.66", "198.51.100.1", "10.0.0.2"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "a client among the proxies");
    }

    #[test]
    fn an_entry_may_have_a_port_and_brackets() {
        for (entry, shown) in [
            ("198.51.100.1:4711", "198.51.100.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(of("10.0.0.1", &[entry]), shown);
        }
    }

    #[test]
    fn behind_what_is_no_address_nothing_is_known() {
        for bad in ["unknown", "_hidden", "", "198.51.100.1, ", "198.51.100.1;x", "1.2.3", "\u{e9}"] {
            assert_eq!(of("10.0.0.1", &[bad]), "10.0.0.1", "{bad}");
            assert_eq!(of("10.0.0.1", &[&format!("198.51.100.1, {bad}, 10.0.0.2")]), "10.0.0.2", "{bad}");
        }
        let endless = "10.0.0.2,".repeat(5000) + "10.0.0.2";
        assert_eq!(of("10.0.0.1", &[&format!("198.51.100.1,{endless}")]), "10.0.0.2");
    }

    /// One entry, and its address as a proxy that reads it means it.
    fn entry() -> impl Strategy<Value = (String, Option<IpAddr>)> {
        prop_oneof![
            4 => (0_u8..3, 0_u8..3).prop_map(|(a, b)| {
                let address = IpAddr::from([[10, 11, 203][usize::from(a)], 0, 0, b]);
                (address.to_string(), Some(address))
            }),
            1 => (0_u8..3).prop_map(|b| {
                let address: IpAddr = format!("fd00::{b}").parse().expect("an address");
                (format!("[{address}]:80"), Some(address))
            }),
            1 => "[a-z0-9.:\\[\\] ]{0,6}x".prop_map(|text| (text, None)),
        ]
    }

    proptest! {
        #[test]
        fn it_is_the_first_untrusted_one_from_the_right(
            peer in 0_u8..2,
            lines in proptest::collection::vec(proptest::collection::vec(entry(), 1..4), 0..4),
        ) {
            let trusted = |address: &IpAddr| address.to_string().starts_with("10.") || address.to_string().starts_with("fd00:");
            let peer = IpAddr::from([if peer == 0 { 10 } else { 203 }, 0, 0, 1]);
            // The way of the request, nearest first.
            let mut way = vec![Some(peer)];
            way.extend(lines.iter().flatten().rev().map(|(_, address)| *address));
            let mut expected = peer;
            for hop in way {
                let Some(hop) = hop else { break };
                expected = hop;
                if !trusted(&hop) { break }
            }
            let texts: Vec<String> = lines
                .iter()
                .map(|line| line.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", "))
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(of(&peer.to_string(), &texts), expected.to_string());
        }
    }
}
