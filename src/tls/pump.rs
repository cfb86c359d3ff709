//! Moves the bytes between a TLS connection and a core's end of a pair of sockets.
//!
//! Nothing is read that cannot be passed on: of what the client does not take, a piece waits here, one in the session and one in the pair, and
//! then the core sees a full socket, as it would with cleartext. An idle pump holds no buffer. An end of either side is passed on to the other:
//! the client's as an end of what is sent, so that its answer still comes; the core's as `close_notify` and an end, behind all that came before.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

/// Bytes that are moved at once: a record of TLS.
const PIECE: usize = 16 * 1024;

/// How long a client may take for the rest once the core has closed; and how long it is listened to then, so that what it still sends does
/// not make the kernel drop the answer.
const REST: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(1);

/// A connection's two ends, and what is on its way between them.
pub(super) struct Pump {
    client: TlsStream<TcpStream>,
    core: UnixStream,
    /// Read from the core, and not taken by the session yet.
    for_client: Vec<u8>,
    /// Read from the client, and not taken by the core yet.
    for_core: Vec<u8>,
    client_ended: bool,
    core_ended: bool,
    /// How long a client may take nothing.
    stall: Duration,
    /// Whether nothing waits for the client.
    idle: bool,
    /// Runs while the client takes nothing of what waits for it.
    stalling: Option<Pin<Box<Sleep>>>,
}

impl Pump {
    pub(super) fn new(client: TlsStream<TcpStream>, core: UnixStream, stall: Duration) -> Self {
        Pump {
            client,
            core,
            for_client: Vec::new(),
            for_core: Vec::new(),
            client_ended: false,
            core_ended: false,
            stall,
            idle: true,
            stalling: None,
        }
    }

    /// Moves bytes until the core has closed and the client has all, or the client is gone.
    pub(super) async fn run(mut self) {
        if std::future::poll_fn(|context| self.poll(context)).await.is_err() || self.client_ended {
            return;
        }
        let rest = std::future::poll_fn(|context| self.poll_to_core(context));
        let _ = tokio::time::timeout(LINGER, rest).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.client_ended
            && let Poll::Ready(ended) = self.poll_to_core(context)
        {
            ended?;
            self.client_ended = true;
        }
        self.idle = false;
        match self.poll_to_client(context) {
            Poll::Pending if !self.idle => self.poll_stalling(context).map(Err),
            done => done,
        }
    }

    /// Ready when the client has all, and its end.
    fn poll_to_client(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.for_client.is_empty() {
                let taken = ready!(Pin::new(&mut self.client).poll_write(context, &self.for_client))?;
                self.for_client.drain(..taken);
                self.stalling = None;
            }
            self.for_client = Vec::new();
            if self.core_ended {
                return Pin::new(&mut self.client).poll_shutdown(context);
            }
            let mut room = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut room);
            if Pin::new(&mut self.core).poll_read(context, &mut piece).is_pending() {
                ready!(Pin::new(&mut self.client).poll_flush(context))?;
                self.idle = true;
                self.stalling = None;
                return Poll::Pending;
            }
            let piece = piece.filled();
            self.core_ended = piece.is_empty();
            let taken = match Pin::new(&mut self.client).poll_write(context, piece)? {
                Poll::Ready(taken) => taken,
                Poll::Pending => 0,
            };
            self.for_client.extend_from_slice(&piece[taken..]);
        }
    }

    /// Ready when the client sends no more.
    fn poll_to_core(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.for_core.is_empty() {
                match ready!(Pin::new(&mut self.core).poll_write(context, &self.for_core)) {
                    Ok(taken) => drop(self.for_core.drain(..taken)),
                    // The core has closed, and wants no more.
                    Err(_) => return Poll::Ready(Ok(())),
                }
            }
            self.for_core = Vec::new();
            let mut room = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut room);
            let read = match ready!(Pin::new(&mut self.client).poll_read(context, &mut piece)) {
                // Without `close_notify`, as many clients do it. A request that is cut short is none, so nothing is lost by it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                read => read,
            };
            read?;
            if piece.filled().is_empty() {
                return Pin::new(&mut self.core).poll_shutdown(context).map(|_| Ok(()));
            }
            self.for_core.extend_from_slice(piece.filled());
        }
    }

    /// Ready when the client has taken nothing for too long, while there was something for it.
    fn poll_stalling(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let limit = if self.core_ended { REST } else { self.stall };
        let stalling = self.stalling.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalling.as_mut().poll(context));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}
