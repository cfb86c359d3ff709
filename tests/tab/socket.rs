//! What a client speaks over: cleartext, or TLS with the servers that are known to speak it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What a connection may run over.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

static OVER_TLS: Mutex<BTreeMap<SocketAddr, Arc<ClientConfig>>> = Mutex::new(BTreeMap::new());

/// From now on clients speak TLS with this server, as `localhost`.
pub fn speaks_tls(server: SocketAddr, client: ClientConfig) {
    OVER_TLS.lock().expect("no panic under this lock").insert(server, Arc::new(client));
}

/// The server is gone; another may have its address.
pub fn is_gone(server: SocketAddr) {
    OVER_TLS.lock().expect("no panic under this lock").remove(&server);
}

/// A connection to this server, once it can be written to.
pub async fn over(socket: TcpStream, server: SocketAddr) -> io::Result<Box<dyn Socket>> {
    let client = OVER_TLS.lock().expect("no panic under this lock").get(&server).cloned();
    let Some(client) = client else { return Ok(Box::new(socket)) };
    let name = "localhost".try_into().expect("a name");
    Ok(Box::new(TlsConnector::from(client).connect(name, socket).await?))
}
