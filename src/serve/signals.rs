//! What ends a process in order, and what ends it at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ServeError, Server};

/// Waits for SIGTERM or SIGINT, then drains; a second signal ends the process at once.
///
/// # Errors
/// When signals cannot be received.
pub async fn until_signalled(server: &Server) -> Result<(), ServeError> {
    let mut signals = Signals::new()?;
    signals.next().await;
    tokio::select! {
        () = server.drain() => {}
        () = signals.next() => tracing::warn!("server.killed: a second signal"),
    }
    Ok(())
}

/// SIGTERM and SIGINT: what ends a process in order.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Signals { terminate, interrupt })
    }

    /// Waits for the next of either.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
