//! The few things that have to be done to a runtime's socket from outside of the runtime.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use monoio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown};

/// Takes the socket out of the runtime. No operation on it may be under way.
#[must_use]
pub fn take(stream: TcpStream) -> OwnedFd {
    let fd = stream.into_raw_fd();
    // SAFETY: the stream has given up the descriptor, so this is its only owner.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Shuts down a stream's socket.
pub fn shut_down(stream: &TcpStream, how: Shutdown) {
    Shutdowner::of(stream).shut_down(how);
}

/// Takes what has come on a stream's socket, without waiting: 0 bytes where the peer has closed.
///
/// # Errors
/// [`Errno::AGAIN`] where there is nothing; else the connection is lost.
pub fn receive(stream: &TcpStream, into: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the stream is borrowed for longer than the call, and owns its descriptor.
    let socket = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
    rustix::net::recv(socket, into, RecvFlags::DONTWAIT).map(|(received, _)| received)
}

/// Whether the peer has closed, or has nothing more to say, which is as much for a stream.
pub fn has_left(stream: &TcpStream) -> bool {
    // SAFETY: the stream is borrowed for longer than the call, and owns its descriptor.
    let socket = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(socket, &mut [0u8; 1], flags) {
        Ok((_, 0)) => true,
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

/// The right to shut a socket down while a task waits on it: the way to end an operation that must not be cancelled.
pub struct Shutdowner(RawFd);

impl Shutdowner {
    /// Of this stream. To be dropped before the stream is closed or given away.
    #[must_use]
    pub fn of(stream: &TcpStream) -> Self {
        Shutdowner(stream.as_raw_fd())
    }

    /// Shuts it down.
    pub fn shut_down(&self, how: Shutdown) {
        // SAFETY: the descriptor is only borrowed for the call. A connection takes its shutdowner out of its core's list before its stream
        // is closed or given away (`Connection::end`, `Connection::into_socket`), so it is open, and still that socket.
        let socket = unsafe { BorrowedFd::borrow_raw(self.0) };
        // It fails only for a socket that is closed already by the peer.
        let _ = rustix::net::shutdown(socket, how);
    }
}
