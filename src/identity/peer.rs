//! Who is at the other end of a connection, as far as the connection itself shows.

use std::net::SocketAddr;
use std::sync::Arc;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address: of a proxy in front, where there is one.
    pub address: SocketAddr,
    /// How it came over TLS; `None` for cleartext.
    pub tls: Option<Arc<TlsPeer>>,
}

/// What a TLS handshake with us has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPeer {
    /// The names (DNS and URI subject alternative names) in the client's certificate, which was verified; none without one.
    pub names: Vec<String>,
}

impl Peer {
    /// A peer that came in cleartext.
    #[must_use]
    pub fn cleartext(address: SocketAddr) -> Self {
        Peer { address, tls: None }
    }
}
