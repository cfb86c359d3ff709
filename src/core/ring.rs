//! Sending to many sockets at once.
//!
//! One ring per core, beside the runtime's own, only for sends: up to [`BATCH`] of them are given to the kernel in one call. Each is `MSG_DONTWAIT`,
//! so it is done (or refused) when the call returns, and its bytes need to live no longer than the call. Where `io_uring` is not
//! to be had, the same batch is a loop of send(2).

use std::io;
use std::os::fd::RawFd;

use io_uring::{IoUring, opcode, types};

/// Sends in one call to the kernel. More brings nothing that shows above the noise; a larger batch only makes others wait.
pub const BATCH: usize = 256;

/// Bytes for one socket.
pub struct Send<'a> {
    /// An open, non-blocking socket.
    pub fd: RawFd,
    /// What it is to take; not empty.
    pub bytes: &'a [u8],
}

/// What became of one send.
pub struct Sent {
    /// Bytes that the socket was given.
    pub given: usize,
    /// How many of them it took, or the errno.
    pub taken: io::Result<usize>,
}

/// How a core sends.
pub enum Sender {
    /// Through a ring of its own.
    Ring(Box<IoUring>),
    /// By send(2), one at a time.
    Direct,
}

const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

impl Sender {
    /// A sender through a ring where the runtime has one too and the kernel grants another; else by send(2).
    #[must_use]
    pub fn new(ring: bool) -> Self {
        if !ring {
            return Sender::Direct;
        }
        let built = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .build(u32::try_from(BATCH).expect("a small number"));
        match built {
            Ok(ring) => Sender::Ring(Box::new(ring)),
            Err(error) => {
                tracing::warn!(%error, "core.ring_refused: sending by send(2)");
                Sender::Direct
            }
        }
    }

    /// Sends a batch of at most [`BATCH`] and appends what became of each, in order.
    pub fn send<'a>(&mut self, batch: impl Iterator<Item = Send<'a>>, sent: &mut Vec<Sent>) {
        match self {
            Sender::Ring(ring) => send_by_ring(ring, batch, sent),
            Sender::Direct => sent.extend(batch.map(|send| send_directly(&send))),
        }
    }
}

fn send_directly(send: &Send<'_>) -> Sent {
    // SAFETY: the pointer and the length are those of a live slice; a bad descriptor is an error, not undefined.
    let taken = unsafe { libc::send(send.fd, send.bytes.as_ptr().cast(), send.bytes.len(), FLAGS) };
    let taken = usize::try_from(taken).map_err(|_| io::Error::last_os_error());
    Sent { given: send.bytes.len(), taken }
}

fn send_by_ring<'a>(ring: &mut IoUring, batch: impl Iterator<Item = Send<'a>>, sent: &mut Vec<Sent>) {
    let base = sent.len();
    let mut queue = ring.submission();
    for (index, send) in batch.enumerate() {
        assert!(index < BATCH, "a batch fits the ring");
        sent.push(Sent { given: send.bytes.len(), taken: Ok(0) });
        let length = u32::try_from(send.bytes.len()).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(types::Fd(send.fd), send.bytes.as_ptr(), length)
            .flags(FLAGS)
            .build()
            .user_data(index as u64);
        // SAFETY: the bytes outlive the operation, since this function returns only after every completion was seen (below). The
        // queue has room: it holds BATCH entries and was empty, as each call consumes all that it queued.
        unsafe { queue.push(&entry).expect("the queue was empty and the batch fits") };
    }
    drop(queue);
    let mut open = sent.len() - base;
    while open > 0 {
        if let Err(error) = ring.submit_and_wait(open) {
            // A signal, or a full completion queue that the loop below empties. Nothing else can be returned for a ring and entries that
            // the kernel has accepted before; and returning with sends in flight would be unsound.
            assert!(
                matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)),
                "io_uring_enter failed: {error}"
            );
        }
        for done in ring.completion() {
            let index = usize::try_from(done.user_data()).expect("an index of this batch");
            sent[base + index].taken =
                usize::try_from(done.result()).map_err(|_| io::Error::from_raw_os_error(-done.result()));
            open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn both() -> [Sender; 2] {
        [Sender::new(true), Sender::new(false)]
    }

    #[test]
    fn a_batch_reaches_every_socket() {
        for mut sender in both() {
            let pairs: Vec<_> =
                (0..BATCH).map(|_| UnixStream::pair().expect("socket pairs can be made")).collect();
            let texts: Vec<_> = (0..BATCH).map(|index| format!("hello {index}")).collect();
            let batch: Vec<_> = pairs
                .iter()
                .zip(&texts)
                .map(|((end, _), text)| Send { fd: end.as_raw_fd(), bytes: text.as_bytes() })
                .collect();
            let mut sent = Vec::new();
            sender.send(batch.into_iter(), &mut sent);
            for (((_, other), text), sent) in pairs.iter().zip(&texts).zip(sent) {
                assert_eq!((sent.given, sent.taken.expect("it was sent")), (text.len(), text.len()));
                let mut buffer = vec![0; text.len()];
                (&*other).read_exact(&mut buffer).expect("it is there");
                assert_eq!(buffer, text.as_bytes());
            }
        }
    }

    #[test]
    fn a_full_socket_and_a_closed_one_are_told_apart_and_hold_up_nobody() {
        for mut sender in both() {
            let (full, _kept) = UnixStream::pair().expect("a pair");
            let (closed, other) = UnixStream::pair().expect("a pair");
            drop(other);
            let (fine, _kept_too) = UnixStream::pair().expect("a pair");
            let much = vec![b'x'; 1 << 20];
            let mut sent = Vec::new();
            for _ in 0..16 {
                sender.send(std::iter::once(Send { fd: full.as_raw_fd(), bytes: &much }), &mut sent);
            }
            sent.clear();
            let batch = [(&full, &much[..]), (&closed, b"x"), (&fine, b"x")]
                .map(|(end, bytes)| Send { fd: end.as_raw_fd(), bytes });
            sender.send(batch.into_iter(), &mut sent);
            assert_eq!(sent[0].taken.as_ref().expect_err("full").kind(), io::ErrorKind::WouldBlock);
            assert_eq!(sent[1].taken.as_ref().expect_err("closed").kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(*sent[2].taken.as_ref().expect("fine"), 1);
        }
    }
}
