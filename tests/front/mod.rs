//! Something in front of a server that does to streams what bad proxies do.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does to answers.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Passes them on as they come.
    Passing,
    /// Keeps each until it is whole.
    Buffering,
    /// Ends the connection where nothing came for so long.
    Cutting(Duration),
}

/// Starts one before this address.
pub async fn front(to: SocketAddr, manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, to, manner));
        }
    });
    address
}

async fn pass(client: TcpStream, to: SocketAddr, manner: Manner) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut kept = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    loop {
        let patience = if let Manner::Cutting(after) = manner { after } else { Duration::from_hours(1) };
        let Ok(Ok(read @ 1..)) = tokio::time::timeout(patience, from_server.read(&mut piece)).await else {
            break;
        };
        if matches!(manner, Manner::Buffering) && !is_short_answer(&piece[..read]) {
            kept.extend_from_slice(&piece[..read]);
            continue;
        }
        if to_client.write_all(&piece[..read]).await.is_err() {
            break;
        }
    }
    let _ = to_client.write_all(&kept).await;
    let _ = to_client.shutdown().await;
    asking.abort();
}

/// Whether it is one that has an end, which a buffering proxy passes on as soon as it has it.
fn is_short_answer(piece: &[u8]) -> bool {
    String::from_utf8_lossy(piece).to_lowercase().contains("content-length:")
}
