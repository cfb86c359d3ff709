//! Names and origins of servers, as `Host`, `Origin` and the settings write them.
//!
//! One parser reads all three, so that what is compared was read the same way: lower case, without a trailing dot, addresses in their
//! canonical form. It takes no user information, no escapes and no white space; what other parsers might read differently is no name here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// A DNS name, in lower case and without a trailing dot.
    Dns(Box<str>),
    /// An address; an IPv4-mapped one counts as IPv4.
    Address(IpAddr),
}

impl HostName {
    /// Whether it can only mean the machine itself: `localhost`, 127.0.0.0/8, `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            HostName::Dns(name) => **name == *"localhost",
            HostName::Address(address) => address.is_loopback(),
        }
    }
}

/// A host, perhaps with a port: the value of a `Host` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: HostName,
    /// The port, where one is given.
    pub port: Option<u16>,
}

/// What a browser calls an origin (RFC 6454): scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether its scheme is `https`; else it is `http`.
    pub secure: bool,
    /// The host.
    pub host: HostName,
    /// The port; the scheme's own where none was given.
    pub port: u16,
}

/// Why a text is no host or no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrigin {
    /// Neither a DNS name nor an address.
    #[error("has no host name: letters, digits, `-`, `_` and `.`, or an address, an IPv6 one in brackets")]
    Host,
    /// What stands behind the colon.
    #[error("has no port of 0 to 65535 behind its colon")]
    Port,
    /// Another scheme, or none.
    #[error("does not start with `https://` or `http://`")]
    Scheme,
    /// Something behind host and port.
    #[error("has something behind host and port")]
    Path,
}

/// The longest DNS name (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 253;

impl FromStr for HostName {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(NotAnOrigin::Host)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| NotAnOrigin::Host)?;
            return Ok(HostName::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(HostName::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let labels = name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain));
        if !labels || name.len() > LONGEST_NAME {
            return Err(NotAnOrigin::Host);
        }
        Ok(HostName::Dns(name.to_ascii_lowercase().into()))
    }
}

impl FromStr for Authority {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let colon = text.rfind(':').filter(|colon| !text[*colon..].contains(']'));
        let (host, port) = match colon {
            Some(colon) => (&text[..colon], &text[colon + 1..]),
            None => (text, ""),
        };
        let host = host.parse()?;
        if port.is_empty() {
            return Ok(Authority { host, port: None });
        }
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAnOrigin::Port);
        }
        Ok(Authority { host, port: Some(port.parse().map_err(|_| NotAnOrigin::Port)?) })
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let (scheme, rest) = text.split_once("://").ok_or(NotAnOrigin::Scheme)?;
        let secure = if scheme.eq_ignore_ascii_case("https") {
            true
        } else if scheme.eq_ignore_ascii_case("http") {
            false
        } else {
            return Err(NotAnOrigin::Scheme);
        };
        if rest.contains(['/', '?', '#']) {
            return Err(NotAnOrigin::Path);
        }
        let Authority { host, port } = rest.parse()?;
        Ok(Origin { secure, host, port: port.unwrap_or(default_port(secure)) })
    }
}

impl Origin {
    /// Whether a request to this host and port may be one to this origin; a port that is not given is the scheme's own.
    #[must_use]
    pub fn is_at(&self, authority: &Authority) -> bool {
        self.host == authority.host && self.port == authority.port.unwrap_or(default_port(self.secure))
    }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostName::Dns(name) => f.write_str(name),
            HostName::Address(IpAddr::V4(address)) => address.fmt(f),
            HostName::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Origin {
    /// As a browser writes it: without the scheme's own port, and without a slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default_port(self.secure) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Result<String, NotAnOrigin> {
        text.parse::<Authority>().map(|authority| authority.to_string())
    }

    fn origin(text: &str) -> Result<String, NotAnOrigin> {
        text.parse::<Origin>().map(|origin| origin.to_string())
    }

    #[test]
    fn spellings_of_one_host_are_equal() {
        for (text, shown) in [
            ("Foretop.Example", "foretop.example"),
            ("foretop.example.", "foretop.example"),
            ("foretop.example:", "foretop.example"),
            ("foretop.example.:08443", "foretop.example:8443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[0:0::0:1]:8080", "[::1]:8080"),
            ("[::FFFF:127.0.0.1]", "127.0.0.1"),
            ("my_host-1", "my_host-1"),
        ] {
            assert_eq!(authority(text).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn what_another_parser_may_read_otherwise_is_no_host() {
        let long = format!("{}a", "a.".repeat(127));
        for text in [
            "",
            ".",
            "..",
            ":80",
            "a..b",
            ".a",
            "a b",
            " a",
            "a,b",
            "user@host",
            "user:pw@host:80",
            "host/path",
            "host?x",
            "host#x",
            "host\\x",
            "%6cocalhost",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[fe80::1%eth0]",
            "[::1]]",
            "[127.0.0.1]",
            "héllo",
            "a\0b",
            &long,
        ] {
            assert!(matches!(authority(text), Err(NotAnOrigin::Host | NotAnOrigin::Port)), "{text:?}");
        }
        for text in ["host:x", "host:+80", "host:-1", "host:65536", "host:80 ", "[::1]:99999"] {
            assert_eq!(authority(text), Err(NotAnOrigin::Port), "{text:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, shown) in [
            ("https://Foretop.example", "https://foretop.example"),
            ("HTTPS://foretop.example:443", "https://foretop.example"),
            ("http://foretop.example:443", "http://foretop.example:443"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(shown), "{text}");
        }
        for (text, why) in [
            ("null", NotAnOrigin::Scheme),
            ("foretop.example", NotAnOrigin::Scheme),
            ("ftp://foretop.example", NotAnOrigin::Scheme),
            ("https://foretop.example/", NotAnOrigin::Path),
            ("https://foretop.example/live", NotAnOrigin::Path),
            ("https://foretop.example?x", NotAnOrigin::Path),
            ("https://user@foretop.example", NotAnOrigin::Host),
            ("https://", NotAnOrigin::Host),
            ("https://*.example", NotAnOrigin::Host),
        ] {
            assert_eq!(origin(text), Err(why), "{text}");
        }
    }

    #[test]
    fn names_that_only_mean_this_machine() {
        for (text, is) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("127.0.0.1", true),
            ("127.99.1.2", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("127.1", false),
            ("2130706433", false),
            ("0x7f.0.0.1", false),
            ("0.0.0.0", false),
            ("localhost.example", false),
            ("127.0.0.1.nip.io", false),
            ("[::]", false),
        ] {
            assert_eq!(text.parse::<HostName>().expect("a host").is_loopback(), is, "{text}");
        }
    }

    #[test]
    fn a_port_that_is_not_given_is_the_schemes_own() {
        let at = |origin: &str, authority: &str| {
            let origin: Origin = origin.parse().expect("an origin");
            origin.is_at(&authority.parse().expect("an authority"))
        };
        assert!(at("https://a", "a") && at("https://a", "a:443") && at("http://a", "A."));
        assert!(!at("https://a", "a:80") && !at("http://a:8080", "a") && !at("https://a", "b"));
    }
}
